//! More concurrent reviews than allowed: the result for the client of a write.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};

use axum::http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::race::config_of;
use super::replicas::ask;
use super::stage::{APPLY, LIMIT, Outage, Scene, TENANT, guard_during, plane};
use super::verdicts::{assert_denied, assert_quiet};
use crate::control_plane::wait_until;
use crate::guard;

/// One review at a time, without a short timeout.
const SETTINGS: &str = "limits: {maxRequests: 1, bodyTimeout: 10m, reviewTimeout: 10m}";

/// A review that never arrives completely, and so uses the only slot.
fn unfinished() -> ask::Stream {
    let ca = fs::read_to_string(plane().folder().join("ca.crt")).expect("the CA");
    let address = guard::ADDRESS.parse().expect("an address");
    let mut stream = ask::connect(address, &ca).expect("a handshake");
    let host = ask::SERVICE;
    let begin = format!(
        "POST /validate HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n{{"
    );
    stream.write_all(begin.as_bytes()).expect("a beginning");
    stream.flush().expect("sent");
    stream
}

/// Creates a policy as the tenant, as a dry run.
async fn write(client: &Client, policy: &Value) -> (Response<()>, Value) {
    let namespace = policy["metadata"]["namespace"].as_str().expect("one");
    let path =
        format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies?dryRun=All");
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(policy.to_string().into_bytes()))
        .expect("a request");
    let (head, body) = client.send(request).await.expect("an answer").into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let body = serde_json::from_slice(&body).expect("JSON");
    (Response::from_parts(head, ()), body)
}

#[test]
fn a_write_during_overload_is_asked_to_retry_and_kubectl_does() {
    let namespace = Scene::rendered("overload").namespace;
    let outage = Outage::begin();
    let guard = guard_during(&outage, SETTINGS);
    let scene = Scene::unguarded(namespace, &outage);
    let open = scene.scene("refused-OBP201-open-api-by-empty-selector");
    wait_until("a policy is refused", LIMIT, || {
        let ask = ["apply", "--dry-run=server", "-f", "-"];
        let asked = scene.tenant(&ask).stdin(&open).run();
        asked.stderr.contains("OBP201").then_some(())
    });
    let allowed = scene.scene("allowed-policy-for-web-pods");
    let policy: Value = serde_saphyr::from_str(&allowed).expect("YAML");

    let runtime = Runtime::new().expect("a runtime");
    let client = runtime.block_on(async {
        let mut config = config_of(plane(), Some(TENANT)).await;
        // Retries are off, unlike in kubectl.
        config.default_retry = false;
        Client::try_from(config).expect("a client")
    });
    let first = unfinished();
    let (head, body) = wait_until("the only place is taken", LIMIT, || {
        let (head, body) = runtime.block_on(write(&client, &policy));
        (head.status() != StatusCode::CREATED).then_some((head, body))
    });
    assert_eq!(head.status(), StatusCode::TOO_MANY_REQUESTS, "{body}");
    assert_eq!(head.headers()[header::RETRY_AFTER], "1");
    let message = "admission webhook \"tenants.perimeter.openbao.org\" denied the request: \
                   too many reviews at once, try again";
    let expected = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": "TooManyRequests", "code": 429,
        "details": {"retryAfterSeconds": 1},
    });
    assert_eq!(body, expected);

    let overloaded = || {
        let name = r#"openbao_perimeter_rejected_requests_total{outcome="overloaded"}"#;
        guard.metric(name).expect("a metric")
    };
    let before = overloaded();
    let ended = AtomicUsize::new(0);
    let apply = &|manifest: &str| {
        let output = scene.tenant(APPLY).stdin(manifest).run();
        ended.fetch_add(1, Ordering::Relaxed);
        output
    };
    let (allowed, open) = thread::scope(|scope| {
        let manifests = [allowed.as_str(), open.as_str()];
        let written = manifests.map(|manifest| scope.spawn(move || apply(manifest)));
        // Each was rejected and then retried by the client.
        wait_until("both have tried again", LIMIT, || {
            assert_eq!(ended.load(Ordering::Relaxed), 0, "kubectl gave up");
            (overloaded() >= before + 4).then_some(())
        });
        println!("turned away {} times", overloaded() - before);
        drop(first);
        let [allowed, open] = written.map(|written| written.join().expect("an end"));
        (allowed, open)
    });
    assert_quiet(&allowed);
    assert_denied(&open, "OBP201");
}
