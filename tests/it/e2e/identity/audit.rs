//! The audit of stored pods and Namespaces by their labels.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::copies::servers;
use super::samples::{named, object, two};
use super::stage::{Stage, VELERO, assert_quiet, stage};
use crate::control_plane::wait_until;
use crate::e2e::stage::{LIMIT, program};
use crate::example::{self, OPERATOR};

const SETTINGS: &str = "identity: {audit: on}\ncluster: {registration: ''}\n";

#[test]
fn stored_pods_that_are_not_the_operators_and_namespaces_that_count_are_reported() {
    let stage = stage();
    let namespace = "audited";
    // The API server records no times of changes for an object whose first apply sets no field.
    let create = ["create", "namespace", namespace];
    stage.plane.kubectl(create).run_ok();
    stage.namespace(namespace);
    stage.plane.apply_ok(example::OPERATOR_RIGHTS);
    let cluster: Value =
        serde_saphyr::from_str(&example::inventory("openbaocluster", namespace)).expect("YAML");
    assert!(stage.apply(OPERATOR, &cluster).status_ok);
    let uid = [
        "get",
        "openbaocluster",
        "bao",
        "-n",
        namespace,
        "-o=jsonpath={.metadata.uid}",
    ];
    let mut set = servers(namespace);
    set["metadata"]["ownerReferences"] = json!([{"apiVersion": "openbao.org/v1alpha1",
        "kind": "OpenBaoCluster", "name": "bao", "controller": true,
        "uid": stage.plane.kubectl(uid).run_ok()}]);
    assert_quiet(&stage.apply(OPERATOR, &set));
    stage.wait_for_pods(namespace, "openbao.org/cluster=bao", 3);
    let stranger = object(named("Pod"), namespace, "stranger", &two());
    assert_quiet(&stage.apply(VELERO, &stranger));

    let settings = stage.plane.folder().join("audit.yaml");
    fs::write(&settings, SETTINGS).expect("write the settings");
    let server = stage.plane.start_program(
        "audit",
        program(),
        "serve --listen 127.0.0.1:0 --probes-listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0 \
         --tls ephemeral --ca-out audit-ca.crt --log-format json --config audit.yaml",
    );
    let said = |message: &str| -> BTreeSet<(String, String)> {
        let printed = server.printed();
        let lines = printed
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let text = |line: &Value, key: &str| {
            let value = [
                line.get(key),
                line.get("fields").and_then(|fields| fields.get(key)),
            ];
            let value = value.into_iter().flatten().next().and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let about = lines.filter(|line| text(line, "message") == message);
        let about = about.map(|line| (text(&line, "code"), text(&line, "object")));
        let about = about.filter(|(code, object)| {
            code == "OBP504" || code == "OBP503" && object.starts_with("Pod audited/")
        });
        about.collect()
    };
    let of = |code: &str, object: &str| (code.to_owned(), object.to_owned());
    let pod = of("OBP503", "Pod audited/stranger");
    wait_until("the pod is found", LIMIT, || {
        assert!(!server.has_ended(), "{}", server.log_tail());
        said("new audit finding").contains(&pod).then_some(())
    });
    assert_eq!(said("new audit finding"), [pod.clone()].into());

    the_commands_see_the_pod(stage, namespace);

    stage
        .plane
        .kubectl(["label", "namespace", namespace, "metrics=enabled"])
        .run_ok();
    let counts = of("OBP504", "Namespace audited");
    wait_until("the Namespace is found", LIMIT, || {
        said("new audit finding").contains(&counts).then_some(())
    });
    let printed = server.printed();
    let since = ", since 20";
    assert!(
        printed.contains(since) && printed.contains("Z at the latest"),
        "{printed}"
    );
    stage
        .plane
        .kubectl(["label", "namespace", namespace, "metrics-"])
        .run_ok();
    let delete = ["delete", "pod", "stranger", "-n", namespace, "--now"];
    stage.plane.kubectl(delete).run_ok();
    wait_until("both are resolved", LIMIT, || {
        let resolved = said("resolved audit finding");
        (resolved == [pod.clone(), counts.clone()].into()).then_some(())
    });
}

/// The same pod in a dump, and read by the commands.
fn the_commands_see_the_pod(stage: &Stage, namespace: &str) {
    let dump = ["get", "pods,statefulsets,jobs", "-n", namespace, "-o=yaml"];
    let file = stage.plane.folder().join("dump.yaml");
    fs::write(&file, stage.plane.kubectl(dump).run_ok()).expect("write");
    let dump = format!("--dump {}", file.display());
    let live = format!(
        "--live -n {namespace} --kubeconfig {}",
        stage.plane.kubeconfig().display()
    );
    let run = |args: &str| -> Value {
        let output = Command::new(program()).args(args.split(' ')).output();
        let output = output.expect("run");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    };
    for source in [&dump, &live] {
        let report = run(&format!("check -o=json {source}"));
        let found = report["findings"].as_array().expect("findings");
        let found = found.iter().filter(|one| one["code"] == "OBP503");
        let found: Vec<_> = found.map(|one| (&one["level"], &one["object"])).collect();
        assert_eq!(found, [(&json!("warning"), &json!("stranger"))], "{source}");
    }
    let shown = run(&format!("show -o=json {live}"));
    let pods = &shown["clusters"][0]["foreign_pods"];
    let expected = "Pod stranger: the stored pod counts as a pod of OpenBaoCluster bao, and NetworkPolicies let it in, but it \
                    has no controller";
    assert_eq!(*pods, json!([expected]));
}
