//! Regions: boxes of connections, the unit in which everything is proved.
//!
//! A [`Region`] is a product of independent sets: labels of the protected pod (the subject), the
//! peer (pods, IPv4 or IPv6 addresses, never mixed), and the port. It says nothing of its
//! direction: regions of one direction only are ever compared. A [`RegionRef`] is one whose parts are
//! shared.

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

    /// How many labels, values or ranges it is made of.
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
    /// A region; `None` where nothing is in it.
    pub fn new(subject: LabelSet, peer: PeerSet, ports: PortSet) -> Option<Self> {
        (!ports.is_empty()).then_some(Self {
            subject,
            peer,
            ports,
        })
    }

    /// Whether all of `self` is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        RegionRef::from(self).is_subset(other.into())
    }

    /// Whether nothing is in both.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        RegionRef::from(self).is_disjoint(other.into())
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

/// A region whose parts belong to others: the rules of a policy are kept once, whatever part of
/// whichever zone the policy selects.
#[derive(Clone, Copy, Debug)]
pub struct RegionRef<'a> {
    /// Labels of the protected pods.
    pub subject: &'a LabelSet,
    /// The other end.
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
    /// Whether all of `self` is in `other`.
    pub fn is_subset(self, other: RegionRef<'_>) -> bool {
        self.peer.is_subset(other.peer)
            && self.ports.is_subset(other.ports)
            && self.subject.is_subset(other.subject)
    }

    /// Whether nothing is in both.
    pub fn is_disjoint(self, other: RegionRef<'_>) -> bool {
        self.differs_beside_subject(other) || self.subject.is_disjoint(other.subject)
    }

    /// Whether nothing is in both, whatever their subjects are.
    pub fn differs_beside_subject(self, other: RegionRef<'_>) -> bool {
        self.peer.is_disjoint(other.peer) || self.ports.is_disjoint(other.ports)
    }

    /// Comparisons that it takes to hold another region against this one: one for each label key
    /// and each value, one for some ranges of addresses and ports.
    pub fn weight(self) -> usize {
        let labels = match self.peer {
            PeerSet::Pods { .. } => self.peer.weight(),
            PeerSet::V4(_) | PeerSet::V6(_) => 0,
        };
        1 + self.subject.weight() + labels + self.ranges()
    }

    /// Comparisons of its ranges, which take as long as those of the other region: both are walked.
    pub fn ranges(self) -> usize {
        let addresses = match self.peer {
            PeerSet::Pods { .. } => 0,
            PeerSet::V4(_) | PeerSet::V6(_) => self.peer.weight(),
        };
        (addresses + self.ports.ranges()) / RANGES
    }
}

/// Ranges that are compared as fast as one label.
const RANGES: usize = 4;
