//! The server calls its own port once: that it answers is seen, not assumed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::reachable;
use super::tls::Certificates;

const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(100);
/// Asks for nothing that is counted as a review, and ends the connection.
const REQUEST: &[u8] = b"HEAD / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// Waits until the port at `address` has answered with the certificate that is served.
pub(super) async fn heard(address: SocketAddr, certificates: Arc<Certificates>) {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Own {
        certificates,
        provider: Arc::clone(&provider),
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map(|config| {
            config
                .dangerous()
                .with_custom_certificate_verifier(verifier)
                .with_no_client_auth()
        });
    let connector = match config {
        Ok(config) => TlsConnector::from(Arc::new(config)),
        Err(error) => {
            tracing::error!(%error, "Cannot make a client for the own port");
            return std::future::pending().await;
        }
    };
    let address = reachable(address);
    while let Err(error) = timeout(PATIENCE, ask(address, &connector))
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
    {
        tracing::debug!(%error, "The own port does not answer yet");
        sleep(PAUSE).await;
    }
}

async fn ask(address: SocketAddr, connector: &TlsConnector) -> std::io::Result<()> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::IpAddress(address.ip().into());
    let asked = async {
        let mut stream = connector.connect(name, stream).await?;
        stream.write_all(REQUEST).await?;
        let mut begin = [0; 9];
        stream.read_exact(&mut begin).await?;
        Ok(begin)
    };
    match asked.await {
        Ok(begin) if begin.starts_with(b"HTTP/1.1 ") => Ok(()),
        Ok(_) => Err(std::io::ErrorKind::InvalidData.into()),
        // Where clients need a certificate, to be told so is an answer.
        Err(error) if is_alert(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

fn is_alert(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(Error::AlertReceived(_)))
}

/// Trusts the certificate that this server serves, and no other.
#[derive(Debug)]
struct Own {
    certificates: Arc<Certificates>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Own {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.certificates.is_leaf(leaf) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
