//! A certificate made at start: a CA and a leaf, held in memory, gone with the process.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{Served, TlsError};

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
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "openbao-perimeter ephemeral CA");
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let mut params = CertificateParams::new(NAMES.map(str::to_owned).to_vec())?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params
            .distinguished_name
            .push(DnType::CommonName, "openbao-perimeter");
        let key = KeyPair::generate()?;
        let leaf = params.signed_by(&key, &ca)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(Self {
            served: Served::new(vec![leaf.der().clone()], key)?,
            ca_pem: ca.as_ref().pem(),
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
