//! The first policy for pods that nothing isolates only narrows. If the operator renders none, it may leave
//! anything open, and a warning says so.

use std::sync::Arc;

use serde_json::{Value, json};

use super::support::{
    Found, cluster_named, compiled_under, config_of, found, policy, policy_request, reference,
    tenant,
};
use crate::config::{Baseline, ReviewConfig};
use crate::inventory::{Change, Cluster, Fact, Kind, Object, Policy, Snapshot, read};
use crate::review::{CompiledSnapshot, audit_namespace, offline, review};
use crate::rules::Code::{self, Obp101, Obp102, Obp105, Obp201, Obp202, Obp203};
use crate::rules::Level::{self, Deny, Warn};
use crate::rules::default_deny_absent::Missing;

/// The restored cluster `bao`.
fn restored() -> Arc<Cluster> {
    let json = json!({"metadata": {"name": "bao", "namespace": "bao",
        "annotations": {"openbao.org/restore-origin": "old"}}, "spec": {"profile": "Development"}});
    let at = reference(Kind::OpenBaoCluster, "bao");
    let read = read::cluster(json.to_string().as_bytes(), &at);
    read.read().expect("readable").clone()
}

fn compiled(policies: &[Fact<Policy>]) -> CompiledSnapshot {
    compiled_under(config_of(Baseline::V04), &[restored()], policies)
}

/// Codes, levels and paths of the findings about a write.
fn codes_and_paths(
    compiled: &CompiledSnapshot,
    name: &str,
    before: Option<&Fact<Policy>>,
    after: &Fact<Policy>,
) -> Vec<(Code, Level, String)> {
    let request = policy_request(tenant(), name, before.cloned(), Some(after.clone()));
    short(found(&review(compiled, &request)))
}

fn short(found: Vec<Found>) -> Vec<(Code, Level, String)> {
    let found = found.into_iter();
    found.map(|found| (found.0, found.1, found.2)).collect()
}

fn at(code: Code, level: Level, path: &str) -> (Code, Level, String) {
    (code, level, path.to_owned())
}

/// A policy for all pods that is open to everyone in both directions.
fn open(name: &str) -> Fact<Policy> {
    policy(
        name,
        &json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]}),
    )
}

fn shut(name: &str, types: &Value) -> Fact<Policy> {
    policy(name, &json!({"podSelector": {}, "policyTypes": types}))
}

fn both() -> Value {
    json!(["Ingress", "Egress"])
}

#[test]
fn the_first_policy_of_a_restored_cluster_passes_and_says_what_stays_open() {
    let warned = [
        at(Obp201, Warn, "spec.ingress[0]"),
        at(Obp202, Warn, "spec.egress[0]"),
    ];
    let bare = compiled(&[]);
    assert_eq!(codes_and_paths(&bare, "open", None, &open("open")), warned);
    let request = policy_request(tenant(), "open", None, Some(open("open")));
    let verdict = review(&bare, &request);
    for finding in &verdict.findings {
        assert!(finding.reason.contains("stays open"), "{}", finding.reason);
        assert!(finding.witness.is_some(), "{finding:?}");
    }
    // With another policy that isolates, it opens connections.
    let denied = [
        at(Obp201, Deny, "spec.ingress[0]"),
        at(Obp202, Deny, "spec.egress[0]"),
    ];
    let beside = compiled(&[shut("shut", &both())]);
    assert_eq!(
        codes_and_paths(&beside, "open", None, &open("open")),
        denied
    );
    // It may be the first in one direction only.
    let half = compiled(&[shut("shut", &json!(["Ingress"]))]);
    let mixed = [
        at(Obp201, Deny, "spec.ingress[0]"),
        at(Obp202, Warn, "spec.egress[0]"),
    ];
    assert_eq!(codes_and_paths(&half, "open", None, &open("open")), mixed);
    // A policy that may isolate counts as one that does.
    let broken = policy("broken", &json!({"podSelector": 7}));
    let unknown = codes_and_paths(&compiled(&[broken]), "open", None, &open("open"));
    assert_eq!(unknown[..2], denied);
}

#[test]
fn a_first_policy_for_some_pods_does_not_open_those_that_another_isolates() {
    let labelled = |name: &str, value: &str, rest: Value| {
        let mut spec = json!({"podSelector": {"matchLabels": {"openbao-active": value}},
            "policyTypes": ["Ingress"]});
        if let (Some(spec), Value::Object(rest)) = (spec.as_object_mut(), rest) {
            spec.extend(rest);
        }
        policy(name, &spec)
    };
    let compiled = compiled(&[labelled("shut", "true", json!({}))]);
    let first = labelled("other", "false", json!({"ingress": [{}]}));
    assert_eq!(
        codes_and_paths(&compiled, "other", None, &first),
        [at(Obp201, Warn, "spec.ingress[0]")]
    );
    let same = labelled("same", "true", json!({"ingress": [{}]}));
    assert_eq!(
        codes_and_paths(&compiled, "same", None, &same),
        [at(Obp201, Deny, "spec.ingress[0]")]
    );
    let all = policy("all", &json!({"podSelector": {}, "ingress": [{}]}));
    assert_eq!(
        codes_and_paths(&compiled, "all", None, &all),
        [at(Obp201, Deny, "spec.ingress[0]")]
    );
}

#[test]
fn a_first_policy_is_not_widened_later() {
    let from = |namespace: &str| {
        json!({"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}],
            "ports": [{"port": 8200}]})
    };
    let one = policy(
        "mine",
        &json!({"podSelector": {}, "ingress": [from("web")]}),
    );
    let compiled = compiled(std::slice::from_ref(&one));
    let warned = at(Obp201, Warn, "spec.ingress[0]");
    let other = policy(
        "mine",
        &json!({"podSelector": {}, "ingress": [from("web"), from("shop")]}),
    );
    let denied = at(Obp201, Deny, "spec.ingress[1]");
    assert_eq!(
        codes_and_paths(&compiled, "mine", Some(&one), &other),
        [denied, warned.clone()]
    );
    // A direction that is newly isolated only narrows again.
    let more = policy(
        "mine",
        &json!({"podSelector": {}, "policyTypes": both(), "ingress": [from("web")], "egress": [{}]}),
    );
    assert_eq!(
        codes_and_paths(&compiled, "mine", Some(&one), &more),
        [warned, at(Obp202, Warn, "spec.egress[0]")]
    );
}

#[test]
fn a_later_isolating_policy_says_what_it_does_not_shut() {
    let beside = compiled(&[open("open")]);
    let later = shut("shut", &both());
    let request = policy_request(tenant(), "shut", None, Some(later.clone()));
    let verdict = review(&beside, &request);
    let named = verdict.findings.iter().all(|finding| {
        finding.reason.contains("NetworkPolicy `open`") && finding.witness.is_some()
    });
    assert!(named, "{:?}", verdict.findings);
    let warned = short(found(&verdict));
    assert!(!warned.is_empty());
    assert!(
        warned
            .iter()
            .all(|found| *found == at(Obp203, Warn, "spec")),
        "{warned:?}"
    );
    // It warns once: a policy that isolates already gets no warning.
    let stored = compiled(&[open("open"), later.clone()]);
    let labelled = policy(
        "shut",
        &json!({"podSelector": {}, "policyTypes": ["Egress", "Ingress"]}),
    );
    assert_eq!(
        codes_and_paths(&stored, "shut", Some(&later), &labelled),
        []
    );
    // A policy inside the ceiling, and one for other pods, leave nothing open.
    let fine = [
        shut("fine", &both()),
        policy(
            "web",
            &json!({"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{}]}),
        ),
    ];
    assert_eq!(codes_and_paths(&compiled(&fine), "shut", None, &later), []);
}

#[test]
fn the_first_policy_of_a_cluster_that_the_operator_renders_for_is_reviewed_as_usual() {
    let bao = cluster_named("bao", &json!({"profile": "Development"}));
    let compiled = compiled_under(config_of(Baseline::V04), &[bao], &[]);
    let found = codes_and_paths(&compiled, "open", None, &open("open"));
    assert_eq!(
        found,
        [
            at(Obp201, Deny, "spec.ingress[0]"),
            at(Obp202, Deny, "spec.egress[0]")
        ]
    );
}

#[test]
fn the_audit_and_check_keep_what_a_first_policy_leaves_open() {
    let kept = |policies: &[Fact<Policy>]| {
        let compiled = compiled(policies);
        let found = audit_namespace(&compiled, "bao").into_iter();
        let mut audited: Vec<_> = found
            .filter(|finding| finding.code != Obp105)
            .map(|finding| (finding.code, finding.level, finding.path))
            .collect();
        let objects: offline::Objects = policies
            .iter()
            .map(|policy| {
                let object = Object::Policy(policy.clone());
                (object.reference(), object)
            })
            .collect();
        let reviewed =
            offline::final_state(&compiled, &compiled, &tenant(), &objects, Missing::Rendered)
                .into_iter();
        let mut checked: Vec<_> = reviewed
            .flat_map(|reviewed| reviewed.verdict.findings)
            // In `check` a tenant creates the cluster, and so may not give it the mark of a restored one.
            .filter(|finding| finding.code != Obp102)
            .map(|finding| (finding.code, finding.level, finding.path))
            .collect();
        audited.sort();
        checked.sort();
        assert_eq!(audited, checked);
        audited
    };
    let warned = [
        at(Obp201, Warn, "spec.ingress[0]"),
        at(Obp202, Warn, "spec.egress[0]"),
    ];
    assert_eq!(kept(&[open("open")]), warned);
    // With another policy that isolates, it is the one that opens the pods.
    let both = kept(&[open("open"), shut("shut", &both())]);
    assert!(
        both.contains(&at(Obp201, Deny, "spec.ingress[0]")),
        "{both:?}"
    );
    assert!(both.contains(&at(Obp203, Warn, "spec")), "{both:?}");
}

#[test]
fn the_first_policy_in_the_operators_namespace_passes_with_another_label_for_metrics() {
    let namespace = "openbao-operator-system";
    let named = |name: &str, spec: &Value| {
        let json = json!({"metadata": {"name": name, "namespace": namespace}, "spec": spec});
        read::object(
            &json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": json["metadata"], "spec": json["spec"]}),
        )
        .expect("a policy")
    };
    let metrics = named(
        "allow-metrics",
        &json!({"podSelector": {"matchLabels": {"app.kubernetes.io/name": "openbao-operator"}},
            "policyTypes": ["Ingress"], "ingress": [{"from": [{"namespaceSelector": {"matchLabels":
                {"monitoring": "yes"}}}], "ports": [{"port": 8443}]}]}),
    );
    let written = |stored: Vec<Object>| {
        let place =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        let place = read::object(&place).expect("a namespace");
        let objects = stored.into_iter().chain([place, metrics.clone()]);
        let snapshot = Snapshot::default().apply(objects.map(Change::Set));
        let compiled =
            CompiledSnapshot::compile(None, snapshot.into(), ReviewConfig::default().into());
        let after: offline::Objects = [(metrics.reference(), metrics.clone())].into();
        let reviewed = offline::edit_between(
            &compiled,
            &tenant(),
            &offline::Objects::new(),
            &after,
            &std::collections::BTreeSet::new(),
        );
        let found = reviewed
            .into_iter()
            .flat_map(|reviewed| found(&reviewed.verdict));
        short(found.collect())
    };
    assert_eq!(written(vec![]), [at(Obp201, Warn, "spec.ingress[0]")]);
    let deny_all = named(
        "deny-all-ingress",
        &json!({"podSelector": {}, "policyTypes": ["Ingress"]}),
    );
    assert_eq!(
        written(vec![deny_all]),
        [at(Obp201, Deny, "spec.ingress[0]")]
    );
}

#[test]
fn the_operators_pods_are_guarded_before_their_namespace_is_known() {
    let mut config = config_of(Baseline::V01);
    config.operator_namespace = "bao".into();
    let compiled = compiled_under(config, &[], &[]);
    assert!(compiled.facts("bao").is_none());
    let found = codes_and_paths(
        &compiled,
        "deny-egress",
        None,
        &shut("deny-egress", &json!(["Egress"])),
    );
    assert!(
        found.contains(&at(Obp101, Deny, "spec.egress")),
        "{found:?}"
    );
}
