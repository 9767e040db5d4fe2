//! Rules of a policy as plain values, and their regions.
//!
//! A [`Rule`] is one element of `ingress` or `egress`. It is well-formed: code that reads rules from a
//! manifest rejects everything that the NetworkPolicy API rejects.
//!
//! ```
//! use netpol::rule::{PortEntry, Rule};
//! use netpol::{At, Direction, LabelSet, Reading};
//!
//! let everyone = Rule { peers: vec![], ports: vec![PortEntry::tcp(8200)] };
//! let at = At { namespace: "bao", reading: Reading::May, tunnels: &[] };
//! let regions = everyone.regions(at, Direction::Ingress, &LabelSet::any());
//! assert_eq!(regions.len(), 3, "pods, IPv4 and IPv6 addresses");
//! ```

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use super::address::{Cidr, block_addresses};
use super::label::{LabelSet, Labels, NAMESPACE_NAME, Values};
use super::port::{PortSet, Protocol};
use super::region::{PeerSet, Region};
use super::{At, Direction, Reading};

/// Comparison of a label with values (`metav1.LabelSelectorOperator`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Present with a listed value.
    In,
    /// Absent, or present with an unlisted value.
    NotIn,
    /// Present.
    Exists,
    /// Absent.
    DoesNotExist,
}

impl Operator {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "In",
            Self::NotIn => "NotIn",
            Self::Exists => "Exists",
            Self::DoesNotExist => "DoesNotExist",
        }
    }
}

/// One element of `matchExpressions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Label key.
    pub key: Arc<str>,
    /// Comparison.
    pub operator: Operator,
    /// Values of `In` and `NotIn`.
    pub values: Vec<Arc<str>>,
}

/// A label selector. All of its requirements must hold. An empty selector selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// `matchLabels`.
    pub labels: Labels,
    /// `matchExpressions`.
    pub expressions: Vec<Requirement>,
}

impl Selector {
    /// A selector for exact labels.
    pub fn labels<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let labels = pairs
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        Self {
            labels,
            expressions: Vec::new(),
        }
    }

    /// A selector for the namespace with this name.
    pub fn namespace(name: &str) -> Self {
        Self::labels([(NAMESPACE_NAME, name)])
    }

    /// The selector with one more `matchExpressions` entry.
    #[must_use]
    pub fn and(mut self, key: &str, operator: Operator, values: &[&str]) -> Self {
        let values = values.iter().map(|value| Arc::from(*value)).collect();
        self.expressions.push(Requirement {
            key: key.into(),
            operator,
            values,
        });
        self
    }

    /// The selected labels; `None` if the requirements contradict each other (semantics A5).
    pub fn label_set(&self) -> Option<LabelSet> {
        let labels = self.labels.iter();
        let labels = labels.map(|(key, value)| (key.clone(), Values::one_of([value.clone()])));
        let expressions = self.expressions.iter().map(|requirement| {
            let listed = || requirement.values.iter().cloned();
            let values = match requirement.operator {
                Operator::In => Values::one_of(listed()),
                Operator::NotIn => Values::none_of_or_absent(listed()),
                Operator::Exists => Values::present(),
                Operator::DoesNotExist => Values::absent(),
            };
            (requirement.key.clone(), values)
        });
        LabelSet::all_of(labels.chain(expressions).collect())
    }
}

/// One element of `from` or `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Pods, by namespace and labels. Without a namespace selector, the policy's own namespace is meant;
    /// without a pod selector, all pods there. At least one of the two is present.
    Pods {
        /// `namespaceSelector`.
        namespaces: Option<Selector>,
        /// `podSelector`.
        pods: Option<Selector>,
    },
    /// Any endpoint at these addresses, inside the cluster or out.
    Block {
        /// `ipBlock.cidr`.
        cidr: Cidr,
        /// `ipBlock.except`.
        except: Vec<Cidr>,
    },
}

/// The ports of one element of `ports`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortRange {
    /// No `port`: all ports of the protocol.
    All,
    /// `port` to `endPort`, both included. They are equal if there is no `endPort`, or if it repeats `port`.
    Numbers(u16, u16),
    /// A port name.
    Named(Arc<str>),
}

/// One element of `ports`. Two are equal if they mean the same.
#[derive(Clone, Debug)]
pub struct PortEntry {
    /// Protocol, by default TCP.
    pub protocol: Protocol,
    /// Port or ports.
    pub ports: PortRange,
    /// True if an `endPort` is written that equals `port`. It means nothing, and writing the rule again keeps it.
    pub repeats_port: bool,
}

impl PartialEq for PortEntry {
    fn eq(&self, other: &Self) -> bool {
        self.protocol == other.protocol && self.ports == other.ports
    }
}

impl Eq for PortEntry {}

impl PortEntry {
    /// These ports of a protocol.
    pub const fn new(protocol: Protocol, ports: PortRange) -> Self {
        Self {
            protocol,
            ports,
            repeats_port: false,
        }
    }

    /// One TCP port.
    pub const fn tcp(port: u16) -> Self {
        Self::new(Protocol::Tcp, PortRange::Numbers(port, port))
    }

    /// One UDP port.
    pub const fn udp(port: u16) -> Self {
        Self::new(Protocol::Udp, PortRange::Numbers(port, port))
    }

    /// The ports of this entry.
    pub fn port_set(&self) -> PortSet {
        match &self.ports {
            PortRange::All => PortSet::protocol(self.protocol),
            PortRange::Numbers(first, last) => PortSet::range(self.protocol, *first, *last),
            PortRange::Named(name) => PortSet::name(self.protocol, name.clone()),
        }
    }
}

impl fmt::Display for PortEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ports {
            PortRange::All => f.write_str("all")?,
            PortRange::Numbers(first, last) if first == last => write!(f, "{first}")?,
            PortRange::Numbers(first, last) => write!(f, "{first}-{last}")?,
            PortRange::Named(name) => write!(f, "{name}")?,
        }
        write!(f, "/{}", self.protocol)
    }
}

/// One element of `ingress` or `egress`. No peers means every peer; no ports means every port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// `from` or `to`.
    pub peers: Vec<Peer>,
    /// `ports`.
    pub ports: Vec<PortEntry>,
}

impl Rule {
    /// Number of entries, requirements and values.
    pub fn size(&self) -> usize {
        let selector = |selector: &Selector| {
            let values = selector.expressions.iter().map(|asked| asked.values.len());
            selector.labels.len() + selector.expressions.len() + values.sum::<usize>()
        };
        let peer = |peer: &Peer| match peer {
            Peer::Pods { namespaces, pods } => {
                1 + namespaces.iter().chain(pods).map(selector).sum::<usize>()
            }
            Peer::Block { except, .. } => 1 + except.len(),
        };
        1 + self.peers.iter().map(peer).sum::<usize>() + self.ports.len()
    }

    /// All ports of the rule.
    pub fn port_set(&self) -> PortSet {
        if let [only] = &self.ports[..] {
            return only.port_set();
        }
        if self.ports.is_empty() {
            return PortSet::all();
        }
        PortSet::union_of(self.ports.iter().map(PortEntry::port_set).collect())
    }

    /// The regions that the rule allows, in a policy for pods in `subject`.
    pub fn regions(&self, at: At<'_>, direction: Direction, subject: &LabelSet) -> Vec<Region> {
        let ports = read_ports(&self.port_set(), at, direction);
        self.regions_on(&ports, at, direction, subject).collect()
    }

    /// The same for a caller that already has the rule's [ports](read_ports) in this reading.
    pub fn regions_on<'a>(
        &'a self,
        ports: &'a PortSet,
        at: At<'a>,
        direction: Direction,
        subject: &'a LabelSet,
    ) -> impl Iterator<Item = Region> + 'a {
        let everyone = if self.peers.is_empty() {
            PeerSet::everyone()
        } else {
            Vec::new()
        };
        let written = self
            .peers
            .iter()
            .flat_map(move |peer| peer.sets(at.namespace, at.reading));
        // On egress the port name is looked up at the destination. Not every implementation does this for the
        // pod behind an address (semantics D9).
        let by_address = if direction == Direction::Egress && !at.reading.is_wide_in_ports() {
            ports.without_names()
        } else {
            ports.clone()
        };
        everyone.into_iter().chain(written).filter_map(move |peer| {
            let ports = match peer {
                PeerSet::Pods { .. } => ports,
                PeerSet::V4(_) | PeerSet::V6(_) => &by_address,
            };
            Region::new(subject.clone(), peer, ports.clone())
        })
    }

    /// Returns true if implementations may read the rule differently. `ports` are the ports of the rule.
    pub fn is_read_differently(
        &self,
        ports: &PortSet,
        direction: Direction,
        tunnels: &[u16],
    ) -> bool {
        let names_addresses = || {
            let mut peers = self.peers.iter();
            self.peers.is_empty() || peers.any(|peer| matches!(peer, Peer::Block { .. }))
        };
        self.is_ambiguous()
            || match direction {
                Direction::Ingress => ports.tunnel(tunnels).is_some(),
                Direction::Egress => self.names_ports() && names_addresses(),
            }
    }

    /// Returns true if the rule has a port name, whose number the destination pod chooses.
    pub fn names_ports(&self) -> bool {
        let named = |entry: &PortEntry| matches!(entry.ports, PortRange::Named(_));
        self.ports.iter().any(named)
    }

    /// Returns true if the rule has ambiguous CIDR text.
    pub fn is_ambiguous(&self) -> bool {
        let ambiguous = |cidr: &Cidr| cidr.canonical().is_none();
        self.peers.iter().any(|peer| match peer {
            Peer::Pods { .. } => false,
            Peer::Block { cidr, except } => ambiguous(cidr) || except.iter().any(ambiguous),
        })
    }
}

/// The ports of a rule in this reading: on ingress, a tunnel port adds all TCP ports.
pub fn read_ports(written: &PortSet, at: At<'_>, direction: Direction) -> PortSet {
    if direction == Direction::Ingress && at.reading.is_wide_in_ports() {
        written.with_tunnels(at.tunnels)
    } else {
        written.clone()
    }
}

impl Peer {
    /// The peer as sets: one for pods, one per address family for blocks, none if nothing can match.
    pub fn sets(&self, namespace: &str, reading: Reading) -> SmallVec<[PeerSet; 1]> {
        match self {
            Self::Pods { namespaces, pods } => {
                let own = || LabelSet::any().and(NAMESPACE_NAME, Values::one_of([namespace]));
                let namespaces = namespaces.as_ref().map_or_else(own, Selector::label_set);
                let pods = pods
                    .as_ref()
                    .map_or_else(|| Some(LabelSet::any()), Selector::label_set);
                let both = namespaces.zip(pods);
                both.and_then(|(namespaces, pods)| PeerSet::pods(namespaces, pods))
                    .into_iter()
                    .collect()
            }
            Self::Block { cidr, except } => {
                let addresses = block_addresses(cidr, except, reading);
                [PeerSet::v4(addresses.v4), PeerSet::v6(addresses.v6)]
                    .into_iter()
                    .flatten()
                    .collect()
            }
        }
    }
}
