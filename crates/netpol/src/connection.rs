//! One concrete connection, used as an example.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::Direction;
use super::port::{Port, Protocol};
use crate::label::NAMESPACE_NAME;

/// Labels as pairs, sorted by key.
pub type LabelPairs = Vec<(Arc<str>, Arc<str>)>;

/// The peer of a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// A pod, by labels. Labels that are not listed are absent.
    Pod {
        /// Labels of the namespace, including its name.
        namespace: LabelPairs,
        /// Labels of the pod.
        labels: LabelPairs,
    },
    /// Any endpoint with this address.
    Address(IpAddr),
}

/// One connection between a protected pod and a peer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection {
    /// Direction, seen from the protected pod.
    pub direction: Direction,
    /// Labels of the protected pod. Labels that are not listed are absent.
    pub subject: LabelPairs,
    /// The peer.
    pub peer: Endpoint,
    /// Protocol.
    pub protocol: Protocol,
    /// Destination port.
    pub port: Port,
}

struct Pairs<'a>(&'a LabelPairs);

impl fmt::Display for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (key, value)) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "," };
            write!(f, "{separator}{key}={value}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (namespace, labels) = match self {
            Self::Address(address) => return write!(f, "{address}"),
            Self::Pod { namespace, labels } => (namespace, labels),
        };
        let name = namespace
            .iter()
            .find(|(key, _)| &**key == NAMESPACE_NAME)
            .map_or("", |(_, name)| name);
        let others: LabelPairs = namespace
            .iter()
            .filter(|(key, _)| &**key != NAMESPACE_NAME)
            .cloned()
            .collect();
        f.write_str("a pod")?;
        if !labels.is_empty() {
            write!(f, " labelled {}", Pairs(labels))?;
        }
        write!(f, " in namespace `{name}`")?;
        if !others.is_empty() {
            write!(f, " labelled {}", Pairs(&others))?;
        }
        Ok(())
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = format!("the OpenBao pod labelled {}", Pairs(&self.subject));
        let (source, destination) = match self.direction {
            Direction::Ingress => (self.peer.to_string(), subject),
            Direction::Egress => (subject, self.peer.to_string()),
        };
        write!(
            f,
            "{source} -> {destination}, {} {}",
            self.protocol, self.port
        )
    }
}
