//! The served certificate: where it comes from, and how it is swapped under open connections.

pub mod clients;
pub mod ephemeral;
pub mod files;
mod follow;
pub mod self_managed;
mod trust;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::Error as PemError;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;

use crate::audit::Metrics;
pub use clients::Clients;
pub use files::Files;
pub use self_managed::SelfManaged;
use webhook_certs::x509::{Facts, Malformed};
use webhook_certs::{Life, Moment, Pair, pem};

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
        source: PemError,
    },
    /// A file is longer than any chain.
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
        /// What is wrong.
        problem: String,
    },
    /// A pair that was made here is no PEM.
    #[error("cannot read the certificate that was made")]
    Made {
        /// What is wrong.
        #[source]
        source: PemError,
    },
    /// There is no certificate.
    #[error("expected a chain of certificates, found none")]
    NoCertificate,
    /// A certificate cannot be understood.
    #[error(transparent)]
    Certificate(#[from] Malformed),
    /// A sound pair is not good now, while the one that is served is.
    #[error("expected a certificate that is good now, found one that is good from {} until {}", life.from, life.until)]
    NotNow {
        /// When it is good.
        life: Life,
    },
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
    life: Life,
    /// The earliest end of the certificates above the leaf, as far as the chain has them.
    ca_expires: Option<Moment>,
}

impl Served {
    /// From DER: the chain, leaf first, and the key.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsError> {
        let (leaf, above) = chain.split_first().ok_or(TlsError::NoCertificate)?;
        let life = |certificate| Facts::read(certificate).map(|facts| facts.life);
        let end = |certificate| life(certificate).map(|life| life.until);
        let life = life(leaf)?;
        let above = above.iter().map(end).collect::<Result<Vec<_>, _>>()?;
        let key = CertifiedKey::from_der(chain, key, &ring::default_provider())
            .map_err(TlsError::Pair)?;
        Ok(Self {
            key: Arc::new(key),
            life,
            ca_expires: above.into_iter().min(),
        })
    }
}

impl Served {
    /// From a pair that was made here.
    pub fn from_pair(pair: &Pair) -> Result<Self, TlsError> {
        let made = |source| TlsError::Made { source };
        let chain = pem::certificates(pair.certificate.as_bytes()).map_err(made)?;
        let key = pem::key(pair.key.as_bytes()).map_err(made)?;
        Self::new(chain, key)
    }
}

/// The certificate of now; new handshakes take it from here.
#[derive(Debug)]
pub struct Certificates {
    served: ArcSwapOption<Served>,
    /// Whether the API server can know the CA.
    is_announced: AtomicBool,
    clients: Option<Arc<Clients>>,
    metrics: Arc<Metrics>,
}

impl Certificates {
    /// Serves this one first.
    pub fn new(served: Served, metrics: Arc<Metrics>) -> Self {
        let certificates = Self::awaited(metrics);
        certificates.announced();
        certificates.swap(served);
        certificates
    }

    /// Has none yet: handshakes fail, and it is not ready.
    pub const fn awaited(metrics: Arc<Metrics>) -> Self {
        Self {
            served: ArcSwapOption::const_empty(),
            is_announced: AtomicBool::new(false),
            clients: None,
            metrics,
        }
    }

    /// Lets in these clients only.
    #[must_use]
    pub fn with_clients(self, clients: Option<Arc<Clients>>) -> Self {
        Self { clients, ..self }
    }

    /// Why requests should not be sent here at `now`, as far as the certificate goes.
    pub fn problem(&self, now: SystemTime) -> Option<&'static str> {
        match &*self.served.load() {
            None => Some("absent"),
            Some(served) if served.life.until <= now.into() => Some("expired"),
            Some(served) if served.life.from > now.into() => Some("not valid yet"),
            Some(_) if !self.is_announced.load(Ordering::Relaxed) => {
                Some("not in the registrations yet")
            }
            Some(_) => None,
        }
    }

    /// From now on the API server knows the CA, as far as that is in our hands.
    fn announced(&self) {
        self.is_announced.store(true, Ordering::Relaxed);
    }

    /// As [`Self::swap`], but keeps one that is good at `now` where the new one is not: it would break
    /// every handshake.
    fn swap_where_good(&self, served: Served, now: Moment) -> Result<(), TlsError> {
        let is_good = |served: &Served| served.life.holds(now);
        if !is_good(&served) && self.served.load().as_deref().is_some_and(is_good) {
            let life = served.life;
            return Err(TlsError::NotNow { life });
        }
        self.swap(served);
        Ok(())
    }

    fn swap(&self, served: Served) {
        let expires = served.life.until;
        self.metrics
            .certificate_expires(expires.unix(), served.ca_expires.map(Moment::unix));
        let old = self.served.swap(Some(Arc::new(served)));
        if old.is_some() {
            tracing::info!(%expires, "Serving a new certificate");
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

/// TLS 1.3 and 1.2, HTTP/1.1 only: over HTTP/2 all reviews of an API server would share one
/// connection, and with it one replica.
pub fn server_config(certificates: &Arc<Certificates>) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let resolver = Arc::<Certificates>::clone(certificates);
    let verifier = match &certificates.clients {
        Some(clients) => Arc::<Clients>::clone(clients),
        None => WebPkiClientVerifier::no_client_auth(),
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Pair)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if certificates.clients.is_some() {
        // A resumed session shows no certificate: one whose CA has gone would come back with it.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}
