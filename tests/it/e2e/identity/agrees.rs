//! Objects of any shape.

use serde_json::{Value, json};

use super::stage::{WRITER, path, stage};

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
