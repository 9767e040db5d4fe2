//! Ordered policies as plain values: ClusterNetworkPolicy, AdminNetworkPolicy and
//! BaselineAdminNetworkPolicy of `policy.networking.k8s.io`.
//!
//! A [`TierPolicy`] belongs to one of two tiers. Tier Admin comes before the NetworkPolicies, tier Baseline
//! after them, for pods that no NetworkPolicy isolates. In a tier the lowest priority comes first, and in a
//! policy the first rule that matches decides. [`Action::Pass`] leaves the tier. What nothing decides is
//! allowed. Connections of a pod to its own address are no part of this (row K20). [`stack`](crate::stack) decides sets of connections, and
//! [`point::tiers`](crate::point::tiers) single ones.
//!
//! ```
//! use netpol::rule::Selector;
//! use netpol::tier::{Action, PolicyKind, Subject, Tier, TierPeer, TierPolicy, TierPort, TierRule};
//!
//! let everyone = || Selector::default().into();
//! let deny_ssh = TierPolicy {
//!     name: "deny-ssh".into(),
//!     kind: PolicyKind::ClusterNetworkPolicy,
//!     tier: Tier::Admin,
//!     priority: Some(10),
//!     subject: Subject::Namespaces(everyone()),
//!     ingress: vec![TierRule {
//!         name: "ssh".into(),
//!         action: Action::Deny,
//!         peers: vec![TierPeer::Namespaces(everyone())],
//!         ports: vec![TierPort::tcp(22)],
//!     }],
//!     egress: vec![],
//! };
//! assert_eq!(deny_ssh.to_string(), "ClusterNetworkPolicy deny-ssh");
//! ```

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::Direction;
use super::address::Cidr;
use super::label::Labels;
use super::pod_space::OtherKeys;
use super::port::Protocol;
use super::rule::Selector;

/// The kind of an ordered policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyKind {
    /// `ClusterNetworkPolicy`, v1alpha2 and v1beta1.
    ClusterNetworkPolicy,
    /// `AdminNetworkPolicy`, v1alpha1.
    AdminNetworkPolicy,
    /// `BaselineAdminNetworkPolicy`, v1alpha1.
    BaselineAdminNetworkPolicy,
}

impl PolicyKind {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClusterNetworkPolicy => "ClusterNetworkPolicy",
            Self::AdminNetworkPolicy => "AdminNetworkPolicy",
            Self::BaselineAdminNetworkPolicy => "BaselineAdminNetworkPolicy",
        }
    }

    /// Returns true for the kinds of v1alpha1. An implementation of these lets a port name stand for every
    /// port of a pod that declares it (row A3), and nodes for the pods on them (A4).
    pub(crate) const fn is_v1alpha1(self) -> bool {
        !matches!(self, Self::ClusterNetworkPolicy)
    }
}

/// The place of a policy before or after the NetworkPolicies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Before the NetworkPolicies.
    Admin,
    /// After the NetworkPolicies, for pods that none of them isolates.
    Baseline,
}

/// The effect of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// The connection is allowed on this side.
    Accept,
    /// The connection is denied.
    Deny,
    /// The next tier decides.
    Pass,
}

/// A label selector of an ordered policy. The API server stores invalid ones (row K23).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TierSelector {
    /// A selector that every implementation reads in the same way.
    Valid(Selector),
    /// The valid requirements of an invalid selector. Some implementations select nothing, others only leave
    /// out the invalid requirements.
    Invalid(Selector),
}

impl TierSelector {
    /// The widest reading.
    pub const fn widest(&self) -> &Selector {
        match self {
            Self::Valid(selector) | Self::Invalid(selector) => selector,
        }
    }

    /// Returns true if every implementation reads it in the same way.
    pub const fn is_valid(&self) -> bool {
        matches!(self, Self::Valid(_))
    }
}

impl From<Selector> for TierSelector {
    fn from(selector: Selector) -> Self {
        Self::Valid(selector)
    }
}

/// The pods to which a policy applies. Pods on the network of their node are never selected (K4, K21).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// All pods of these namespaces.
    Namespaces(TierSelector),
    /// Pods by namespace and labels.
    Pods {
        /// `namespaceSelector`.
        namespaces: TierSelector,
        /// `podSelector`.
        pods: TierSelector,
    },
}

/// One element of `from` or `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TierPeer {
    /// All pods of these namespaces.
    Namespaces(TierSelector),
    /// Pods by namespace and labels.
    Pods {
        /// `namespaceSelector`.
        namespaces: TierSelector,
        /// `podSelector`.
        pods: TierSelector,
    },
    /// Every endpoint at these addresses, pods too (K13). Egress only.
    Networks(Vec<Cidr>),
    /// Nodes by labels. Egress only.
    Nodes(TierSelector),
    /// Domain names and patterns. Egress only.
    DomainNames(Vec<Arc<str>>),
    /// A peer that cannot be read: no known field, or a field of egress on ingress (K14).
    Unknown,
}

impl TierPeer {
    /// The peer as it counts in this direction: only pods can be peers of ingress (K11).
    pub(crate) const fn on(&self, direction: Direction) -> &Self {
        match (self, direction) {
            (Self::Networks(_) | Self::Nodes(_) | Self::DomainNames(_), Direction::Ingress) => {
                &Self::Unknown
            }
            _ => self,
        }
    }
}

/// One element of `protocols` or `ports`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TierPort {
    /// Numbers `first..=last` of a protocol. None if `first` is above `last` (A2).
    Numbers {
        /// Protocol.
        protocol: Protocol,
        /// First number.
        first: u16,
        /// Last number.
        last: u16,
    },
    /// A port name. It has no protocol: the pod declares protocol and number (K18).
    Named(Arc<str>),
    /// An entry that cannot be read.
    Unknown,
}

impl TierPort {
    /// One TCP port.
    pub const fn tcp(port: u16) -> Self {
        Self::Numbers {
            protocol: Protocol::Tcp,
            first: port,
            last: port,
        }
    }
}

/// One element of `ingress` or `egress`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierRule {
    /// `name`, empty if there is none.
    pub name: Arc<str>,
    /// The effect.
    pub action: Action,
    /// `from` or `to`. Without peers the rule matches nothing.
    pub peers: Vec<TierPeer>,
    /// `protocols` or `ports`. Without entries the rule matches every port.
    pub ports: Vec<TierPort>,
}

impl TierRule {
    /// Returns true if the rule denies more than it says wherever an implementation does not know all of its
    /// fields (K14).
    pub(crate) fn fails_closed(&self, direction: Direction) -> bool {
        let mut peers = self.peers.iter().map(|peer| peer.on(direction));
        self.action != Action::Accept
            && (peers.any(|peer| *peer == TierPeer::Unknown)
                || self.ports.contains(&TierPort::Unknown))
    }
}

/// An ordered policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierPolicy {
    /// Name.
    pub name: Arc<str>,
    /// Kind.
    pub kind: PolicyKind,
    /// Tier.
    pub tier: Tier,
    /// Priority, lowest first. A policy without one comes last in its tier.
    pub priority: Option<u16>,
    /// The pods to which it applies.
    pub subject: Subject,
    /// Rules for connections to these pods, in order.
    pub ingress: Vec<TierRule>,
    /// Rules for connections from these pods, in order.
    pub egress: Vec<TierRule>,
}

impl TierPolicy {
    /// The rules of one direction.
    pub fn rules(&self, direction: Direction) -> &[TierRule] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    /// The position in the order of the tiers. Policies with equal positions form a tie (K19, A6).
    pub(crate) fn position(&self) -> (Tier, u32) {
        (self.tier, self.priority.map_or(u32::MAX, u32::from))
    }
}

impl fmt::Display for TierPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}

/// The labels of the namespace of the protected pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceLabels {
    /// Known labels. The name of the namespace is always one of them.
    pub known: Labels,
    /// Whether the namespace may have other labels.
    pub others: OtherKeys,
}

/// Facts about the cluster on which the meaning of rules depends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierSettings {
    /// Blocks that contain the address of every pod. A family that the cluster lacks is left out.
    pub pod_addresses: Vec<IpNet>,
    /// TCP ports from which a proxy in the protected pods forwards to every other TCP port.
    pub tunnels: Vec<u16>,
}

impl Default for TierSettings {
    /// Private addresses (RFC 1918, RFC 6598, RFC 4193) and no tunnels.
    fn default() -> Self {
        let v4 = |a, b, length| Ipv4Net::new(Ipv4Addr::new(a, b, 0, 0), length).map(IpNet::V4);
        let local = Ipv6Net::new(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7).map(IpNet::V6);
        let blocks = [
            v4(10, 0, 8),
            v4(172, 16, 12),
            v4(192, 168, 16),
            v4(100, 64, 10),
            local,
        ];
        Self {
            pod_addresses: blocks.into_iter().filter_map(Result::ok).collect(),
            tunnels: Vec::new(),
        }
    }
}

/// The relation between peers that are addresses and peers that are pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// A pod may have the address, if it is a pod address. So a rule about pods may deny it.
    MayBePods,
    /// No pod has the address, as for addresses of the API server.
    AreNoPods,
}

/// The answer about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Allowed on this side.
    Allow,
    /// Denied.
    Deny,
}

impl Verdict {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Allow => Self::Deny,
            Self::Deny => Self::Allow,
        }
    }
}

/// The part of the configuration that decides a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decider {
    /// A rule of an ordered policy.
    Rule {
        /// Index of the policy in the list of policies.
        policy: usize,
        /// Index of the rule among the policy's rules of the direction.
        rule: usize,
    },
    /// A rule of a NetworkPolicy.
    NetworkPolicies,
    /// A NetworkPolicy isolates the pod, and none allows the connection.
    Isolation,
    /// Nothing else decides: the connection is allowed.
    Default,
}
