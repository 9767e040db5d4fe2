//! Each way to install on a real API server, and the page about breaking the glass. Nobody serves
//! here: nothing listens behind the registrations.

use std::env;
use std::process::Command;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::stage::LIMIT;
use crate::control_plane::{ControlPlane, binary, wait_until};
use crate::example;
use crate::manifests::overlays::{INSTALLS, REGISTRATIONS, one, rendered};

const NAMESPACE: &str = "openbao-perimeter-system";

/// Shared, since starting one takes longer than all that is done here; one test at a time, since
/// registrations are for all.
static PLANE: LazyLock<Mutex<ControlPlane>> = LazyLock::new(|| Mutex::new(prepared()));

fn plane() -> MutexGuard<'static, ControlPlane> {
    PLANE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn prepared() -> ControlPlane {
    let plane = ControlPlane::start();
    for (kind, plural) in [("Certificate", "certificates"), ("Issuer", "issuers")] {
        plane.apply_ok(&stand_in(kind, plural));
    }
    let established = "wait --for=condition=Established --timeout=60s crd --all";
    plane.kubectl(established.split(' ')).run_ok();
    let objects = rendered(INSTALLS[0]);
    for kind in ["Namespace", "ServiceAccount"] {
        let object: Value = one(&objects, kind);
        // As users do, so that a later call of theirs says nothing about it.
        let apply = plane.kubectl(["apply", "-f", "-"]);
        apply.stdin(&object.to_string()).run_ok();
    }
    plane
}

/// As much of a kind of cert-manager as it takes to store one.
fn stand_in(kind: &str, plural: &str) -> String {
    let schema = json!({"openAPIV3Schema": {"type": "object",
        "x-kubernetes-preserve-unknown-fields": true}});
    let version = json!({"name": "v1", "served": true, "storage": true, "schema": schema});
    let names = json!({"kind": kind, "plural": plural});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.cert-manager.io")},
        "spec": {"group": "cert-manager.io", "scope": "Namespaced", "names": names,
            "versions": [version]},
    })
    .to_string()
}

#[test]
fn every_way_to_install_is_taken_by_the_api_server_without_a_warning() {
    let plane = plane();
    for folder in INSTALLS.iter().chain(&REGISTRATIONS) {
        // By hand, and as delivery tools do.
        let delivery = ["--server-side", "--field-manager=delivery"];
        for mode in [&[][..], &delivery] {
            let apply = ["apply", "--dry-run=server", "-k", folder];
            let output = plane.kubectl(apply.iter().chain(mode)).run();
            assert!(output.status_ok, "{folder}: {}", output.stderr);
            assert_eq!(output.stderr, "", "{folder}");
            let applied = output.stdout.lines().count();
            assert_eq!(applied, rendered(folder).len(), "{}", output.stdout);
        }
    }
}

#[test]
fn our_namespace_takes_our_pods_and_no_privileged_ones() {
    let plane = plane();
    for install in INSTALLS {
        let deployment: Value = one(&rendered(install), "Deployment");
        let template = &deployment["spec"]["template"];
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": template["spec"],
            "metadata": {"name": "one", "namespace": NAMESPACE}});
        let create = || plane.kubectl(["create", "--dry-run=server", "-f", "-"]);
        create().stdin(&pod.to_string()).run_ok();
        pod["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
        let refused = create().stdin(&pod.to_string()).run();
        assert!(
            refused.stderr.contains("violates PodSecurity"),
            "{refused:?}"
        );
        let volumes = pod["spec"]["volumes"].as_array_mut().expect("volumes");
        volumes.push(json!({"name": "host", "hostPath": {"path": "/"}}));
        let refused = create().stdin(&pod.to_string()).run();
        assert!(refused.stderr.contains("hostPath"), "{refused:?}");
    }
}

/// The commands of the page that are marked as played.
fn commands() -> Vec<&'static str> {
    let page = include_str!("../../../docs/operations/break-glass.md");
    let marked = page.split("<!-- Played by a test. -->\n```sh\n").skip(1);
    marked.filter_map(|rest| rest.split("```").next()).collect()
}

/// Runs a command as whoever reads the page does.
fn play(plane: &ControlPlane, command: &str) {
    let kubectl = binary("kubectl");
    let mut path = vec![kubectl.parent().expect("a folder").to_owned()];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let mut shell = Command::new("sh");
    shell.args(["-ec", command]).env("KUBERC", "off");
    shell.env("KUBECONFIG", plane.kubeconfig());
    shell.env("PATH", env::join_paths(path).expect("a path"));
    let output = shell.output().expect("run sh");
    assert!(output.status.success(), "{command}: {output:?}");
}

#[test]
fn the_page_about_breaking_the_glass_does_so() {
    let plane = plane();
    let policy = example::scene("allowed-policy-for-web-pods", "default");
    let ask = || {
        let apply = plane.kubectl(["apply", "--dry-run=server", "-f", "-"]);
        apply.stdin(&policy).run()
    };
    let commands = commands();
    assert_eq!(commands.len(), 2);
    for command in commands {
        plane.kubectl(["apply", "-k", REGISTRATIONS[0]]).run_ok();
        let refused = wait_until("writes are refused", LIMIT, || {
            let output = ask();
            (!output.status_ok).then_some(output)
        });
        let closed = r#"failed calling webhook "tenants.perimeter.openbao.org""#;
        assert!(refused.stderr.contains(closed), "{refused:?}");
        play(&plane, command);
        wait_until("writes pass", LIMIT, || ask().status_ok.then_some(()));
    }
    // Nothing of ours is left in the way of the next test.
    let delete = ["delete", "-k", REGISTRATIONS[0], "--ignore-not-found"];
    plane.kubectl(delete).run_ok();
}
