//! The server is down.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;

use super::stage::{APPLY, LIMIT, Outage, Scene, plane};
use super::verdicts::assert_quiet;
use crate::control_plane::{Output, wait_until};
use crate::{example, guard};

const CONFIG_MAP: &str =
    r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "any"}}"#;

fn assert_closed(output: &Output) {
    let why = r#"failed calling webhook "tenants.perimeter.openbao.org""#;
    assert!(
        !output.status_ok && output.stderr.contains(why),
        "{output:?}"
    );
}

#[test]
fn during_an_outage_only_tenants_writes_of_reviewed_kinds_are_denied() {
    let scene = {
        // Created while the server runs, and restored before it stops.
        let scene = Scene::rendered("outage");
        scene.namespace
    };
    let outage = Outage::begin();
    let scene = Scene::unguarded(scene, &outage);

    assert_closed(&scene.write(APPLY, &scene.scene("allowed-policy-for-web-pods")));
    assert_closed(&scene.write(APPLY, &scene.scene("allowed-cluster-declares-a-namespace")));
    assert_closed(&scene.write(APPLY, &scene.scene("repaired-raft-rule-removed")));
    assert_closed(&scene.write(&["delete", "networkpolicy", "bao-network-policy"], ""));

    assert_quiet(&scene.write(APPLY, CONFIG_MAP));
    let system = scene
        .scene("allowed-policy-for-web-pods")
        .replace(scene.namespace, "kube-system");
    plane()
        .kubectl(["apply", "--dry-run=server", "-f", "-"])
        .stdin(&system)
        .run_ok();
    the_operator_goes_on(&scene);
    the_cluster_goes(&scene);
}

/// Duration of a write by the operator.
fn time_of_a_write(scene: &Scene, port: u16) -> Duration {
    let policy = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "hung", "namespace": scene.namespace},
        "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{"ports": [{"port": port}]}]}});
    let begun = Instant::now();
    let written = example::as_operator(plane(), &policy.to_string()).run();
    assert!(written.status_ok, "{written:?}");
    begun.elapsed()
}

#[test]
fn a_server_that_hangs_delays_the_operator_by_a_second_and_no_more() {
    let namespace = Scene::with_cluster("hung").namespace;
    let outage = Outage::begin();
    let scene = Scene::unguarded(namespace, &outage);
    let denied = time_of_a_write(&scene, 1);
    // The kernel accepts connections, and no handshake is answered.
    let _hangs = TcpListener::bind(guard::ADDRESS).expect("the port of the guard");
    let hung = time_of_a_write(&scene, 2);
    let waited = hung.saturating_sub(denied);
    assert!(hung >= Duration::from_secs(1), "{hung:?}: nobody was asked");
    assert!(
        waited < Duration::from_secs(4),
        "{hung:?}, {denied:?} before"
    );
}

fn the_operator_goes_on(scene: &Scene) {
    let changed = example::managed_policies(plane(), scene.namespace);
    let changed = changed.replace("monitoring", "observability");
    example::as_operator(plane(), &changed).run_ok();
    let status = r#"{"metadata": {"annotations": {"seen": "yes"}}}"#;
    let patch = [
        "patch",
        "openbaocluster",
        "bao",
        "--type=merge",
        "-p",
        status,
    ];
    scene.admin(&patch).as_user(example::OPERATOR).run_ok();
}

fn the_cluster_goes(scene: &Scene) {
    let delete = [
        "delete",
        "openbaocluster",
        "bao",
        "--cascade=foreground",
        "--timeout=60s",
    ];
    scene.tenant(&delete).run_ok();
    assert_eq!(scene.policy("bao-network-policy"), None);
    let delete = ["delete", "namespace", scene.namespace, "--wait=false"];
    plane().kubectl(delete).run_ok();
    wait_until("the namespace is gone", LIMIT, || {
        let gone = plane().kubectl(["get", "namespace", scene.namespace]).run();
        gone.stderr.contains("NotFound").then_some(())
    });
}
