//! The router in memory: every body has an answer, every limit has a status.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode, header};
use futures_util::stream;
use openbao_perimeter::admission::{Admission, WebhookKind};
use openbao_perimeter::server::listener::Limits;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tower::ServiceExt as _;

use crate::support::{UID, post, review, review_with, router_with_metrics, text};

async fn ask(request: Request<Body>) -> (StatusCode, String) {
    let (router, _) = router_with_metrics(Limits::default());
    text(router.oneshot(request).await.unwrap()).await
}

async fn answer(path: &str, review: &Value) -> Value {
    let (status, body) = ask(post(path, review.to_string())).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn a_body_without_a_readable_uid_is_a_clean_400() {
    let with_uid = |uid: Value| review_with("uid", uid).to_string();
    let bodies = [
        String::new(),
        "null".into(),
        "[]".into(),
        "{}".into(),
        "not json".into(),
        "\u{0}".into(),
        "[".repeat(100_000),
        review().to_string()[..200].to_owned(),
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}).to_string(),
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": null})
            .to_string(),
        with_uid(json!(7)),
        with_uid(json!(null)),
        with_uid(json!("")),
        with_uid(json!({"a": "b"})),
    ];
    for body in bodies {
        for path in ["/validate", "/mutate"] {
            let (status, text) = ask(post(path, body.clone())).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{body:.80}: {text}");
            assert!(text.contains("expected"), "{body:.80}: {text}");
        }
    }
}

#[tokio::test]
async fn the_uid_survives_parts_of_the_wrong_type() {
    let broken = [
        ("kind", json!("NetworkPolicy")),
        ("operation", json!(1)),
        ("operation", json!(["CREATE"])),
        ("userInfo", json!("alice")),
        ("userInfo", json!({"username": {}})),
        ("userInfo", json!({"username": "alice", "groups": "all"})),
        ("dryRun", json!("yes")),
        ("name", json!({})),
        ("namespace", json!(1.5)),
    ];
    for (part, value) in broken {
        let answer = answer("/validate", &review_with(part, value.clone())).await;
        let response = &answer["response"];
        assert_eq!(response["uid"], UID, "{part}: {value}");
        assert_eq!(response["allowed"], false, "{part}: {value}");
        assert_eq!(response["status"]["code"], 400, "{part}: {value}");
    }
}

#[tokio::test]
async fn a_uid_is_repeated_as_it_is() {
    for uid in ["x", "a\"b\\c\n\u{1f980}", "ümläut", &"y".repeat(5_000)] {
        let answer = answer("/validate", &review_with("uid", json!(uid))).await;
        assert_eq!(answer["response"]["uid"], uid);
    }
}

#[tokio::test]
async fn another_version_of_the_review_is_denied_by_its_uid() {
    for (part, value) in [
        ("apiVersion", "admission.k8s.io/v1beta1"),
        ("apiVersion", ""),
        ("kind", "Review"),
    ] {
        let mut review = review();
        review[part] = json!(value);
        let answer = answer("/validate", &review).await;
        assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(answer["kind"], "AdmissionReview");
        assert_eq!(answer["response"]["uid"], UID);
        assert_eq!(answer["response"]["allowed"], false);
        assert_eq!(answer["response"]["status"]["code"], 400);
    }
}

#[tokio::test]
async fn a_request_without_review_is_allowed_untouched_and_counted() {
    let mut pod = review_with("kind", json!({"group": "", "version": "v1", "kind": "Pod"}));
    pod["request"]["resource"] = json!({"group": "", "version": "v1", "resource": "pods"});
    let reviews = [
        pod,
        review_with("subResource", json!("status")),
        review_with("operation", json!("CONNECT")),
    ];
    let (router, metrics) = router_with_metrics(Limits::default());
    for review in &reviews {
        for path in ["/validate", "/mutate"] {
            let request = post(path, review.to_string());
            let (_, body) = text(router.clone().oneshot(request).await.unwrap()).await;
            let answer: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(answer["response"], json!({"uid": UID, "allowed": true}));
        }
    }
    let counted = metrics.text().unwrap();
    let line =
        r#"reviews_total{point="validate",kind="other",operation="CREATE",outcome="untouched"} 2"#;
    assert!(counted.contains(line), "{counted}");
}

#[test]
fn without_facts_validation_denies_reviewed_kinds_and_mutation_allows() {
    let admission = Admission::default();
    let judged = review().to_string();
    let answer = admission.answer(WebhookKind::Validate, judged.as_bytes());
    let response: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(response["response"]["allowed"], false);
    assert_eq!(response["response"]["uid"], UID);
    let cause = &response["response"]["status"]["details"]["causes"][0]["reason"];
    assert_eq!(cause, "OBP403");
    let other = review_with("subResource", json!("status")).to_string();
    for (point, body) in [
        (WebhookKind::Mutate, &judged),
        (WebhookKind::Validate, &other),
    ] {
        let answer = admission.answer(point, body.as_bytes());
        let response: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(response["response"], json!({"uid": UID, "allowed": true}));
    }
}

#[tokio::test]
async fn absent_user_name_and_dry_run_are_no_error() {
    let mut review = review();
    let request = review["request"].as_object_mut().unwrap();
    for part in ["userInfo", "name", "dryRun", "oldObject", "resource"] {
        request.remove(part);
    }
    assert_eq!(
        answer("/validate", &review).await["response"]["allowed"],
        true
    );
}

#[tokio::test]
async fn only_json_is_taken() {
    for (content_type, status) in [
        ("application/json", StatusCode::OK),
        ("application/json; charset=utf-8", StatusCode::OK),
        ("Application/JSON", StatusCode::OK),
        ("text/plain", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (
            "application/json-patch+json",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
    ] {
        let mut request = post("/validate", review().to_string());
        let value = content_type.parse().unwrap();
        request.headers_mut().insert(header::CONTENT_TYPE, value);
        assert_eq!(ask(request).await.0, status, "{content_type}");
    }
    let mut request = post("/validate", review().to_string());
    request.headers_mut().remove(header::CONTENT_TYPE);
    assert_eq!(ask(request).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn there_are_two_routes_and_one_method() {
    for path in ["/", "/validate/", "/metrics", "/readyz", "/validate/x"] {
        assert_eq!(
            ask(post(path, "{}")).await.0,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let get = Request::get("/validate").body(Body::empty()).unwrap();
    assert_eq!(ask(get).await.0, StatusCode::METHOD_NOT_ALLOWED);
    let timeout = post("/validate?timeout=10s", review().to_string());
    assert_eq!(ask(timeout).await.0, StatusCode::OK);
}

/// A body in two parts, so that its length is not announced.
fn chunked(body: &str) -> Body {
    let (head, tail) = body.split_at(body.len() / 2);
    let pieces = [head, tail].map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece.to_owned())));
    Body::from_stream(stream::iter(pieces))
}

#[tokio::test]
async fn the_body_limit_is_exact_announced_or_not() {
    let body = review().to_string();
    let large = StatusCode::PAYLOAD_TOO_LARGE;
    for (limit, expected) in [(body.len(), StatusCode::OK), (body.len() - 1, large)] {
        let limits = Limits {
            body_bytes: limit,
            ..Limits::default()
        };
        for request in [
            post("/validate", body.clone()),
            post("/validate", chunked(&body)),
        ] {
            let (router, _) = router_with_metrics(limits);
            let (status, body) = text(router.oneshot(request).await.unwrap()).await;
            assert_eq!(status, expected, "{limit}: {body}");
            assert_eq!(body.contains(UID), status == StatusCode::OK, "{body}");
        }
    }
}

#[tokio::test]
async fn a_review_beyond_axums_own_limit_of_two_megabytes_is_read() {
    let review = review_with("options", json!({"padding": "x".repeat(6_000_000)}));
    assert_eq!(answer("/validate", &review).await["response"]["uid"], UID);
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    let limits = Limits {
        body: Duration::from_millis(50),
        ..Limits::default()
    };
    let (router, metrics) = router_with_metrics(limits);
    let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let response = router.oneshot(post("/validate", never)).await.unwrap();
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    let counted = metrics.text().unwrap();
    assert!(counted.contains(r#"rejected_requests_total{outcome="too-slow"} 1"#));
}

#[tokio::test]
async fn one_request_too_many_is_asked_to_retry() {
    let limits = Limits {
        requests: 1,
        ..Limits::default()
    };
    let (router, _) = router_with_metrics(limits);
    let begun = Arc::new(Notify::new());
    let notify = Arc::clone(&begun);
    let stalled = Body::from_stream(stream::poll_fn(move |_| {
        notify.notify_one();
        std::task::Poll::<Option<Result<Bytes, std::io::Error>>>::Pending
    }));
    let first = tokio::spawn(router.clone().oneshot(post("/mutate", stalled)));
    begun.notified().await;
    let second = post("/validate", review().to_string());
    let (_, body) = text(router.clone().oneshot(second).await.unwrap()).await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["response"]["status"]["code"], 429);
    first.abort();
    let _cancelled = first.await;
    let third = post("/validate", review().to_string());
    assert_eq!(
        router.oneshot(third).await.unwrap().status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_panic_is_answered_counted_and_forgotten() {
    let (router, metrics) = router_with_metrics(Limits::default());
    let panicking = Body::from_stream(stream::poll_fn(
        |_| -> std::task::Poll<Option<Result<Bytes, std::io::Error>>> { panic!("secret") },
    ));
    let response = router
        .clone()
        .oneshot(post("/validate", panicking))
        .await
        .unwrap();
    let (status, body) = text(response).await;
    assert_eq!(
        (status, body.as_str()),
        (StatusCode::INTERNAL_SERVER_ERROR, "internal error")
    );
    assert_eq!(metrics.panics(), 1);
    let next = post("/validate", review().to_string());
    assert_eq!(router.oneshot(next).await.unwrap().status(), StatusCode::OK);
}
