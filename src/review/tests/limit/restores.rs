//! OBP203: policies that a restore brings to bear by the labels of its jobs, and OBP201 and OBP202 once it is
//! stored.

use serde_json::{Value, json};

use super::super::support::{self, cluster, created, plain_with, policy, restore_request, world};
use crate::code::Code;
use crate::inventory::{Change, Fact, Object, Policy, Restore};
use crate::review::{World, review};
use crate::rules::Code::{Obp201, Obp202, Obp203};
use crate::rules::Finding;
use crate::rules::Level::{self, Deny};

const POD_LABELS: &str = "spec.source.target.workloadIdentity.podLabels";

fn restore(into: &str, labels: &Value) -> Fact<Restore> {
    let target =
        json!({"endpoint": "https://192.0.2.40", "workloadIdentity": {"podLabels": labels}});
    support::restore(
        &json!({"cluster": into, "jwtAuthRole": "x", "source": {"key": "k", "target": target}}),
    )
}

fn open(selector: &Value) -> Fact<Policy> {
    let spec = json!({"podSelector": selector, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]});
    policy("open", &spec)
}

fn labelled() -> Value {
    json!({"matchLabels": {"foo": "bar"}})
}

fn made(world: &World, restore: Fact<Restore>) -> Vec<Finding> {
    let verdict = review(world, &restore_request(restore));
    assert_eq!(verdict.unreplayed, 0, "{verdict:?}");
    let findings = verdict.findings.into_iter();
    findings.filter(|finding| finding.code == Obp203).collect()
}

fn told(found: &[Finding]) -> Vec<(Code, Level, &str)> {
    let told = |finding: &'_ Finding| (finding.code, finding.level);
    let with_path = found.iter().map(|finding| {
        let (code, level) = told(finding);
        (code, level, finding.path.as_str())
    });
    with_path.collect()
}

#[test]
fn obp203_a_restore_whose_jobs_come_under_an_open_policy_is_refused() {
    let beside = plain_with(&[open(&labelled())]);
    let found = made(&beside, restore("bao", &json!({"foo": "bar"})));
    assert_eq!(told(&found), [(Obp203, Deny, POD_LABELS)]);
    let shown = found[0].witness.as_ref().expect("one").to_string();
    assert!(shown.contains("foo=bar"), "{shown}");
    for labels in [json!({}), json!({"foo": "other"}), json!({"bar": "foo"})] {
        assert_eq!(made(&beside, restore("bao", &labels)), [], "{labels}");
    }
    // The operator's own labels stay as they are.
    let own = open(&json!({"matchLabels": {"openbao.org/cluster": "other"}}));
    let own = plain_with(&[own]);
    let labels = json!({"openbao.org/cluster": "other"});
    assert_eq!(made(&own, restore("bao", &labels)), []);
    // A policy that selects them as closely as it opens.
    let shut = policy(
        "shut",
        &json!({"podSelector": labelled(), "policyTypes": ["Ingress", "Egress"]}),
    );
    let shut = plain_with(&[shut]);
    assert_eq!(made(&shut, restore("bao", &json!({"foo": "bar"}))), []);
    // What a policy opened before is not the restore's to answer for.
    let anyway = plain_with(&[open(&json!({}))]);
    assert_eq!(made(&anyway, restore("bao", &json!({"foo": "bar"}))), []);
}

#[test]
fn a_policy_for_the_labels_of_a_stored_restores_jobs_is_refused() {
    let spec = json!({"podSelector": labelled(), "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]});
    let beside = |restore: Option<Fact<Restore>>| {
        let plain = world(&[cluster(&json!({}))], &[]);
        let changes = restore.map(|restore| Change::Set(Object::Restore(restore)));
        let snapshot = plain.snapshot.apply(changes);
        let world = World::compile(Some(&plain), snapshot.into(), plain.posture.clone());
        super::super::support::denied(&created(&world, "open", &spec))
    };
    let labels = json!({"foo": "bar"});
    assert_eq!(beside(Some(restore("bao", &labels))), [Obp201, Obp202]);
    assert_eq!(beside(Some(restore("other", &labels))), []);
    assert_eq!(beside(None), []);
}
