//! Policies of other kinds: any text is read, and its subject is bounded.

use netpol::label::{Labels, Values};
use netpol::pod_space::{OtherKeys, PodSpace};
use openbao_perimeter::inventory::other_policy::{NamespaceLabels, Selects};
use openbao_perimeter::inventory::{Fact, Object, OtherPolicy, read};
use serde_json::{Value, json};

/// API version and kind of each policy.
const KINDS: [(&str, &str); 10] = [
    ("policy.networking.k8s.io/v1beta1", "ClusterNetworkPolicy"),
    ("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy"),
    (
        "policy.networking.k8s.io/v1alpha1",
        "BaselineAdminNetworkPolicy",
    ),
    ("cilium.io/v2", "CiliumNetworkPolicy"),
    ("cilium.io/v2", "CiliumClusterwideNetworkPolicy"),
    ("projectcalico.org/v3", "NetworkPolicy"),
    ("crd.projectcalico.org/v1", "GlobalNetworkPolicy"),
    ("crd.antrea.io/v1beta1", "NetworkPolicy"),
    ("crd.antrea.io/v1beta1", "ClusterNetworkPolicy"),
    ("k8s.ovn.org/v1", "EgressFirewall"),
];

/// A `spec` as JSON, read as each kind; other text is a selector of Calico.
pub fn other_policy(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let spec = serde_json::from_str(&text).unwrap_or_else(|_| json!({ "selector": text }));
    for (version, kind) in KINDS {
        for fields in [json!({ "spec": spec }), json!({ "specs": [spec] })] {
            of_kind(version, kind, fields);
        }
    }
}

fn of_kind(version: &str, kind: &str, mut object: Value) {
    object["apiVersion"] = version.into();
    object["kind"] = kind.into();
    object["metadata"] = json!({"name": "p", "namespace": "bao"});
    let Some(Object::OtherPolicy(_, fact)) = read::object(&object) else {
        panic!("no policy: {object}");
    };
    match fact {
        Fact::Unreadable(broken) => {
            assert!(
                !broken.problems.is_empty(),
                "unreadable without a reason: {object}"
            );
        }
        Fact::Read(policy) => selects(&policy, &object),
    }
}

/// Checks that more knowledge about a namespace never finds more.
fn selects(policy: &OtherPolicy, object: &Value) {
    let pods = PodSpace::new(
        [("app", Values::one_of(["bao"]))],
        Vec::new(),
        OtherKeys::Absent,
    );
    let none = Labels::default();
    let of = |labels| {
        policy.subject.selects(
            NamespaceLabels {
                name: "bao",
                labels,
            },
            &pods,
        )
    };
    let (known, unknown) = (of(Some(&none)), of(None));
    assert!(
        known.is_none() || unknown.is_some(),
        "labels of a namespace find more: {object}"
    );
    assert!(
        unknown != Some(Selects::Surely) || known == unknown,
        "certain without labels, and not with none: {object}"
    );
}
