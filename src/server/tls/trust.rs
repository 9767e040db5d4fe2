//! Verification of the serving certificate with a CA bundle.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::Certificates;
use crate::crypto::provider;

impl Certificates {
    /// Returns true if a client that trusts the CAs in `bundle` (PEM) and connects to `name` accepts the
    /// current certificate.
    pub fn is_trusted_by(&self, bundle: &[u8], name: &str) -> bool {
        let Some(key) = self
            .served
            .load()
            .as_deref()
            .map(|served| Arc::clone(&served.key))
        else {
            return false;
        };
        let Some((leaf, intermediates)) = key.cert.split_first() else {
            return false;
        };
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(bundle).flatten() {
            // The API server accepts a certificate that is its own root; webpki does not.
            if root == *leaf {
                return true;
            }
            let _unusable = roots.add(root);
        }
        let Ok(name) = ServerName::try_from(name) else {
            return false;
        };
        let verifier =
            WebPkiServerVerifier::builder_with_provider(roots.into(), provider()).build();
        verifier.is_ok_and(|verifier| {
            let now = UnixTime::now();
            verifier
                .verify_server_cert(leaf, intermediates, &name, &[], now)
                .is_ok()
        })
    }
}
