//! The published CRDs of the Network Policy API on a real API server: in each channel and version, without permission to
//! list them, gone, and with many clusters.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::stage::{READ, Stage};
use super::version;
use crate::control_plane::{found, wait_until};

const OPENED: &str = r#"openbao_perimeter_audit_findings{code="OBP211",level="warn"}"#;
const CUT: &str = r#"openbao_perimeter_audit_findings{code="OBP111",level="warn"}"#;
const UNREAD: &str = r#"openbao_perimeter_audit_findings{code="OBP404",level="audit"}"#;
const GROUP: &str = "policy.networking.k8s.io";
const CLUSTER_NETWORK_POLICIES: &str = "clusternetworkpolicies.policy.networking.k8s.io";
/// Longest time until the audit reports a change. A kind that is not served is looked for after up to a minute.
const AUDITED: Duration = Duration::from_mins(2);

/// A CRD of a published module.
fn crd(module: &str, channel: &str, plural: &str) -> Value {
    let file = found(&format!("{module}/{channel}/{GROUP}_{plural}.yaml")).expect("a CRD");
    let text = fs::read_to_string(file).expect("read a CRD");
    serde_saphyr::from_str(&text).expect("YAML")
}

/// The CRD of ClusterNetworkPolicy, served in these versions.
fn cluster_network_policies(channel: &str, served: [&str; 2]) -> Value {
    let mut crd = crd("network-policy-api", channel, "clusternetworkpolicies");
    let versions = crd["spec"]["versions"].as_array_mut().expect("versions");
    for version in versions {
        version["served"] = json!(served.iter().any(|served| version["name"] == *served));
    }
    crd
}

/// A ClusterNetworkPolicy that accepts everyone in these namespaces.
fn accept(version: &str, namespaces: &Value) -> Value {
    json!({"apiVersion": format!("{GROUP}/{version}"), "kind": "ClusterNetworkPolicy",
        "metadata": {"name": "open"}, "spec": {"tier": "Admin", "priority": 10,
            "subject": {"namespaces": namespaces},
            "ingress": [{"action": "Accept", "from": [{"namespaces": {}}]}]}})
}

fn in_bao() -> Value {
    json!({"matchLabels": {"kubernetes.io/metadata.name": "bao"}})
}

fn audited(stage: &Stage, what: &str, metric: &str, is_found: bool) {
    wait_until(what, AUDITED, || {
        ((stage.metric(metric) > 0) == is_found).then_some(())
    });
}

#[test]
#[cfg_attr(
    not(has_published_crds),
    ignore = "no CRDs of the Network Policy API: make control-plane"
)]
fn the_published_kinds_are_seen_in_each_version_and_with_many_clusters() {
    let mut stage = Stage::without_the_crd();
    stage.serve(&[version(READ, true, true)]);
    stage.make(READ, "bao");
    stage.register();

    for channel in ["standard", "experimental"] {
        stage.apply(&cluster_network_policies(channel, ["v1alpha2", "v1beta1"]));
        for version in ["v1beta1", "v1alpha2"] {
            // A dry run: the second version would open nothing that the first does not.
            wait_until("the webhook warns", AUDITED, || {
                let answer = stage.try_apply(&accept(version, &in_bao()), &["--dry-run=server"]);
                assert!(!answer.stderr.contains("denied the request"), "{answer:?}");
                (answer.status_ok && answer.stderr.contains("OBP211")).then_some(())
            });
        }
        stage.apply(&accept("v1alpha2", &in_bao()));
        audited(&stage, "the policy is found", OPENED, true);
        stage.delete("clusternetworkpolicy", "open");
        audited(&stage, "the policy is gone", OPENED, false);
    }

    for served in ["v1alpha2", "v1beta1"] {
        stage.apply(&cluster_network_policies("standard", [served, served]));
        stage.apply_when_served(&accept(served, &in_bao()));
        audited(
            &stage,
            &format!("the policy is found in {served}"),
            OPENED,
            true,
        );
    }
    stage.restart();
    audited(&stage, "the policy is found after a restart", OPENED, true);

    permission_is_taken(&mut stage);
    old_kinds(&stage);
    stage.delete("clusternetworkpolicy", "open");
    audited(&stage, "the policy is gone", OPENED, false);
    many_clusters(&stage);

    stage.apply(&accept("v1beta1", &in_bao()));
    audited(
        &stage,
        "the policy is found before its kind goes",
        OPENED,
        true,
    );
    stage.delete("crd", CLUSTER_NETWORK_POLICIES);
    audited(
        &stage,
        "nothing is left of a kind that is gone",
        OPENED,
        false,
    );
}

/// Checks that a kind that may not be listed is a finding, and that the server is ready without it.
fn permission_is_taken(stage: &mut Stage) {
    stage.may_list_with("adminnetworkpolicies", false);
    stage.restart();
    audited(stage, "the kind may not be listed", UNREAD, true);
    stage.opens("shop");
    stage.may_list_with("adminnetworkpolicies", true);
    audited(stage, "the policy is read again", OPENED, true);
    audited(stage, "the kind is read again", UNREAD, false);
}

fn old_kinds(stage: &Stage) {
    for plural in ["adminnetworkpolicies", "baselineadminnetworkpolicies"] {
        stage.apply(&crd("network-policy-api-v1alpha1", "standard", plural));
    }
    let deny = json!({"apiVersion": format!("{GROUP}/v1alpha1"), "kind": "AdminNetworkPolicy",
        "metadata": {"name": "cut"}, "spec": {"priority": 5, "subject": {"namespaces": in_bao()},
            "ingress": [{"action": "Deny", "from": [{"namespaces": {}}]}]}});
    stage.apply_when_served(&deny);
    audited(stage, "the AdminNetworkPolicy is found", CUT, true);
    let again = stage.try_apply(&deny, &["--dry-run=server"]);
    assert!(again.status_ok, "{again:?}");
    stage.delete("adminnetworkpolicy", "cut");
    audited(stage, "the AdminNetworkPolicy is gone", CUT, false);
}

/// Checks that one write that concerns 300 clusters is decided within the limits of time and length.
fn many_clusters(stage: &Stage) {
    let names = (0..300).map(|number| format!("team-{number}"));
    let objects = names.flat_map(|name| {
        [
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": &name}}),
            json!({"apiVersion": format!("openbao.org/{READ}"), "kind": "OpenBaoCluster",
                "metadata": {"name": "bao", "namespace": name}, "spec": {"profile": "Development"}}),
        ]
    });
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects.collect::<Vec<_>>()});
    stage.apply(&list);
    wait_until("all clusters are known", AUDITED, || {
        let clusters = r#"openbao_perimeter_inventory_objects{kind="OpenBaoCluster"}"#;
        (stage.metric(clusters) > 300).then_some(())
    });
    let started = Instant::now();
    let answer = stage.try_apply(&accept("v1beta1", &json!({})), &["--dry-run=server"]);
    println!(
        "300 clusters: {:?}, {} bytes",
        started.elapsed(),
        answer.stderr.len()
    );
    assert!(
        answer.status_ok && answer.stderr.contains("OBP211"),
        "{answer:?}"
    );
    assert!(!answer.stderr.contains("OBP402"), "{answer:?}");
    assert!(answer.stderr.contains("and 298 more"), "{answer:?}");
    assert!(answer.stderr.len() < 4_000, "{answer:?}");
}
