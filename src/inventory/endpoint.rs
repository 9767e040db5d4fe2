//! Endpoints that pods connect to, parsed from a URL or `host:port`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::Uri;
use http::uri::Authority;

/// The host of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Host {
    /// An address.
    Address(IpAddr),
    /// A Service of the Kubernetes cluster.
    Service {
        /// Its name.
        name: Arc<str>,
        /// Its namespace.
        namespace: Arc<str>,
    },
    /// Any other DNS name.
    Name(Arc<str>),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Service { name, namespace } => write!(f, "{name}.{namespace}.svc"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A host and a TCP port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Endpoint {
    /// Host.
    pub host: Host,
    /// Port. The default is that of the scheme.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Error for a text that is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a URL or `host:port`, found `{0}`")]
pub(crate) struct InvalidEndpoint(pub String);

impl Endpoint {
    /// Parses a URL or `host:port`. `port` is used if neither the text nor its scheme has one. A single-label
    /// name is a Service in `namespace`, the namespace of the pods that connect.
    pub(crate) fn read(text: &str, port: u16, namespace: &str) -> Result<Self, InvalidEndpoint> {
        let invalid = || InvalidEndpoint(text.to_owned());
        let (authority, port) = if let Some((scheme, _)) = text.split_once("://") {
            let uri: Uri = text.parse().map_err(|_| invalid())?;
            let authority = uri.authority().cloned().ok_or_else(invalid)?;
            (authority, scheme_port(scheme).unwrap_or(port))
        } else {
            // A path may follow, as in a URL without a scheme.
            let authority = text.split('/').next().unwrap_or_default();
            let authority = authority.parse::<Authority>().map_err(|_| invalid())?;
            (authority, port)
        };
        let port = match authority.port() {
            Some(written) => Some(written.as_u16()),
            // `host:` and `host:99999` parse as a host without a port.
            None if has_port(authority.as_str()) => None,
            None => Some(port),
        };
        let port = port.filter(|port| *port != 0).ok_or_else(invalid)?;
        let host = host(authority.host(), namespace).ok_or_else(invalid)?;
        Ok(Self { host, port })
    }

    /// A public name and port.
    pub(super) fn public(name: String, port: u16) -> Self {
        Self {
            host: Host::Name(name.into()),
            port,
        }
    }
}

fn scheme_port(scheme: &str) -> Option<u16> {
    match scheme.to_ascii_lowercase().as_str() {
        "https" | "s3" => Some(443),
        "http" => Some(80),
        _ => None,
    }
}

/// Returns true if there is text in the place of a port.
fn has_port(authority: &str) -> bool {
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let after = host.rsplit_once(']').map_or(host, |(_, after)| after);
    after.contains(':')
}

fn host(text: &str, namespace: &str) -> Option<Host> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let bare = bare.trim_end_matches('.').to_ascii_lowercase();
    if bare.is_empty() {
        return None;
    }
    if bare == "localhost" {
        return Some(Host::Address(Ipv4Addr::LOCALHOST.into()));
    }
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some(Host::Address(address.to_canonical()));
    }
    let service = |name: &str, namespace: &str| Host::Service {
        name: name.into(),
        namespace: namespace.into(),
    };
    if !bare.contains('.') {
        return Some(service(&bare, namespace));
    }
    let labels: Vec<&str> = bare.split('.').collect();
    let host = match labels[..] {
        [name, namespace] if !is_top_level(namespace) => service(name, namespace),
        // Whatever the domain of the cluster is.
        [name, namespace, "svc", ..] => service(name, namespace),
        // Pods of a headless Service have their name in front of it.
        [_pod, name, namespace, "svc", ..] => service(name, namespace),
        _ => Host::Name(bare.as_str().into()),
    };
    Some(host)
}

/// Generic domains in which public names of two labels are. Those of countries have two letters.
const TOP_LEVEL: &[&str] = &[
    "app", "arpa", "biz", "cloud", "com", "dev", "edu", "gov", "info", "int", "local", "mil",
    "net", "online", "org", "site", "tech", "xyz",
];

/// Whether a name of two labels with this one at its end is no Service and its namespace.
fn is_top_level(label: &str) -> bool {
    label.len() == 2 || TOP_LEVEL.contains(&label)
}
