//! A certificate in files, read again when they change.
//!
//! A pair that does not match, as in the middle of a change, leaves the old one in place.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use webhook_certs::{now, pem};

use super::follow::{Followed, follow};
use super::{Certificates, Served, TlsError};
use crate::audit::metrics::Reload;
use crate::server::shutdown::Shutdown;

/// Limit of a PEM file in bytes. Real chains have a tenth of it. A longer file is an error.
pub(crate) const PEM_LIMIT: u64 = 256 * 1024;

/// A certificate and its key, in files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Chain, PEM, leaf first.
    pub cert: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
}

/// Content of the files, for comparison.
#[derive(Clone, PartialEq, Eq)]
pub struct Contents {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    /// Interval of comparisons, in addition to events.
    pub(crate) const INTERVAL: Duration = Duration::from_secs(10);

    /// Reads the files.
    ///
    /// # Errors
    /// A file cannot be read or is too long.
    pub fn contents(&self) -> Result<Contents, TlsError> {
        Ok(Contents {
            cert: read(&self.cert)?,
            key: read(&self.key)?,
        })
    }

    /// Parses the content.
    ///
    /// # Errors
    /// A file is not valid PEM, or certificate and key do not match.
    pub fn served(&self, contents: &Contents) -> Result<Served, TlsError> {
        let chain =
            pem::certificates(&contents.cert).map_err(not_pem("certificate", &self.cert))?;
        let key = pem::key(&contents.key).map_err(not_pem("private key", &self.key))?;
        Served::new(chain, key)
    }

    /// Reads the files again on events and every `interval` until shutdown, and serves valid changes.
    pub async fn follow(
        self,
        known: Contents,
        interval: Duration,
        certificates: Arc<Certificates>,
        shutdown: Shutdown,
    ) {
        let followed = Pair {
            files: self,
            certificates,
        };
        follow(followed, known, interval, shutdown).await;
    }
}

struct Pair {
    files: Files,
    certificates: Arc<Certificates>,
}

impl Followed for Pair {
    type Contents = Contents;

    fn files(&self) -> Vec<&Path> {
        vec![&self.files.cert, &self.files.key]
    }

    fn contents(&self) -> Result<Contents, TlsError> {
        self.files.contents()
    }

    fn take(&self, contents: &Contents) -> Result<(), TlsError> {
        let served = self.files.served(contents)?;
        self.certificates.swap_where_good(served, now())
    }

    fn count(&self, reload: Reload) {
        self.certificates.metrics.certificate_reloaded(reload);
    }
}

/// Reads a PEM file.
///
/// # Errors
/// The file cannot be read or is too long.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read {
        file: file.to_owned(),
        source,
    };
    let mut contents = Vec::new();
    fs::File::open(file)
        .map_err(failed)?
        .take(PEM_LIMIT + 1)
        .read_to_end(&mut contents)
        .map_err(failed)?;
    if u64::try_from(contents.len()).is_ok_and(|length| length <= PEM_LIMIT) {
        Ok(contents)
    } else {
        let file = file.to_owned();
        Err(TlsError::TooLong { file })
    }
}

/// The error of the PEM of a file.
pub(super) fn not_pem(
    expected: &'static str,
    file: &Path,
) -> impl FnOnce(rustls::pki_types::pem::Error) -> TlsError {
    let file = file.to_owned();
    move |source| TlsError::Pem {
        expected,
        file,
        source,
    }
}
