//! Helpers: reviews, a router, a running server and a client.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use openbao_perimeter::admission::Admission;
use openbao_perimeter::audit::Metrics;
use openbao_perimeter::config::ReviewConfig;
use openbao_perimeter::inventory::Snapshot;
use openbao_perimeter::review::CompiledSnapshot;
use openbao_perimeter::server::clients::ApiClients;
use openbao_perimeter::server::listener::Limits;
use openbao_perimeter::server::router::router;
use openbao_perimeter::server::shutdown::{Phase, Shutdown, Trigger};
use openbao_perimeter::server::state::WebhookState;
use openbao_perimeter::server::tls::Certificates;
use openbao_perimeter::server::tls::ephemeral::Ephemeral;
use openbao_perimeter::server::{Addresses, Parts, Server};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Timeout of everything, so that a test that hangs fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const UID: &str = "705ab4f5-6393-11e8-b7cc-42010a800002";

/// A complete review of a NetworkPolicy's creation.
pub(crate) fn review() -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": UID,
            "kind": {"group": "networking.k8s.io", "version": "v1", "kind": "NetworkPolicy"},
            "resource": {
                "group": "networking.k8s.io", "version": "v1", "resource": "networkpolicies"
            },
            "name": "web",
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": {"username": "alice", "groups": ["system:authenticated"]},
            "object": {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {"name": "web", "namespace": "shop"},
                "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]}
            },
            "oldObject": null,
            "dryRun": false
        }
    })
}

/// The review with one part of its request replaced.
pub(crate) fn review_with(part: &str, value: Value) -> Value {
    let mut review = review();
    review["request"][part] = value;
    review
}

/// An admission handler without facts.
pub(crate) fn admission() -> Arc<Admission> {
    let admission = Admission::default();
    let snapshot = Arc::new(Snapshot::default());
    admission.publish(CompiledSnapshot::compile(
        None,
        snapshot,
        Arc::new(ReviewConfig::default()),
    ));
    Arc::new(admission)
}

/// A router in memory, and its metrics.
pub(crate) fn router_with_metrics(limits: Limits) -> (Router, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new());
    let state = WebhookState::new(admission(), Arc::clone(&metrics), limits);
    (router(state), metrics)
}

pub(crate) fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::HOST, "localhost")
        .body(body.into())
        .unwrap()
}

pub(crate) async fn text<B>(response: Response<B>) -> (StatusCode, String)
where
    B: axum::body::HttpBody<Error: std::fmt::Debug>,
{
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// A server on free loopback ports.
pub(crate) struct Running {
    pub(crate) addresses: Addresses,
    pub(crate) trigger: Trigger,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) run: JoinHandle<()>,
}

pub(crate) async fn start(
    certificates: Arc<Certificates>,
    metrics: Arc<Metrics>,
    limits: Limits,
) -> Running {
    let any = "127.0.0.1:0".parse().unwrap();
    let asked = Addresses {
        reviews: any,
        probes: any,
        metrics: any,
    };
    let parts = Parts {
        admission: admission(),
        metrics: Arc::clone(&metrics),
        certificates,
        limits,
        clients: ApiClients::default(),
        own_namespace: None,
    };
    let server = Server::bind(asked, parts).unwrap();
    let trigger = Shutdown::trigger();
    let running = Running {
        addresses: server.addresses(),
        run: tokio::spawn(server.run(trigger.shutdown())),
        trigger,
        metrics,
    };
    let probes = running.addresses.probes;
    let ready = async { while fetch(probes, "/readyz").await.0 != StatusCode::OK {} };
    tokio::time::timeout(PATIENCE, ready).await.unwrap();
    running
}

/// A server with an ephemeral certificate, and its CA.
pub(crate) async fn start_ephemeral(limits: Limits) -> (Running, String) {
    let made = Ephemeral::make().unwrap();
    let metrics = Arc::new(Metrics::new());
    let certificates = Arc::new(Certificates::new(made.served, Arc::clone(&metrics)));
    (start(certificates, metrics, limits).await, made.ca_pem)
}

impl Running {
    pub(crate) async fn stop(self) {
        self.trigger.enter(Phase::Draining);
        let ended = tokio::time::timeout(PATIENCE, self.run).await.unwrap();
        ended.unwrap();
    }
}

/// A TLS connection to the webhooks that trusts `ca_pem` and supports `versions`.
pub(crate) async fn connect(
    running: &Running,
    ca_pem: &str,
    versions: &[&'static SupportedProtocolVersion],
) -> std::io::Result<TlsStream<TcpStream>> {
    connect_to(running.addresses.reviews, ca_pem, versions).await
}

/// The same to any address.
pub(crate) async fn connect_to(
    address: std::net::SocketAddr,
    ca_pem: &str,
    versions: &[&'static SupportedProtocolVersion],
) -> std::io::Result<TlsStream<TcpStream>> {
    connect_with(ring::default_provider(), address, ca_pem, versions).await
}

/// The same with what this provider offers.
pub(crate) async fn connect_with(
    provider: CryptoProvider,
    address: std::net::SocketAddr,
    ca_pem: &str,
    versions: &[&'static SupportedProtocolVersion],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for ca in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(ca.unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from("localhost").unwrap(), stream)
        .await
}

pub(crate) const BOTH: &[&SupportedProtocolVersion] =
    &[&rustls::version::TLS13, &rustls::version::TLS12];

/// One request over an open connection.
pub(crate) async fn ask<IO>(stream: IO, request: Request<Body>) -> (StatusCode, String)
where
    IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    text(sender.send_request(request).await.unwrap()).await
}

/// A GET request without TLS.
pub(crate) async fn fetch(address: std::net::SocketAddr, path: &str) -> (StatusCode, String) {
    let request = Request::get(path)
        .header(header::HOST, "localhost")
        .body(Body::empty())
        .unwrap();
    ask(TcpStream::connect(address).await.unwrap(), request).await
}

/// An empty folder for this test.
pub(crate) fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _absent = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Compares a text with the file of this name in `tests/it/golden`, which `OBP_BLESS=1` writes.
pub(crate) fn assert_golden(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/golden")
        .join(name);
    if std::env::var_os("OBP_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == text,
        "tests/it/golden/{name} is not what is printed now; look, and if it is right run the test with \
         OBP_BLESS=1:\n{text}"
    );
}

/// Runs the command with an environment. Returns exit status, standard output and standard error.
pub(crate) fn run_with(
    environment: &[(&str, &str)],
    args: &[&str],
) -> (Option<i32>, String, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_openbao-perimeter"));
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command.envs(environment.iter().copied()).args(args);
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code(), out, err)
}
