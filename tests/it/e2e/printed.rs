//! Output of the command for a cluster on an API server.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::stage::{Scene, plane};
use crate::example;

/// Runs the command against the control plane. Returns its output.
fn command(args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openbao-perimeter"));
    command.env("KUBECONFIG", plane().kubeconfig());
    let output = command
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("run it");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && error.is_empty(),
        "{args:?}: {error}"
    );
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_api_server_takes_what_is_rendered_from_the_tenant_and_from_the_operator() {
    let scene = Scene::with_cluster("rendered-by-us");
    let cluster = scene.stored("openbaocluster", "bao").expect("a cluster");
    let file = crate::support::folder("e2e-render").join("cluster.json");
    std::fs::write(&file, cluster.to_string()).expect("write the cluster");
    let file = file.to_str().expect("a path");
    let uid = cluster["metadata"]["uid"].as_str().expect("a uid");
    let rendered = |baseline| {
        let text = command(&["render", file, "--baseline", baseline]);
        assert!(text.contains(&format!("    uid: {uid}\n")), "{text}");
        text
    };
    for baseline in ["v0.1", "v0.4"] {
        let rendered = rendered(baseline);
        let ask = ["apply", "--dry-run=server", "-f", "-"];
        let asked = scene.tenant(&ask).stdin(&rendered).run();
        assert!(
            asked.status_ok && asked.stderr.is_empty(),
            "{baseline}: {asked:?}"
        );
        let asked = example::as_operator(plane(), &rendered).with("--dry-run=server");
        let asked = asked.run();
        assert!(
            asked.status_ok && asked.stderr.is_empty(),
            "{baseline}: {asked:?}"
        );
    }
    // The server uses `v0.1`, which no longer permits kube-system. The operator only gets a warning.
    let asked = example::as_operator(plane(), &rendered("classic")).with("--dry-run=server");
    let asked = asked.run();
    assert!(
        asked.status_ok && asked.stderr.contains("OBP201"),
        "{asked:?}"
    );
}

#[test]
fn a_live_cluster_is_shown_as_it_is() {
    let scene = Scene::rendered("shown-live");
    let shown = command(&["show", "shown-live/bao", "-o", "json"]);
    let view: Value = serde_json::from_str(&shown).expect("JSON");
    let zone = &view["clusters"][0]["zones"][0];
    assert_eq!(
        zone["policy"],
        json!({"name": "bao-network-policy", "stored": true})
    );
    assert_eq!(zone["isolation"][0]["state"], "yes");
    assert_eq!(zone["rows"][0]["opened_by"][0]["rule"], "spec.ingress[0]");
    drop(scene);
}
