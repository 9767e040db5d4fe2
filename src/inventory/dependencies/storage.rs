//! Connection of a job to its object storage, as far as a Hardened cluster restricts it.

use std::sync::Arc;

use crate::inventory::cluster::filled;
use crate::inventory::crd::BackupTarget;

/// A property of an object storage that a Hardened cluster does not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StorageFault {
    /// The certificate of the storage is not verified.
    Unverified,
    /// The URL has this scheme instead of `https` or `s3`. Empty if it has none.
    Scheme(Arc<str>),
    /// Plain HTTP to a Service. The newest operator accepts it for restores. It is unknown whether its API
    /// contract does.
    PlainToService,
}

/// One property of an object storage that a Hardened cluster does not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnverifiedStorage {
    /// Field path of the declaration.
    pub(crate) path: Arc<str>,
    /// The property.
    pub(crate) what: StorageFault,
}

/// Properties of the storage `target` at field path `path` that a Hardened cluster does not accept.
pub(super) fn storage_problems(path: &str, target: &BackupTarget) -> Vec<UnverifiedStorage> {
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

/// The problem with the scheme of a URL, if any.
fn scheme(url: &str) -> Option<StorageFault> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    match scheme.to_ascii_lowercase().as_str() {
        "https" | "s3" => None,
        "http" if is_service(rest) => Some(StorageFault::PlainToService),
        scheme => Some(StorageFault::Scheme(scheme.into())),
    }
}

/// Returns true if the text after the scheme starts with a Service and its namespace, in the form that the
/// operator requires.
fn is_service(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.split(':').next().unwrap_or_default();
    let host = host.to_ascii_lowercase();
    let inside = host.strip_suffix(".cluster.local").unwrap_or(&host);
    let labels = inside.strip_suffix(".svc").unwrap_or_default().split('.');
    let labels: Vec<&str> = labels.collect();
    labels.len() == 2 && !authority.contains('@') && labels.iter().all(|label| !label.is_empty())
}
