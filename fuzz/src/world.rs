//! The facts for all inputs: a namespace with two OpenBaoClusters, one of them not rendered yet, a default
//! deny, and a policy with ambiguous CIDR text.

use std::sync::{Arc, OnceLock};

use openbao_perimeter::config::ReviewConfig;
use openbao_perimeter::inventory::{Change, Fact, Object, Snapshot, read};
use openbao_perimeter::review::CompiledSnapshot;
use serde_json::{Value, json};

/// The namespace of both clusters.
pub const NAMESPACE: &str = "bao";

/// Small enough for fast targets, large enough for realistic input.
const PROOF_BUDGET: u32 = 5_000;

/// The facts, created once.
pub fn world() -> &'static CompiledSnapshot {
    static WORLD: OnceLock<CompiledSnapshot> = OnceLock::new();
    WORLD.get_or_init(make)
}

fn make() -> CompiledSnapshot {
    let config = Arc::new(ReviewConfig {
        proof_budget: PROOF_BUDGET,
        ..ReviewConfig::default()
    });
    let set = |value: &Value| read::object(value).map(Change::Set);
    let snapshot = Snapshot::default().apply(objects().iter().filter_map(set));
    let world = CompiledSnapshot::compile(None, Arc::new(snapshot.clone()), config.clone());
    let bao = world
        .perimeters(NAMESPACE)
        .iter()
        .find(|cluster| &*cluster.object.name == "bao")
        .expect("the cluster is there");
    let rendered = bao.zones.iter().filter_map(|zone| zone.rendered.clone());
    let rendered = rendered.map(|policy| Change::Set(Object::Policy(Fact::Read(policy))));
    let snapshot = snapshot.apply(rendered);
    CompiledSnapshot::compile(None, Arc::new(snapshot), config)
}

fn objects() -> Vec<Value> {
    let metadata = |name: &str| json!({"namespace": NAMESPACE, "name": name});
    let named = |name: &str| json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}});
    let cluster = |name: &str, spec: Value| {
        json!({
            "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
            "metadata": metadata(name), "spec": spec,
        })
    };
    let policy = |name: &str, spec: Value| {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": metadata(name), "spec": spec,
        })
    };
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        cluster(
            "bao",
            json!({
                "profile": "Development",
                "network": {
                    "apiServerCIDR": "10.43.0.1/32",
                    "apiServerEndpointIPs": ["192.168.166.2"],
                    "ingressRules": [
                        {"from": [named("monitoring")], "ports": [{"port": 8200}, {"port": "api"}]},
                    ],
                },
            }),
        ),
        cluster(
            "vault",
            json!({
                "profile": "Hardened",
                "podMetadata": {"labels": {"team": "red"}},
                "gateway": {"enabled": true, "gatewayRef": {"namespace": "gateways"}},
                "network": {
                    "trustedIngressPeers": [{"ipBlock": {"cidr": "192.0.2.0/24"}}],
                    "egressRules": [
                        {"to": [{"ipBlock": {"cidr": "198.51.100.0/24", "except": ["198.51.100.128/25"]}}]},
                    ],
                },
            }),
        ),
        policy(
            "default-deny",
            json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}),
        ),
        policy(
            "odd",
            json!({"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "012.0.0.0/8"}}]}]}),
        ),
    ]
}
