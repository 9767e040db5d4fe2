//! A minimal webhook: it decodes with kube's types and allows.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::post;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use kube::core::DynamicObject;
use kube::core::admission::{AdmissionRequest, AdmissionResponse, AdmissionReview};
use openbao_perimeter::audit::Metrics;
use openbao_perimeter::server::tls::ephemeral::Ephemeral;
use openbao_perimeter::server::tls::{Certificates, server_config};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::process::Process;

/// Argument that makes the benchmark this server.
pub(crate) const ARGUMENT: &str = "--bare-server";
/// Environment variable with the path of the CA certificate.
const CA_OUT: &str = "BARE_CA_OUT";

impl Process {
    /// Starts the bare server, which is this program with another argument.
    pub(crate) async fn bare(folder: &Path, body: &str, starts: &mut Vec<Duration>) -> Self {
        let ca = folder.join("bare.crt");
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(ARGUMENT).env(CA_OUT, &ca);
        Self::start(command, ca, body, starts).await
    }
}

async fn validate(body: Bytes) -> impl IntoResponse {
    let review: AdmissionReview<DynamicObject> = serde_json::from_slice(&body).unwrap();
    let request: AdmissionRequest<DynamicObject> = review.try_into().unwrap();
    let answer = AdmissionResponse::from(&request).into_review();
    let body = serde_json::to_vec(&answer).unwrap();
    ([(header::CONTENT_TYPE, "application/json")], body)
}

pub(crate) async fn serve() {
    let made = Ephemeral::make().unwrap();
    made.write_ca(std::env::var(CA_OUT).unwrap().as_ref())
        .unwrap();
    let certificates = Certificates::new(made.served, Arc::new(Metrics::new()));
    let config = server_config(&Arc::new(certificates)).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let router = Router::new().route("/validate", post(validate));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!(
        "serving https://{}/validate",
        listener.local_addr().unwrap()
    );
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, router) = (acceptor.clone(), router.clone());
        tokio::spawn(async move {
            stream.set_nodelay(true).unwrap();
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let _end = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
                .await;
        });
    }
}
