//! A release that widens an OpenBaoCluster and a policy at once.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::{example, support};

/// The release: the cluster declares namespace `web`, and a policy opens it too.
fn release(name: &str) -> [PathBuf; 2] {
    let folder = support::folder(name);
    let scene = |scene: &str| example::scene(scene, "bao");
    let cluster = scene("allowed-cluster-declares-a-namespace");
    let policy = scene("allowed-policy-repeats-a-declared-connection").replace(
        "kubernetes.io/metadata.name: monitoring",
        "kubernetes.io/metadata.name: web",
    );
    [("cluster", cluster), ("policy", policy)].map(|(name, text)| {
        let path = folder.join(format!("{name}.yaml"));
        std::fs::write(&path, text).unwrap();
        path
    })
}

/// The exit status of `check` for these files, and its findings.
fn check(paths: &[&Path]) -> (Option<i32>, Vec<Value>) {
    let mut check = Command::new(env!("CARGO_BIN_EXE_openbao-perimeter"));
    check.args(["check", "-o", "json", "--inventory"]);
    check.arg(example::folder().join("inventory")).args(paths);
    let output = check.output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap().clone();
    (output.status.code(), findings)
}

#[test]
fn both_files_together_are_a_final_state_that_passes() {
    let [cluster, policy] = release("release-together");
    let (status, findings) = check(&[&cluster, &policy]);
    assert_eq!((status, findings.as_slice()), (Some(0), &[][..]));
}

#[test]
fn the_policy_that_reaches_admission_first_is_denied_and_reported_as_not_needed() {
    let [_, policy] = release("release-in-order");
    let (status, findings) = check(&[&policy]);
    assert_eq!(status, Some(1));
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0]["code"], "OBP201");
    let remedies = findings[0]["remedies"].as_array().unwrap();
    let declared = remedies
        .iter()
        .find(|remedy| remedy["target"] == "OpenBaoCluster bao/bao");
    let declared = declared.unwrap_or_else(|| panic!("{remedies:?}"));
    assert_eq!(declared["path"], "spec.network.trustedIngressPeers");
    assert_eq!(
        declared["value"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"],
        "web"
    );
}
