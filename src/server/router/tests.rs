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
use crate::server::limits::Limits;

fn desk() -> Desk {
    let limits = Limits {
        workers: 1,
        ..Limits::default()
    };
    let admission = Arc::new(Admission::default());
    Desk::new(admission, Arc::new(Metrics::new()), limits)
}

/// The code of the answer to a small review that is due in 80 ms.
async fn code(desk: &Desk) -> u64 {
    let resource =
        json!({"group": "networking.k8s.io", "version": "v1", "resource": "networkpolicies"});
    let kind = json!({"group": "networking.k8s.io", "version": "v1", "kind": "NetworkPolicy"});
    let policy =
        json!({"metadata": {"name": "all", "namespace": "shop"}, "spec": {"podSelector": {}}});
    let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {"uid": "a", "operation": "CREATE", "namespace": "shop", "name": "all", "kind": kind,
            "resource": resource, "userInfo": {"username": "alice"}, "object": policy}});
    let request = Request::post("/validate?timeout=100ms")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = Review::new(desk, Point::Validate, &request)
        .answer(request)
        .await;
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let answer: Value = serde_json::from_slice(&body).unwrap();
    answer["response"]["status"]["code"].as_u64().unwrap()
}

#[tokio::test]
async fn small_reviews_take_a_worker_only_after_one_that_took_much() {
    let desk = desk();
    // The only worker is busy.
    let (go_on, told) = mpsc::channel::<()>();
    let (begun, begins) = oneshot::channel();
    let workers = desk.workers.clone();
    let busy = tokio::spawn(async move {
        let due = Instant::now() + Duration::from_mins(1);
        let work = move || {
            begun.send(()).unwrap();
            told.recv().is_ok()
        };
        workers.run(due, work).await
    });
    begins.await.unwrap();
    // There are no facts yet.
    assert_eq!(code(&desk).await, 403);
    desk.caution.note(u64::MAX, Instant::now());
    assert_eq!(code(&desk).await, 504);
    drop(go_on);
    assert_eq!(busy.await.unwrap(), Ok(false));
    assert_eq!(code(&desk).await, 403);
}
