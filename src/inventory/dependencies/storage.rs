//! How a job gets to its object storage, as far as a Hardened cluster asks.

use std::sync::Arc;

use crate::inventory::cluster::filled;
use crate::inventory::crd::BackupTarget;

/// What a Hardened cluster minds about an object storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageFault {
    /// The certificate of the storage is not verified.
    Unverified,
    /// The URL has this scheme, and not `https` or `s3`; empty where it has none.
    Scheme(Arc<str>),
    /// Plain HTTP to a Service, which the newest operator lets pass where it admits a restore. Whether its
    /// contract does is not known.
    PlainToService,
}

/// One thing about an object storage that a Hardened cluster minds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnverifiedStorage {
    /// Field path of what says so.
    pub path: Arc<str>,
    /// What it is.
    pub what: StorageFault,
}

/// What a Hardened cluster minds about the storage `target`, which stands at `path`.
pub(super) fn doubts(path: &str, target: &BackupTarget) -> Vec<UnverifiedStorage> {
    let at = |field: &str, what| UnverifiedStorage {
        path: format!("{path}.{field}").into(),
        what,
    };
    let unverified = target.insecure_skip_verify == Some(true);
    let unverified = unverified.then(|| at("insecureSkipVerify", StorageFault::Unverified));
    let endpoint = target.endpoint.as_deref().and_then(filled);
    let plain = endpoint.and_then(scheme).map(|what| at("endpoint", what));
    unverified.into_iter().chain(plain).collect()
}

/// What is wrong with the scheme of a URL.
fn scheme(url: &str) -> Option<StorageFault> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    match scheme.to_ascii_lowercase().as_str() {
        "https" | "s3" => None,
        "http" if is_service(rest) => Some(StorageFault::PlainToService),
        scheme => Some(StorageFault::Scheme(scheme.into())),
    }
}

/// Whether what follows the scheme begins with a Service and its namespace, written as the operator asks.
fn is_service(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.split(':').next().unwrap_or_default();
    let host = host.to_ascii_lowercase();
    let inside = host.strip_suffix(".cluster.local").unwrap_or(&host);
    let labels = inside.strip_suffix(".svc").unwrap_or_default().split('.');
    let labels: Vec<&str> = labels.collect();
    labels.len() == 2 && !authority.contains('@') && labels.iter().all(|label| !label.is_empty())
}
