//! An API server that limits the class `system-cluster-critical` by quota, as on GKE: our pods are
//! made all the same.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::stage::LIMIT;
use crate::control_plane::{ControlPlane, wait_until};
use crate::manifests::overlays::{INSTALLS, rendered};

const NAMESPACE: &str = "openbao-perimeter-system";
/// The way to install whose pods wait for nothing that somebody else makes.
const SELF_MANAGED: &str = INSTALLS[2];

/// Writes the admission configuration that limits the class, and names it to the API server.
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
    let objects = rendered(SELF_MANAGED);
    let is_quota = |object: &&Value| object["kind"] == "ResourceQuota";
    let without: Vec<Value> = objects.iter().filter(|o| !is_quota(o)).cloned().collect();
    assert_eq!(without.len() + 1, objects.len());

    apply(&plane, &without);
    wait_until("no pod may be made", LIMIT, || {
        let conditions = get(&plane, "deployments", "{.items[*].status.conditions}");
        conditions.contains("insufficient quota").then_some(())
    });
    assert_eq!(get(&plane, "pods", "{.items}"), "[]");

    // Made anew, since after a refusal the next try comes later and later.
    let delete = ["delete", "deployment", "--all", "-n", NAMESPACE];
    plane.kubectl(delete).run_ok();
    apply(&plane, &objects);
    let classes = "{.items[*].spec.priorityClassName}";
    wait_until("both pods are made", LIMIT, || {
        let made = get(&plane, "pods", classes);
        (made == "system-cluster-critical system-cluster-critical").then_some(())
    });
}
