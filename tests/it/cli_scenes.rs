//! The scene files with `check`: the same verdicts as on the API server.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::scenes::{self, SceneFile};

/// The exit status of `check`, and the codes of findings that deny.
fn check(scene: &SceneFile) -> (Option<i32>, BTreeSet<String>) {
    let examples = Path::new("manifests/examples");
    let inventory = examples.join("inventory");
    let mut check = Command::new(env!("CARGO_BIN_EXE_openbao-perimeter"));
    check.args(["check", "-o", "json", "--as", "tenant-alice", "--inventory"]);
    check.arg(&inventory);
    if scene.is_managed() {
        // Without the inventory it would count as written by the operator.
        check
            .arg("--before")
            .arg(inventory.join("bao-network-policy.yaml"));
    }
    let output = check.arg(scene.path()).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{}: {error}: {output:?}", scene.name));
    let findings = report["findings"].as_array().unwrap().iter();
    let denied = findings.filter(|finding| finding["level"] == "denied");
    let codes = denied.map(|finding| finding["code"].as_str().unwrap().to_owned());
    (output.status.code(), codes.collect())
}

#[test]
fn allowed_scenes_pass_without_a_denial() {
    for scene in scenes::named("allowed-") {
        assert_eq!(check(&scene), (Some(0), BTreeSet::new()), "{}", scene.name);
    }
}

#[test]
fn denied_scenes_fail_with_the_code_in_their_name() {
    for scene in scenes::named("refused-") {
        let (status, codes) = check(&scene);
        assert_eq!(status, Some(1), "{}", scene.name);
        assert!(codes.contains(scene.code()), "{}: {codes:?}", scene.name);
        if !scene.is_managed() && !scene.is_cluster() {
            assert_eq!(codes.len(), 1, "{}: {codes:?}", scene.name);
        }
    }
}

#[test]
fn an_edit_that_admission_would_repair_is_denied_where_nothing_repairs() {
    for (name, code) in [
        ("repaired-raft-rule-removed", "OBP101"),
        ("repaired-policy-types-cut-to-ingress", "OBP104"),
    ] {
        let scene = scenes::named(name).next().unwrap();
        let (status, codes) = check(&scene);
        assert_eq!(status, Some(1), "{name}");
        assert!(codes.contains(code), "{name}: {codes:?}");
    }
}

#[test]
fn every_scene_says_in_its_name_how_it_ends() {
    for scene in scenes::named("") {
        let ends = ["allowed-", "refused-OBP", "repaired-"];
        assert!(
            ends.iter().any(|end| scene.name.starts_with(end)),
            "{}",
            scene.name
        );
    }
}
