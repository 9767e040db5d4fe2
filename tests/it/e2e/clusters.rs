//! Declarations of an OpenBaoCluster.

use serde_json::{Value, json};

use super::stage::{APPLY, Scene, plane};
use super::verdicts::{assert_denied, assert_quiet};
use crate::{example, scenes};

#[test]
fn declarations_without_limits_are_denied_when_a_cluster_is_created_and_changed() {
    let scene = Scene::empty("bad-declarations");
    let assert_all_refused = || {
        let mut count = 0;
        for file in scenes::named("refused-OBP30") {
            assert!(file.is_cluster());
            assert_denied(&scene.write(APPLY, &scene.scene(&file.name)), file.code());
            count += 1;
        }
        assert!(count > 4, "{count} scenes");
    };
    assert_all_refused();
    assert!(scene.stored("openbaocluster", "bao").is_none());
    assert_quiet(&scene.write(APPLY, &scene.inventory("openbaocluster")));
    assert_all_refused();
}

#[test]
fn a_rule_without_limits_is_denied_for_the_raft_port_too() {
    let scene = Scene::empty("bad-declaration-raft");
    let answer = scene.write(
        APPLY,
        &scene.scene("refused-OBP302-cluster-empty-ingress-rule"),
    );
    assert_denied(&answer, "OBP302");
    assert_denied(&answer, "OBP303");
}

#[test]
fn a_declared_connection_may_be_repeated_by_a_tenants_policy() {
    let scene = Scene::rendered("declared-connection");
    let repeat = scene.scene("allowed-policy-repeats-a-declared-connection");
    let repeat = repeat.replace(
        "kubernetes.io/metadata.name: monitoring",
        "kubernetes.io/metadata.name: web",
    );
    assert_denied(&scene.write(APPLY, &repeat), "OBP201");
    assert_quiet(&scene.write(APPLY, &scene.scene("allowed-cluster-declares-a-namespace")));
    scene.wait_until_allowed(&repeat);
    assert_quiet(&scene.write(APPLY, &repeat));
}

#[test]
fn a_stored_bad_cluster_still_takes_other_changes_and_goes() {
    let scene = Scene::empty("stored-bad-cluster");
    let bad = scene.scene("refused-OBP302-cluster-ingress-from-everywhere");
    let mut bad: Value = serde_saphyr::from_str(&bad).expect("YAML");
    bad["metadata"]["finalizers"] = json!(["openbao.org/openbaocluster-finalizer"]);
    let stored = example::as_operator(plane(), &bad.to_string()).run();
    assert!(
        stored.status_ok && stored.stderr.contains("OBP302"),
        "warned: {stored:?}"
    );

    let patch = |patch: &str| {
        let args = [
            "patch",
            "openbaocluster",
            "bao",
            "--type=merge",
            "-p",
            patch,
        ];
        scene.write(&args, "")
    };
    let scaled = patch(r#"{"spec": {"replicas": 5}}"#);
    assert!(
        scaled.status_ok && scaled.stderr.contains("Warning: OBP302"),
        "{scaled:?}"
    );
    let worse = patch(r#"{"spec": {"network": {"ingressRules": [{}]}}}"#);
    assert_denied(&worse, "OBP303");

    scene
        .tenant(&["delete", "openbaocluster", "bao", "--wait=false"])
        .run_ok();
    let released = patch(r#"{"metadata": {"finalizers": null}}"#);
    assert!(released.status_ok, "{released:?}");
    assert!(scene.stored("openbaocluster", "bao").is_none());
}

#[test]
fn a_cluster_is_not_created_beside_a_policy_too_large_to_read_that_may_select_its_pods() {
    let scene = Scene::empty("oversize-stub");
    let policy = |name: &str, pods: Value| {
        let rules = vec![json!({}); 160_000];
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": "oversize-stub"},
            "spec": {"podSelector": pods, "policyTypes": ["Ingress"], "ingress": rules},
        })
        .to_string()
    };
    let create = ["create", "-f", "-"];
    let web = policy("web", json!({"matchLabels": {"app": "web"}}));
    assert!(scene.write(&create, &web).status_ok);
    let cluster = scene.inventory("openbaocluster");
    let dry_run = ["create", "--dry-run=server", "-f", "-"];
    assert_quiet(&scene.write(&dry_run, &cluster));
    assert!(
        scene
            .write(&create, &policy("planted", json!({})))
            .status_ok
    );
    let denied = scene.write(&create, &cluster);
    assert_denied(&denied, "OBP402");
    assert!(denied.stderr.contains("`planted`"), "{denied:?}");
    assert!(!denied.stderr.contains("`web`"), "{denied:?}");
}
