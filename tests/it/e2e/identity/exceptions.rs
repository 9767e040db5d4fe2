//! Writers that may write the labels.

use serde_json::{Value, json};

use super::samples::{named, object, two};
use super::stage::{Stage, TENANT, VELERO, assert_denied, assert_quiet, stage};
use crate::control_plane::{Output, wait_until};
use crate::e2e::stage::LIMIT;

/// Grants the tenant the verb on the OpenBaoCluster with this name.
fn grant(stage: &Stage, namespace: &str, cluster: &str) {
    let group = "rbac.authorization.k8s.io";
    let version = format!("{group}/v1");
    let name = format!("maintains-{cluster}");
    let role = json!({"apiVersion": version, "kind": "Role",
        "metadata": {"name": name, "namespace": namespace}, "rules": [{"apiGroups": ["openbao.org"],
        "resources": ["openbaoclusters/perimeter"], "resourceNames": [cluster], "verbs": ["maintenance"]}]});
    let binding = json!({"apiVersion": version, "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
        "subjects": [{"apiGroup": group, "kind": "User", "name": TENANT}]});
    stage.plane.apply_ok(&format!("{role}\n---\n{binding}"));
    let resource = format!("openbaoclusters.openbao.org/{cluster}");
    let ask = [
        "auth",
        "can-i",
        "maintenance",
        &resource,
        "--subresource=perimeter",
        "-n",
        namespace,
    ];
    wait_until("the grant holds", LIMIT, || {
        stage.kubectl(TENANT, &ask).run().status_ok.then_some(())
    });
}

#[test]
fn maintenance_takes_the_annotation_and_the_verb_for_the_old_and_the_new_cluster() {
    let stage = stage();
    let namespace = "maintained";
    stage.namespace(namespace);
    let plain = object(named("Deployment"), namespace, "web", &two());
    let mut marked = plain.clone();
    marked["metadata"]["annotations"] = json!({"openbao.org/maintenance": "true"});
    assert_denied(&stage.apply(TENANT, &marked), "OBP501");
    grant(stage, namespace, "bao");
    assert_denied(&stage.apply(TENANT, &plain), "OBP501");
    assert_quiet(&stage.apply(TENANT, &marked));
    // A verb for another cluster is none for this one.
    let mut other = object(
        named("Pod"),
        namespace,
        "other",
        &json!({"openbao.org/cluster": "other"}),
    );
    other["metadata"]["annotations"] = json!({"openbao.org/maintenance": "true"});
    assert_denied(&stage.apply(TENANT, &other), "OBP501");

    let relabel = |value: &Value| -> Output {
        let patch =
            json!({"spec": {"template": {"metadata": {"labels": {"openbao.org/cluster": value}}}}});
        let patch = patch.to_string();
        let args = [
            "patch",
            "deployment",
            "web",
            "-n",
            namespace,
            "--type=merge",
            "--dry-run=server",
            "-p",
            &patch,
        ];
        stage.kubectl(TENANT, &args).run()
    };
    assert_denied(&relabel(&json!("other")), "OBP501");
    assert_quiet(&relabel(&Value::Null));
    grant(stage, namespace, "other");
    assert_quiet(&relabel(&json!("other")));
    assert_quiet(&stage.apply(TENANT, &other));
    // What has the labels already may change otherwise, marked or not.
    let args = [
        "scale",
        "deployment",
        "web",
        "-n",
        namespace,
        "--replicas=0",
    ];
    assert_quiet(&stage.kubectl(TENANT, &args).run());
}

#[test]
fn an_account_of_the_settings_restores_pods_and_templates() {
    let stage = stage();
    stage.namespace("restored");
    let objects = ["Pod", "StatefulSet", "Job"];
    let objects = objects.map(|kind| object(named(kind), "restored", "bao-0", &two()));
    assert!(stage.create(VELERO, &objects).iter().all(Result::is_ok));
    for answer in stage.create(TENANT, &objects) {
        assert!(answer.is_err_and(|said| said.contains("OBP501")));
    }
}
