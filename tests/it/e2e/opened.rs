//! A tenant opens one of the operator's policies and deletes another while no server runs. The command on the
//! page about overriding a denial shows both, and so does the audit once the server runs again.

use std::process::Command;

use serde_json::json;

use super::race::strip_colours;
use super::stage::{Alone, LIMIT, Outage, Scene, plane, program};
use crate::control_plane::{binary, wait_until};

const PAGE: &str = include_str!("../../../docs/operations/overriding.md");

/// Runs the command of the page that checks stored objects. Returns exit status and output.
fn check_stored_objects() -> (Option<i32>, String) {
    let mut blocks = PAGE
        .split("```")
        .filter_map(|block| block.strip_prefix("sh\n"));
    let command = blocks.find(|block| block.contains("openbao-perimeter check"));
    let folder = |program: &std::path::Path| program.parent().expect("a folder").to_owned();
    let mut path = vec![folder(&binary("kubectl")), folder(program())];
    path.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    let mut shell = Command::new("sh");
    shell.args(["-c", command.expect("the command")]);
    shell
        .env("KUBERC", "off")
        .env("KUBECONFIG", plane().kubeconfig());
    shell.env("PATH", std::env::join_paths(path).expect("a path"));
    let output = shell.output().expect("run sh");
    let printed = String::from_utf8(output.stdout).expect("text");
    (output.status.code(), printed)
}

#[test]
fn a_managed_policy_that_was_opened_during_an_outage_is_shown_by_the_page_and_by_the_audit() {
    let namespace = Scene::rendered("opened").namespace;
    let outage = Outage::begin();
    let kinds = "validatingwebhookconfiguration,mutatingwebhookconfiguration";
    let broken = plane().kubectl(["delete", kinds, "openbao-perimeter"]);
    broken.run_ok();
    let scene = Scene::unguarded(namespace, &outage);
    let rule = json!([{"op": "add", "path": "/spec/ingress/-", "value": {}}]).to_string();
    let open = [
        "patch",
        "networkpolicy",
        "bao-network-policy",
        "--type=json",
        "-p",
        &rule,
    ];
    wait_until("no webhook is called", LIMIT, || {
        scene.tenant(&open).run().status_ok.then_some(())
    });
    let delete = ["delete", "networkpolicy", "bao-jobs-network-policy"];
    scene.tenant(&delete).run_ok();

    let (status, printed) = check_stored_objects();
    assert_eq!(status, Some(1), "{printed}");
    let of_policy = printed
        .split("NetworkPolicy opened/bao-network-policy: ")
        .nth(1);
    let found = of_policy.is_some_and(|text| text.contains("denied[OBP201]"));
    assert!(found, "{printed}");
    let of_cluster = printed.split("OpenBaoCluster opened/bao: ").nth(1);
    let found = of_cluster.is_some_and(|text| {
        text.contains("warning[OBP105]") && text.contains("`bao-jobs-network-policy`")
    });
    assert!(found, "{printed}");
    drop((scene, outage));

    let alone = Alone::begin();
    for [object, code, level] in [
        ["NetworkPolicy opened/bao-network-policy ", "OBP201", "deny"],
        ["OpenBaoCluster opened/bao ", "OBP105", "warn"],
    ] {
        let words = [
            "new audit finding".to_owned(),
            format!("object={object}"),
            format!("code=\"{code}\""),
            format!("level=\"{level}\""),
        ];
        wait_until("it is found", LIMIT, || {
            let printed = strip_colours(&alone.guard().printed());
            let mut lines = printed.lines();
            lines
                .any(|line| words.iter().all(|word| line.contains(word)))
                .then_some(())
        });
        let metric =
            format!("openbao_perimeter_audit_findings{{code=\"{code}\",level=\"{level}\"}}");
        // Metrics follow the whole audit, and the log each namespace.
        wait_until(&metric, LIMIT, || {
            (alone.guard().metric(&metric) > Some(0)).then_some(())
        });
    }
    let delete = ["delete", "namespace", "opened", "--wait=false"];
    plane().kubectl(delete).run_ok();
}
