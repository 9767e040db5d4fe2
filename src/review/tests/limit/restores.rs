//! OBP203: existing policies that select a restore's jobs by their labels, and OBP201 and OBP202 once it is
//! stored.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::support::{
    self, cluster, cluster_named, cluster_request, compiled, compiled_under, config_of, created,
    plain_with, policy, restore_request,
};
use crate::code::Code;
use crate::config::Baseline::{self, V01, V04};
use crate::inventory::{Change, Cluster, Fact, Object, Policy, Restore, read};
use crate::review::{CompiledSnapshot, Operation, Subject, review};
use crate::rules::Code::{Obp201, Obp202, Obp203};
use crate::rules::Finding;
use crate::rules::Level::{self, Deny, Warn};

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

fn made(compiled: &CompiledSnapshot, restore: Fact<Restore>) -> Vec<Finding> {
    let verdict = review(compiled, &restore_request(restore));
    assert_eq!(verdict.unreplayed, 0, "{verdict:?}");
    let findings = verdict.findings.into_iter();
    findings.filter(|finding| finding.code == Obp203).collect()
}

fn codes_and_paths(found: &[Finding]) -> Vec<(Code, Level, &str)> {
    let level = |finding: &'_ Finding| (finding.code, finding.level);
    let with_path = found.iter().map(|finding| {
        let (code, level) = level(finding);
        (code, level, finding.path.as_str())
    });
    with_path.collect()
}

#[test]
fn obp203_a_restore_whose_jobs_an_open_policy_selects_is_denied() {
    let beside = plain_with(&[open(&labelled())]);
    let found = made(&beside, restore("bao", &json!({"foo": "bar"})));
    assert_eq!(codes_and_paths(&found), [(Obp203, Deny, POD_LABELS)]);
    let shown = found[0].witness.as_ref().expect("one").to_string();
    assert!(shown.contains("foo=bar"), "{shown}");
    for labels in [json!({}), json!({"foo": "other"}), json!({"bar": "foo"})] {
        assert_eq!(made(&beside, restore("bao", &labels)), [], "{labels}");
    }
    // The operator's own labels cannot be changed.
    let own = open(&json!({"matchLabels": {"openbao.org/cluster": "other"}}));
    let own = plain_with(&[own]);
    let labels = json!({"openbao.org/cluster": "other"});
    assert_eq!(made(&own, restore("bao", &labels)), []);
    // A policy that selects them and opens nothing.
    let shut = policy(
        "shut",
        &json!({"podSelector": labelled(), "policyTypes": ["Ingress", "Egress"]}),
    );
    let shut = plain_with(&[shut]);
    assert_eq!(made(&shut, restore("bao", &json!({"foo": "bar"}))), []);
    // Connections that a policy opened before are not due to the restore.
    let anyway = plain_with(&[open(&json!({}))]);
    assert_eq!(made(&anyway, restore("bao", &json!({"foo": "bar"}))), []);
}

#[test]
fn a_policy_for_the_labels_of_a_stored_restores_jobs_is_denied() {
    let spec = json!({"podSelector": labelled(), "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]});
    let beside = |restore: Option<Fact<Restore>>| {
        let plain = compiled(&[cluster(&json!({}))], &[]);
        let changes = restore.map(|restore| Change::Set(Object::Restore(restore)));
        let snapshot = plain.snapshot.apply(changes);
        let compiled =
            CompiledSnapshot::compile(Some(&plain), snapshot.into(), plain.config.clone());
        super::super::support::denied(&created(&compiled, "open", &spec))
    };
    let labels = json!({"foo": "bar"});
    assert_eq!(beside(Some(restore("bao", &labels))), [Obp201, Obp202]);
    assert_eq!(beside(Some(restore("other", &labels))), []);
    assert_eq!(beside(None), []);
}

/// A tenant's change of the restore `again`.
fn changed(
    compiled: &CompiledSnapshot,
    before: Fact<Restore>,
    after: Fact<Restore>,
) -> Vec<Finding> {
    let mut request = restore_request(after);
    request.operation = Operation::Update;
    if let Subject::Restore(edit) = &mut request.subject {
        edit.spec_changed = edit.after.as_ref() != Some(&before);
        edit.before = Some(before);
    }
    let verdict = review(compiled, &request);
    assert_eq!(verdict.unreplayed, 0, "{verdict:?}");
    let findings = verdict.findings.into_iter();
    findings.filter(|finding| finding.code == Obp203).collect()
}

#[test]
fn obp203_a_stored_restore_gets_no_labels_by_which_its_jobs_come_under_an_open_policy() {
    let wearing = |labels: Value| restore("bao", &labels);
    let beside = |stored: &Fact<Restore>| {
        let plain = plain_with(&[open(&labelled())]);
        let change = Change::Set(Object::Restore(stored.clone()));
        let snapshot = plain.snapshot.apply([change]);
        CompiledSnapshot::compile(None, snapshot.into(), plain.config)
    };
    let bare = wearing(json!({}));
    let moved = wearing(json!({"foo": "bar"}));
    let found = changed(&beside(&bare), bare.clone(), moved.clone());
    assert_eq!(codes_and_paths(&found), [(Obp203, Deny, POD_LABELS)]);
    // The effect of the old labels is known, and may be removed.
    let other = wearing(json!({"foo": "bar", "team": "a"}));
    let kept = changed(&beside(&moved), moved.clone(), other);
    assert!(kept.iter().all(|finding| finding.level == Warn), "{kept:?}");
    assert_eq!(changed(&beside(&moved), moved.clone(), bare), []);
    assert_eq!(changed(&beside(&moved), moved.clone(), moved.clone()), []);
    // Jobs of another cluster are different pods.
    let elsewhere = restore("other", &json!({"foo": "bar"}));
    let found = changed(&beside(&elsewhere), elsewhere, moved);
    assert_eq!(codes_and_paths(&found), [(Obp203, Deny, POD_LABELS)]);
}

/// A restore with its own cluster, whose pods have these labels.
fn fresh(labels: &Value, job_labels: &Value) -> Fact<Restore> {
    let target =
        json!({"endpoint": "https://192.0.2.40", "workloadIdentity": {"podLabels": job_labels}});
    support::restore(
        &json!({"cluster": "new", "clusterTemplate": {"podMetadata": {"labels": labels}},
        "source": {"key": "k", "target": target}}),
    )
}

const SERVERS: &str = "spec.clusterTemplate.podMetadata.labels";

fn beside(baseline: Baseline, selector: &Value) -> CompiledSnapshot {
    compiled_under(config_of(baseline), &[], &[open(selector)])
}

#[test]
fn obp203_the_cluster_that_a_restore_brings_comes_under_no_open_policy_by_its_labels() {
    let (web, none) = (json!({"foo": "bar"}), json!({}));
    let under = beside(V04, &labelled());
    let found = made(&under, fresh(&web, &none));
    assert_eq!(codes_and_paths(&found), [(Obp203, Deny, SERVERS)]);
    let shown = found[0].witness.as_ref().expect("one").to_string();
    assert!(shown.contains("foo=bar"), "{shown}");
    assert!(found[0].reason.contains("bao/new"), "{}", found[0].reason);
    let of_jobs = made(&under, fresh(&none, &web));
    assert_eq!(codes_and_paths(&of_jobs), [(Obp203, Deny, POD_LABELS)]);
    for labels in [json!({}), json!({"foo": "other"})] {
        assert_eq!(made(&under, fresh(&labels, &none)), [], "{labels}");
    }
    // A policy that selects the pods without these labels is not due to them.
    assert_eq!(made(&beside(V04, &json!({})), fresh(&web, &none)), []);
    // Older operators do not have the field.
    assert_eq!(made(&beside(V01, &labelled()), fresh(&web, &none)), []);
    // An update of a stored restore is reviewed in the same way.
    let found = changed(&under, fresh(&none, &none), fresh(&web, &none));
    assert_eq!(codes_and_paths(&found), [(Obp203, Deny, SERVERS)]);
    let more = json!({"foo": "bar", "team": "a"});
    assert_eq!(changed(&under, fresh(&web, &none), fresh(&more, &none)), []);
}

#[test]
fn obp402_a_policy_that_cannot_be_read_may_open_the_cluster_that_a_restore_brings() {
    let (web, none) = (json!({"foo": "bar"}), json!({}));
    let broken = policy("broken", &json!({"podSelector": 7}));
    let beside = compiled_under(config_of(V04), &[], &[broken]);
    for (servers, jobs, path) in [(&web, &none, SERVERS), (&none, &web, POD_LABELS)] {
        let verdict = review(&beside, &restore_request(fresh(servers, jobs)));
        assert_eq!(
            codes_and_paths(&verdict.findings),
            [(Code::Obp402, Deny, path)]
        );
        let reason = &verdict.findings[0].reason;
        assert!(reason.contains("`broken`"), "{reason}");
    }
    let verdict = review(&beside, &restore_request(fresh(&none, &none)));
    assert_eq!(codes_and_paths(&verdict.findings), []);
}

#[test]
fn obp203_the_clusters_of_restore_tests_count_in_their_own_namespace() {
    let tested = |namespace: &str, labels: &Value, job_labels: &Value| {
        let template = json!({"podMetadata": {"labels": labels}});
        cluster_named(
            "bao",
            &json!({"profile": "Development", "backup": {
                "target": {"endpoint": "https://192.0.2.40", "workloadIdentity": {"podLabels": job_labels}},
                "restoreTest": {"namespace": namespace, "clusterTemplate": template},
            }}),
        )
    };
    let compiled = {
        let bare = compiled_under(config_of(V04), &[], &[]);
        let open = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "open", "namespace": "recovery"},
            "spec": {"podSelector": labelled(), "policyTypes": ["Ingress"], "ingress": [{}]}});
        let open = read::object(&open).expect("a policy");
        let snapshot = bare.snapshot.apply([Change::Set(open)]);
        CompiledSnapshot::compile(None, snapshot.into(), bare.config)
    };
    let write = |before: Option<&Arc<Cluster>>, after: &Arc<Cluster>| {
        let verdict = review(&compiled, &cluster_request(before, after));
        assert_eq!(verdict.unreplayed, 0, "{verdict:?}");
        let findings = verdict.findings.into_iter();
        let found: Vec<_> = findings.filter(|finding| finding.code == Obp203).collect();
        for finding in &found {
            assert!(finding.reason.contains("`recovery`"), "{}", finding.reason);
        }
        let levels = found
            .into_iter()
            .map(|finding| (finding.level, finding.path));
        levels.collect::<Vec<_>>()
    };
    let (web, none) = (json!({"foo": "bar"}), json!({}));
    let servers = "spec.backup.restoreTest.clusterTemplate.podMetadata.labels";
    let denied = |path: &str| [(Deny, path.to_owned())];
    let bare = tested("recovery", &none, &none);
    let open = tested("recovery", &web, &none);
    assert_eq!(write(None, &open), denied(servers));
    assert_eq!(write(Some(&bare), &open), denied(servers));
    let jobs = tested("recovery", &none, &web);
    let at_jobs = "spec.backup.target.workloadIdentity.podLabels";
    assert_eq!(write(None, &jobs), denied(at_jobs));
    assert_eq!(write(Some(&open), &open), []);
    for cluster in [&bare, &tested("elsewhere", &web, &none)] {
        assert_eq!(write(None, cluster), []);
    }
    assert_eq!(
        write(Some(&tested("elsewhere", &web, &none)), &open),
        denied(servers)
    );
}
