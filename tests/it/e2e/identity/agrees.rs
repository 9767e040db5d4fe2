//! Objects of any shape, and what `check` says about manifests.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::samples::{KINDS, POD_TEMPLATE, four, object, two};
use super::stage::{WRITER, path, stage};
use crate::e2e::stage::program;

/// Values where a map or a text is expected.
fn strange() -> [Value; 7] {
    [
        json!({}),
        json!([]),
        json!("text"),
        json!(7),
        json!(true),
        Value::Null,
        json!({"openbao.org/cluster": {"a": [1]}}),
    ]
}

#[test]
fn no_shape_of_an_object_makes_an_evaluation_error() {
    let stage = stage();
    let namespace = "strange";
    stage.namespace(namespace);
    let kinds = [
        ("v1", "Pod", "pods"),
        ("v1", "Binding", "bindings"),
        ("v1", "ReplicationController", "replicationcontrollers"),
        ("v1", "PodTemplate", "podtemplates"),
        ("apps/v1", "Deployment", "deployments"),
        ("apps/v1", "ReplicaSet", "replicasets"),
        ("apps/v1", "StatefulSet", "statefulsets"),
        ("apps/v1", "DaemonSet", "daemonsets"),
        ("apps/v1", "ControllerRevision", "controllerrevisions"),
        ("batch/v1", "Job", "jobs"),
        ("batch/v1", "CronJob", "cronjobs"),
    ];
    // A value at each step of the way to the labels, below each name of a field.
    let steps = [
        "spec",
        "template",
        "metadata",
        "labels",
        "openbao.org/cluster",
    ];
    let mut bodies = Vec::new();
    for value in strange() {
        for depth in 0..=steps.len() {
            let nested = |value: Value, steps: &[&str]| {
                steps
                    .iter()
                    .rev()
                    .fold(value, |value, step| json!({*step: value}))
            };
            bodies.push(nested(value.clone(), &steps[..depth]));
        }
    }
    let mut calls = Vec::new();
    for (version, kind, plural) in kinds {
        let path = path(version, namespace, plural);
        let of = |fields: Value| {
            let mut object =
                json!({"apiVersion": version, "kind": kind, "metadata": {"name": "strange"}});
            for (field, value) in fields.as_object().into_iter().flatten() {
                object[field] = value.clone();
            }
            object
        };
        for body in &bodies {
            let object = if kind == "ControllerRevision" {
                of(json!({"data": body, "revision": 1}))
            } else {
                of(body.clone())
            };
            calls.push((path.clone(), object.to_string()));
            let nested =
                of(json!({"spec": {"jobTemplate": body}, "template": body, "metadata": body}));
            calls.push((path.clone(), nested.to_string()));
        }
    }
    let number = calls.len();
    let answers = stage.post(WRITER, calls);
    let mut of_the_guard = 0;
    for answer in answers.into_iter().filter_map(Result::err) {
        if answer.contains("openbao-perimeter-identity") {
            of_the_guard += 1;
            assert!(answer.contains(": OBP501 identity-assumed: "), "{answer}");
        }
    }
    println!("{number} objects of strange shapes, {of_the_guard} denied by the guard");
    assert!(of_the_guard > 0);
}

/// Sets of labels near those of a cluster.
fn labels() -> Vec<Value> {
    let mut sets = vec![
        json!({}),
        four(),
        two(),
        json!({"openbao.org/cluster": "bao"}),
        json!({"openbao.org/cluster": ""}),
        json!({"openbao.org/component": "backup"}),
        json!({"openbao.org/clusters": "bao", "cluster": "bao"}),
        json!({"app.openbao.org/cluster": "bao"}),
    ];
    let mut without = four();
    without
        .as_object_mut()
        .expect("labels")
        .remove("openbao.org/cluster");
    sets.push(without);
    sets
}

/// The names of the objects that `check` denies with this code.
fn denied_by_check(file: &str, code: &str) -> BTreeSet<String> {
    let mut command = Command::new(program());
    let output = command.args(["check", "-o", "json", file]).output();
    let report: Value = serde_json::from_slice(&output.expect("run check").stdout).expect("JSON");
    let findings = report["findings"].as_array().expect("findings").iter();
    let denied = findings.filter(|found| found["code"] == code && found["level"] == "denied");
    denied
        .map(|found| found["object"].as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn check_denies_the_manifests_that_the_api_server_denies() {
    let stage = stage();
    let namespace = "corpus";
    stage.namespace(namespace);
    let mut corpus = Vec::new();
    for kind in KINDS.into_iter().chain([POD_TEMPLATE]) {
        for (at, labels) in labels().iter().enumerate() {
            let name = format!("{}-{at}", kind.name.to_lowercase());
            let plain = object(kind, namespace, &name, labels);
            let mut own = plain.clone();
            own["metadata"]["name"] = json!(format!("{name}-labelled"));
            // Labels of the object that is no pod do not count.
            if kind.name != "Pod" {
                own["metadata"]["labels"] = four();
            }
            corpus.extend([plain, own]);
        }
    }
    let answers = stage.create(WRITER, &corpus);
    let name = |object: &Value| {
        object["metadata"]["name"]
            .as_str()
            .expect("a name")
            .to_owned()
    };
    for said in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert!(said.contains("OBP501 identity-assumed"), "{said}");
    }
    let denied = corpus
        .iter()
        .zip(&answers)
        .filter(|(_, answer)| answer.is_err());
    let by_server: BTreeSet<String> = denied.map(|(object, _)| name(object)).collect();
    let text: Vec<String> = corpus.iter().map(Value::to_string).collect();
    let file = stage.plane.folder().join("corpus.yaml");
    fs::write(&file, text.join("\n---\n")).expect("write");
    let by_check = denied_by_check(file.to_str().expect("a path"), "OBP501");
    println!(
        "{} manifests, {} denied by both",
        corpus.len(),
        by_check.len()
    );
    assert_eq!(by_check, by_server);
    assert!(!by_check.is_empty() && by_check.len() < corpus.len());
}
