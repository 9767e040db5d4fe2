//! One concrete connection: what a refusal shows.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::Direction;
use super::port::{Port, Protocol};
use crate::label::NAMESPACE_NAME;

/// Labels as a list of pairs, in order of their keys.
pub type LabelPairs = Vec<(Arc<str>, Arc<str>)>;

/// The end of a connection that is not the protected pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// A pod, by labels; labels that are not listed are absent.
    Pod {
        /// Labels of the namespace, its name among them.
        namespace: LabelPairs,
        /// Labels of the pod.
        labels: LabelPairs,
    },
    /// Whoever has this address.
    Address(IpAddr),
}

/// One connection between a protected pod and a peer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection {
    /// Which side the protected pod is on.
    pub direction: Direction,
    /// Labels of the protected pod; labels that are not listed are absent.
    pub subject: LabelPairs,
    /// The other end.
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
