//! OBP606, and OBP603 for snapshots before upgrades.

use serde_json::{Value, json};

use super::{advised, block, codes, namespace, to};
use crate::config::Baseline::{self, Classic, V01, V04};
use crate::rules::Code::{Obp603, Obp606};
use crate::rules::{Level, Onset};

fn gateway(namespace: &str, network: &Value) -> Value {
    json!({"gateway": {"enabled": true, "gatewayRef": {"name": "edge", "namespace": namespace}}, "network": network})
}

fn ingress(network: &Value) -> Value {
    json!({"ingress": {"enabled": true, "host": "bao.example.org"}, "network": network})
}

fn shut(baseline: Baseline, spec: &Value) -> bool {
    let found = advised(baseline, None, spec);
    assert!(
        found
            .iter()
            .all(|one| one.code == Obp606 && one.level == Level::Warn),
        "{found:?}"
    );
    !found.is_empty()
}

#[test]
fn obp606_a_gateway_of_another_namespace_is_admitted_by_the_older_baselines_only() {
    let other = gateway("edge", &json!({}));
    assert_eq!(
        [Classic, V01, V04].map(|baseline| shut(baseline, &other)),
        [false, false, true]
    );
}

#[test]
fn obp606_a_gateway_of_the_same_namespace_is_admitted_by_none() {
    let own = gateway("bao", &json!({}));
    assert_eq!(
        [Classic, V01, V04].map(|baseline| shut(baseline, &own)),
        [true; 3]
    );
    let reason = advised(V01, None, &own).remove(0).reason;
    assert!(
        reason.contains("in the cluster's own namespace"),
        "{reason}"
    );
}

#[test]
fn obp606_an_ingress_is_admitted_by_the_oldest_baseline_only() {
    let on = ingress(&json!({}));
    assert_eq!(
        [Classic, V01, V04].map(|baseline| shut(baseline, &on)),
        [false, true, true]
    );
}

#[test]
fn obp606_a_declared_peer_is_believed_to_be_the_proxy() {
    for network in [
        json!({"trustedIngressPeers": [namespace("edge")]}),
        json!({"trustedIngressPeers": [block("192.0.2.0/24")]}),
        json!({"ingressRules": [{"from": [namespace("edge")], "ports": [{"port": 8200}]}]}),
    ] {
        assert!(!shut(V04, &gateway("edge", &network)), "{network}");
        assert!(!shut(V04, &ingress(&network)), "{network}");
        assert!(!shut(V01, &gateway("bao", &network)), "{network}");
    }
    let metrics =
        json!({"ingressRules": [{"from": [namespace("edge")], "ports": [{"port": 8202}]}]});
    assert!(shut(V04, &gateway("edge", &metrics)), "another port");
    // The oldest operator has no trusted peers.
    let trusted = json!({"trustedIngressPeers": [namespace("edge")]});
    assert!(shut(Classic, &gateway("bao", &trusted)));
}

#[test]
fn obp606_both_entrances_are_reported_and_earlier_ones_are_known() {
    let mut both = gateway("edge", &json!({}));
    both["ingress"] = json!({"enabled": true});
    let found = advised(V04, Some(&gateway("edge", &json!({}))), &both);
    let found: Vec<_> = found
        .iter()
        .map(|one| (one.path.as_str(), one.onset))
        .collect();
    assert_eq!(
        found,
        [
            ("spec.gateway", Onset::PreExisting),
            ("spec.ingress", Onset::Introduced)
        ]
    );
}

#[test]
fn obp603_a_snapshot_before_upgrades_needs_egress_in_a_hardened_cluster() {
    for upgrade in [
        json!({"preUpgradeSnapshot": true}),
        json!({"blueGreen": {"preUpgradeSnapshot": true}}),
    ] {
        let spec = json!({"profile": "Hardened", "upgrade": upgrade});
        assert_eq!(
            codes(&advised(V01, None, &spec)),
            [(Obp603, Level::Warn, "spec.upgrade")]
        );
        let declared = json!({"profile": "Hardened", "upgrade": upgrade,
            "network": {"egressRules": [to(&block("192.0.2.40/32"), 443)]}});
        assert_eq!(codes(&advised(V01, None, &declared)), []);
        // With backups, the condition reports it.
        let backed = json!({"profile": "Hardened", "upgrade": upgrade, "backup": {}});
        assert_eq!(
            codes(&advised(V01, None, &backed)),
            [(Obp603, Level::Warn, "spec.backup")]
        );
    }
}
