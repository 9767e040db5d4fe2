//! A certificate in files, followed.
//!
//! Mounted Secrets change by a swap of symlinks, after which a watch on the file is dead; so the
//! files are read on a timer and compared by content. A pair that does not fit together, as in the
//! middle of a change, leaves the old one in place.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Certificates, Served, TlsError};
use crate::audit::metrics::Reload;
use crate::server::shutdown::{Phase, Shutdown};

/// Bytes that are read of a PEM file; real chains have a tenth.
const PEM_LIMIT: u64 = 1024 * 1024;

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
