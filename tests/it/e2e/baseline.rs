//! `baseline: auto`: the operator's Deployments choose the baseline of a server that runs with the account of the manifests, and
//! of commands that read the cluster.

use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use super::replicas::replica::Replica;
use super::replicas::stage::{impersonate, manifest_text};
use super::stage::{LIMIT, program};
use crate::control_plane::{ControlPlane, wait_until};
use crate::{example, guard};

const NAMESPACE: &str = "openbao-operator-system";
const IMAGE: &str = "ghcr.io/kubebao/openbao-operator";
const DIGEST: &str = "@sha256:0000000000000000000000000000000000000000000000000000000000000000";

struct Stage {
    plane: ControlPlane,
}

impl Stage {
    fn set_up() -> Self {
        let plane = ControlPlane::start();
        guard::prepare(&plane, program());
        for manifest in ["base/rbac", "overlays/self-managed/rbac"] {
            plane.apply_ok(&manifest_text(manifest));
        }
        for name in ["namespace", "openbaocluster"] {
            plane.apply_ok(&example::inventory(name, "bao"));
        }
        let gateway = json!({"enabled": true, "hostname": "bao.example",
            "gatewayRef": {"name": "edge", "namespace": "edge"}});
        let patch = json!({"spec": {"gateway": gateway}}).to_string();
        let patch = [
            "patch",
            "openbaocluster",
            "bao",
            "-n",
            "bao",
            "--type=merge",
            "-p",
            &patch,
        ];
        plane.kubectl(patch).run_ok();
        impersonate(&plane);
        Self { plane }
    }

    /// Puts an operator there, with this image and these labels.
    fn operator(&self, name: &str, image: &str, more: &[(&str, &str)]) {
        let mut labels = json!({"app.kubernetes.io/name": "openbao-operator",
            "app.kubernetes.io/component": "controller", "operator": name});
        let of_pods = labels.clone();
        for (key, value) in more {
            labels[*key] = json!(value);
        }
        let pods = json!({"containers": [{"name": "manager", "image": format!("{IMAGE}{image}")}]});
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
            "spec": {"replicas": 1, "selector": {"matchLabels": of_pods},
                "template": {"metadata": {"labels": of_pods}, "spec": pods}}});
        self.plane.apply_ok(&deployment.to_string());
    }

    fn remove(&self, names: &[&str]) {
        let delete = ["delete", "-n", NAMESPACE].iter().chain(names);
        self.plane.kubectl(delete).run_ok();
    }

    /// Standard output of a command that reads the cluster.
    fn command(&self, args: &str) -> String {
        let mut command = Command::new(program());
        command.env("KUBECONFIG", self.plane.kubeconfig());
        let output = command.args(args.split(' ')).output().expect("run it");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() != Some(2), "{args}: {error}");
        String::from_utf8(output.stdout).expect("text")
    }
}

fn is_in_force(server: &Replica, baseline: &str) -> bool {
    let series = |name: &str| format!("openbao_perimeter_baseline{{baseline=\"{name}\"}}");
    let all = ["classic", "v0.1", "v0.4"];
    all.iter()
        .all(|name| server.metric(&series(name)) == usize::from(*name == baseline))
}

fn doubt(server: &Replica, name: &str) -> usize {
    server.metric(&format!(
        "openbao_perimeter_baseline_doubts{{doubt=\"{name}\"}}"
    ))
}

/// Waits for a baseline, and for the warning about it, if there should be one. The server stays ready.
#[track_caller]
fn expect(server: &Replica, baseline: &str, warning: &str) {
    let started = Instant::now();
    loop {
        let readyz = server.readyz();
        let notice = readyz.lines().find(|line| line.starts_with("[!]baseline "));
        let is_said = match (warning, notice) {
            ("", notice) => notice.is_none(),
            (warning, notice) => notice.is_some_and(|line| line.contains(warning)),
        };
        let is_counted = doubt(server, "undetermined") == usize::from(!warning.is_empty());
        assert!(readyz.contains("readyz check passed"), "{readyz}");
        if is_said && is_counted && is_in_force(server, baseline) {
            return;
        }
        let state = format!("{baseline}, {warning}: {readyz}\n{}", server.printed());
        assert!(started.elapsed() < LIMIT, "{state}");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn the_operators_deployment_chooses_the_baseline_without_a_restart() {
    let stage = Stage::set_up();
    let start = |name: &str| {
        let server = Replica::start(&stage.plane, name, "");
        wait_until("the server is ready", LIMIT, || {
            server.is_ready().then_some(())
        });
        server
    };
    let server = start("server");
    expect(
        &server,
        "v0.4",
        "the newest; no Deployment of the operator is in namespace openbao-operator-system",
    );

    // Three releases, and a change while it runs.
    for (tag, baseline) in [
        (":0.0.9", "classic"),
        (":0.3.1", "v0.1"),
        (":v0.5.3", "v0.4"),
        (":0.3.1", "v0.1"),
    ] {
        stage.operator("openbao-operator-controller", tag, &[]);
        expect(&server, baseline, "");
    }
    let log = server.printed();
    assert!(
        log.contains("operator 0.5.3, by the image of Deployment openbao-operator-controller"),
        "{log}"
    );

    // Each undetermined case keeps the baseline that was detected last.
    for image in [":main", ":latest", DIGEST] {
        stage.operator("openbao-operator-controller", image, &[]);
        let problem = format!(
            "detected last; image {IMAGE}{image} of Deployment openbao-operator-controller names no release"
        );
        expect(&server, "v0.1", &problem);
    }
    let version = [("app.kubernetes.io/version", "0.5.3")];
    stage.operator("openbao-operator-controller", DIGEST, &version);
    expect(&server, "v0.4", "");
    let chart = [("helm.sh/chart", "openbao-operator-0.3.1")];
    stage.remove(&["deployment/openbao-operator-controller"]);
    stage.operator("openbao-operator-controller", DIGEST, &chart);
    expect(&server, "v0.1", "");
    stage.operator("second", ":0.5.3", &[]);
    expect(
        &server,
        "v0.1",
        "(0.3.1) and second (0.5.3) have different baselines",
    );
    stage.remove(&[
        "deployment/second",
        "deployment/openbao-operator-controller",
    ]);
    expect(
        &server,
        "v0.1",
        "detected last; no Deployment of the operator is in namespace",
    );

    // Commands read the same Deployments.
    stage.operator("openbao-operator-controller", ":0.3.1", &[]);
    expect(&server, "v0.1", "");
    let by =
        "baseline v0.1: operator 0.3.1, by the image of Deployment openbao-operator-controller";
    for command in [
        "check --live",
        "show --live",
        "can --live bao/bao 10.0.0.7:443",
    ] {
        let printed = stage.command(command);
        let printed = printed.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(printed.contains(by), "{command}: {printed}");
    }
    let shown: Value = serde_json::from_str(&stage.command("show --live -o json")).expect("JSON");
    assert_eq!(shown["baseline"], "v0.1");
    assert!(by.ends_with(shown["baseline_reason"].as_str().expect("a reason")));

    a_policy_of_another_baseline_is_noticed(&stage, &server, by);

    // Without the permission: the newest for a server that starts, and the release once it may be read.
    stage.remove(&["rolebinding/openbao-perimeter"]);
    let other = start("forbidden");
    expect(
        &other,
        "v0.4",
        "the newest; Deployments in namespace openbao-operator-system may not be listed",
    );
    stage.plane.apply_ok(&manifest_text("base/rbac"));
    expect(&other, "v0.1", "");
    server.leave();
    other.leave();
}

/// A policy of the operator that another baseline renders. `by` is the baseline in force, with its reason.
fn a_policy_of_another_baseline_is_noticed(stage: &Stage, server: &Replica, by: &str) {
    let rendered = stage.command("render --live -n bao");
    assert!(rendered.starts_with(&format!("# {by}\n")), "{rendered}");
    stage.plane.apply_ok(&rendered);
    stage.operator("openbao-operator-controller", ":0.5.3", &[]);
    expect(server, "v0.4", "");
    let policies = |expected: usize, text: &str| {
        wait_until("the notice about policies", LIMIT, || {
            let is_said =
                server.readyz().contains("[!]managed-policies warning: ") != text.is_empty();
            let is_right = is_said && server.readyz().contains(text);
            (is_right && doubt(server, "policies") == expected).then_some(())
        });
    };
    policies(
        1,
        "NetworkPolicy bao/bao-network-policy is as the operator writes it by baseline v0.1, and baseline v0.4 is in force",
    );
    stage.operator("openbao-operator-controller", ":0.3.1", &[]);
    policies(0, "");
}
