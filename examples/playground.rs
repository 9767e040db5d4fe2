//! `make playground`: a real API server with our registrations and the example cluster, and lines
//! to try on it. Ctrl-C ends it all.

#![allow(clippy::expect_used, clippy::panic, reason = "shares the tests' code")]

#[path = "../tests/support/control_plane.rs"]
mod control_plane;
#[path = "../tests/support/example.rs"]
mod example;
#[path = "../tests/support/guard.rs"]
mod guard;

use std::path::{Path, PathBuf};
use std::{env, fs, thread};

use control_plane::ControlPlane;
use guard::Guard;

/// Where git does not look. From the top of the repository, like all paths that are printed.
const KUBECONFIG: &str = ".playground/kubeconfig";

const LINES: [(&str, &str); 5] = [
    (
        "the cluster and its policies",
        "get openbaoclusters,networkpolicies -n bao",
    ),
    (
        "refused: a second policy opens the OpenBao pods",
        "apply -f manifests/examples/scenes/refused-OBP201-open-api-by-four-labels.yaml",
    ),
    (
        "allowed: a default deny that leaves DNS",
        "apply -f manifests/examples/scenes/allowed-default-deny-with-dns-by-name.yaml",
    ),
    (
        "repaired: the managed policy without its Raft rule",
        "apply -f manifests/examples/scenes/repaired-raft-rule-removed.yaml",
    ),
    (
        "refused: the managed policy is deleted while its cluster lives",
        "delete networkpolicy bao-network-policy -n bao",
    ),
];

fn main() {
    env::set_current_dir(env!("CARGO_MANIFEST_DIR")).expect("go to the top of the repository");
    println!("Starting the control plane and the guard ...");
    let plane = ControlPlane::start();
    let _guard = Guard::install(&plane, &program());
    fs::create_dir_all(".playground").expect("create .playground");
    fs::copy(plane.kubeconfig(), KUBECONFIG).expect("copy the kubeconfig");
    let kubectl = control_plane::binary("kubectl");
    let kubectl = kubectl
        .strip_prefix(env!("CARGO_MANIFEST_DIR"))
        .unwrap_or(&kubectl);
    println!("It runs until Ctrl-C. In another terminal, from this folder:\n");
    println!("  export KUBECONFIG={KUBECONFIG}");
    for (what, line) in LINES {
        println!("\n  # {what}\n  {} {line}", kubectl.display());
    }
    println!();
    loop {
        thread::park();
    }
}

/// Built with this example, beside its folder.
fn program() -> PathBuf {
    let own = env::current_exe().expect("know the own path");
    let folder = own
        .parent()
        .and_then(Path::parent)
        .expect("be in target/*/examples");
    let program = folder.join("openbao-perimeter");
    assert!(
        program.is_file(),
        "{} is missing: run `make playground`",
        program.display()
    );
    program
}
