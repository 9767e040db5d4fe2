//! The client: reviews over open TLS connections, one after another on each connection.

#![allow(dead_code, reason = "each user needs another part")]

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio_rustls::TlsConnector;

use crate::process::Process;

/// Results of one load.
pub(crate) struct Load {
    pub(crate) wall: Duration,
    pub(crate) latencies: Vec<Duration>,
}

pub(crate) async fn connect(process: &Process) -> SendRequest<Body> {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(&process.ca).unwrap();
    roots.add(ca).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(process.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Sends a review. Returns whether it was allowed.
pub(crate) async fn ask(sender: &mut SendRequest<Body>, body: &str) -> bool {
    sender.ready().await.unwrap();
    let request = Request::post("/validate?timeout=10s")
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert!(response.status().is_success(), "{}", response.status());
    let answer = response.into_body().collect().await.unwrap().to_bytes();
    answer
        .windows(14)
        .any(|window| window == br#""allowed":true"#)
}

pub(crate) async fn until_allowed(process: &Process, body: &str) {
    let mut sender = connect(process).await;
    while !ask(&mut sender, body).await {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Load pattern.
#[derive(Clone, Copy)]
pub(crate) struct Pattern {
    /// Number of open connections. The API server keeps a few.
    pub(crate) connections: usize,
    /// Total number of reviews.
    pub(crate) reviews: usize,
    /// Time between two reviews on a connection. Zero sends each directly after the previous response.
    pub(crate) period: Duration,
}

impl Pattern {
    /// Sends reviews to `process`. Each connection has a thread, since a runtime's timer has a resolution of
    /// one millisecond, in which ten reviews fit.
    pub(crate) fn load(self, process: &Process, body: &str) -> Load {
        let begun = Instant::now();
        let latencies = thread::scope(|scope| {
            let connections: Vec<_> = (0..self.connections)
                .map(|number| scope.spawn(move || self.of_connection(number, process, body)))
                .collect();
            let asked = connections.into_iter().map(|thread| thread.join().unwrap());
            asked.collect::<Vec<_>>()
        });
        let connected = latencies.iter().map(|(connected, _)| *connected).max();
        Load {
            wall: connected.unwrap_or(begun).elapsed(),
            latencies: latencies.into_iter().flat_map(|(_, of)| of).collect(),
        }
    }

    /// Time of the first review, and the latency of each. Latency is counted from the scheduled time, so
    /// reviews behind a slow one are late too.
    fn of_connection(
        self,
        number: usize,
        process: &Process,
        body: &str,
    ) -> (Instant, Vec<Duration>) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let mut sender = runtime.block_on(connect(process));
        let begun = Instant::now();
        // Connections start at different times.
        let connections = u32::try_from(self.connections).unwrap();
        let mut due = begun + self.period / connections * u32::try_from(number).unwrap();
        let asked = (0..self.reviews / self.connections).map(|_| {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if self.period.is_zero() {
                due = Instant::now();
            }
            let is_allowed = runtime.block_on(ask(&mut sender, body));
            assert!(is_allowed, "expected it to be allowed");
            let took = due.elapsed();
            due += self.period;
            took
        });
        let took = asked.collect();
        (begun, took)
    }
}

/// A review of about 3 KB as sent by an API server: a tenant's policy in the cluster's namespace.
pub(crate) fn review() -> String {
    let rule = |app: &str, port: u16| {
        json!({
            "from": [
                {"podSelector": {"matchLabels": {"app": app}}},
                {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": app}}},
                {"ipBlock": {"cidr": "10.20.0.0/16", "except": ["10.20.30.0/24"]}}
            ],
            "ports": [{"protocol": "TCP", "port": port}, {"protocol": "TCP", "port": 9000, "endPort": 9010}]
        })
    };
    let rules: Vec<_> = [
        ("web", 80),
        ("api", 8080),
        ("batch", 8443),
        ("metrics", 9090),
    ]
    .map(|(app, port)| rule(app, port))
    .to_vec();
    let gvk = json!({"group": "networking.k8s.io", "version": "v1", "kind": "NetworkPolicy"});
    let gvr = json!({"group": "networking.k8s.io", "version": "v1", "resource": "networkpolicies"});
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": gvk, "resource": gvr, "requestKind": gvk, "requestResource": gvr,
            "name": "backend", "namespace": "bao", "operation": "CREATE",
            "userInfo": {
                "username": "alice@example.com",
                "uid": "0f6a3a1c-88a1-4e8a-9d6c-3e6d1a2b4c5d",
                "groups": ["team-shop", "system:authenticated"],
                "extra": {"authentication.kubernetes.io/credential-id": ["X509SHA256=0011223344556677"]}
            },
            "object": {
                "kind": "NetworkPolicy", "apiVersion": "networking.k8s.io/v1",
                "metadata": {
                    "name": "backend", "namespace": "bao",
                    "uid": "1c9e9f3a-6f7b-4f6e-8c1d-2a3b4c5d6e7f",
                    "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z",
                    "labels": {"app.kubernetes.io/name": "backend", "team": "shop"},
                    "annotations": {"example.com/owner": "team-shop", "example.com/ticket": "SHOP-1234"},
                    "managedFields": [{
                        "manager": "kubectl-client-side-apply", "operation": "Update",
                        "apiVersion": "networking.k8s.io/v1", "time": "2026-01-01T00:00:00Z",
                        "fieldsType": "FieldsV1",
                        "fieldsV1": {
                            "f:metadata": {"f:annotations": {".": {}, "f:example.com/owner": {}}, "f:labels": {".": {}, "f:team": {}}},
                            "f:spec": {"f:egress": {}, "f:ingress": {}, "f:podSelector": {}, "f:policyTypes": {}}
                        }
                    }]
                },
                "spec": {
                    "podSelector": {"matchLabels": {"app": "backend", "tier": "backend"}},
                    "policyTypes": ["Ingress", "Egress"],
                    "ingress": rules,
                    "egress": [{
                        "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
                        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]
                    }]
                }
            },
            "oldObject": null, "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "kubectl-client-side-apply"}
        }
    })
    .to_string()
}
