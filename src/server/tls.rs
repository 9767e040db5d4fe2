//! The serving certificate: its source, and its replacement under open connections.

pub(crate) mod clients;
pub mod ephemeral;
pub(crate) mod files;
mod follow;
pub mod self_managed;
mod trust;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use rustls::ServerConfig;
use rustls::pki_types::pem::Error as PemError;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use webhook_certs::issuer::RcgenIssuer;
use webhook_certs::x509::{CertificateInfo, MalformedCertificate};
use webhook_certs::{Pair, Timestamp, Validity, pem};

use crate::audit::Metrics;
use crate::crypto::provider;
pub use clients::Clients;
pub use files::Files;
pub(crate) use self_managed::SelfManaged;

/// Error of a certificate that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read `{file}`")]
    Read {
        /// The file.
        file: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write `{file}`")]
    Write {
        /// The file.
        file: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file has no PEM block of the expected kind.
    #[error("expected a PEM {expected} in `{file}`")]
    Pem {
        /// The expected content.
        expected: &'static str,
        /// The file.
        file: PathBuf,
        /// The cause.
        #[source]
        source: PemError,
    },
    /// A file is longer than the limit.
    #[error(
        "expected at most {} bytes of PEM in `{file}`, found more",
        files::PEM_LIMIT
    )]
    TooLong {
        /// The file.
        file: PathBuf,
    },
    /// A file with client CAs cannot be used.
    #[error("cannot use the client CAs in `{file}`: {problem}")]
    ClientCa {
        /// The file.
        file: PathBuf,
        /// The cause.
        problem: String,
    },
    /// An issued pair is not valid PEM.
    #[error("cannot read the issued certificate")]
    IssuedPair {
        /// The cause.
        #[source]
        source: PemError,
    },
    /// There is no certificate.
    #[error("expected a chain of certificates, found none")]
    NoCertificate,
    /// A certificate cannot be parsed.
    #[error(transparent)]
    Certificate(#[from] MalformedCertificate),
    /// A pair is not valid now, while the served one is.
    #[error("expected a certificate that is valid now, found one that is valid from {} until {}", validity.from, validity.until)]
    NotNow {
        /// Its validity period.
        validity: Validity,
    },
    /// Key and certificate do not match, or rustls rejects them.
    #[error("cannot use the certificate and key")]
    Pair(#[source] rustls::Error),
    /// A certificate cannot be issued.
    #[error("cannot issue a certificate")]
    Make(#[from] rcgen::Error),
}

/// The issuer of the program's own certificates.
pub fn issuer() -> RcgenIssuer {
    RcgenIssuer::new("openbao-perimeter")
}

/// A certificate chain with its key.
#[derive(Debug)]
pub struct Served {
    key: Arc<CertifiedKey>,
    validity: Validity,
    /// The earliest expiry of the CAs in the chain.
    ca_expires: Option<Timestamp>,
}

impl Served {
    /// From DER: the chain, leaf first, and the key.
    ///
    /// # Errors
    /// The chain is empty or malformed, or the key does not match.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsError> {
        let (leaf, above) = chain.split_first().ok_or(TlsError::NoCertificate)?;
        let validity = |certificate| CertificateInfo::read(certificate).map(|facts| facts.validity);
        let end = |certificate| validity(certificate).map(|validity| validity.until);
        let validity = validity(leaf)?;
        let above = above.iter().map(end).collect::<Result<Vec<_>, _>>()?;
        let key = CertifiedKey::from_der(chain, key, &provider()).map_err(TlsError::Pair)?;
        Ok(Self {
            key: Arc::new(key),
            validity,
            ca_expires: above.into_iter().min(),
        })
    }
}

impl Served {
    /// Creates the chain from an issued pair.
    ///
    /// # Errors
    /// The pair is not valid PEM, or does not match.
    pub(crate) fn from_pair(pair: &Pair) -> Result<Self, TlsError> {
        let unreadable = |source| TlsError::IssuedPair { source };
        let chain = pem::certificates(pair.certificate.as_bytes()).map_err(unreadable)?;
        let key = pem::key(pair.key.as_bytes()).map_err(unreadable)?;
        Self::new(chain, key)
    }
}

/// The current certificate for new handshakes.
#[derive(Debug)]
pub struct Certificates {
    served: ArcSwapOption<Served>,
    /// True if the API server knows the CA.
    is_announced: AtomicBool,
    clients: Option<Arc<Clients>>,
    metrics: Arc<Metrics>,
}

impl Certificates {
    /// Starts with a certificate.
    pub fn new(served: Served, metrics: Arc<Metrics>) -> Self {
        let certificates = Self::awaited(metrics);
        certificates.announced();
        certificates.swap(served);
        certificates
    }

    /// Starts without a certificate: handshakes fail, and the server is not ready.
    pub(crate) const fn awaited(metrics: Arc<Metrics>) -> Self {
        Self {
            served: ArcSwapOption::const_empty(),
            is_announced: AtomicBool::new(false),
            clients: None,
            metrics,
        }
    }

    /// Admits these clients only.
    #[must_use]
    pub fn with_clients(self, clients: Option<Arc<Clients>>) -> Self {
        Self { clients, ..self }
    }

    /// The problem of the certificate that makes the server not ready at `now`.
    pub fn problem(&self, now: Timestamp) -> Option<&'static str> {
        match &*self.served.load() {
            None => Some("absent"),
            Some(served) if served.validity.is_over(now) => Some("expired"),
            Some(served) if served.validity.from > now => Some("not valid yet"),
            Some(_) if !self.is_announced.load(Ordering::Relaxed) => {
                Some("not in the registrations yet")
            }
            Some(_) => None,
        }
    }

    /// Records that the API server knows the CA.
    fn announced(&self) {
        self.is_announced.store(true, Ordering::Relaxed);
    }

    /// Serves a new certificate. Keeps the old one if only that is valid at `now`, since the new one would
    /// fail every handshake.
    fn swap_where_good(&self, served: Served, now: Timestamp) -> Result<(), TlsError> {
        let is_good = |served: &Served| served.validity.contains(now);
        if !is_good(&served) && self.served.load().as_deref().is_some_and(is_good) {
            let validity = served.validity;
            return Err(TlsError::NotNow { validity });
        }
        self.swap(served);
        Ok(())
    }

    fn swap(&self, served: Served) {
        let expires = served.validity.until;
        self.metrics.certificate_expires(
            expires.as_second(),
            served.ca_expires.map(Timestamp::as_second),
        );
        let old = self.served.swap(Some(Arc::new(served)));
        if old.is_some() {
            tracing::info!(%expires, "serving a new certificate");
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.served
            .load()
            .as_ref()
            .map(|served| Arc::clone(&served.key))
    }
}

/// TLS 1.3 and 1.2, HTTP/1.1 only: over HTTP/2 all reviews of an API server would share one connection, and
/// so one replica.
///
/// # Errors
/// The crypto provider lacks the protocol versions.
pub fn server_config(certificates: &Arc<Certificates>) -> Result<ServerConfig, TlsError> {
    let resolver = Arc::<Certificates>::clone(certificates);
    let verifier = match &certificates.clients {
        Some(clients) => Arc::<Clients>::clone(clients),
        None => WebPkiClientVerifier::no_client_auth(),
    };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Pair)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if certificates.clients.is_some() {
        // A resumed session has no certificate, so it could outlive the CA of its certificate.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}
