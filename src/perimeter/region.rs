//! Regions: boxes of connections, the unit in which everything is proved.
//!
//! A [`Region`] is a product of independent sets: labels of the protected pod (the subject), the
//! peer (pods, IPv4 or IPv6 addresses, never mixed), and the port. It says nothing of its
//! direction: regions of one direction only are ever compared.

use super::Direction;
use super::address::{V4Set, V6Set, all_v4, all_v6};
use super::label::LabelSet;
use super::port::PortSet;

/// The other end of a connection. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerSet {
    /// Pods, by the labels of their namespace and their own: any that could ever carry them.
    Pods {
        /// Labels of the namespace.
        namespaces: LabelSet,
        /// Labels of the pod.
        pods: LabelSet,
    },
    /// Any endpoint at these IPv4 addresses.
    V4(V4Set),
    /// Any endpoint at these IPv6 addresses.
    V6(V6Set),
}

impl PeerSet {
    /// Pods of these namespaces; `None` where no namespace can be meant.
    pub fn pods(namespaces: LabelSet, pods: LabelSet) -> Option<Self> {
        namespaces
            .on_namespaces()
            .map(|namespaces| Self::Pods { namespaces, pods })
    }

    /// IPv4 addresses; `None` where there are none.
    pub fn v4(addresses: V4Set) -> Option<Self> {
        (!addresses.is_empty()).then_some(Self::V4(addresses))
    }

    /// IPv6 addresses; `None` where there are none.
    pub fn v6(addresses: V6Set) -> Option<Self> {
        (!addresses.is_empty()).then_some(Self::V6(addresses))
    }

    /// Every peer: all pods and all addresses (semantics C1).
    pub fn everyone() -> Vec<Self> {
        let pods = Self::Pods {
            namespaces: LabelSet::any(),
            pods: LabelSet::any(),
        };
        vec![pods, Self::V4(all_v4()), Self::V6(all_v6())]
    }

    /// Whether all of `self` is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Pods { namespaces, pods },
                Self::Pods {
                    namespaces: theirs,
                    pods: their_pods,
                },
            ) => namespaces.is_subset(theirs) && pods.is_subset(their_pods),
            (Self::V4(ours), Self::V4(theirs)) => ours.is_subset(theirs),
            (Self::V6(ours), Self::V6(theirs)) => ours.is_subset(theirs),
            _ => false,
        }
    }

    /// Whether nothing is in both.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Pods { namespaces, pods },
                Self::Pods {
                    namespaces: theirs,
                    pods: their_pods,
                },
            ) => namespaces.is_disjoint(theirs) || pods.is_disjoint(their_pods),
            (Self::V4(ours), Self::V4(theirs)) => ours.is_disjoint(theirs),
            (Self::V6(ours), Self::V6(theirs)) => ours.is_disjoint(theirs),
            _ => true,
        }
    }

    /// In both; `None` where that is nothing.
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (
                Self::Pods { namespaces, pods },
                Self::Pods {
                    namespaces: theirs,
                    pods: their_pods,
                },
            ) => Self::pods(namespaces.intersect(theirs)?, pods.intersect(their_pods)?),
            (Self::V4(ours), Self::V4(theirs)) => Self::v4(ours & theirs),
            (Self::V6(ours), Self::V6(theirs)) => Self::v6(ours & theirs),
            _ => None,
        }
    }
}

/// A box of connections: protected pods, peer, port. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Labels of the protected pods.
    pub subject: LabelSet,
    /// The other end.
    pub peer: PeerSet,
    /// Destination ports.
    pub ports: PortSet,
}

impl Region {
    /// A region as a rule of that direction means it; `None` where nothing is in it. On egress a
    /// port name is looked up at the destination, and an address declares no ports (semantics D9).
    pub fn new(
        direction: Direction,
        subject: LabelSet,
        peer: PeerSet,
        ports: PortSet,
    ) -> Option<Self> {
        let nameless = direction == Direction::Egress && !matches!(peer, PeerSet::Pods { .. });
        let ports = if nameless {
            ports.without_names()
        } else {
            ports
        };
        (!ports.is_empty()).then_some(Self {
            subject,
            peer,
            ports,
        })
    }

    /// Whether all of `self` is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.peer.is_subset(&other.peer)
            && self.ports.is_subset(&other.ports)
            && self.subject.is_subset(&other.subject)
    }

    /// Whether nothing is in both.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.peer.is_disjoint(&other.peer)
            || self.ports.is_disjoint(&other.ports)
            || self.subject.is_disjoint(&other.subject)
    }

    /// In both; `None` where that is nothing.
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        let ports = self.ports.intersect(&other.ports);
        let peer = self.peer.intersect(&other.peer)?;
        let subject = self.subject.intersect(&other.subject)?;
        (!ports.is_empty()).then_some(Self {
            subject,
            peer,
            ports,
        })
    }
}
