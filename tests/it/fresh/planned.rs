//! Writes that give labels to pods of a cluster that the operator will create, in a namespace without one.

use std::sync::Arc;

use openbao_perimeter::config::{Baseline, ReviewConfig};
use openbao_perimeter::inventory::read::outline::outline;
use openbao_perimeter::inventory::{Change, Object, Snapshot, Stub, read};
use openbao_perimeter::review::CompiledSnapshot;
use serde_json::{Value, json};

use super::Scene;
use crate::support::review_with;

/// A policy of a namespace for pods with label `foo`.
fn stored(namespace: &str, ingress: &Value) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "planted", "namespace": namespace, "resourceVersion": "1"},
        "spec": {"podSelector": {"matchLabels": {"foo": "bar"}}, "policyTypes": ["Ingress"], "ingress": ingress}})
}

fn open(namespace: &str) -> Object {
    read::object(&stored(namespace, &json!([{}]))).unwrap()
}

fn shut(namespace: &str) -> Object {
    read::object(&stored(namespace, &json!([]))).unwrap()
}

fn stub(namespace: &str) -> Object {
    let json = stored(namespace, &json!([{}])).to_string();
    let stub = Stub::read(&outline(json.as_bytes()).unwrap(), json.as_bytes());
    Object::Stub(namespace.into(), Arc::new(stub))
}

/// Policies are known only as stubs, with the newest baseline.
fn scene(known: Vec<Object>, real: Option<Vec<Object>>) -> Scene {
    let scene = Scene::new(Vec::new(), real);
    let snapshot = Snapshot::default().apply(known.into_iter().map(Change::Set));
    let config = ReviewConfig {
        baseline: Baseline::V04,
        ..ReviewConfig::default()
    };
    let compiled = CompiledSnapshot::compile(None, Arc::new(snapshot), Arc::new(config));
    scene.admission.publish(compiled);
    scene
}

fn template(labels: &Value) -> Value {
    json!({"podMetadata": {"labels": labels}})
}

/// A tenant's write of an object of `openbao.org` in namespace `shop`. With `before` it is an update.
fn writes(kind: &str, before: Option<Value>, spec: Value) -> Value {
    let object = |spec: Value| {
        json!({"apiVersion": "openbao.org/v1alpha1", "kind": kind,
            "metadata": {"name": "bao", "namespace": "shop"}, "spec": spec})
    };
    let mut review = review_with("object", object(spec));
    let request = &mut review["request"];
    request["kind"] = json!({"group": "openbao.org", "version": "v1alpha1", "kind": kind});
    let resource = format!("{}s", kind.to_lowercase());
    request["resource"] =
        json!({"group": "openbao.org", "version": "v1alpha1", "resource": resource});
    request["name"] = json!("bao");
    if let Some(before) = before {
        request["operation"] = json!("UPDATE");
        request["oldObject"] = object(before);
    }
    review
}

/// A restore with its own cluster, with these labels.
fn restore(labels: &Value) -> Value {
    json!({"cluster": "new", "clusterTemplate": template(labels), "jwtAuthRole": "x",
        "source": {"key": "k", "target": {"endpoint": "https://192.0.2.40"}}})
}

/// A cluster whose backups are restored in namespace `recovery`, with these labels.
fn tested(labels: &Value) -> Value {
    json!({"profile": "Development", "backup": {"target": {"endpoint": "https://192.0.2.40"},
        "restoreTest": {"namespace": "recovery", "clusterTemplate": template(labels)}}})
}

/// Checks that the policies of a namespace, known as stubs, are read before a write is answered.
async fn are_read_first(namespace: &str, write: &Value, reads: usize) {
    for (real, denial) in [
        (Some(vec![open(namespace)]), Some("OBP203")),
        (Some(vec![shut(namespace)]), None),
        (Some(Vec::new()), None),
        (None, Some("OBP403")),
    ] {
        let scene = scene(vec![stub(namespace)], real.clone());
        let (allowed, message) = scene.ask(write).await;
        assert_eq!(allowed, denial.is_none(), "{real:?}: {message}");
        assert!(message.contains(denial.unwrap_or_default()), "{message}");
        if real.is_some() {
            assert_eq!(scene.reads(), reads);
        }
    }
}

async fn is_answered_at_once(namespace: &str, write: &Value) {
    let scene = scene(vec![stub(namespace)], None);
    let (allowed, message) = scene.ask(write).await;
    assert!(allowed, "{message}");
    assert_eq!(scene.reads(), 0);
}

#[tokio::test]
async fn policies_are_read_before_a_restore_with_its_own_cluster_is_reviewed() {
    let (none, web) = (restore(&json!({})), restore(&json!({"foo": "bar"})));
    let restore = |before: Option<&Value>, after: &Value| {
        writes("OpenBaoRestore", before.cloned(), after.clone())
    };
    are_read_first("shop", &restore(None, &web), 1).await;
    are_read_first("shop", &restore(Some(&none), &web), 1).await;
    is_answered_at_once("shop", &restore(None, &none)).await;
    is_answered_at_once("shop", &restore(Some(&web), &web)).await;
}

#[tokio::test]
async fn policies_of_its_namespace_are_read_before_a_restore_test_is_reviewed() {
    let (none, web) = (tested(&json!({})), tested(&json!({"foo": "bar"})));
    let cluster = |before: Option<&Value>, after: &Value| {
        writes("OpenBaoCluster", before.cloned(), after.clone())
    };
    are_read_first("recovery", &cluster(None, &web), 2).await;
    are_read_first("recovery", &cluster(Some(&none), &web), 2).await;
    is_answered_at_once("recovery", &cluster(None, &none)).await;
    is_answered_at_once("recovery", &cluster(Some(&web), &web)).await;
}

#[tokio::test]
async fn a_policy_that_is_gone_from_the_namespace_of_a_restore_test_denies_nothing() {
    let write = writes("OpenBaoCluster", None, tested(&json!({"foo": "bar"})));
    for (real, is_allowed) in [(Vec::new(), true), (vec![open("recovery")], false)] {
        let scene = scene(vec![open("recovery")], Some(real));
        let (allowed, message) = scene.ask(&write).await;
        assert_eq!(allowed, is_allowed, "{message}");
        assert_eq!(scene.reads(), 2);
    }
}
