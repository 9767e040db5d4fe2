//! Each installation on a real API server, and the page about overriding a denial. No server is behind the
//! registrations.

mod chart;

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::{env, fs};

use serde_json::{Value, json};

use super::stage::LIMIT;
use crate::control_plane::{ControlPlane, binary, found, wait_until};
use crate::manifests::overlays::{INSTALLS, REGISTRATIONS, one, rendered};
use crate::{example, guard};

const NAMESPACE: &str = "openbao-perimeter-system";
/// The installation with cert-manager objects.
const OVERLAY: &str = INSTALLS[1];

/// Shared, since starting one takes longer than the tests. They run one at a time, since registrations are
/// cluster-scoped.
static PLANE: LazyLock<Mutex<ControlPlane>> = LazyLock::new(|| Mutex::new(prepared()));

fn plane() -> MutexGuard<'static, ControlPlane> {
    PLANE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn prepared() -> ControlPlane {
    let plane = ControlPlane::start();
    if let Some(kinds) = kinds_of_cert_manager() {
        plane.apply_ok(&kinds);
        let established = "wait --for=condition=Established --timeout=60s crd --all";
        plane.kubectl(established.split(' ')).run_ok();
    }
    plane.apply_ok(guard::OPERATOR_NAMESPACE);
    let objects = rendered(INSTALLS[0]);
    for kind in ["Namespace", "ServiceAccount"] {
        let object: Value = one(&objects, kind);
        // Client-side apply as users do, so that a later call prints no warning.
        let apply = plane.kubectl(["apply", "-f", "-"]);
        apply.stdin(&object.to_string()).run_ok();
    }
    plane
}

/// CRDs of cert-manager, which build.sh fetches.
fn kinds_of_cert_manager() -> Option<String> {
    let files = ["certificates", "issuers"].map(|kind| {
        let file = found(&format!("cert-manager/cert-manager.io_{kind}.yaml"))?;
        fs::read_to_string(file).ok()
    });
    let [Some(certificates), Some(issuers)] = files else {
        return None;
    };
    Some([certificates, issuers].join("\n---\n"))
}

#[test]
fn every_way_to_install_is_taken_by_the_api_server_without_a_warning() {
    let plane = plane();
    let folders = INSTALLS.iter().chain(&REGISTRATIONS);
    for folder in folders.filter(|folder| **folder != OVERLAY) {
        is_taken(&plane, folder);
    }
}

#[test]
#[cfg_attr(
    not(has_published_crds),
    ignore = "no CRDs of cert-manager: make control-plane"
)]
fn the_installation_with_cert_manager_is_taken_by_the_api_server_without_a_warning() {
    is_taken(&plane(), OVERLAY);
}

fn is_taken(plane: &ControlPlane, folder: &str) {
    // Client-side, and server-side as delivery tools do.
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

#[test]
#[cfg_attr(
    not(has_published_crds),
    ignore = "no CRDs of cert-manager: make control-plane"
)]
fn cert_manager_knows_every_field_of_our_certificates_and_issuers() {
    let plane = plane();
    let objects = rendered(OVERLAY);
    let ours = objects
        .iter()
        .filter(|object| object["apiVersion"] == "cert-manager.io/v1");
    let create = |object: &Value| {
        let create = plane.kubectl(["create", "--dry-run=server", "-f", "-"]);
        create.stdin(&object.to_string()).run()
    };
    let denied = |object: &Value, why: &str| {
        let output = create(object);
        assert!(
            !output.status_ok && output.stderr.contains(why),
            "{output:?}"
        );
    };
    let mut kinds = BTreeSet::new();
    for object in ours {
        assert!(create(object).status_ok);
        let mut wrong = object.clone();
        wrong["spec"]["renewalBefore"] = json!("720h");
        denied(&wrong, r#"unknown field "spec.renewalBefore""#);
        kinds.insert(object["kind"].as_str().expect("a kind"));
        if object["kind"] == "Certificate" {
            let mut wrong = object.clone();
            wrong["spec"]["privateKey"]["algorithm"] = json!("EC");
            denied(&wrong, "spec.privateKey.algorithm: Unsupported value");
        }
    }
    assert_eq!(kinds, ["Certificate", "Issuer"].into());
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
        let denied = create().stdin(&pod.to_string()).run();
        assert!(denied.stderr.contains("violates PodSecurity"), "{denied:?}");
        let volumes = pod["spec"]["volumes"].as_array_mut().expect("volumes");
        volumes.push(json!({"name": "host", "hostPath": {"path": "/"}}));
        let denied = create().stdin(&pod.to_string()).run();
        assert!(denied.stderr.contains("hostPath"), "{denied:?}");
    }
}

/// The commands of the page that are marked for this test.
fn commands() -> Vec<&'static str> {
    let page = include_str!("../../../docs/operations/overriding.md");
    let marked = page.split("<!-- Played by a test. -->\n```sh\n").skip(1);
    marked.filter_map(|rest| rest.split("```").next()).collect()
}

/// Runs a command as a reader of the page does.
pub(super) fn play(plane: &ControlPlane, command: &str) {
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
fn the_page_about_overriding_lets_writes_pass() {
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
        let denied = wait_until("writes are refused", LIMIT, || {
            let output = ask();
            (!output.status_ok).then_some(output)
        });
        let closed = r#"failed calling webhook "tenants.perimeter.openbao.org""#;
        assert!(denied.stderr.contains(closed), "{denied:?}");
        play(&plane, command);
        wait_until("writes pass", LIMIT, || ask().status_ok.then_some(()));
    }
    // Nothing is left for the next test.
    let delete = ["delete", "-k", REGISTRATIONS[0], "--ignore-not-found"];
    plane.kubectl(delete).run_ok();
}
