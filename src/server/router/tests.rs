//! Tests of the thread on which a review runs.

use std::sync::mpsc;
use std::time::Duration;

use axum::body::to_bytes;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tower::ServiceExt as _;

use super::*;
use crate::admission::Admission;
use crate::audit::Metrics;
use crate::inventory::{Change, Snapshot, read};
use crate::review::CompiledSnapshot;
use crate::server::limits::Limits;
use crate::server::probes::{Readiness, metrics_router, router as probe_router};
use crate::server::tls::Certificates;
use crate::server::tls::ephemeral::Ephemeral;

fn state() -> WebhookState {
    let limits = Limits {
        workers: 1,
        ..Limits::default()
    };
    let admission = Arc::new(Admission::default());
    WebhookState::new(admission, Arc::new(Metrics::new()), limits)
}

/// A hard proof: a union of selectors that selects every pod, by the pigeonhole principle.
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

/// One cluster that admits all pods of its namespace, in many small rules.
fn compiled() -> CompiledSnapshot {
    let rules = json!([{"from": pigeons(6), "ports": [{"port": 8200}]}]);
    let cluster = json!({"apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "bao", "namespace": "shop"}, "spec": {"network": {"ingressRules": rules}}});
    let cluster = Change::Set(read::object(&cluster).unwrap());
    let snapshot = Snapshot::default().apply([cluster]);
    CompiledSnapshot::compile(None, Arc::new(snapshot), Arc::default())
}

/// A review of the creation of a policy.
fn body(spec: &Value) -> Vec<u8> {
    let resource =
        json!({"group": "networking.k8s.io", "version": "v1", "resource": "networkpolicies"});
    let kind = json!({"group": "networking.k8s.io", "version": "v1", "kind": "NetworkPolicy"});
    let policy = json!({"metadata": {"name": "all", "namespace": "shop"}, "spec": spec});
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {"uid": "a", "operation": "CREATE", "namespace": "shop", "name": "all", "kind": kind,
            "resource": resource, "userInfo": {"username": "alice"}, "object": policy}});
    review.to_string().into_bytes()
}

/// The answer to the creation of a policy.
async fn answer(state: &WebhookState, timeout: &str, spec: &Value) -> Value {
    let request = Request::post(format!("/validate?timeout={timeout}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body(spec)))
        .unwrap();
    let response = Review::new(state, WebhookKind::Validate, &request)
        .answer(request)
        .await;
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// Ingress from everyone to cluster pods, with a proof that takes long; and ingress from nobody.
fn specs() -> [Value; 2] {
    let ours = json!({"matchLabels": {"openbao.org/cluster": "bao"}});
    let everyone = json!([{"from": [{"podSelector": {}}], "ports": [{"port": 8200}]}]);
    [everyone, json!([])].map(|ingress| json!({"podSelector": ours, "ingress": ingress}))
}

#[tokio::test]
async fn a_small_review_with_a_long_proof_is_repeated_whole_and_keeps_no_other_waiting() {
    let state = state();
    state.admission.publish(compiled());
    let [long, short] = specs();
    let go_on = busy(&state).await;
    let late = answer(&state, "100ms", &long).await;
    assert_eq!(late["response"]["status"]["code"], 504, "{late}");
    let code = |answer: &Value| answer["response"]["status"]["code"].clone();
    let at_once = answer(&state, "30s", &short).await;
    assert_ne!(code(&at_once), 504, "{at_once}");
    drop(go_on);
    let whole = answer(&state, "30s", &long).await;
    assert_ne!(code(&whole), 504, "{whole}");
}

#[tokio::test]
async fn probes_and_metrics_answer_while_long_reviews_wait() {
    let state = state();
    state.admission.publish(compiled());
    let certificates = Ephemeral::make().unwrap().served;
    let certificates = Certificates::new(certificates, Arc::clone(&state.metrics));
    let readiness = Readiness::new(Arc::clone(&state.admission), Arc::new(certificates), None);
    let readiness = Arc::new(readiness);
    let metrics = metrics_router(Arc::clone(&state.metrics), Arc::clone(&readiness));
    let probes = probe_router(readiness).merge(metrics);
    let _go_on = busy(&state).await;
    let [long, _] = specs();
    for path in ["/livez", "/readyz", "/metrics"] {
        let probe = Request::get(path).body(Body::empty()).unwrap();
        // The review goes first, on the only thread.
        tokio::select! {
            biased;
            answer = answer(&state, "30s", &long) => panic!("no place is free: {answer}"),
            response = probes.clone().oneshot(probe) => {
                assert_eq!(response.unwrap().status(), StatusCode::OK, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn a_brief_answer_is_that_with_the_whole_budget_or_none() {
    let admission = Admission::default();
    admission.publish(compiled());
    let [long, short] = specs();
    for (spec, is_brief) in [(long, false), (short, true)] {
        let body = body(&spec);
        let whole = admission.answer(WebhookKind::Validate, &body);
        let brief = admission.answer_with_small_budget(WebhookKind::Validate, &body);
        assert_eq!(brief, is_brief.then_some(whole), "{spec}");
    }
}

/// Keeps the only worker busy until the result is dropped.
async fn busy(state: &WebhookState) -> mpsc::Sender<()> {
    let (go_on, released) = mpsc::channel();
    let (begun, begins) = oneshot::channel();
    let blocking = state.blocking.clone();
    tokio::spawn(async move {
        let due = Instant::now() + Duration::from_mins(1);
        let work = move || {
            begun.send(()).unwrap();
            released.recv().is_ok()
        };
        blocking.run(due, work).await
    });
    begins.await.unwrap();
    go_on
}
