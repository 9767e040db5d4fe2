//! Clusters with the annotation of restored clusters: only the newest operator uses it, and only it sets it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::support::{
    Found, ZONES, cluster_request, compiled_under, config_of, found, managed, operator, owned,
    policy, policy_request, reference, row, tenant,
};
use crate::config::Baseline::{self, V01, V04};
use crate::inventory::{Cluster, Fact, Kind, Policy, read};
use crate::review::{Writer, not_ready, review};
use crate::rules::Code::{self, Obp101, Obp102, Obp203, Obp311, Obp403};
use crate::rules::Level::{Deny, Warn};

const MARK: &str = "openbao.org/restore-origin";
const AT: &str = "metadata.annotations[openbao.org/restore-origin]";
const OWN: &str = "bao-network-policy";

fn with(annotations: &Value) -> Arc<Cluster> {
    let json = json!({"metadata": {"name": "bao", "namespace": "bao", "uid": "1", "annotations": annotations},
        "spec": {"profile": "Development"}});
    let read = read::cluster(
        json.to_string().as_bytes(),
        &reference(Kind::OpenBaoCluster, "bao"),
    );
    read.read().expect("readable").clone()
}

fn plain() -> Arc<Cluster> {
    with(&json!({}))
}

fn marked() -> Arc<Cluster> {
    with(&json!({MARK: "old"}))
}

fn fact(policy: Policy) -> Fact<Policy> {
    Fact::Read(policy.into())
}

fn updated_by(
    writer: Writer,
    baseline: Baseline,
    from: &Arc<Cluster>,
    to: &Arc<Cluster>,
) -> Vec<Found> {
    let own = fact(owned(managed(from, ZONES[0])));
    let compiled = compiled_under(config_of(baseline), std::slice::from_ref(from), &[own]);
    let mut request = cluster_request(Some(from), to);
    request.writer = writer;
    found(&review(&compiled, &request))
}

#[test]
fn obp102_only_the_operator_marks_a_cluster_as_restored() {
    let expected = [row(Obp102, Deny, AT, "")];
    assert_eq!(updated_by(tenant(), V04, &plain(), &marked()), expected);
    assert_eq!(updated_by(operator(), V04, &plain(), &marked()), []);
    // On a new cluster too: the operator renders no policies for it.
    let compiled = compiled_under(config_of(V04), &[], &[]);
    let mut request = cluster_request(None, &marked());
    assert_eq!(found(&review(&compiled, &request)), expected);
    request.writer = operator();
    assert_eq!(found(&review(&compiled, &request)), []);
    // An existing annotation, or its removal, changes nothing.
    assert_eq!(updated_by(tenant(), V04, &marked(), &marked()), []);
    assert_eq!(updated_by(tenant(), V04, &marked(), &plain()), []);
    let other = with(&json!({"openbao.org/note": "x"}));
    assert_eq!(updated_by(tenant(), V04, &plain(), &other), []);
    // An older operator does not use the annotation, and renders its policies.
    assert_eq!(updated_by(tenant(), V01, &plain(), &marked()), []);
}

#[test]
fn obp403_the_mark_waits_for_the_facts_too() {
    let write = |baseline| {
        let request = cluster_request(Some(&plain()), &marked());
        found(&not_ready(&config_of(baseline), &request))
    };
    assert_eq!(write(V04), [row(Obp403, Deny, "metadata", "")]);
    assert_eq!(write(V01), [row(Obp403, Warn, "", "")]);
}

#[test]
fn obp101_the_annotation_lifts_the_floor_in_the_newest_baseline_only() {
    let cut = |baseline| -> Vec<Code> {
        let own = owned(managed(&marked(), ZONES[0]));
        let compiled = compiled_under(config_of(baseline), &[marked()], &[fact(own.clone())]);
        let mut without = own.clone();
        without.egress.clear();
        let request = policy_request(tenant(), OWN, Some(fact(own)), Some(fact(without)));
        let found = found(&review(&compiled, &request)).into_iter();
        found.map(|found| found.0).collect()
    };
    assert_eq!(cut(V01), [Obp101; 3]);
    assert_eq!(cut(V04), []);
}

#[test]
fn obp203_names_the_managed_policies_of_a_cluster_without_rendered_ones() {
    let open = policy(
        OWN,
        &json!({"podSelector": {"matchLabels": {"openbao.org/cluster": "bao"}}, "ingress": [{}]}),
    );
    let create = |baseline, cluster: &Arc<Cluster>, policy: &Fact<Policy>| {
        let compiled = compiled_under(config_of(baseline), &[], std::slice::from_ref(policy));
        let mut found = found(&review(&compiled, &cluster_request(None, cluster)));
        found.retain(|found| found.0 != Obp102);
        found
    };
    let shown = "a pod in namespace `another-namespace` -> the OpenBao pod labelled app.kubernetes.io/instance=bao,\
                 app.kubernetes.io/managed-by=openbao-operator,app.kubernetes.io/name=openbao,\
                 openbao.org/cluster=bao, TCP 443";
    let violations = row(Obp203, Deny, "", shown);
    assert_eq!(
        create(V04, &marked(), &open),
        std::slice::from_ref(&violations)
    );
    // The newest operator overwrites no policy of another user, whatever its owner is called.
    let taken = row(Obp311, Deny, "metadata.name", "");
    let forged = |uid: &str| {
        let Fact::Read(policy) = &open else {
            panic!("readable")
        };
        let mut policy = owned(Policy::clone(policy));
        policy.meta.owners[0].uid = uid.into();
        fact(policy)
    };
    assert_eq!(
        create(V04, &plain(), &open),
        [violations.clone(), taken.clone()]
    );
    assert_eq!(create(V04, &plain(), &forged("2")), [violations, taken]);
    assert_eq!(create(V04, &plain(), &forged("1")), []);
    // An older operator overwrites it.
    let expected = row(Obp311, Warn, "metadata.name", "");
    assert_eq!(
        create(V01, &plain(), &open),
        std::slice::from_ref(&expected)
    );
    assert_eq!(create(V01, &marked(), &open), [expected]);
}
