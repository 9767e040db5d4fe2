//! Rendered policies pass the review: as a tenant's writes, and as a final state.

use std::sync::Arc;

use openbao_perimeter::code::{EnforcementPoint, Level};
use openbao_perimeter::inventory::{Change, Fact, Object, Policy, Snapshot, read};
use openbao_perimeter::review::offline::{self, Missing, Objects};
use openbao_perimeter::review::{
    CompiledSnapshot, Edit, Operation, Request, Subject, Writer, review,
};
use openbao_perimeter::rules::Finding;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{config, documents, printed};

const SERVICE: [u8; 4] = [10, 96, 0, 1];

fn any_peer() -> impl Strategy<Value = Value> {
    let labels = |key: &'static str| {
        prop::sample::select(vec!["a", "b", "on", "1"])
            .prop_map(move |value| json!({"matchLabels": {key: value}}))
    };
    let named = prop::sample::select(vec!["monitoring", "traefik", "bao", "kube-system"])
        .prop_map(|name| json!({"matchLabels": {"kubernetes.io/metadata.name": name}}));
    prop_oneof![
        named
            .clone()
            .prop_map(|namespaces| json!({"namespaceSelector": namespaces})),
        labels("app").prop_map(|pods| json!({"podSelector": pods})),
        (named, labels("app")).prop_map(
            |(namespaces, pods)| json!({"namespaceSelector": namespaces, "podSelector": pods})
        ),
        labels("team").prop_map(|namespaces| json!({"namespaceSelector": namespaces})),
        (1..250u8, 16..33u8).prop_map(
            |(octet, prefix)| json!({"ipBlock": {"cidr": format!("172.20.{octet}.0/{prefix}")}})
        ),
        (1..250u8).prop_map(|octet| json!({"ipBlock": {"cidr": format!("2001:db8:{octet}::/64")}})),
        Just(
            json!({"ipBlock": {"cidr": "192.168.0.0/16", "except": ["192.168.7.0/24", "192.168.9.1/32"]}})
        ),
    ]
}

fn any_ports() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!([{"port": 8200}])),
        Just(json!([{"port": 443, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}])),
        Just(json!([{"port": 9000, "endPort": 9100}])),
        Just(json!([{"port": "https"}])),
    ]
}

fn any_rules(side: &'static str, most: usize) -> impl Strategy<Value = Value> {
    let rule = (prop::collection::vec(any_peer(), 1..3), any_ports())
        .prop_map(move |(peers, ports)| json!({side: peers, "ports": ports}));
    prop::collection::vec(rule, 0..=most).prop_map(Value::from)
}

fn any_network() -> impl Strategy<Value = Value> {
    let api = prop::sample::select(vec![
        "",
        "10.43.0.0/16",
        "10.43.0.9/24",
        "fd00:10:96::1/112",
    ]);
    let endpoints =
        prop::sample::subsequence(vec!["192.168.166.2", "fd00::5", "::ffff:192.0.2.1"], 0..=3);
    let dns = prop::sample::select(vec!["", "openshift-dns", "kube-system"]);
    let servers = prop::sample::subsequence(vec!["169.254.20.10", "fd00::a"], 0..=2);
    let rules = (any_rules("from", 3), any_rules("to", 3));
    let peers = prop::collection::vec(any_peer(), 0..3);
    (api, endpoints, dns, servers, rules, peers).prop_map(|(api, endpoints, dns, servers, (from, to), peers)| {
        json!({
            "apiServerCIDR": api, "apiServerEndpointIPs": endpoints, "dnsNamespace": dns, "dnsEndpointIPs": servers,
            // A named port could be any port. On ingress this includes the Raft port.
            "ingressRules": without_names(from), "egressRules": to, "trustedIngressPeers": peers,
        })
    })
}

fn without_names(mut rules: Value) -> Value {
    let list = rules.as_array_mut().unwrap();
    list.retain(|rule| rule["ports"][0]["port"].is_number());
    rules
}

fn any_cluster() -> impl Strategy<Value = Value> {
    let gateway = prop::sample::select(vec![Value::Null, json!("bao"), json!("gateway-system")]);
    let profile = prop::sample::select(vec![Value::Null, json!("Hardened"), json!("Development")]);
    let labels = prop::sample::select(vec![
        json!({}),
        json!({"app": "a"}),
        json!({"app": "vault", "team": "b"}),
    ]);
    let metrics = prop::sample::select(vec![
        json!({"enabled": true, "scrapeProfile": "AllNodes"}),
        json!({"enabled": false}),
        json!({"enabled": true, "metricsOnlyListener": {"enabled": true, "port": 9202}}),
    ]);
    let name = prop::sample::select(vec!["prod", "x-jobs", "a1"]);
    (any_network(), gateway, any::<bool>(), profile, labels, metrics, name).prop_map(
        |(network, gateway, ingress, profile, labels, metrics, name)| json!({
            "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
            "metadata": {"name": name, "namespace": "bao", "uid": "b1"},
            "spec": {
                "profile": profile, "network": network, "ingress": {"enabled": ingress},
                "gateway": {"enabled": !gateway.is_null(), "gatewayRef": {"name": "g", "namespace": gateway}},
                "podMetadata": {"labels": labels}, "observability": {"metrics": metrics},
                "backup": {"target": {"workloadIdentity": {"podLabels": labels}}},
            },
        }),
    )
}

fn compiled(objects: &[Object], era: &str) -> CompiledSnapshot {
    let server = [Object::ApiServer(vec![SERVICE.into()])];
    let changes = objects.iter().cloned().chain(server).map(Change::Set);
    let snapshot = Snapshot::default().apply(changes);
    CompiledSnapshot::compile(None, snapshot.into(), config(era).into())
}

fn tenant() -> Writer {
    Writer {
        name: "tenant-alice".to_owned(),
        ..Writer::default()
    }
}

fn created(compiled: &CompiledSnapshot, policy: &Arc<Policy>) -> Vec<Finding> {
    let object = Object::Policy(Fact::Read(policy.clone())).reference();
    let edit = Edit {
        object,
        before: None,
        after: Some(Fact::Read(policy.clone())),
        spec_changed: true,
    };
    let request = Request {
        operation: Operation::Create,
        writer: tenant(),
        point: EnforcementPoint::Webhook,
        subject: Subject::Policy(edit),
    };
    review(compiled, &request).findings
}

/// Findings that must not occur: denials, and all findings about floor and ceiling.
fn wrong(findings: &[Finding]) -> Vec<String> {
    let is_wrong = |finding: &&Finding| {
        let family = &finding.code.as_str()[..4];
        finding.level == Level::Deny || matches!(family, "OBP1" | "OBP2")
    };
    let wrong = findings.iter().filter(is_wrong);
    wrong.map(|finding| format!("{finding:?}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_found_in_what_is_rendered(manifest in any_cluster()) {
        for era in ["classic", "v0.1", "v0.4"] {
            let text = printed(&manifest, &config(era), &[SERVICE.into()]).unwrap();
            let cluster = read::object(&manifest).unwrap();
            let policies: Vec<Object> = documents(&text).iter().map(|value| read::object(value).unwrap()).collect();
            let alone = compiled(std::slice::from_ref(&cluster), era);
            for policy in &policies {
                let Object::Policy(Fact::Read(policy)) = policy else { panic!("{policy:?}") };
                let wrong = wrong(&created(&alone, policy));
                prop_assert!(wrong.is_empty(), "{era}, {} as a tenant's: {wrong:#?}", policy.meta.name);
            }
            let all: Vec<Object> = policies.into_iter().chain([cluster]).collect();
            let objects: Objects = all.iter().map(|object| (object.reference(), object.clone())).collect();
            for reviewed in offline::final_state(&compiled(&all, era), &alone, &tenant(), &objects, Missing::Rendered) {
                let found = reviewed.verdict.findings;
                let wrong = if reviewed.object.kind.as_str() == "NetworkPolicy" {
                    wrong(&found)
                } else {
                    // The declaration itself may be too wide, which is a finding about the declaration.
                    wrong(&found.into_iter().filter(|finding| !finding.code.as_str().starts_with("OBP3")).collect::<Vec<_>>())
                };
                prop_assert!(wrong.is_empty(), "{era}, {} as a final state: {wrong:#?}", reviewed.object);
            }
        }
    }
}
