//! Objects with pods, of each kind.

use serde_json::{Value, json};

/// A kind, with its version and plural name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PodKind {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) plural: &'static str,
}

const fn kind(name: &'static str, version: &'static str, plural: &'static str) -> PodKind {
    PodKind {
        name,
        version,
        plural,
    }
}

/// The kinds that make pods.
pub(super) const KINDS: [PodKind; 8] = [
    kind("Pod", "v1", "pods"),
    kind("Deployment", "apps/v1", "deployments"),
    kind("ReplicaSet", "apps/v1", "replicasets"),
    kind("StatefulSet", "apps/v1", "statefulsets"),
    kind("DaemonSet", "apps/v1", "daemonsets"),
    kind("Job", "batch/v1", "jobs"),
    kind("CronJob", "batch/v1", "cronjobs"),
    kind("ReplicationController", "v1", "replicationcontrollers"),
];

/// A template that makes none.
pub(super) const POD_TEMPLATE: PodKind = kind("PodTemplate", "v1", "podtemplates");

/// The labels of a server pod of the cluster `bao`.
pub(super) fn four() -> Value {
    json!({
        "app.kubernetes.io/name": "openbao", "app.kubernetes.io/instance": "bao",
        "app.kubernetes.io/managed-by": "openbao-operator", "openbao.org/cluster": "bao",
    })
}

/// The labels by which a job of the cluster `bao` is let in.
pub(super) fn two() -> Value {
    json!({"openbao.org/cluster": "bao", "openbao.org/component": "backup"})
}

/// An object of this kind whose pods have these labels.
pub(super) fn object(kind: PodKind, namespace: &str, name: &str, labels: &Value) -> Value {
    let mut labels = labels.clone();
    labels["app"] = json!(name);
    let selector = json!({"matchLabels": {"app": name}});
    let mut spec = json!({"containers": [{"name": "main", "image": "none"}]});
    let mut metadata = json!({"name": name, "namespace": namespace});
    if matches!(kind.name, "Job" | "CronJob") {
        spec["restartPolicy"] = json!("Never");
    }
    let template = json!({"metadata": {"labels": labels}, "spec": spec});
    let body = match kind.name {
        "Pod" => {
            metadata["labels"] = labels;
            json!({"spec": spec})
        }
        "PodTemplate" => json!({"template": template}),
        "Job" | "ReplicationController" => json!({"spec": {"template": template}}),
        "CronJob" => json!({"spec": {"schedule": "0 0 1 1 *",
            "jobTemplate": {"spec": {"template": template}}}}),
        "StatefulSet" => json!({"spec": {"serviceName": name, "selector": selector,
            "podManagementPolicy": "Parallel", "template": template}}),
        _ => json!({"spec": {"selector": selector, "template": template}}),
    };
    let mut object = json!({"apiVersion": kind.version, "kind": kind.name, "metadata": metadata});
    for (field, value) in body.as_object().expect("an object") {
        object[field] = value.clone();
    }
    object
}

/// The kind with this name.
pub(super) fn named(name: &str) -> PodKind {
    let mut kinds = KINDS.into_iter().chain([POD_TEMPLATE]);
    kinds.find(|kind| kind.name == name).expect("a kind")
}
