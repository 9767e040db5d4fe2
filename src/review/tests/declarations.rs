//! Each code about declarations: denied and allowed, with its connection.

use serde_json::{Value, json};

use super::support::{
    Found, cluster, cluster_request, compiled, created, denied, found, plain, row, without_advice,
};
use crate::review::review;
use crate::rules::Code::{Obp202, Obp301, Obp302, Obp303, Obp306};
use crate::rules::Level::{Deny, Warn};

const SUBJECT: &str = "the OpenBao pod labelled app.kubernetes.io/instance=bao,\
    app.kubernetes.io/managed-by=openbao-operator,app.kubernetes.io/name=openbao,openbao.org/cluster=bao";

/// Findings about the creation of a cluster with this network.
fn declared(network: &Value) -> Vec<Found> {
    let request = cluster_request(None, &cluster(network));
    without_advice(found(&review(&plain(), &request)))
}

/// Findings about a change of a cluster's network.
fn changed(before: &Value, after: &Value) -> Vec<Found> {
    let request = cluster_request(Some(&cluster(before)), &cluster(after));
    without_advice(found(&review(&plain(), &request)))
}

fn ingress(from: &Value, ports: &Value) -> Value {
    json!({"ingressRules": [{"from": from, "ports": ports}]})
}

fn namespace(name: &str) -> Value {
    json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}})
}

#[test]
fn obp301_values_that_the_api_rejects_are_denied_in_declarations() {
    let both = json!([{"ipBlock": {"cidr": "192.0.2.0/24"}, "podSelector": {}}]);
    let api = json!([{"port": 8200}]);
    let expected = [row(
        Obp301,
        Deny,
        "spec.network.ingressRules[0].from[0]",
        "",
    )];
    assert_eq!(declared(&ingress(&both, &api)), expected);
    let stored = ingress(&both, &api);
    let warned = [row(
        Obp301,
        Warn,
        "spec.network.ingressRules[0].from[0]",
        "",
    )];
    assert_eq!(changed(&stored, &stored), warned);
    assert_eq!(declared(&ingress(&json!([namespace("web")]), &api)), []);
}

#[test]
fn obp302_ingress_for_everyone_is_denied_however_it_is_written() {
    let name = "kubernetes.io/metadata.name";
    let anyone = "a pod in namespace `another-namespace`";
    let expression = |key: &str, operator: &str, values: &Value| json!([{"namespaceSelector": {"matchExpressions": [{"key": key, "operator": operator, "values": values}]}}]);
    let table = [
        (json!([{"namespaceSelector": {}}]), anyone),
        (
            json!([{"namespaceSelector": {}, "podSelector": {}}]),
            anyone,
        ),
        (expression("unused", "DoesNotExist", &json!([])), anyone),
        (expression("dummy", "NotIn", &json!(["x"])), anyone),
        (expression(name, "Exists", &json!([])), anyone),
        (expression(name, "NotIn", &json!(["one"])), anyone),
        (json!([{"ipBlock": {"cidr": "0.0.0.0/0"}}]), "203.0.113.1"),
        (
            json!([{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["203.0.113.0/24"]}}]),
            "198.51.100.1",
        ),
        (
            json!([{"ipBlock": {"cidr": "0.0.0.0/1"}}, {"ipBlock": {"cidr": "128.0.0.0/1"}}]),
            "203.0.113.1",
        ),
        (json!([{"ipBlock": {"cidr": "::/0"}}]), "2001:db8::1"),
        (json!([{"ipBlock": {"cidr": "2000::/3"}}]), "2001:db8::1"),
    ];
    for (from, source) in table {
        let network = ingress(&from, &json!([{"port": 8200}]));
        let findings = declared(&network);
        let shown = format!("{source} -> {SUBJECT}, TCP 8200");
        let expected = row(Obp302, Deny, "spec.network.ingressRules[0]", &shown);
        assert!(findings.contains(&expected), "{network}: {findings:?}");
    }
    for from in [
        json!([namespace("web"), {"ipBlock": {"cidr": "192.0.2.0/24"}}]),
        json!([{"namespaceSelector": {"matchLabels": {"team": "a"}}}]),
        json!([{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}]),
        json!([{"ipBlock": {"cidr": "198.0.0.0/8"}}]),
    ] {
        assert_eq!(
            declared(&ingress(&from, &json!([{"port": 8200}]))),
            [],
            "{from}"
        );
    }
}

#[test]
fn obp302_a_cluster_that_is_open_to_pods_is_not_opened_to_addresses_too() {
    let api = json!([{"port": 8200}]);
    let pods = json!([{"namespaceSelector": {}}]);
    let more = json!([{"namespaceSelector": {}}, {"ipBlock": {"cidr": "0.0.0.0/0"}}]);
    let shown = format!("203.0.113.1 -> {SUBJECT}, TCP 8200");
    let findings = changed(&ingress(&pods, &api), &ingress(&more, &api));
    let expected = row(Obp302, Deny, "spec.network.ingressRules[0]", &shown);
    assert!(findings.contains(&expected), "{findings:?}");
    // Another rule that is open to everyone, for more pods than the first.
    let all_but_one = json!([{"namespaceSelector": {"matchExpressions": [
        {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]},
    ]}}]);
    let both = json!([all_but_one[0], {"namespaceSelector": {}}]);
    let request = cluster_request(
        Some(&cluster(&ingress(&all_but_one, &api))),
        &cluster(&ingress(&both, &api)),
    );
    assert_eq!(denied(&review(&plain(), &request)), [Obp302]);
    // A stored declaration can still be written.
    let stored = ingress(&more, &api);
    let levels: Vec<_> = changed(&stored, &stored)
        .into_iter()
        .map(|found| (found.0, found.1))
        .collect();
    assert_eq!(levels, [(Obp302, Warn), (Obp306, Warn)]);
}

#[test]
fn obp303_the_raft_port_is_denied_to_strangers_however_it_is_written() {
    let web = json!([namespace("web")]);
    let shown = format!("a pod in namespace `web` -> {SUBJECT}, TCP 8201");
    for ports in [
        json!([{"port": 8201}]),
        json!([{"port": 8000, "endPort": 9000}]),
        json!([{"protocol": "TCP"}]),
        json!([]),
        json!([{"port": "cluster"}]),
        json!([{"port": 8200}, {"port": 8201}]),
    ] {
        let expected = [row(
            Obp303,
            Deny,
            "spec.network.ingressRules[0].ports",
            &shown,
        )];
        assert_eq!(declared(&ingress(&web, &ports)), expected, "{ports}");
    }
    for ports in [
        json!([{"port": 8200}]),
        json!([{"port": 8202, "endPort": 9000}]),
        json!([{"port": 8201, "protocol": "UDP"}]),
        json!([{"port": "cluster", "protocol": "SCTP"}]),
    ] {
        assert_eq!(declared(&ingress(&web, &ports)), [], "{ports}");
    }
    let own = json!([{"podSelector": {"matchLabels": {
        "app.kubernetes.io/instance": "bao", "app.kubernetes.io/managed-by": "openbao-operator",
        "app.kubernetes.io/name": "openbao", "openbao.org/cluster": "bao"}}}]);
    assert_eq!(declared(&ingress(&own, &json!([{"port": 8201}]))), []);
}

#[test]
fn trusted_peers_are_held_against_the_same_limit() {
    let everyone = json!({"trustedIngressPeers": [{"namespaceSelector": {}}]});
    let shown = format!("a pod in namespace `another-namespace` -> {SUBJECT}, TCP 8200");
    let expected = [row(
        Obp302,
        Deny,
        "spec.network.trustedIngressPeers[0]",
        &shown,
    )];
    assert_eq!(declared(&everyone), expected);
    let split = json!({
        "trustedIngressPeers": [{"ipBlock": {"cidr": "0.0.0.0/1"}}],
        "ingressRules": [{"from": [{"ipBlock": {"cidr": "128.0.0.0/1"}}], "ports": [{"port": 8200}]}],
    });
    let request = cluster_request(None, &cluster(&split));
    let codes = denied(&review(&plain(), &request));
    assert!(codes.contains(&Obp302), "{codes:?}");
    assert_eq!(
        declared(&json!({"trustedIngressPeers": [namespace("web")]})),
        []
    );
}

/// D11: a name means one of the numbers, and it is unknown which. But it is looked up in one entry at a time.
#[test]
fn declared_ranges_that_together_hold_all_numbers_permit_all_ports_but_no_name_alone() {
    let to = json!([namespace("web")]);
    let range =
        |first: u16, last: u16| json!({"to": to, "ports": [{"port": first, "endPort": last}]});
    let declared = json!({"egressRules": [range(1, 8_200), range(8_201, 65_535)]});
    let compiled = compiled(&[cluster(&declared)], &[]);
    let asked = |port: &Value| {
        let egress = json!([{"to": to, "ports": [port]}]);
        let spec = json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": egress});
        found(&created(&compiled, "web", &spec))
    };
    assert_eq!(asked(&json!({"protocol": "TCP"})), []);
    assert_eq!(asked(&json!({"port": 1, "endPort": 65_535})), []);
    let shown = format!("{SUBJECT} -> a pod in namespace `web`, TCP port named `web`");
    let refused = [row(Obp202, Deny, "spec.egress[0]", &shown)];
    assert_eq!(asked(&json!({"port": "web"})), refused);
}
