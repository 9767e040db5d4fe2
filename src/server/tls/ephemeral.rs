//! A certificate made at start: a CA and a leaf, held in memory, gone with the process.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{Served, TlsError};
use webhook_certs::foundry::Rcgen;
use webhook_certs::rotation::Foundry as _;
use webhook_certs::{Life, Moment};

/// Longer than any process of this kind lives.
const LENGTH: Duration = Duration::from_hours(10 * 365 * 24);

/// Names and addresses that the leaf is good for: this machine, and the Service of the manifests.
pub const NAMES: [&str; 5] = [
    "localhost",
    "127.0.0.1",
    "::1",
    "openbao-perimeter.openbao-perimeter-system.svc",
    "openbao-perimeter.openbao-perimeter-system.svc.cluster.local",
];

/// An ephemeral certificate.
#[derive(Debug)]
pub struct Ephemeral {
    /// What is served.
    pub served: Served,
    /// The CA that clients have to trust, PEM.
    pub ca_pem: String,
}

impl Ephemeral {
    /// Makes a CA and a leaf. The CA's key is dropped: no second leaf can come from it.
    pub fn make() -> Result<Self, TlsError> {
        let life = Life::starting(Moment::from(SystemTime::now()), LENGTH);
        let ca = Rcgen.ca(life)?;
        let leaf = Rcgen.leaf(&ca, life, &NAMES.map(str::to_owned).into())?;
        Ok(Self {
            served: Served::from_pair(&leaf)?,
            ca_pem: ca.certificate,
        })
    }

    /// Writes the CA certificate, so that nobody ever reads half of one.
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
