//! Policies of other kinds on a real API server. Their CRDs are our own and keep any field: only the names, versions and
//! scopes are those of the projects.

use serde_json::{Value, json};

use super::stage::{READ, Stage};
use super::version;
use crate::control_plane::wait_until;
use crate::e2e::stage::LIMIT;

const OPENED: &str = r#"openbao_perimeter_audit_findings{code="OBP211",level="warn"}"#;

/// The CRD of a kind, served and stored in one version.
fn crd(group: &str, [kind, plural, scope]: [&str; 3], version: &str) -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}"), "annotations": {
            "api-approved.kubernetes.io": "unapproved, a test"}},
        "spec": {"group": group, "scope": scope,
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": [{"name": version, "served": true, "storage": true, "schema": schema}]}})
}

#[test]
fn policies_of_a_kind_that_comes_while_the_server_runs_are_seen() {
    let stage = Stage::without_the_crd();
    stage.serve(&[version(READ, true, true)]);
    stage.make(READ, "bao");

    // A CRD that comes while the server runs.
    let kind = ["ClusterNetworkPolicy", "clusternetworkpolicies", "Cluster"];
    stage.apply(&crd("policy.networking.k8s.io", kind, "v1beta1"));
    let policy = |name: &str, namespace: &str| {
        json!({"apiVersion": "policy.networking.k8s.io/v1beta1", "kind": "ClusterNetworkPolicy",
            "metadata": {"name": name}, "spec": {"tier": "Admin", "priority": 10, "subject": {
                "namespaces": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}},
                "ingress": [{"action": "Accept", "from": [{"namespaces": {}}]}]}})
    };
    stage.apply_when_served(&policy("mine", "bao"));
    stage.apply_when_served(&policy("other", "shop"));
    wait_until("the policy that opens the pods is found", LIMIT, || {
        (stage.metric(OPENED) > 0).then_some(())
    });
    wait_until("the log names the policy", LIMIT, || {
        stage
            .printed()
            .contains("ClusterNetworkPolicy mine")
            .then_some(())
    });
    assert!(!stage.printed().contains("ClusterNetworkPolicy other"));
}
