//! Regions: sets of connections, the unit of all proofs.
//!
//! A [`Region`] is a product of independent sets: labels of the protected pod (the subject), the peer
//! (pods, IPv4 addresses or IPv6 addresses, never mixed) and the ports. It has no direction: only regions
//! of the same direction are compared. A [`RegionRef`] is a region with borrowed parts.

use super::address::{V4Set, V6Set, all_v4, all_v6};
use super::label::LabelSet;
use super::port::PortSet;
use super::ranges;

/// The peers of a region. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerSet {
    /// Pods, existing or not, by namespace labels and pod labels.
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
    /// Pods of these namespaces; `None` if no namespace can match.
    pub fn pods(namespaces: LabelSet, pods: LabelSet) -> Option<Self> {
        namespaces
            .on_namespaces()
            .map(|namespaces| Self::Pods { namespaces, pods })
    }

    /// IPv4 addresses; `None` if there are none.
    pub fn v4(addresses: V4Set) -> Option<Self> {
        (!addresses.is_empty()).then_some(Self::V4(addresses))
    }

    /// IPv6 addresses; `None` if there are none.
    pub fn v6(addresses: V6Set) -> Option<Self> {
        (!addresses.is_empty()).then_some(Self::V6(addresses))
    }

    /// Number of labels, values and ranges.
    pub fn weight(&self) -> usize {
        match self {
            Self::Pods { namespaces, pods } => namespaces.weight() + pods.weight(),
            Self::V4(addresses) => addresses.ranges_len(),
            Self::V6(addresses) => addresses.ranges_len(),
        }
    }

    /// Every peer: all pods and all addresses (semantics C1).
    pub fn everyone() -> Vec<Self> {
        let pods = Self::Pods {
            namespaces: LabelSet::any(),
            pods: LabelSet::any(),
        };
        vec![pods, Self::V4(all_v4()), Self::V6(all_v6())]
    }

    /// Returns true if `other` contains all of `self`.
    pub fn is_subset(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Pods { namespaces, pods },
                Self::Pods {
                    namespaces: theirs,
                    pods: their_pods,
                },
            ) => namespaces.is_subset(theirs) && pods.is_subset(their_pods),
            (Self::V4(ours), Self::V4(theirs)) => ranges::is_subset(ours, theirs),
            (Self::V6(ours), Self::V6(theirs)) => ranges::is_subset(ours, theirs),
            _ => false,
        }
    }

    /// Returns true if no peer is in both.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Pods { namespaces, pods },
                Self::Pods {
                    namespaces: theirs,
                    pods: their_pods,
                },
            ) => namespaces.is_disjoint(theirs) || pods.is_disjoint(their_pods),
            (Self::V4(ours), Self::V4(theirs)) => ranges::is_disjoint(ours, theirs),
            (Self::V6(ours), Self::V6(theirs)) => ranges::is_disjoint(ours, theirs),
            _ => true,
        }
    }

    /// Peers in both; `None` if there are none.
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

/// A product of protected pods, peers and ports. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Labels of the protected pods.
    pub subject: LabelSet,
    /// Peers.
    pub peer: PeerSet,
    /// Destination ports.
    pub ports: PortSet,
}

impl Region {
    /// A region; `None` if it would be empty.
    pub fn new(subject: LabelSet, peer: PeerSet, ports: PortSet) -> Option<Self> {
        (!ports.is_empty()).then_some(Self {
            subject,
            peer,
            ports,
        })
    }

    /// Returns true if `other` contains all of `self`.
    pub fn is_subset(&self, other: &Self) -> bool {
        RegionRef::from(self).is_subset(other.into())
    }

    /// Returns true if no connection is in both.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        RegionRef::from(self).is_disjoint(other.into())
    }

    /// Connections in both; `None` if there are none.
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

/// A region with borrowed parts. The rules of a policy are stored once, whichever pods the policy selects.
#[derive(Clone, Copy, Debug)]
pub struct RegionRef<'a> {
    /// Labels of the protected pods.
    pub subject: &'a LabelSet,
    /// Peers.
    pub peer: &'a PeerSet,
    /// Destination ports.
    pub ports: &'a PortSet,
}

impl<'a> From<&'a Region> for RegionRef<'a> {
    fn from(region: &'a Region) -> Self {
        Self {
            subject: &region.subject,
            peer: &region.peer,
            ports: &region.ports,
        }
    }
}

impl From<RegionRef<'_>> for Region {
    fn from(region: RegionRef<'_>) -> Self {
        Self {
            subject: region.subject.clone(),
            peer: region.peer.clone(),
            ports: region.ports.clone(),
        }
    }
}

impl RegionRef<'_> {
    /// Returns true if `other` contains all of `self`.
    pub fn is_subset(self, other: RegionRef<'_>) -> bool {
        self.peer.is_subset(other.peer)
            && self.ports.is_subset(other.ports)
            && self.subject.is_subset(other.subject)
    }

    /// Returns true if no connection is in both.
    pub fn is_disjoint(self, other: RegionRef<'_>) -> bool {
        self.is_disjoint_beyond_subject(other) || self.subject.is_disjoint(other.subject)
    }

    /// Returns true if peers or ports are disjoint. Subjects are ignored.
    pub fn is_disjoint_beyond_subject(self, other: RegionRef<'_>) -> bool {
        self.peer.is_disjoint(other.peer) || self.ports.is_disjoint(other.ports)
    }

    /// Comparisons needed to compare another region with this one: one per label key and value, one per few
    /// ranges of addresses and ports.
    pub fn weight(self) -> usize {
        let labels = match self.peer {
            PeerSet::Pods { .. } => self.peer.weight(),
            PeerSet::V4(_) | PeerSet::V6(_) => 0,
        };
        1 + self.subject.weight() + labels + self.ranges()
    }

    /// Comparisons of ranges. They count for both regions, since both lists are walked.
    pub fn ranges(self) -> usize {
        let addresses = match self.peer {
            PeerSet::Pods { .. } => 0,
            PeerSet::V4(_) | PeerSet::V6(_) => self.peer.weight(),
        };
        (addresses + self.ports.ranges()) / RANGES
    }
}

/// Number of ranges whose comparison takes as long as that of one label.
const RANGES: usize = 4;
