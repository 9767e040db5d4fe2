//! Pods that the system's controllers make from templates of the operator.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use super::samples::{four, named, object, two};
use super::stage::{CONTROLLERS, Stage, TENANT, assert_denied, assert_quiet, stage};
use crate::control_plane::{ControlPlane, audit_flags, wait_until};
use crate::e2e::stage::LIMIT;
use crate::example::OPERATOR;

/// The StatefulSet of a cluster with three servers, as the operator writes it.
pub(super) fn servers(namespace: &str) -> Value {
    let mut set = object(named("StatefulSet"), namespace, "bao", &four());
    set["spec"]["replicas"] = json!(3);
    set
}

/// A backup job.
pub(super) fn backup(namespace: &str) -> Value {
    let mut labels = two();
    labels["app.kubernetes.io/managed-by"] = json!("openbao-operator");
    object(named("Job"), namespace, "backup-bao-1", &labels)
}

/// The operator creates its workloads, and the pods come back after each deletion.
fn assert_healed(stage: &Stage, namespace: &str) {
    stage.namespace(namespace);
    for workload in [servers(namespace), backup(namespace)] {
        assert_quiet(&stage.apply(OPERATOR, &workload));
    }
    let all = "openbao.org/cluster=bao";
    let uids = |pods: Vec<(String, String)>| -> BTreeSet<String> {
        pods.into_iter().map(|(_, uid)| uid).collect()
    };
    let first = uids(stage.wait_for_pods(namespace, all, 4));
    let delete = ["delete", "pods", "-n", namespace, "-l", all, "--now"];
    stage.kubectl(OPERATOR, &delete).run_ok();
    wait_until("the pods are back", LIMIT, || {
        let pods = uids(stage.pods(namespace, all));
        (pods.len() == 4 && pods.is_disjoint(&first)).then_some(())
    });
}

#[test]
fn pods_of_the_operators_workloads_come_back_while_no_server_of_ours_runs() {
    let stage = stage();
    let namespace = "healed";
    assert_healed(stage, namespace);
    // The controller wrote a revision with the labels.
    let columns =
        "-o=jsonpath={.items[*].data.spec.template.metadata.labels['openbao\\.org/cluster']}";
    let get = ["get", "controllerrevisions", "-n", namespace, columns];
    assert_eq!(stage.plane.kubectl(get).run_ok(), "bao");
    // More pods, and another revision.
    let scale = [
        "scale",
        "statefulset",
        "bao",
        "-n",
        namespace,
        "--replicas=4",
    ];
    assert_quiet(&stage.kubectl(OPERATOR, &scale).run());
    let restart = ["rollout", "restart", "statefulset", "bao", "-n", namespace];
    assert_quiet(&stage.kubectl(OPERATOR, &restart).run());
    stage.wait_for_pods(namespace, "app.kubernetes.io/name=openbao", 4);
    wait_until("a second revision", LIMIT, || {
        let revisions = stage.plane.kubectl(get).run_ok();
        (revisions == "bao bao").then_some(())
    });
    // Garbage collection and the deletion of the namespace go on.
    let delete = ["delete", "namespace", namespace, "--timeout=60s"];
    stage.plane.kubectl(delete).run_ok();
}

#[test]
fn an_owner_reference_alone_makes_no_pod_one_of_the_operators() {
    let stage = stage();
    stage.namespace("claimed");
    let set = stage.apply(OPERATOR, &servers("claimed"));
    assert_quiet(&set);
    let uid = [
        "get",
        "statefulset",
        "bao",
        "-n",
        "claimed",
        "-o=jsonpath={.metadata.uid}",
    ];
    let uid = stage.plane.kubectl(uid).run_ok();
    let mut pod = object(named("Pod"), "claimed", "bao-9", &four());
    pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet",
        "name": "bao", "uid": uid, "controller": true}]);
    assert_denied(&stage.apply(TENANT, &pod), "OBP501");
}

#[test]
fn a_statefulset_of_another_name_gets_no_pod_with_the_labels() {
    let stage = stage();
    stage.namespace("misnamed");
    let controller = "system:serviceaccount:kube-system:statefulset-controller";
    let owned = |name: &str| {
        let mut pod = object(named("Pod"), "misnamed", &format!("{name}-0"), &four());
        pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1",
            "kind": "StatefulSet", "name": name, "uid": "1", "controller": true}]);
        pod
    };
    let pods = ["bao", "bao-blue", "web", "baobab"].map(owned);
    let answers = stage.create(controller, &pods);
    let is_allowed: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(is_allowed, [true, true, false, false], "{answers:?}");
}

#[test]
fn a_controller_manager_without_accounts_for_its_controllers_makes_the_pods_too() {
    let plane = ControlPlane::start_with(audit_flags);
    let manager = "system:kube-controller-manager";
    let all = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "manager"}, "subjects": [{"apiGroup": "rbac.authorization.k8s.io",
        "kind": "User", "name": manager}], "roleRef": {"apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole", "name": "cluster-admin"}});
    plane.apply_ok(&all.to_string());
    let kubeconfig = fs::read_to_string(plane.kubeconfig()).expect("a kubeconfig");
    let mut kubeconfig: Value = serde_json::from_str(&kubeconfig).expect("JSON");
    kubeconfig["users"][0]["user"]["as"] = json!(manager);
    let file = plane.folder().join("manager.kubeconfig");
    fs::write(&file, kubeconfig.to_string()).expect("write");
    plane.start_controllers_as_one("manager.kubeconfig", CONTROLLERS);
    let stage = Stage::of(plane);
    stage.guard("");
    assert_healed(&stage, "healed");
    super::levels::each_level_has_its_effect(&stage);
}
