//! The served certificate: where it comes from, and how it is swapped under open connections.
//!
//! Mounted Secrets change by a swap of symlinks, after which a watch on the file is dead; so the
//! files are read on a timer and compared by content. A pair that does not fit together, as in the
//! middle of a change, leaves the old one in place.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::shutdown::{Phase, Shutdown};
use crate::audit::Metrics;
use crate::audit::metrics::Reload;

pub mod ephemeral;

/// Bytes that are read of a PEM file; real chains have a tenth.
const PEM_LIMIT: u64 = 1024 * 1024;

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

/// A certificate and its key, in files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Chain, PEM, leaf first.
    pub cert: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
}

/// What the files hold, for comparison.
#[derive(Clone, PartialEq, Eq)]
pub struct Contents {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    /// How often the files are compared.
    pub const INTERVAL: Duration = Duration::from_secs(10);

    /// Reads the files.
    pub fn contents(&self) -> Result<Contents, TlsError> {
        Ok(Contents {
            cert: read(&self.cert)?,
            key: read(&self.key)?,
        })
    }

    /// Understands what was read.
    pub fn served(&self, contents: &Contents) -> Result<Served, TlsError> {
        let broken = |expected, file: &Path| {
            let file = file.to_owned();
            move |source| TlsError::Pem {
                expected,
                file,
                source,
            }
        };
        let chain = CertificateDer::pem_slice_iter(&contents.cert)
            .collect::<Result<Vec<_>, _>>()
            .map_err(broken("certificate", &self.cert))?;
        let key = PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(broken("private key", &self.key))?;
        Served::new(chain, key)
    }

    /// Reads the files again every `interval` until shutdown, and serves what is new and sound.
    pub async fn follow(
        self,
        mut known: Contents,
        interval: Duration,
        certificates: Arc<Certificates>,
        mut shutdown: Shutdown,
    ) {
        let mut ticks = tokio::time::interval(interval);
        loop {
            tokio::select! {
                () = shutdown.reached(Phase::Draining) => return,
                _ = ticks.tick() => {}
            }
            // A few kilobytes from a file system in memory: not worth a thread of its own.
            match self.contents() {
                Ok(found) if found == known => {}
                Ok(found) => {
                    self.take(&found, &certificates);
                    // Also when broken, so that one broken pair is told once.
                    known = found;
                }
                Err(error) => tracing::debug!(%error, "Cannot read the certificate again"),
            }
        }
    }

    fn take(&self, found: &Contents, certificates: &Certificates) {
        let reload = match self.served(found) {
            Ok(served) => {
                let expires = served.expires;
                certificates.swap(served);
                tracing::info!(expires, "Serving a new certificate");
                Reload::Swapped
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "Keeping the old certificate");
                Reload::Kept
            }
        };
        certificates.metrics.certificate_reloaded(reload);
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read {
        file: file.to_owned(),
        source,
    };
    let mut contents = Vec::new();
    fs::File::open(file)
        .map_err(failed)?
        .take(PEM_LIMIT)
        .read_to_end(&mut contents)
        .map_err(failed)?;
    Ok(contents)
}
