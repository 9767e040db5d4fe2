//! A CA and a leaf that are issued at start and kept in memory.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use webhook_certs::rotation::CertificateIssuer as _;
use webhook_certs::{Validity, now};

use super::{Served, TlsError, issuer};

/// Lifetime of both.
const LENGTH: Duration = Duration::from_hours(10 * 365 * 24);

/// Names and addresses of the leaf: this machine, and the Service of the manifests.
pub(crate) const NAMES: [&str; 5] = [
    "localhost",
    "127.0.0.1",
    "::1",
    "openbao-perimeter.openbao-perimeter-system.svc",
    "openbao-perimeter.openbao-perimeter-system.svc.cluster.local",
];

/// An ephemeral certificate.
#[derive(Debug)]
pub struct Ephemeral {
    /// The serving certificate.
    pub served: Served,
    /// The CA that clients have to trust, PEM.
    pub ca_pem: String,
}

impl Ephemeral {
    /// Issues a CA and a leaf. The key of the CA is dropped.
    ///
    /// # Errors
    /// A certificate cannot be issued.
    pub fn make() -> Result<Self, TlsError> {
        let validity = Validity::starting(now(), LENGTH);
        let ca = issuer().ca(validity)?;
        let leaf = issuer().leaf(&ca, validity, &NAMES.map(str::to_owned).into())?;
        Ok(Self {
            served: Served::from_pair(&leaf)?,
            ca_pem: ca.certificate,
        })
    }

    /// Writes the CA certificate atomically.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_ca(&self, file: &Path) -> Result<(), TlsError> {
        let failed = |source| TlsError::Write {
            file: file.to_owned(),
            source,
        };
        let mut draft = file.as_os_str().to_owned();
        draft.push(format!(".{}.tmp", std::process::id()));
        let mut written = fs::File::create(&draft).map_err(failed)?;
        written.write_all(self.ca_pem.as_bytes()).map_err(failed)?;
        drop(written);
        fs::rename(&draft, file).map_err(failed)
    }
}
