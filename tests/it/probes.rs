//! Responses of the probes.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use openbao_perimeter::admission::{Admission, FactsFreshness};
use openbao_perimeter::audit::Metrics;
use openbao_perimeter::config::ReviewConfig;
use openbao_perimeter::inventory::{Change, Kind, Snapshot, read};
use openbao_perimeter::review::CompiledSnapshot;
use openbao_perimeter::server::probes::{Readiness, metrics_router, router};
use openbao_perimeter::server::tls::Certificates;
use openbao_perimeter::server::tls::ephemeral::Ephemeral;
use serde_json::json;
use tower::ServiceExt as _;

use crate::cli::Serving;
use crate::support::{BOTH, connect_to, text};

/// A ready server in this namespace.
fn readiness(own_namespace: &str, admission: &Arc<Admission>) -> Arc<Readiness> {
    let served = Ephemeral::make().unwrap().served;
    let certificates = Arc::new(Certificates::new(served, Arc::new(Metrics::new())));
    let admission = Arc::clone(admission);
    Arc::new(Readiness::new(
        admission,
        certificates,
        Some(own_namespace.into()),
    ))
}

async fn verbose(readiness: &Arc<Readiness>) -> (StatusCode, String) {
    let request = Request::get("/readyz?verbose").body(Body::empty()).unwrap();
    let router = router(Arc::clone(readiness));
    text(router.oneshot(request).await.unwrap()).await
}

/// Cluster `main` in namespace `bao`.
fn compiled() -> CompiledSnapshot {
    let cluster = json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "main", "namespace": "bao"}, "spec": {},
    });
    let known = Change::Set(read::object(&cluster).unwrap());
    let snapshot = Arc::new(Snapshot::default().apply([known]));
    CompiledSnapshot::compile(None, snapshot, Arc::new(ReviewConfig::default()))
}

#[tokio::test]
async fn metrics_are_of_the_type_that_they_are_said_to_be_whatever_is_accepted() {
    let metrics = Arc::new(Metrics::new());
    let readiness = readiness("perimeter", &Arc::new(Admission::default()));
    let router = metrics_router(metrics, readiness);
    for accepted in [
        "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
        "text/plain;version=0.0.4",
        "image/png",
    ] {
        let request = Request::get("/metrics").header("accept", accepted);
        let request = request.body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let content_type = response.headers()["content-type"].clone();
        assert_eq!(
            content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "{accepted}"
        );
        let (status, body) = text(response).await;
        assert_eq!(status, StatusCode::OK);
        // Present only in OpenMetrics.
        assert!(body.ends_with("# EOF\n"), "{body}");
    }
}

#[tokio::test]
async fn each_latch_that_is_missing_is_named_with_its_reason() {
    let admission = Arc::new(Admission::default());
    let readiness = readiness("perimeter", &admission);
    let expected = "[-]inventory failed: not complete yet\n[+]certificate ok\n\
                    [+]shutdown ok\n\
                    readyz check failed\n";
    let unready = StatusCode::SERVICE_UNAVAILABLE;
    assert_eq!(verbose(&readiness).await, (unready, expected.into()));
    admission.publish(compiled());
    let expected = "[+]inventory ok\n[+]certificate ok\n[+]shutdown ok\n\
                    readyz check passed\n";
    assert_eq!(verbose(&readiness).await, (StatusCode::OK, expected.into()));
}

/// Watches of which some have not listed anything yet.
#[derive(Debug)]
struct Slow;

impl FactsFreshness for Slow {
    fn is_current(&self) -> bool {
        true
    }

    fn missing(&self) -> Vec<Kind> {
        vec![Kind::NetworkPolicy, Kind::Namespace]
    }
}

#[tokio::test]
async fn the_kinds_that_are_waited_for_are_named() {
    let admission = Arc::new(Admission::default().while_current(Arc::new(Slow)));
    let text = verbose(&readiness("perimeter", &admission)).await.1;
    let line = "[-]inventory failed: not complete yet, no list of NetworkPolicy, Namespace\n";
    assert!(text.contains(line), "{text}");
}

#[tokio::test]
async fn an_own_namespace_that_should_be_guarded_is_warned_of_and_no_failure() {
    let admission = Arc::new(Admission::default());
    admission.publish(compiled());
    for (own, warning) in [
        (
            "bao",
            "[!]own-namespace warning: `bao` has OpenBaoCluster `main`",
        ),
        (
            "openbao-operator-system",
            "[!]own-namespace warning: `openbao-operator-system` is the operator's namespace too",
        ),
        ("perimeter", ""),
    ] {
        let readiness = readiness(own, &admission);
        let (status, text) = verbose(&readiness).await;
        assert_eq!(status, StatusCode::OK, "{own}");
        assert!(text.contains(warning), "{own}: {text}");
        assert_eq!(text.contains("[!]"), !warning.is_empty(), "{own}: {text}");
    }
}

#[tokio::test]
async fn a_notice_is_shown_until_it_is_taken_back() {
    let admission = Arc::new(Admission::default());
    admission.publish(compiled());
    let readiness = readiness("perimeter", &admission);
    readiness.notice("registration", Some("failurePolicy is `Ignore`"));
    let (status, text) = verbose(&readiness).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        text.contains("[!]registration warning: failurePolicy is `Ignore`\n"),
        "{text}"
    );
    readiness.notice("registration", None);
    assert!(!verbose(&readiness).await.1.contains("[!]"));
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_by_the_drain_and_the_process_ends_well() {
    let settings =
        "limits: {drainTimeout: 500ms, bodyTimeout: 1m, reviewTimeout: 1m}\nshutdownDelay: 0s\n";
    let serving = Serving::configured("probes-drain", settings).await;
    let ca = std::fs::read_to_string(&serving.ca).unwrap();
    let mut stuck = connect_to(serving.reviews, &ca, BOTH).await.unwrap();
    let head = b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                 content-length: 9\r\nexpect: 100-continue\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stuck, head)
        .await
        .unwrap();
    let mut asked = [0; 25];
    tokio::io::AsyncReadExt::read_exact(&mut stuck, &mut asked)
        .await
        .unwrap();
    serving.terminate();
    assert_eq!(serving.ended(), Some(0));
}
