//! `make playground`: a real API server with our registrations and the example cluster, kubeconfigs
//! for its administrator and for a tenant, and lines to try. Ctrl-C ends it all.

#![allow(clippy::expect_used, clippy::panic, reason = "shares the tests' code")]

#[path = "../tests/support/control_plane.rs"]
mod control_plane;
#[path = "../tests/support/example.rs"]
mod example;
#[path = "../tests/support/guard.rs"]
mod guard;

use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{env, fs, thread};

use control_plane::ControlPlane;
use guard::Guard;

/// Folder for the kubeconfigs. Git ignores it. From the top of the repository, like all paths that
/// are printed.
const FOLDER: &str = ".playground";

/// Account of a tenant: it edits policies and OpenBaoClusters of namespace `bao`, and nothing else.
const TENANT: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: tenant, namespace: bao}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: tenant, namespace: bao}
rules:
  - {apiGroups: [networking.k8s.io], resources: [networkpolicies], verbs: ['*']}
  - {apiGroups: [openbao.org], resources: [openbaoclusters], verbs: ['*']}
  - {apiGroups: ['', events.k8s.io], resources: [events], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: tenant, namespace: bao}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: tenant}
subjects:
  - {kind: ServiceAccount, namespace: bao, name: tenant}
";

const LINES: [(&str, &str); 6] = [
    (
        "the cluster and its policies",
        "get openbaoclusters,networkpolicies",
    ),
    (
        "denied: a second policy opens the OpenBao pods",
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
        "denied: the managed policy is deleted while its cluster lives",
        "delete networkpolicy bao-network-policy",
    ),
    ("the Events of these denials", "get events"),
];

fn main() {
    env::set_current_dir(env!("CARGO_MANIFEST_DIR")).expect("go to the top of the repository");
    let program = program();
    let plane = step("1/5 etcd and the API server", ControlPlane::start);
    step("2/5 kinds, namespace and Service", || {
        guard::prepare(&plane, &program);
    });
    step("3/5 controllers, and the example cluster", || {
        plane.start_controller_manager();
        example::load(&plane, "bao");
    });
    let guard = step("4/5 openbao-perimeter", || Guard::start(&plane, &program));
    step("5/5 registrations", || guard::register(&plane));
    print_help(&plane, &guard);
    loop {
        thread::park();
    }
}

/// Runs one step of the start, and prints how long it took.
fn step<T>(name: &str, run: impl FnOnce() -> T) -> T {
    println!("{name} ...");
    let begin = Instant::now();
    let done = run();
    println!("    done in {:.1} s", begin.elapsed().as_secs_f64());
    done
}

/// Writes the kubeconfigs, and prints addresses and lines to try.
fn print_help(plane: &ControlPlane, guard: &Guard) {
    fs::create_dir_all(FOLDER).expect("create .playground");
    let admin = format!("{FOLDER}/kubeconfig");
    let tenant = format!("{FOLDER}/tenant.kubeconfig");
    for file in [&admin, &tenant] {
        fs::copy(plane.kubeconfig(), file).expect("copy the kubeconfig");
    }
    become_tenant(plane, &tenant);
    println!("\nRuns until Ctrl-C.\n");
    println!("  admin      export KUBECONFIG={admin}");
    println!("  tenant     export KUBECONFIG={tenant}");
    let served = |path: &str| guard.address(path).map(|address| address.to_string());
    for (name, path) in [("metrics", "/metrics"), ("readiness", "/readyz")] {
        let address = served(path).unwrap_or_default();
        println!("  {name:<10} http://{address}{path}");
    }
    let log = plane.folder().join("openbao-perimeter.log");
    println!("  log        {}", shown(&log));
    let kubectl = control_plane::binary("kubectl");
    println!("\nIn another terminal, from this folder:\n\n  export KUBECONFIG={tenant}");
    for (what, line) in LINES {
        println!("\n  # {what}\n  {} {line}", shown(&kubectl));
    }
    println!();
}

/// Makes a copy of the administrator's kubeconfig the tenant's.
fn become_tenant(plane: &ControlPlane, file: &str) {
    plane.apply_ok(TENANT);
    let token = plane.kubectl(["create", "token", "tenant", "-n=bao", "--duration=24h"]);
    let token = format!("--token={}", token.run_ok().trim());
    let file = format!("--kubeconfig={file}");
    let user = ["config", &file, "set-credentials", "tenant", &token];
    plane.kubectl(user).run_ok();
    let context = "set-context --current --user=tenant --namespace=bao";
    let context = ["config", &file].into_iter().chain(context.split(' '));
    plane.kubectl(context).run_ok();
    let admin = ["config", &file, "delete-user", "admin"];
    plane.kubectl(admin).run_ok();
}

/// A path from the top of the repository, where it is below it.
fn shown(path: &Path) -> String {
    let below = path.strip_prefix(env!("CARGO_MANIFEST_DIR"));
    below.unwrap_or(path).display().to_string()
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
