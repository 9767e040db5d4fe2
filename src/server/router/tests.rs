//! Where small reviews are judged.

use std::sync::mpsc;
use std::time::Duration;

use axum::body::to_bytes;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::*;
use crate::admission::Admission;
use crate::audit::Metrics;
use crate::inventory::{Change, Snapshot, read};
use crate::review::World;
use crate::server::limits::Limits;
use crate::server::workers::Workers;

fn desk() -> Desk {
    let limits = Limits {
        workers: 1,
        ..Limits::default()
    };
    let admission = Arc::new(Admission::default());
    Desk::new(admission, Arc::new(Metrics::new()), limits)
}

/// Every pod, as a union of selectors: one pigeon has no hole, or two share one.
fn pigeons(holes: usize) -> Value {
    let asks = |pigeon: usize, hole: usize, operator: &str| json!({"key": format!("p{pigeon}-{hole}"), "operator": operator});
    let homeless = |pigeon| (0..holes).map(move |hole| asks(pigeon, hole, "DoesNotExist"));
    let mut selectors: Vec<Vec<Value>> = (0..=holes)
        .map(|pigeon| homeless(pigeon).collect())
        .collect();
    for (pigeon, other) in (0..=holes).flat_map(|one| (0..one).map(move |other| (one, other))) {
        let shared = |hole| [pigeon, other].map(|one| asks(one, hole, "Exists"));
        selectors.extend((0..holes).map(|hole| shared(hole).into()));
    }
    let peer = |keys: &Vec<Value>| json!({"podSelector": {"matchExpressions": keys}});
    selectors.iter().map(peer).collect()
}

/// One cluster, which lets in all pods of its namespace, piece by piece.
fn world() -> World {
    let rules = json!([{"from": pigeons(6), "ports": [{"port": 8200}]}]);
    let cluster = json!({"apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "bao", "namespace": "shop"}, "spec": {"network": {"ingressRules": rules}}});
    let cluster = Change::Set(read::object(&cluster).unwrap());
    let snapshot = Snapshot::default().apply([cluster]);
    World::compile(None, Arc::new(snapshot), Arc::default())
}

/// The code of the answer to a small review that is due in 80 ms.
async fn code(desk: &Desk) -> u64 {
    let answer = answer(desk, "100ms", &json!({"podSelector": {}})).await;
    answer["response"]["status"]["code"].as_u64().unwrap()
}

/// The answer to the creation of a policy.
async fn answer(desk: &Desk, timeout: &str, spec: &Value) -> Value {
    let resource =
        json!({"group": "networking.k8s.io", "version": "v1", "resource": "networkpolicies"});
    let kind = json!({"group": "networking.k8s.io", "version": "v1", "kind": "NetworkPolicy"});
    let policy = json!({"metadata": {"name": "all", "namespace": "shop"}, "spec": spec});
    let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {"uid": "a", "operation": "CREATE", "namespace": "shop", "name": "all", "kind": kind,
            "resource": resource, "userInfo": {"username": "alice"}, "object": policy}});
    let request = Request::post(format!("/validate?timeout={timeout}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = Review::new(desk, Point::Validate, &request)
        .answer(request)
        .await;
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn a_small_review_with_a_long_proof_calls_for_caution() {
    let desk = desk();
    desk.admission.publish(world());
    let ours = json!({"matchLabels": {"openbao.org/cluster": "bao"}});
    let everyone = json!([{"from": [{"podSelector": {}}], "ports": [{"port": 8200}]}]);
    for (ingress, due) in [(json!([]), false), (everyone, true)] {
        let spec = json!({"podSelector": ours, "ingress": ingress});
        answer(&desk, "30s", &spec).await;
        assert_eq!(desk.caution.is_due(Instant::now()), due, "{spec}");
    }
}

#[tokio::test]
async fn small_reviews_take_a_worker_only_after_one_that_took_much() {
    let desk = desk();
    let go_on = busy(&desk.careful).await;
    // There are no facts yet.
    assert_eq!(code(&desk).await, 403);
    desk.caution.note(u64::MAX, Instant::now());
    assert_eq!(code(&desk).await, 504);
    drop(go_on);
    // It waits for the worker, which is let go.
    let due = Instant::now() + Duration::from_mins(1);
    assert_eq!(desk.careful.run(due, || 7).await, Ok(7));
    assert_eq!(code(&desk).await, 403);
}

#[tokio::test]
async fn small_reviews_wait_for_no_large_one_under_caution() {
    let desk = desk();
    let _busy = busy(&desk.workers).await;
    desk.caution.note(u64::MAX, Instant::now());
    assert_eq!(code(&desk).await, 403);
}

/// Holds the only worker until what is returned is dropped.
async fn busy(workers: &Workers) -> mpsc::Sender<()> {
    let (go_on, told) = mpsc::channel();
    let (begun, begins) = oneshot::channel();
    let workers = workers.clone();
    tokio::spawn(async move {
        let due = Instant::now() + Duration::from_mins(1);
        let work = move || {
            begun.send(()).unwrap();
            told.recv().is_ok()
        };
        workers.run(due, work).await
    });
    begins.await.unwrap();
    go_on
}
