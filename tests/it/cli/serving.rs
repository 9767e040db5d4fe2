//! A running `serve`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use axum::http::StatusCode;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tokio::time::timeout;

use super::{BINARY, INVENTORY, patient};
use crate::manifests::{TUNABLES, variable};
use crate::support::{PATIENCE, fetch, folder};

/// A running `serve` on free loopback ports; killed when dropped.
pub(crate) struct Serving {
    pub(crate) child: Child,
    lines: Receiver<String>,
    pub(crate) ca: PathBuf,
    pub(crate) reviews: SocketAddr,
    pub(crate) probes: SocketAddr,
    pub(crate) metrics: SocketAddr,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Serving {
    /// Starts it and waits until it is ready.
    pub(super) async fn start(name: &str, delay: &str) -> Self {
        Self::configured(name, &format!("shutdownDelay: {delay}\n")).await
    }

    /// The same with a settings file.
    pub(crate) async fn configured(name: &str, settings: &str) -> Self {
        let file = folder(&format!("{name}-file")).join("settings.yaml");
        fs::write(&file, settings).unwrap();
        Self::start_with(name, &["--config", file.to_str().unwrap()]).await
    }

    /// The same with any arguments.
    pub(crate) async fn start_with(name: &str, more: &[&str]) -> Self {
        let ca = folder(name).join("ca.pem");
        let any = "127.0.0.1:0";
        let mut command = Command::new(BINARY);
        command.args(["serve", "--inventory", INVENTORY, "--tls", "ephemeral"]);
        command.args(["--listen", any, "--probes-listen", any]);
        command.args(["--metrics-listen", any]).args(more);
        command.env(TUNABLES, variable(TUNABLES));
        command.arg("--ca-out").arg(&ca);
        // The log is next to the CA file, for tests that read it.
        let log = fs::File::create(ca.with_file_name("log")).unwrap();
        command.stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (seen, lines) = channel();
        let mut said = out.lines().map_while(Result::ok);
        thread::spawn(move || said.try_for_each(|line| seen.send(line)));
        let unknown = any.parse().unwrap();
        let mut serving = Self {
            child,
            lines,
            ca,
            reviews: unknown,
            probes: unknown,
            metrics: unknown,
        };
        serving.reviews = serving.announced("https", "/validate");
        assert_eq!(serving.announced("https", "/mutate"), serving.reviews);
        serving.probes = serving.announced("http", "/readyz");
        serving.metrics = serving.announced("http", "/metrics");
        serving.answers(StatusCode::OK).await;
        serving
    }

    /// The address in the next line of standard output.
    fn announced(&self, scheme: &str, path: &str) -> SocketAddr {
        let line = self.lines.recv_timeout(PATIENCE).unwrap();
        let address = line.split('/').nth(2).unwrap();
        assert_eq!(line, format!("serving {scheme}://{address}{path}"));
        address.parse().unwrap()
    }

    /// Waits until the readiness probe has this status.
    pub(super) async fn answers(&self, status: StatusCode) {
        let asked = async { while fetch(self.probes, "/readyz").await.0 != status {} };
        timeout(PATIENCE, asked).await.unwrap();
    }

    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits until standard output is closed. Returns the exit status.
    pub(crate) fn ended(mut self) -> Option<i32> {
        let end = self.lines.recv_timeout(Duration::from_secs(30));
        assert_eq!(end, Err(RecvTimeoutError::Disconnected));
        self.child.wait().unwrap().code()
    }

    pub(super) fn connect(&self) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(&self.ca).unwrap())
            .unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        StreamOwned::new(connection, patient(self.reviews))
    }
}
