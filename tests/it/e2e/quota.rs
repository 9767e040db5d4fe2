//! An API server that limits the class `system-cluster-critical` by quota, as on GKE. The product's pods are
//! still created.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::stage::LIMIT;
use crate::control_plane::{ControlPlane, wait_until};
use crate::guard;
use crate::manifests::overlays::{INSTALLS, rendered};

const NAMESPACE: &str = "openbao-perimeter-system";
/// The installation whose pods need no other objects.
const SELF_MANAGED: &str = INSTALLS[2];

/// Writes the admission configuration that limits the class. Returns the API server flag for it.
fn limited(folder: &Path) -> String {
    let limited = json!({"resource": "pods", "matchScopes": [
        {"scopeName": "PriorityClass", "operator": "In", "values": ["system-cluster-critical"]}]});
    let configuration = json!({
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration",
        "plugins": [{"name": "ResourceQuota", "configuration": {
            "apiVersion": "apiserver.config.k8s.io/v1", "kind": "ResourceQuotaConfiguration",
            "limitedResources": [limited]}}],
    });
    fs::write(folder.join("admission.json"), configuration.to_string()).expect("write it");
    "--admission-control-config-file=admission.json".to_owned()
}

fn apply(plane: &ControlPlane, objects: &[Value]) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let apply = plane.kubectl(["apply", "-f", "-"]);
    apply.stdin(&list.to_string()).run_ok();
}

fn get(plane: &ControlPlane, what: &str, path: &str) -> String {
    let path = format!("-o=jsonpath={path}");
    plane
        .kubectl(["get", what, &path, "-n", NAMESPACE])
        .run_ok()
}

#[test]
fn our_pods_are_made_where_a_quota_limits_their_class() {
    let plane = ControlPlane::start_with(limited);
    plane.start_controllers(
        "resourcequota-controller,deployment-controller,replicaset-controller",
        "resourcequota-controller deployment-controller replicaset-controller",
    );
    plane.apply_ok(guard::OPERATOR_NAMESPACE);
    let objects = rendered(SELF_MANAGED);
    let of_kind = |kind: &str| -> (Vec<Value>, Vec<Value>) {
        let objects = objects.iter().cloned();
        objects.partition(|object| object["kind"] == kind)
    };
    let (deployment, _) = of_kind("Deployment");
    let (quota, others) = of_kind("ResourceQuota");
    let others: Vec<Value> = others
        .into_iter()
        .filter(|o| o["kind"] != "Deployment")
        .collect();
    apply(&plane, &others);

    // The pod is created directly, since a ReplicaSet retries with growing delays.
    let pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "one", "namespace": NAMESPACE},
        "spec": deployment[0]["spec"]["template"]["spec"]});
    let create = plane.kubectl(["create", "-f", "-"]);
    let denied = create.stdin(&pod.to_string()).run();
    assert!(
        !denied.status_ok && denied.stderr.contains("insufficient quota"),
        "{denied:?}"
    );

    apply(&plane, &quota);
    wait_until("the quota is counted", LIMIT, || {
        let hard = get(&plane, "resourcequotas", "{.items[*].status.hard.pods}");
        (hard == "20").then_some(())
    });
    apply(&plane, &deployment);
    let classes = "{.items[*].spec.priorityClassName}";
    wait_until("both pods are made", LIMIT, || {
        let made = get(&plane, "pods", classes);
        (made == "system-cluster-critical system-cluster-critical").then_some(())
    });
}
