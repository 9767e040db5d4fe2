//! Answers when a limit ends a review: an AdmissionReview if the uid is known.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Request, StatusCode, header};
use futures_util::{StreamExt as _, stream};
use hyper::body::{Frame, SizeHint};
use openbao_perimeter::admission::{Rejection, WebhookKind};
use openbao_perimeter::audit::Metrics;
use openbao_perimeter::server::listener::Limits;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tower::ServiceExt as _;

use crate::support::{UID, post, review, review_with, router_with_metrics, text};

const OPERATOR: &str = "system:serviceaccount:openbao-operator-system:openbao-operator-controller";

async fn response(router: &Router, request: Request<Body>) -> Value {
    let (status, body) = text(router.clone().oneshot(request).await.unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let mut answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["kind"], "AdmissionReview");
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    answer["response"].take()
}

fn counted(metrics: &Metrics, outcome: &str, times: usize) {
    let line = format!(r#"rejected_requests_total{{outcome="{outcome}"}} {times}"#);
    let text = metrics.text().unwrap();
    assert!(text.contains(&line), "no {line} in {text}");
}

/// Number of requests with this outcome in the histogram.
fn timed(metrics: &Metrics, point: WebhookKind, outcome: &str, times: usize) {
    let point = point.as_str();
    let line = format!(r#"duration_seconds_count{{point="{point}",outcome="{outcome}"}} {times}"#);
    let text = metrics.text().unwrap();
    assert!(text.contains(&line), "no {line} in {text}");
}

/// A denial without a verdict, as a Kubernetes client sees it.
fn denied(code: u16, reason: &str, response: &Value) {
    assert_eq!(response["uid"], UID, "{response}");
    assert_eq!(response["allowed"], false, "{response}");
    assert_eq!(response["status"]["code"], code, "{response}");
    assert_eq!(response["status"]["reason"], reason, "{response}");
    assert_eq!(response["status"]["status"], "Failure", "{response}");
}

/// A review as written by the API server, uid first, with an object of `bytes`.
fn large(user: &str, bytes: usize) -> String {
    format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"{UID}",
        "kind":{{"group":"networking.k8s.io","version":"v1","kind":"NetworkPolicy"}},"name":"web",
        "namespace":"shop","operation":"CREATE","userInfo":{{"username":"{user}"}},
        "object":{{"padding":"{}"}}}}}}"#,
        "x".repeat(bytes)
    )
}

/// A body with this beginning that never ends. Notifies when all of it was read.
fn unfinished(begin: &str) -> (Body, Arc<Notify>) {
    let all_read = Arc::new(Notify::new());
    let notify = Arc::clone(&all_read);
    let begin = Ok::<_, std::io::Error>(Bytes::from(begin.to_owned()));
    let never = stream::poll_fn(move |_| {
        notify.notify_one();
        std::task::Poll::Pending
    });
    (
        Body::from_stream(stream::iter([begin]).chain(never)),
        all_read,
    )
}

#[tokio::test]
async fn one_byte_too_many_is_an_http_error() {
    let limits = Limits {
        body_bytes: 40_000,
        ..Limits::default()
    };
    let (router, metrics) = router_with_metrics(limits);
    let body = large("alice", 100_000);
    for request in [
        post("/validate", body.clone()),
        post(
            "/validate",
            Body::from_stream(stream::iter([Ok::<_, std::io::Error>(body.clone())])),
        ),
    ] {
        let (status, text) = text(router.clone().oneshot(request).await.unwrap()).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{text}");
        assert!(text.contains("at most 40000 bytes"), "{text}");
    }
    counted(&metrics, "too-large", 2);
    assert!(!metrics.text().unwrap().contains("reviews_total{"));
}

#[tokio::test]
async fn what_cannot_be_answered_in_the_protocol_is_a_clean_http_error() {
    let limits = Limits {
        body_bytes: 2_000,
        ..Limits::default()
    };
    let (router, metrics) = router_with_metrics(limits);
    let without_uid = format!(r#"{{"request":{{"object":"{}"}}}}"#, "x".repeat(3_000));
    // The failure policy decides for exempt users: their webhook entry fails open.
    for body in [without_uid, large(OPERATOR, 3_000), "[".repeat(5_000)] {
        let request = post("/validate", body.clone());
        let (status, text) = text(router.clone().oneshot(request).await.unwrap()).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{body:.80}: {text}");
        assert!(text.contains("at most 2000 bytes"), "{text}");
    }
    counted(&metrics, "too-large", 3);
}

#[tokio::test]
async fn the_mutating_webhook_lets_pass_unrepaired_with_a_warning() {
    let limits = Limits {
        requests: 0,
        ..Limits::default()
    };
    let (router, metrics) = router_with_metrics(limits);
    let response = response(&router, post("/mutate", large("alice", 3_000))).await;
    assert_eq!(
        (&response["uid"], &response["allowed"]),
        (&json!(UID), &json!(true))
    );
    assert_eq!(response["patch"], Value::Null);
    let warning = response["warnings"][0].as_str().unwrap();
    assert!(
        warning.starts_with("not repaired, will be reviewed as written"),
        "{warning}"
    );
    counted(&metrics, "overloaded", 1);
}

#[tokio::test]
async fn one_request_too_many_is_denied_by_its_uid_and_asked_to_retry() {
    let limits = Limits {
        requests: 1,
        ..Limits::default()
    };
    let (router, metrics) = router_with_metrics(limits);
    let (body, all_read) = unfinished("{");
    let first = tokio::spawn(router.clone().oneshot(post("/mutate", body)));
    all_read.notified().await;
    let shed = response(&router, post("/validate", review().to_string())).await;
    denied(429, "TooManyRequests", &shed);
    assert_eq!(shed["status"]["details"]["retryAfterSeconds"], 1);
    let no_review = router
        .clone()
        .oneshot(post("/validate", "{}"))
        .await
        .unwrap();
    assert_eq!(no_review.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(no_review.headers()[header::RETRY_AFTER], "1");
    counted(&metrics, "overloaded", 2);
    timed(&metrics, WebhookKind::Validate, "overloaded", 2);
    // Requests without a verdict are counted there, not with the reviews.
    assert!(!metrics.text().unwrap().contains("unjudged"));
    first.abort();
    let _cancelled = first.await;
    let next = response(&router, post("/validate", review().to_string())).await;
    assert_eq!(next["allowed"], true);
}

/// A body with a known length.
struct Announced(Body, u64);

impl HttpBody for Announced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.1)
    }
}

#[tokio::test]
async fn bytes_in_flight_have_a_limit_of_their_own_and_come_back() {
    let limits = Limits {
        bytes_in_flight: 60_000,
        ..Limits::default()
    };
    let (router, metrics) = router_with_metrics(limits);
    let (body, all_read) = unfinished(&large("alice", 50_000));
    let body = Body::new(Announced(body, 51_000));
    let first = tokio::spawn(router.clone().oneshot(post("/validate", body)));
    all_read.notified().await;
    let crowded = post("/validate?timeout=200ms", large("alice", 20_000));
    denied(429, "TooManyRequests", &response(&router, crowded).await);
    // A review that still fits is answered.
    let small = response(&router, post("/validate", review().to_string())).await;
    assert_eq!(small["allowed"], true);
    // A review that does not fit waits for room.
    let waits = {
        let router = router.clone();
        tokio::spawn(async move {
            let waits = post("/validate?timeout=30s", large("alice", 20_000));
            response(&router, waits).await
        })
    };
    tokio::task::yield_now().await;
    first.abort();
    let _cancelled = first.await;
    assert_eq!(waits.await.unwrap()["status"]["code"], Value::Null);
    for _ in 0..3 {
        let fits = response(&router, post("/validate", large("alice", 50_000))).await;
        assert_eq!(fits["status"]["code"], Value::Null, "{fits}");
    }
    counted(&metrics, "overloaded", 1);
}

#[tokio::test]
async fn the_timeout_of_the_caller_ends_in_a_denial_before_the_caller_gives_up() {
    let (router, metrics) = router_with_metrics(Limits::default());
    let too_short = post("/validate?timeout=1ms", review().to_string());
    denied(504, "Timeout", &response(&router, too_short).await);
    counted(&metrics, "too-late", 1);
    timed(&metrics, WebhookKind::Validate, "too-late", 1);
    timed(&metrics, WebhookKind::Validate, "answered", 0);
    timed(&metrics, WebhookKind::Mutate, "too-late", 0);
    // One body stalls after its uid, the other before it.
    let (body, _) = unfinished(&large("alice", 1_000)[..600]);
    let stalled = post("/validate?timeout=100ms", body);
    denied(504, "Timeout", &response(&router, stalled).await);
    let (body, _) = unfinished("{");
    let stalled = post("/validate?timeout=100ms", body);
    let status = router.clone().oneshot(stalled).await.unwrap().status();
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
    counted(&metrics, "too-slow", 2);
    // Both have waited until the timeout.
    let name = r#"duration_seconds_bucket{le="0.0512",point="validate",outcome="too-slow"} 0"#;
    assert!(metrics.text().unwrap().contains(name));
    timed(&metrics, WebhookKind::Validate, "too-slow", 2);
    let long = post(
        "/validate?timeout=99999999999999999999h",
        review().to_string(),
    );
    assert_eq!(response(&router, long).await["allowed"], true);
}

#[test]
fn a_panic_denies_and_shows_no_details() {
    let admission = openbao_perimeter::admission::Admission::default();
    let body = review().to_string();
    let answer = admission.rejected(WebhookKind::Validate, body.as_bytes(), Rejection::Panicked);
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    denied(500, "InternalError", &answer["response"]);
    assert_eq!(answer["response"]["status"]["message"], "internal error");
}

#[tokio::test]
async fn a_review_has_the_same_verdict_at_once_and_by_a_worker() {
    let mut answers = Vec::new();
    for at_once_bytes in [0, 1_000_000] {
        let limits = Limits {
            at_once_bytes,
            ..Limits::default()
        };
        let (router, metrics) = router_with_metrics(limits);
        for path in ["/validate", "/mutate"] {
            answers.push(response(&router, post(path, review().to_string())).await);
        }
        assert_eq!(metrics.panics(), 0);
    }
    let (by_worker, at_once) = answers.split_at(2);
    assert_eq!(by_worker, at_once);
}

#[tokio::test]
async fn an_object_of_too_many_values_is_unreadable_and_not_a_crash() {
    let (router, metrics) = router_with_metrics(Limits::default());
    let labels: serde_json::Map<_, _> = (0..200_000)
        .map(|at| (format!("l{at}"), json!("v")))
        .collect();
    let mut object = review()["request"]["object"].clone();
    object["metadata"]["labels"] = json!(labels);
    let asked = post("/validate", review_with("object", object).to_string());
    let answer = response(&router, asked).await;
    // No cluster is known in that namespace, so there is only a warning.
    assert_eq!(answer["allowed"], true);
    let warning = answer["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("OBP402")
            && warning.contains("values are too many to review; expected at most 150000"),
        "{warning}"
    );
    assert_eq!(metrics.panics(), 0);
}

#[tokio::test]
async fn an_object_of_many_mistakes_lists_the_first_and_counts_the_rest() {
    let (router, _) = router_with_metrics(Limits::default());
    let peers: Vec<_> = (0..5_000)
        .map(|_| json!({"ipBlock": {"cidr": "x"}}))
        .collect();
    let mut object = review()["request"]["object"].clone();
    object["spec"]["ingress"] = json!([{"from": peers}]);
    let asked = post("/validate", review_with("object", object).to_string());
    let answer = response(&router, asked).await;
    let warnings = answer["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 11, "{answer}");
    assert_eq!(warnings[10], "and 91 more");
}

#[tokio::test]
async fn a_writer_of_too_many_groups_is_malformed() {
    let (router, _) = router_with_metrics(Limits::default());
    let groups = vec![""; 10_001];
    let user = json!({"username": "alice", "groups": groups});
    let asked = post("/validate", review_with("userInfo", user).to_string());
    let answer = response(&router, asked).await;
    assert_eq!(
        (&answer["uid"], &answer["status"]["code"]),
        (&json!(UID), &json!(400))
    );
}
