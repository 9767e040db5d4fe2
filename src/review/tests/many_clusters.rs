//! One write that concerns many clusters.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::code::{Code, EnforcementPoint};
use crate::inventory::{Change, Kind, Object, ObjectRef, Snapshot, read};
use crate::review::{CompiledSnapshot, Edit, Operation, Request, Subject, Writer, review};

/// More than the ordinary work limit decides.
const CLUSTERS: usize = 150;

fn cluster(at: usize) -> Object {
    let object = json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "bao", "namespace": format!("ns-{at}")},
        "spec": {"network": {"apiServerCIDR": "10.43.0.1/32", "trustedIngressPeers": [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": format!("front-{at}")}}},
        ]}},
    });
    read::object(&object).unwrap()
}

fn rule(at: usize) -> Value {
    let action = ["Deny", "Pass", "Accept"][at % 3];
    json!({
        "action": action,
        "from": [{"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": format!("team-{at}")}}}],
        "protocols": [{"tcp": {"destinationPort": {"number": 8200 + at % 3}}}],
    })
}

#[test]
fn an_ordered_policy_is_decided_for_all_clusters_of_a_large_platform() {
    let changes = (0..CLUSTERS).map(|at| Change::Set(cluster(at)));
    let snapshot = Snapshot::default().apply(changes);
    let compiled = CompiledSnapshot::compile(None, snapshot.into(), Arc::default());
    let policy = json!({
        "apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy",
        "metadata": {"name": "wide"},
        "spec": {"tier": "Admin", "priority": 5, "subject": {"namespaces": {}},
            "ingress": (0..25).map(rule).collect::<Vec<_>>()},
    });
    let Some(Object::OtherPolicy(_, written)) = read::object(&policy) else {
        panic!("no ClusterNetworkPolicy");
    };
    let request = Request {
        operation: Operation::Create,
        writer: Writer::default(),
        point: EnforcementPoint::Webhook,
        subject: Subject::Ordered(Edit {
            object: ObjectRef {
                kind: Kind::ClusterNetworkPolicy,
                namespace: "".into(),
                name: "wide".into(),
            },
            before: None,
            after: Some(written),
            spec_changed: true,
        }),
    };
    let verdict = review(&compiled, &request);
    let of_all = format!("and {} more", CLUSTERS - 3);
    let opened = verdict
        .findings
        .iter()
        .filter(|found| found.code == Code::Obp211);
    let opened: Vec<bool> = opened.map(|found| found.reason.contains(&of_all)).collect();
    assert_eq!(opened, [true; 8]);
    let is_undecided = verdict
        .findings
        .iter()
        .any(|found| found.code == Code::Obp402);
    assert!(!is_undecided);
}
