//! Advice about the ports behind Services, which the server reads by name.

use serde_json::json;

use super::stage::{LIMIT, Scene, plane};
use crate::control_plane::{Output, wait_until};

/// Writes backups to a Service of the scene, at this minute, and egress on this port.
fn patch(scene: &Scene, port: u16, minute: u32) -> Output {
    let to = json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": scene.namespace}}}]);
    let target = json!({"provider": "s3", "bucket": "backups", "endpoint": "https://storage"});
    let schedule = format!("{minute} 3 * * *");
    let spec = json!({
        "backup": {"schedule": schedule, "jwtAuthRole": "backup", "target": target},
        "network": {"egressRules": [{"to": to, "ports": [{"port": port}]}]},
    });
    let patch = json!({ "spec": spec }).to_string();
    let args = ["patch", "openbaocluster", "bao", "--type=merge", "-p"];
    let written = scene.tenant(&[&args[..], &[&patch]].concat()).run();
    assert!(written.status_ok, "{written:?}");
    written
}

#[test]
fn a_rule_for_the_port_of_a_service_is_warned_about_and_one_for_that_of_its_pods_is_not() {
    let scene = Scene::with_cluster("ports-behind-services");
    let service = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "storage", "namespace": scene.namespace},
        "spec": {"selector": {"app": "storage"}, "ports": [{"port": 443, "targetPort": 9000}]}});
    plane().apply_ok(&service.to_string());
    let mut minutes = (0..60).cycle();
    wait_until("the port of the pods is known", LIMIT, || {
        let warned = patch(&scene, 443, minutes.next()?);
        let expected = "but not on port 9000 of its pods";
        warned.stderr.contains(expected).then_some(())
    });
    let quiet = patch(&scene, 9000, 0);
    assert!(!quiet.stderr.contains("OBP605"), "{quiet:?}");
}
