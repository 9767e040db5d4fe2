//! Client certificates, for API servers that have one.
//!
//! The CA of such certificates often signs others too, so its signature is not enough: the common name has
//! to be one of the configured names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};

use super::TlsError;
use super::files::{not_pem, read};
use super::follow::{Followed, follow};
use crate::audit::Metrics;
use crate::audit::metrics::Reload;
use crate::crypto::provider;
use crate::server::shutdown::Shutdown;
use webhook_certs::pem;
use webhook_certs::x509::CertificateInfo;

/// Error of a valid certificate with an unexpected common name.
#[derive(Debug, thiserror::Error)]
#[error("expected one of the configured client subjects, found `{found}`")]
struct UnexpectedSubject {
    found: String,
}

/// The clients that may connect.
#[derive(Debug)]
pub struct Clients {
    file: PathBuf,
    subjects: BTreeSet<String>,
    verifier: ArcSwap<Arc<dyn ClientCertVerifier>>,
    metrics: Arc<Metrics>,
}

impl Clients {
    /// Clients with a certificate of a CA in `file` and a common name in `subjects`.
    ///
    /// # Errors
    /// The file cannot be read, or has no usable CA.
    pub fn new(
        file: PathBuf,
        subjects: BTreeSet<String>,
        metrics: Arc<Metrics>,
    ) -> Result<(Arc<Self>, ClientCaContents), TlsError> {
        let contents = ClientCaContents(read(&file)?);
        let clients = Self {
            verifier: ArcSwap::from_pointee(verifier(&file, &contents)?),
            file,
            subjects,
            metrics,
        };
        Ok((Arc::new(clients), contents))
    }

    /// Reads the CAs again on events and every `interval` until shutdown.
    pub async fn follow(
        self: Arc<Self>,
        known: ClientCaContents,
        interval: Duration,
        shutdown: Shutdown,
    ) {
        follow(self, known, interval, shutdown).await;
    }
}

/// Content of the file of client CAs, for comparison.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientCaContents(Vec<u8>);

impl Followed for Arc<Clients> {
    type Contents = ClientCaContents;

    fn files(&self) -> Vec<&Path> {
        vec![&self.file]
    }

    fn contents(&self) -> Result<ClientCaContents, TlsError> {
        read(&self.file).map(ClientCaContents)
    }

    fn take(&self, contents: &ClientCaContents) -> Result<(), TlsError> {
        self.verifier
            .store(Arc::new(verifier(&self.file, contents)?));
        tracing::info!("client CAs replaced");
        Ok(())
    }

    fn count(&self, reload: Reload) {
        self.metrics.client_ca_reloaded(reload);
    }
}

fn verifier(
    file: &Path,
    contents: &ClientCaContents,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let unusable = |problem: String| TlsError::ClientCa {
        file: file.to_owned(),
        problem,
    };
    let mut roots = RootCertStore::empty();
    for ca in pem::certificates(&contents.0).map_err(not_pem("certificate", file))? {
        roots.add(ca).map_err(|error| unusable(error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map(|verifier| verifier as Arc<dyn ClientCertVerifier>)
        .map_err(|error| unusable(error.to_string()))
}

impl ClientCertVerifier for Clients {
    /// Empty, since the CAs may change. The client chooses its certificate itself.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let current = self.verifier.load();
        let verified = current.verify_client_cert(end_entity, intermediates, now)?;
        let facts = CertificateInfo::read(end_entity)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        match facts.common_names.as_slice() {
            [name] if self.subjects.contains(name) => Ok(verified),
            _ => {
                let found = facts.subject;
                let error = OtherError(Arc::new(UnexpectedSubject { found }));
                Err(Error::InvalidCertificate(CertificateError::Other(error)))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .load()
            .verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .load()
            .verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.load().supported_verify_schemes()
    }
}
