//! Templates and pods of tenants.

use serde_json::{Value, json};

use super::samples::{KINDS, POD_TEMPLATE, four, named, object, two};
use super::stage::{Answer, Stage, TENANT, WRITER, assert_denied, assert_quiet, path, stage};
use crate::control_plane::wait_until;
use crate::e2e::stage::LIMIT;

/// Answers to an object of each kind: with the labels of a server, with those of a job, and without.
pub(super) fn answers(stage: &Stage, namespace: &str) -> Vec<Answer> {
    stage.namespace(namespace);
    let edit = ["auth", "can-i", "create", "deployments", "-n", namespace];
    wait_until("the tenant may edit", LIMIT, || {
        stage.kubectl(TENANT, &edit).run().status_ok.then_some(())
    });
    let labels = [four(), two(), json!({})];
    let objects = KINDS.iter().flat_map(|kind| {
        let labels = labels.iter();
        labels.map(|labels| object(*kind, namespace, "web", labels))
    });
    let mut answers = stage.create(TENANT, &objects.collect::<Vec<_>>());
    let templates = labels.map(|labels| object(POD_TEMPLATE, namespace, "web", &labels));
    answers.extend(stage.create(WRITER, &templates));
    answers
}

fn assert_as_expected(answers: &[Answer]) {
    assert_eq!(answers.len(), 27);
    for (at, answer) in answers.iter().enumerate() {
        match (at % 3, answer) {
            (2, Ok(())) => {}
            (0 | 1, Err(said)) => {
                let parts = [
                    "OBP501 identity-assumed: ",
                    "metadata.labels: ",
                    "OpenBaoCluster bao,",
                ];
                for part in parts {
                    assert!(said.contains(part), "{at}, {part}: {said}");
                }
            }
            _ => panic!("{at}: {answer:?}"),
        }
    }
}

#[test]
fn a_tenant_makes_no_pod_and_no_template_with_the_labels_of_a_cluster() {
    assert_as_expected(&answers(stage(), "templates"));
}

#[test]
fn without_the_kind_openbaocluster_the_guard_decides_the_same() {
    assert_as_expected(&stage().without_crd);
}

#[test]
fn the_template_of_a_suspended_job_gets_no_labels_of_a_cluster() {
    let stage = stage();
    stage.namespace("suspended");
    let mut job = object(named("Job"), "suspended", "web", &json!({}));
    job["spec"]["suspend"] = json!(true);
    assert_quiet(&stage.apply(TENANT, &job));
    let patch = |labels: &Value| {
        let patch = json!({"spec": {"template": {"metadata": {"labels": labels}}}}).to_string();
        let args = [
            "patch",
            "job",
            "web",
            "-n",
            "suspended",
            "--type=merge",
            "-p",
            &patch,
        ];
        stage.kubectl(TENANT, &args).run()
    };
    assert_quiet(&patch(&json!({"tier": "web"})));
    assert_denied(&patch(&two()), "OBP501");
}

#[test]
fn a_deployment_from_before_the_guard_makes_no_new_pod_and_an_event_has_the_code() {
    let stage = stage();
    stage.wait_for_pods("before", "app=rogue", 1);
    let delete = ["delete", "pods", "-n", "before", "-l", "app=rogue", "--now"];
    stage.kubectl(TENANT, &delete).run_ok();
    let events = [
        "get",
        "events",
        "-n",
        "before",
        "--field-selector=reason=FailedCreate",
        "-o=jsonpath={.items[*].message}",
    ];
    wait_until("an Event about the pod", LIMIT, || {
        let said = stage.plane.kubectl(events).run_ok();
        said.contains("OBP501 identity-assumed: Pod before/rogue-")
            .then_some(())
    });
    assert_eq!(stage.pods("before", "app=rogue"), []);
}

/// A ControllerRevision with this data.
fn revision(data: &Value) -> (String, String) {
    let revision = json!({"apiVersion": "apps/v1", "kind": "ControllerRevision",
        "metadata": {"name": "web-1", "namespace": "revisions"}, "revision": 1, "data": data});
    let path = path("apps/v1", "revisions", "controllerrevisions");
    (path, revision.to_string())
}

#[test]
fn a_revision_with_the_labels_is_denied_however_its_fields_are_written() {
    let stage = stage();
    stage.namespace("revisions");
    let template = |metadata: &str, labels: &str, value: &Value| json!({"spec": {"template": {"$patch": "replace", metadata: {labels: value}}}});
    let denied = [
        template("metadata", "labels", &two()),
        template("metadata", "labels", &four()),
        // The statefulset-controller reads names of fields without regard to case.
        template("Metadata", "Labels", &two()),
        json!({"Spec": {"TEMPLATE": {"metadata": {"labeLs": two()}}}}),
        json!({"\u{17f}pec": {"template": {"metadata": {"label\u{17f}": two()}}}}),
    ];
    let allowed = [
        template("metadata", "labels", &json!({"app": "web"})),
        template("metadata", "annotations", &Value::Null),
        json!({"spec": {"template": {"metadata": {"labels": ["openbao.org/cluster"]}}}}),
    ];
    let calls = denied.iter().chain(&allowed).map(revision).collect();
    let answers = stage.post(WRITER, calls);
    for (at, answer) in answers.iter().enumerate() {
        let is_denied = matches!(answer, Err(said) if said.contains("OBP501 identity-assumed: ControllerRevision"));
        assert_eq!(is_denied, at < denied.len(), "{at}: {answer:?}");
        assert!(is_denied || answer.is_ok(), "{at}: {answer:?}");
    }
}
