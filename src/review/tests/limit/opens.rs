//! OBP318: connections that a write opens for undeclared peers.

use serde_json::{Value, json};

use super::super::support::{Found, config_of, row};
use super::{namespace, specified};
use crate::code::EnforcementPoint;
use crate::config::Baseline::{self, Classic, V01, V04};
use crate::rules::Code::Obp318;
use crate::rules::Level::{Deny, Warn};

const INGRESS: &str = "spec.ingress.enabled";
const GATEWAY: &str = "spec.gateway.gatewayRef.namespace";
const PROFILE: &str = "spec.profile";
const EGRESS: &str = "spec.network.egressRules";

/// Findings about opened connections.
fn opened(baseline: Baseline, before: Option<&Value>, after: &Value) -> Vec<Found> {
    let mut found = specified(config_of(baseline), before, after);
    found.retain(|found| found.0 == Obp318);
    found
}

fn at(paths: &[&str]) -> Vec<Found> {
    paths
        .iter()
        .map(|path| row(Obp318, Warn, path, ""))
        .collect()
}

fn ingress(enabled: bool) -> Value {
    json!({"ingress": {"enabled": enabled, "host": "bao.example.org"}})
}

fn gateway(namespace: &str) -> Value {
    json!({"gateway": {"enabled": true, "gatewayRef": {"name": "edge", "namespace": namespace}}})
}

#[test]
fn obp318_an_ingress_admits_everyone_in_the_oldest_baseline() {
    let on = ingress(true);
    assert_eq!(opened(Classic, None, &on), at(&[INGRESS]));
    assert_eq!(opened(Classic, Some(&ingress(false)), &on), at(&[INGRESS]));
    assert_eq!(opened(Classic, Some(&json!({})), &on), at(&[INGRESS]));
    assert_eq!(opened(Classic, Some(&on), &on), []);
    assert_eq!(opened(Classic, None, &ingress(false)), []);
    for baseline in [V01, V04] {
        assert_eq!(opened(baseline, None, &on), [], "{baseline}");
    }
    let mut strict = config_of(Classic);
    strict.levels.set(Obp318, EnforcementPoint::Webhook, Deny);
    let denied = row(Obp318, Deny, INGRESS, "");
    assert!(specified(strict, None, &on).contains(&denied));
}

#[test]
fn obp318_a_gateway_that_moves_opens_the_port_to_another_namespace() {
    let edge = gateway("edge");
    for baseline in [Classic, V01] {
        for before in [json!({}), gateway("bao"), gateway(""), gateway("tenant")] {
            let found = opened(baseline, Some(&before), &edge);
            assert_eq!(found, at(&[GATEWAY]), "{baseline} {before}");
        }
        for (before, after) in [
            (&edge, &edge),
            (&edge, &gateway("bao")),
            (&edge, &json!({})),
        ] {
            assert_eq!(opened(baseline, Some(before), after), [], "{baseline}");
        }
        assert_eq!(opened(baseline, None, &edge), [], "{baseline}");
    }
    assert_eq!(opened(V04, Some(&gateway("tenant")), &edge), []);
    // A peer that was declared before is not admitted by the Gateway.
    let declared = json!({"trustedIngressPeers": [namespace("edge")]});
    let (mut before, mut after) = (gateway("tenant"), edge);
    before["network"] = declared.clone();
    after["network"] = declared;
    assert_eq!(opened(V01, Some(&before), &after), []);
}

#[test]
fn obp318_a_hardened_cluster_that_is_none_any_more() {
    let spec = |profile: &str, egress: Value| json!({"profile": profile, "network": {"egressRules": egress}});
    let storage =
        json!([{"to": [{"ipBlock": {"cidr": "192.0.2.40/32"}}], "ports": [{"port": 443}]}]);
    let hardened = spec("Hardened", storage.clone());
    for baseline in Baseline::ALL {
        for after in ["Development", "", "Other"] {
            let after = spec(after, storage.clone());
            let found = opened(baseline, Some(&hardened), &after);
            assert_eq!(found, at(&[PROFILE]), "{baseline} {after}");
        }
        let other = spec("Development", storage.clone());
        assert_eq!(opened(baseline, Some(&other), &hardened), [], "{baseline}");
        assert_eq!(opened(baseline, None, &other), [], "{baseline}");
    }
    // With the fallback of a Development cluster, one finding reports both.
    let bare = spec("Development", json!([]));
    assert_eq!(opened(V01, Some(&hardened), &bare), at(&[PROFILE]));
}

#[test]
fn obp318_a_development_cluster_without_egress_rules_gets_the_fallback_back() {
    let storage =
        json!([{"to": [{"ipBlock": {"cidr": "192.0.2.40/32"}}], "ports": [{"port": 443}]}]);
    let everywhere = json!([{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}],
        "ports": [{"port": 443}]}]);
    let spec =
        |egress: &Value| json!({"profile": "Development", "network": {"egressRules": egress}});
    let bare = spec(&json!([]));
    for baseline in [V01, V04] {
        assert_eq!(
            opened(baseline, Some(&spec(&storage)), &bare),
            at(&[EGRESS])
        );
        assert_eq!(opened(baseline, Some(&spec(&everywhere)), &bare), []);
        assert_eq!(opened(baseline, Some(&bare), &bare), []);
        assert_eq!(opened(baseline, None, &bare), []);
        let found = opened(baseline, Some(&json!({})), &bare);
        assert_eq!(found, at(&[PROFILE]), "{baseline}");
    }
    // Before 0.1 the jobs were not isolated.
    assert_eq!(opened(Classic, Some(&spec(&storage)), &bare), []);
}
