//! Breaking the glass: an annotation, and somebody who may.

use serde_json::{Value, json};

use super::stage::{APPLY, LIMIT, Scene, plane};
use super::verdicts::assert_refused;
use crate::control_plane::wait_until;

/// The scene's open policy, marked as maintenance.
fn marked(scene: &Scene) -> String {
    let mut open: Value =
        serde_saphyr::from_str(&scene.scene("refused-OBP201-open-api-by-four-labels"))
            .expect("YAML");
    open["metadata"]["annotations"] = json!({"openbao.org/maintenance": "true"});
    open.to_string()
}

/// A Role with the verb `maintenance` on the OpenBaoCluster of this name, bound to the tenant.
fn grant(scene: &Scene, cluster: &str) {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": format!("maintains-{cluster}"), "namespace": scene.namespace},
        "rules": [{"apiGroups": ["openbao.org"], "resources": ["openbaoclusters"],
            "resourceNames": [cluster], "verbs": ["maintenance"]}],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": format!("maintains-{cluster}"), "namespace": scene.namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": format!("maintains-{cluster}")},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "tenant-alice"}],
    });
    plane().apply_ok(&format!("{role}\n---\n{binding}"));
    // The authorizer follows by a watch of its own.
    wait_until("the grant holds", LIMIT, || {
        let resource = format!("openbaoclusters.openbao.org/{cluster}");
        let ask = ["auth", "can-i", "maintenance", &resource];
        scene.tenant(&ask).run().status_ok.then_some(())
    });
}

#[test]
fn a_tenant_with_the_verb_on_the_cluster_may_break_the_glass() {
    let scene = Scene::rendered("maintenance-by-verb");
    let open = marked(&scene);
    assert_refused(&scene.write(APPLY, &open), "OBP201");
    grant(&scene, "another");
    assert_refused(&scene.write(APPLY, &open), "OBP201");
    grant(&scene, "bao");
    let bare = scene.scene("refused-OBP201-open-api-by-four-labels");
    assert_refused(&scene.write(APPLY, &bare), "OBP201");
    let written = scene.write(APPLY, &open);
    assert!(written.status_ok, "{written:?}");
    assert!(written.stderr.contains("Warning: OBP201"), "{written:?}");
}

#[test]
fn a_cluster_administrator_may_break_the_glass_and_is_not_repaired() {
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
    // The tenant's next edit is one more maintenance write, and the tenant may not make it.
    let widen = json!({"spec": {"ingress": [{}]}}).to_string();
    let args = ["patch", "networkpolicy", name, "--type=merge", "-p", &widen];
    assert_refused(&scene.tenant(&args).run(), "OBP201");
}
