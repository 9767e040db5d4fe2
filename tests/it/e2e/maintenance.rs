//! Maintenance: an annotation, and a user with permission.

use serde_json::{Value, json};

use super::stage::{APPLY, LIMIT, Scene, plane};
use super::verdicts::assert_denied;
use crate::control_plane::{Output, wait_until};

/// The scene's open policy with the maintenance annotation.
fn marked(scene: &Scene) -> String {
    let mut open: Value =
        serde_saphyr::from_str(&scene.scene("refused-OBP201-open-api-by-four-labels"))
            .expect("YAML");
    open["metadata"]["annotations"] = json!({"openbao.org/maintenance": "true"});
    open.to_string()
}

/// Grants the tenant a Role with this rule, and waits until `kubectl auth can-i` says yes.
fn grant(scene: &Scene, name: &str, rule: &Value, question: &[&str]) {
    let manifest = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": name, "namespace": scene.namespace}, "rules": [rule],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": scene.namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "tenant-alice"}],
    });
    plane().apply_ok(&format!("{manifest}\n---\n{binding}"));
    // The authorizer has its own watch.
    wait_until("the grant holds", LIMIT, || {
        let ask = [&["auth", "can-i"], question].concat();
        scene.tenant(&ask).run().status_ok.then_some(())
    });
}

/// Grants maintenance of the OpenBaoCluster with this name.
fn grant_maintenance(scene: &Scene, cluster: &str) {
    let rule = json!({"apiGroups": ["openbao.org"], "resources": ["openbaoclusters/perimeter"],
        "resourceNames": [cluster], "verbs": ["maintenance"]});
    let resource = format!("openbaoclusters.openbao.org/{cluster}");
    let ask = ["maintenance", &resource, "--subresource=perimeter"];
    grant(scene, &format!("maintains-{cluster}"), &rule, &ask);
}

#[test]
fn a_tenant_with_the_verb_on_the_cluster_may_do_maintenance() {
    let scene = Scene::rendered("maintenance-by-verb");
    let open = marked(&scene);
    let assert_told = |written: &Output| {
        assert_denied(written, "OBP201");
        let right =
            "with the verb `maintenance` on openbaoclusters/perimeter of maintenance-by-verb/bao";
        assert!(written.stderr.contains(right), "{written:?}");
    };
    assert_told(&scene.write(APPLY, &open));
    grant_maintenance(&scene, "another");
    assert_told(&scene.write(APPLY, &open));
    grant_maintenance(&scene, "bao");
    let bare = scene.scene("refused-OBP201-open-api-by-four-labels");
    let written = scene.write(APPLY, &bare);
    assert_denied(&written, "OBP201");
    assert!(!written.stderr.contains("perimeter of"), "{written:?}");
    let written = scene.write(APPLY, &open);
    assert!(written.status_ok, "{written:?}");
    assert!(written.stderr.contains("Warning: OBP201"), "{written:?}");
}

#[test]
fn all_verbs_on_the_resource_are_no_right_to_maintenance() {
    let scene = Scene::rendered("maintenance-by-star");
    // As in the operator's admin role.
    let rule =
        json!({"apiGroups": ["openbao.org"], "resources": ["openbaoclusters"], "verbs": ["*"]});
    let ask = ["maintenance", "openbaoclusters.openbao.org/bao"];
    grant(&scene, "openbaocluster-admin", &rule, &ask);
    let written = scene.write(APPLY, &marked(&scene));
    assert_denied(&written, "OBP201");
    assert!(
        written.stderr.contains("openbaoclusters/perimeter"),
        "{written:?}"
    );
}

#[test]
fn a_cluster_administrator_may_do_maintenance_and_is_not_repaired() {
    let scene = Scene::rendered("maintenance-by-masters");
    let name = "bao-network-policy";
    let patch = json!({
        "metadata": {"annotations": {"openbao.org/maintenance": "true"}},
        "spec": {"egress": []},
    });
    let patch = patch.to_string();
    let args = [
        "patch",
        "networkpolicy",
        name,
        "-n",
        scene.namespace,
        "--type=merge",
        "-p",
        &patch,
    ];
    let written = plane().kubectl(args).run();
    assert!(written.status_ok, "{written:?}");
    assert!(written.stderr.contains("Warning: OBP101"), "{written:?}");
    let stored = scene.policy(name).expect("stored");
    assert_eq!(stored["spec"].get("egress"), None);
    // The tenant's next edit is another maintenance write, for which it has no permission.
    let widen = json!({"spec": {"ingress": [{}]}}).to_string();
    let args = ["patch", "networkpolicy", name, "--type=merge", "-p", &widen];
    let denied = scene.tenant(&args).run();
    assert!(!denied.status_ok, "{denied:?}");
    // For a rule that is open to everyone there is nothing to paste.
    for part in ["OBP201", "  for example: ", "to do: leave the rule out"] {
        assert!(denied.stderr.contains(part), "{part}: {denied:?}");
    }
}
