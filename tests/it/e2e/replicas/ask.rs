//! Direct requests to a replica, as from an API server.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

pub(in crate::e2e) const SERVICE: &str = "openbao-perimeter.openbao-perimeter-system.svc";
/// Longer than any timeout of the server.
const PATIENCE: Duration = Duration::from_secs(20);

pub(in crate::e2e) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A TLS handshake with the replica, by a client that trusts the bundle.
pub(in crate::e2e) fn connect(replica: SocketAddr, bundle: &str) -> Result<Stream, String> {
    let mut roots = RootCertStore::empty();
    for ca in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        let ca = ca.map_err(|error| error.to_string())?;
        roots.add(ca).map_err(|error| error.to_string())?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(SERVICE).map_err(|error| error.to_string())?;
    let client =
        ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
    let stream = TcpStream::connect(replica).map_err(|error| error.to_string())?;
    let limited = stream.set_read_timeout(Some(PATIENCE));
    limited.map_err(|error| error.to_string())?;
    let mut stream = StreamOwned::new(client, stream);
    while stream.conn.is_handshaking() {
        let done = stream.conn.complete_io(&mut stream.sock);
        done.map_err(|error| error.to_string())?;
    }
    Ok(stream)
}

/// The response to one review.
pub(in crate::e2e) fn review(replica: SocketAddr, bundle: &str, review: &Value) -> Value {
    let mut stream = connect(replica, bundle).expect("a handshake");
    let body = review.to_string();
    let head = format!(
        "POST /validate?timeout=10s HTTP/1.1\r\nhost: {SERVICE}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let asked = stream.write_all((head + &body).as_bytes());
    asked.expect("a review is sent");
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    read.unwrap_or_else(|error| panic!("{error}: {answer}"));
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    let mut answer: Value = serde_json::from_str(body).expect("JSON");
    answer["response"].take()
}
