//! An OpenBaoCluster in an unsupported version.

use serde_json::{Value, json};

use super::support::{
    cluster, denied, found, managed, operator, owned, policy, policy_request, row, tenant,
};
use crate::baseline::Zone;
use crate::code::EnforcementPoint;
use crate::config::ReviewConfig;
use crate::inventory::{Change, Fact, Snapshot, read};
use crate::review::{CompiledSnapshot, Request, audit_namespace, repair, review};
use crate::rules::Code::{Obp401, Obp403};
use crate::rules::Level::Warn;

const OWN: &str = "bao-network-policy";

/// Cluster `bao` with this additional metadata, and its rendered policy.
fn compiled(meta: &Value) -> CompiledSnapshot {
    let mut written = json!({"apiVersion": "openbao.org/v1beta1", "kind": "OpenBaoCluster",
        "metadata": {"name": "bao", "namespace": "bao"}});
    let fields = written["metadata"].as_object_mut().expect("an object");
    fields.extend(meta.as_object().expect("an object").clone());
    let stored = read::object(&written).expect("a cluster");
    let own = crate::inventory::Object::Policy(own());
    let snapshot = Snapshot::default().apply([stored, own].map(Change::Set));
    CompiledSnapshot::compile(None, snapshot.into(), ReviewConfig::default().into())
}

fn own() -> Fact<crate::inventory::Policy> {
    Fact::Read(owned(managed(&cluster(&json!({})), Zone::Workload)).into())
}

fn everyone() -> Fact<crate::inventory::Policy> {
    policy("open", &json!({"podSelector": {}, "ingress": [{}]}))
}

fn create() -> Request {
    policy_request(tenant(), "open", None, Some(everyone()))
}

#[test]
fn a_policy_that_may_select_its_pods_is_denied_whatever_it_opens() {
    let compiled = compiled(&json!({}));
    assert_eq!(denied(&review(&compiled, &create())), [Obp403]);
    for pods in [
        json!({"matchLabels": {"app": "web"}}),
        json!({"matchLabels": {"openbao-active": "true"}}),
        json!({"matchLabels": {"openbao.org/cluster": "bao"}}),
    ] {
        let narrow = policy(
            "narrow",
            &json!({"podSelector": pods, "policyTypes": ["Egress"]}),
        );
        let request = policy_request(tenant(), "narrow", None, Some(narrow));
        assert_eq!(denied(&review(&compiled, &request)), [Obp403], "{pods}");
    }
    for other in ["web", "postgres"] {
        let pods = json!({"matchLabels": {"app.kubernetes.io/name": other}});
        let other = policy("other", &json!({"podSelector": pods, "ingress": [{}]}));
        let request = policy_request(tenant(), "other", None, Some(other));
        assert!(review(&compiled, &request).findings.is_empty());
    }
}

#[test]
fn its_managed_policy_goes_with_it_and_not_before() {
    let delete = policy_request(tenant(), OWN, Some(own()), None);
    assert_eq!(denied(&review(&compiled(&json!({})), &delete)), [Obp403]);
    let going = compiled(&json!({"deletionTimestamp": "2026-11-30T00:00:00Z"}));
    assert!(review(&going, &delete).findings.is_empty());
}

#[test]
fn the_operator_is_warned_and_nothing_is_repaired() {
    let compiled = compiled(&json!({}));
    let bare = policy(
        OWN,
        &json!({"podSelector": {"matchLabels": {"openbao.org/cluster": "bao"}}}),
    );
    let write = |writer| policy_request(writer, OWN, Some(own()), Some(bare.clone()));
    let verdict = review(&compiled, &write(operator()));
    assert_eq!(found(&verdict), [row(Obp403, Warn, "metadata", "")]);
    assert!(repair(&compiled, &write(tenant())).repairs.is_empty());
}

#[test]
fn a_right_on_the_cluster_lets_maintenance_pass() {
    let mut request = create();
    if let crate::review::Subject::Policy(edit) = &mut request.subject {
        let marked = json!({"metadata": {"name": "open", "namespace": "bao",
            "annotations": {"openbao.org/maintenance": "true"}},
            "spec": {"podSelector": {}, "ingress": [{}]}});
        edit.after = Some(read::policy(marked.to_string().as_bytes(), &edit.object));
    }
    let compiled = compiled(&json!({}));
    let missing_permission = review(&compiled, &request).missing_permission;
    let asked = missing_permission
        .as_ref()
        .and_then(|missing_permission| missing_permission.clusters());
    request.writer.grants = asked.expect("a right to ask for").clone();
    assert_eq!(denied(&review(&compiled, &request)), []);
}

#[test]
fn the_audit_says_it_once_of_the_cluster() {
    let findings = audit_namespace(&compiled(&json!({})), "bao");
    let codes: Vec<_> = findings.iter().map(|one| (one.code, one.level)).collect();
    assert_eq!(codes, [(Obp401, Warn)], "{findings:?}");
    assert!(findings[0].help.contains("upgrade openbao-perimeter"));
    let mut request = create();
    request.point = EnforcementPoint::Audit;
    assert!(review(&compiled(&json!({})), &request).findings.is_empty());
}
