//! The served certificate: where it comes from, and how it is swapped under open connections.

pub mod ephemeral;
pub mod files;
mod trust;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::audit::Metrics;
pub use files::Files;

/// Why a certificate cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read `{file}`")]
    Read {
        /// The file.
        file: PathBuf,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write `{file}`")]
    Write {
        /// The file.
        file: PathBuf,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// A file holds no PEM of the kind expected.
    #[error("expected a PEM {expected} in `{file}`")]
    Pem {
        /// What should be in it.
        expected: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong.
        #[source]
        source: pem::Error,
    },
    /// The certificate cannot be understood.
    #[error("cannot understand the certificate: {0}")]
    Certificate(String),
    /// Key and certificate do not make a pair, or rustls refuses them.
    #[error("cannot use the certificate and key")]
    Pair(#[source] rustls::Error),
    /// The ephemeral certificate cannot be made.
    #[error("cannot make an ephemeral certificate")]
    Make(#[from] rcgen::Error),
}

/// A certificate chain with its key.
#[derive(Debug)]
pub struct Served {
    key: Arc<CertifiedKey>,
    /// Unix time, seconds.
    expires: i64,
}

impl Served {
    /// From DER: the chain, leaf first, and the key.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsError> {
        let leaf = chain
            .first()
            .ok_or_else(|| TlsError::Certificate("expected a chain, found none".into()))?;
        let expires = X509Certificate::from_der(leaf)
            .map_err(|error| TlsError::Certificate(error.to_string()))?
            .1
            .validity()
            .not_after
            .timestamp();
        let key = CertifiedKey::from_der(chain, key, &ring::default_provider())
            .map_err(TlsError::Pair)?;
        Ok(Self {
            key: Arc::new(key),
            expires,
        })
    }
}

/// The certificate of now; new handshakes take it from here.
#[derive(Debug)]
pub struct Certificates {
    served: ArcSwap<Served>,
    metrics: Arc<Metrics>,
}

impl Certificates {
    /// Serves this one first.
    pub fn new(served: Served, metrics: Arc<Metrics>) -> Self {
        metrics.certificate_expires(served.expires);
        Self {
            served: ArcSwap::from_pointee(served),
            metrics,
        }
    }

    /// Whether the certificate has not expired at `now`.
    pub fn is_valid(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        i64::try_from(now).is_ok_and(|now| now < self.served.load().expires)
    }

    fn swap(&self, served: Served) {
        self.metrics.certificate_expires(served.expires);
        self.served.store(Arc::new(served));
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.served.load().key))
    }
}

/// TLS 1.3 and 1.2, HTTP/1.1 only: over HTTP/2 all reviews of an API server would share one
/// connection, and with it one replica.
pub fn server_config(certificates: &Arc<Certificates>) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let resolver = Arc::<Certificates>::clone(certificates);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Pair)?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
