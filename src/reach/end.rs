//! The ends of a question, as they are written.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use crate::config::Zone;
use netpol::label::is_dns_label;
use netpol::port::{PortSet, Protocol};
use netpol::rule::{PortEntry, PortRange};

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// `-`: everyone.
    Everyone,
    /// One address.
    Address(IpAddr),
    /// `NAMESPACE/LABEL=VALUE,…`: the pods with these labels.
    Pods {
        /// Namespace.
        namespace: Arc<str>,
        /// Labels; none for every pod of the namespace.
        labels: Vec<(Arc<str>, Arc<str>)>,
    },
    /// `NAMESPACE/CLUSTER`, the servers of a cluster, or `NAMESPACE/CLUSTER/jobs`.
    Cluster {
        /// Namespace.
        namespace: Arc<str>,
        /// Name of the OpenBaoCluster.
        name: Arc<str>,
        /// Servers or jobs.
        pods: Zone,
    },
}

/// The end that is connected to, with its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The end.
    pub end: End,
    /// The port; `None` for every port.
    pub port: Option<PortEntry>,
}

/// Error of a text that is no end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEnd {
    /// None of the forms.
    #[error(
        "expected NAMESPACE/LABEL=VALUE,…, NAMESPACE/CLUSTER, NAMESPACE/CLUSTER/jobs, an address or `-`, found `{0}`"
    )]
    Form(String),
    /// A source with a port.
    #[error("expected no port in FROM, found `{0}`")]
    Port(String),
    /// A port that does not exist.
    #[error(
        "expected PORT[/PROTOCOL], one number of 1 to 65535 or a name, and TCP, UDP or SCTP, found `{0}`"
    )]
    InvalidPort(String),
}

impl FromStr for End {
    type Err = InvalidEnd;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match split(text) {
            (end, None) => parse(end),
            (end, Some(_)) => {
                // Something else is wrong first, as in `monitoring:443`.
                parse(end)?;
                Err(InvalidEnd::Port(text.to_owned()))
            }
        }
    }
}

impl FromStr for Destination {
    type Err = InvalidEnd;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (end, port) = split(text);
        Ok(Self {
            end: parse(end)?,
            port: port.map(parse_port).transpose()?,
        })
    }
}

impl Destination {
    /// The ports that are asked for.
    pub(super) fn port_set(&self) -> PortSet {
        let port = self.port.as_ref();
        port.map_or_else(PortSet::all, PortEntry::port_set)
    }
}

/// The end and its port. An IPv6 address has brackets where a port follows.
fn split(text: &str) -> (&str, Option<&str>) {
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        return match rest.strip_prefix(':') {
            Some(port) => (address, Some(port)),
            None if rest.is_empty() => (address, None),
            None => (text, None),
        };
    }
    if text.parse::<IpAddr>().is_ok() {
        return (text, None);
    }
    match text.rsplit_once(':') {
        Some((end, port)) => (end, Some(port)),
        None => (text, None),
    }
}

fn parse(text: &str) -> Result<End, InvalidEnd> {
    let invalid = || InvalidEnd::Form(text.to_owned());
    if text == "-" {
        return Ok(End::Everyone);
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(End::Address(address.to_canonical()));
    }
    let (namespace, rest) = text.split_once('/').ok_or_else(invalid)?;
    if !is_dns_label(namespace) {
        return Err(invalid());
    }
    let namespace = Arc::from(namespace);
    if rest.is_empty() || rest.contains('=') {
        let pairs = rest.split(',').filter(|pair| !pair.is_empty());
        let label = |pair: &str| match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
            _ => Err(invalid()),
        };
        let labels = pairs.map(label).collect::<Result<_, _>>()?;
        return Ok(End::Pods { namespace, labels });
    }
    let (name, pods) = match rest.split_once('/') {
        None => (rest, Zone::Workload),
        Some((name, "jobs")) => (name, Zone::Jobs),
        Some(_) => return Err(invalid()),
    };
    let is_name = |name: &str| !name.is_empty() && name.split('.').all(is_dns_label);
    if !is_name(name) {
        return Err(invalid());
    }
    Ok(End::Cluster {
        namespace,
        name: name.into(),
        pods,
    })
}

fn parse_port(text: &str) -> Result<PortEntry, InvalidEnd> {
    let invalid = || InvalidEnd::InvalidPort(text.to_owned());
    let (port, protocol) = text.split_once('/').unwrap_or((text, "TCP"));
    let mut known = Protocol::ALL.into_iter();
    let protocol = known.find(|known| known.as_str().eq_ignore_ascii_case(protocol));
    let protocol = protocol.ok_or_else(invalid)?;
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    let ports = if is_number {
        let number = port.parse().ok().filter(|number| *number > 0);
        let number = number.ok_or_else(invalid)?;
        PortRange::Numbers(number, number)
    } else if is_port_name(port) {
        PortRange::Named(port.into())
    } else {
        return Err(invalid());
    };
    Ok(PortEntry::new(protocol, ports))
}

/// Returns true for a name that a port can have. It has a letter, unlike a range.
fn is_port_name(text: &str) -> bool {
    text.len() <= 15 && is_dns_label(text) && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("everyone"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Pods { namespace, labels } => {
                let labels = labels.iter().map(|(key, value)| format!("{key}={value}"));
                write!(f, "{namespace}/{}", labels.collect::<Vec<_>>().join(","))
            }
            Self::Cluster {
                namespace,
                name,
                pods: Zone::Jobs,
            } => write!(f, "{namespace}/{name}/jobs"),
            Self::Cluster {
                namespace, name, ..
            } => write!(f, "{namespace}/{name}"),
        }
    }
}

#[cfg(test)]
mod tests;
