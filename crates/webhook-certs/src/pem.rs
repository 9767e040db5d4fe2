//! Certificates and keys as PEM text.

use std::fmt;

use rustls::pki_types::pem::{Error, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate with its private key, both PEM. The key is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

/// The certificates of a PEM text, in its order.
///
/// # Errors
/// The text is not valid PEM.
pub fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_slice_iter(text).collect()
}

/// The first private key of a PEM text.
///
/// # Errors
/// The text is not valid PEM, or has no private key.
pub fn key(text: &[u8]) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_slice(text)
}

/// The certificates of a PEM text, one text each. Everything else in the text is left out.
pub fn split(text: &str) -> Vec<String> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    text.split_inclusive(END)
        .filter_map(|part| Some(format!("{}\n", &part[part.rfind(BEGIN)?..])))
        .filter(|one| matches!(certificates(one.as_bytes()).as_deref(), Ok([_])))
        .collect()
}
