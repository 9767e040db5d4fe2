//! Deletion of a cluster: its policies are deleted or stay, and nothing hangs.

use super::stage::{LIMIT, Scene, plane};
use crate::control_plane::wait_until;

const MANAGED: [&str; 2] = ["bao-network-policy", "bao-jobs-network-policy"];

/// Deletes the cluster as a tenant. kubectl waits until it is deleted.
fn delete(scene: &Scene, cascade: &str) {
    let delete = ["delete", "openbaocluster", "bao", cascade, "--timeout=60s"];
    scene.tenant(&delete).run_ok();
}

fn wait_until_gone(scene: &Scene) {
    wait_until("the policies are gone", LIMIT, || {
        let gone = MANAGED.iter().all(|name| scene.policy(name).is_none());
        gone.then_some(())
    });
}

#[test]
fn a_cluster_that_is_deleted_takes_its_policies_with_it() {
    let scene = Scene::rendered("deleted-background");
    delete(&scene, "--cascade=background");
    wait_until_gone(&scene);
}

#[test]
fn a_cluster_that_is_deleted_in_the_foreground_goes_after_its_policies() {
    let scene = Scene::rendered("deleted-foreground");
    delete(&scene, "--cascade=foreground");
    assert!(MANAGED.iter().all(|name| scene.policy(name).is_none()));
}

#[test]
fn policies_that_are_orphaned_stay_and_are_the_tenants_own() {
    let scene = Scene::rendered("deleted-orphan");
    delete(&scene, "--cascade=orphan");
    for name in MANAGED {
        let policy = scene.policy(name).expect("orphaned");
        assert_eq!(policy["metadata"].get("ownerReferences"), None, "{policy}");
    }
    let delete = ["delete", "networkpolicy", MANAGED[0], "--dry-run=server"];
    wait_until("the policy may be deleted", LIMIT, || {
        scene.tenant(&delete).run().status_ok.then_some(())
    });
}

#[test]
fn a_cluster_with_a_finalizer_goes_when_the_operator_lets_it() {
    let scene = Scene::rendered("deleted-finalizer");
    let patch = |patch: &str| {
        let args = [
            "patch",
            "openbaocluster",
            "bao",
            "--type=merge",
            "-p",
            patch,
        ];
        let answer = scene.admin(&args).as_user(crate::example::OPERATOR).run();
        assert!(answer.status_ok && answer.stderr.is_empty(), "{answer:?}");
    };
    patch(r#"{"metadata": {"finalizers": ["openbao.org/openbaocluster-finalizer"]}}"#);
    scene
        .tenant(&["delete", "openbaocluster", "bao", "--wait=false"])
        .run_ok();
    let cluster = scene
        .stored("openbaocluster", "bao")
        .expect("held by its finalizer");
    assert!(cluster["metadata"].get("deletionTimestamp").is_some());
    patch(r#"{"metadata": {"finalizers": null}}"#);
    assert!(scene.stored("openbaocluster", "bao").is_none());
    wait_until_gone(&scene);
}

#[test]
fn a_namespace_is_deleted_with_everything_in_it() {
    let scene = Scene::rendered("deleted-namespace");
    let delete = ["delete", "namespace", scene.namespace, "--timeout=90s"];
    plane().kubectl(delete).run_ok();
}
