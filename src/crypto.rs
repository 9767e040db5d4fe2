//! The crypto provider of TLS: ring, or AWS-LC with the feature `aws-lc`, which also has the post-quantum key exchange
//! X25519MLKEM768.

use std::sync::Arc;

use kube::{Client, Config};
use rustls::crypto::CryptoProvider;
#[cfg(feature = "aws-lc")]
use rustls::crypto::aws_lc_rs as chosen;
#[cfg(not(feature = "aws-lc"))]
use rustls::crypto::ring as chosen;

/// Provider of signatures, ciphers and key exchanges.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(chosen::default_provider())
}

/// Client of the API server. It uses this provider too.
///
/// # Errors
/// The configuration is not usable, for example a malformed certificate.
pub(crate) fn client(config: Config) -> kube::Result<Client> {
    // A client of kube uses the provider of the process, which rustls cannot choose by itself where both are compiled in.
    let _chosen_before = chosen::default_provider().install_default();
    Client::try_from(config)
}
