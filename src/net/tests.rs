use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::config::ReviewConfig;
use crate::inventory::{Change, Object, Snapshot};
use crate::settings::ServerConfig;

fn snapshot() -> Snapshot {
    let clusters = [
        json!({"metadata": {"name": "bao", "namespace": "bao"}, "spec": {"profile": "Hardened"}}),
        json!({"metadata": {"name": "lab", "namespace": "lab"}, "spec": {
            "profile": "Development",
            "network": {"egressRules": [{"to": [
                {"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}, {"namespaceSelector": {}},
            ]}]},
        }}),
    ];
    let clusters = clusters.into_iter().map(|mut cluster| {
        cluster["apiVersion"] = "openbao.org/v1alpha1".into();
        cluster["kind"] = "OpenBaoCluster".into();
        read::object(&cluster).expect("a cluster")
    });
    let objects: Vec<Object> = clusters.collect();
    Snapshot::default().apply(objects.into_iter().map(Change::Set))
}

fn net(settings: &str) -> Net {
    let settings: ServerConfig = serde_saphyr::from_str(settings).unwrap();
    let config: ReviewConfig = settings.review_config().unwrap();
    let today = k8s_openapi::jiff::civil::date(2026, 12, 1);
    let config = Arc::new(config.on(today));
    Net::of(&CompiledSnapshot::compile(
        None,
        Arc::new(snapshot()),
        config,
    ))
}

fn covered(net: &Net) -> [Vec<String>; 2] {
    [&net.ingress, &net.egress].map(|list| list.keys().map(ToString::to_string).collect())
}

#[test]
fn a_cluster_is_covered_where_the_review_denies() {
    let all = net("{}");
    assert_eq!(covered(&all), [vec!["bao", "lab"], vec!["bao"]]);
    assert_eq!(
        all.left_out
            .iter()
            .map(|own| &*own.name)
            .collect::<Vec<_>>(),
        ["lab"]
    );
    assert!(!all.is_empty());
}

#[test]
fn what_the_settings_let_through_is_not_covered() {
    let none: Vec<&str> = Vec::new();
    for (settings, ingress, egress) in [
        ("review: {enforcement: warn}", &none, &none),
        ("review: {levels: {OBP201: warn}}", &none, &vec!["bao"]),
        (
            "review: {excludedNamespaces: ['bao*']}",
            &vec!["lab"],
            &none,
        ),
        (
            "review: {waivers: [{codes: [OBP202], namespace: bao, object: NetworkPolicy/old, reason: until the move, until: 2026-12-31}]}",
            &vec!["bao", "lab"],
            &none,
        ),
        (
            "review: {enforcementByNamespace: [{namespaces: [bao], enforcement: warn, until: 2026-12-31}]}",
            &vec!["lab"],
            &none,
        ),
    ] {
        let net = net(settings);
        assert_eq!(
            covered(&net),
            [ingress.clone(), egress.clone()],
            "{settings}"
        );
    }
    assert!(net("review: {enforcement: audit}").is_empty());
}

#[test]
fn the_namespaces_are_those_with_covered_clusters() {
    let policy = net("{}").policy().spec.unwrap();
    let matched = policy.match_constraints.unwrap();
    let selector = matched
        .namespace_selector
        .unwrap()
        .match_expressions
        .unwrap();
    assert_eq!(selector[0].values.as_deref().unwrap(), ["bao", "lab"]);
    let variables: BTreeMap<String, String> = policy
        .variables
        .unwrap()
        .into_iter()
        .map(|variable| (variable.name, variable.expression))
        .collect();
    assert!(variables["ingressSelected"].contains("{'bao': ['bao'], 'lab': ['lab']}"));
    assert!(variables["egressSelected"].contains("{'bao': ['bao']}"));
}
