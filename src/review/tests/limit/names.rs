//! OBP301: names that the operator copies into labels and selectors.

use serde_json::{Value, json};

use super::super::support::{
    Found, cluster_named, cluster_request, compiled_under, config_of, found, row,
};
use super::specified;
use crate::config::Baseline::{self, Classic, V01, V04};
use crate::inventory::cluster::RESTORE_ORIGIN;
use crate::review::review;
use crate::rules::Code::{Obp102, Obp301};
use crate::rules::Level::{Deny, Warn};

const GATEWAY: &str = "spec.gateway.gatewayRef.namespace";

fn gateway(namespace: &str) -> Value {
    json!({"gateway": {"enabled": true, "gatewayRef": {"name": "edge", "namespace": namespace}}})
}

/// Findings about names.
fn denied(baseline: Baseline, before: Option<&Value>, after: &Value) -> Vec<Found> {
    let mut found = specified(config_of(baseline), before, after);
    found.retain(|found| found.0 == Obp301);
    found
}

#[test]
fn obp301_a_gateways_namespace_that_no_namespace_can_have() {
    let long = "a".repeat(64);
    for name in [
        " edge", "edge ", " bao ", "e dge", "-edge", "edge/x", "é", "GW", "Edge_1", "a.b", &long,
    ] {
        for baseline in [Classic, V01] {
            let refused = [row(Obp301, Deny, GATEWAY, "")];
            assert_eq!(denied(baseline, None, &gateway(name)), refused, "{name:?}");
            let known = [row(Obp301, Warn, GATEWAY, "")];
            let kept = denied(baseline, Some(&gateway(name)), &gateway(name));
            assert_eq!(kept, known, "{name:?}");
        }
        // The newest operator writes no rule for it.
        assert_eq!(denied(V04, None, &gateway(name)), [], "{name:?}");
        let mut off = gateway(name);
        off["gateway"]["enabled"] = json!(false);
        assert_eq!(denied(V01, None, &off), [], "{name:?}");
    }
    for name in ["edge", "", " ", "bao", "edge-1", &long[1..]] {
        assert_eq!(denied(V01, None, &gateway(name)), [], "{name:?}");
    }
}

#[test]
fn obp301_each_field_with_such_a_name_is_reported_once() {
    let mut spec = gateway("x y");
    spec["network"] = json!({"dnsNamespace": "x y"});
    let found = denied(V01, None, &spec);
    let paths: Vec<_> = found.iter().map(|found| found.2.as_str()).collect();
    assert_eq!(paths, [GATEWAY, "spec.network.dnsNamespace"]);
}

#[test]
fn obp301_a_clusters_name_that_no_label_can_hold() {
    for baseline in Baseline::ALL {
        for (length, code) in [(63, None), (64, Some(Obp301)), (240, Some(Obp301))] {
            let cluster = cluster_named(&"a".repeat(length), &json!({}));
            let compiled = compiled_under(config_of(baseline), &[], &[]);
            let verdict = review(&compiled, &cluster_request(None, &cluster));
            let expected: Vec<Found> = code
                .map(|code| row(code, Deny, "metadata.name", ""))
                .into_iter()
                .collect();
            assert_eq!(found(&verdict), expected, "{baseline} {length}");
            // Its finalizers can still be removed.
            let verdict = review(&compiled, &cluster_request(Some(&cluster), &cluster));
            assert!(found(&verdict).iter().all(|found| found.1 == Warn));
        }
    }
}

#[test]
fn obp301_a_cluster_without_policies_has_no_names_to_copy() {
    let mut cluster = (*cluster_named(&"a".repeat(64), &gateway(" "))).clone();
    let mark = (RESTORE_ORIGIN.into(), "backup".into());
    cluster.meta.annotations.extend([mark]);
    let compiled = compiled_under(config_of(V04), &[], &[]);
    let verdict = review(&compiled, &cluster_request(None, &cluster.into()));
    let codes: Vec<_> = found(&verdict).into_iter().map(|found| found.0).collect();
    assert_eq!(codes, [Obp102], "only that a tenant marks it");
}
