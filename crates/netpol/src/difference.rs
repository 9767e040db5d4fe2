//! Points on which implementations of NetworkPolicy differ.
//!
//! A connection that exists only because of such a point is reported with it, so that the reader knows
//! what to change. The naive point evaluator decides it, so the answer does not depend on the engine that
//! found the connection.
//!
//! ```
//! use netpol::Difference;
//!
//! let only = Difference::AmbiguousCidr;
//! assert_eq!(format!("only where {only}"), "only where a CIDR that parsers read differently is read so");
//! ```

use std::fmt;

use super::point::rule_passes;
use super::port::Port;
use super::rule::{PortEntry, PortRange, Rule};
use super::{At, Connection, Reading};

/// The reason that a connection exists under only one of the two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Difference {
    /// A CIDR text has several readings: it may mean every address, or none (semantics C16, C17).
    AmbiguousCidr,
    /// The destination pod declares the port name, for this protocol and number (semantics D7, D8, D11).
    /// The pod may also be behind an address (D9).
    UndeclaredPortName,
    /// A proxy in the pod forwards a tunnel port to every TCP port (semantics D13).
    TunnelPort,
    /// A pod has an address in a block, or a pod that a rule selects has this address.
    AddressesOfPods,
    /// Policies of one tier have the same priority, and any of them may come first.
    TieOrder,
    /// Nodes or domain names resolve to this address.
    Resolved,
    /// The API server stores an invalid selector. It selects nothing, or only its valid requirements count.
    InvalidSelector,
    /// A field that this version does not know.
    UnknownField,
    /// The namespace of the protected pods has labels that are not known.
    NamespaceLabels,
}

impl Difference {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AmbiguousCidr => "ambiguous-cidr",
            Self::UndeclaredPortName => "undeclared-port-name",
            Self::TunnelPort => "tunnel-port",
            Self::AddressesOfPods => "addresses-of-pods",
            Self::TieOrder => "tie-order",
            Self::Resolved => "resolved",
            Self::InvalidSelector => "invalid-selector",
            Self::UnknownField => "unknown-field",
            Self::NamespaceLabels => "namespace-labels",
        }
    }

    /// The condition under which one of `rules` allows a connection. `None` if every implementation allows
    /// it. The rules belong to policies at `at`.
    pub fn of<'a>(
        rules: impl IntoIterator<Item = &'a Rule> + Clone,
        shown: &Connection,
        at: At<'_>,
    ) -> Option<Self> {
        let passes = |rule: &Rule, reading| rule_passes(rule, shown, At { reading, ..at });
        let always = |rule: &Rule| passes(rule, Reading::Must);
        let by_name = matches!(shown.port, Port::Named(_));
        if rules.clone().into_iter().any(always) {
            return by_name.then_some(Self::UndeclaredPortName);
        }
        let mut named = rules.clone().into_iter().map(names_as_all);
        let mut rules = rules.into_iter();
        Some(if named.any(|rule| always(&rule)) {
            Self::UndeclaredPortName
        } else if rules.any(|rule| passes(rule, Reading::Permitted)) {
            Self::TunnelPort
        } else {
            Self::AmbiguousCidr
        })
    }
}

impl fmt::Display for Difference {
    /// Writes the condition, as a phrase that follows "only where".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AmbiguousCidr => "a CIDR that parsers read differently is read so",
            Self::UndeclaredPortName => "the destination pod declares the port name so",
            Self::TunnelPort => "a mesh's proxy in the pod forwards its tunnel port to every port",
            Self::AddressesOfPods => "the address is one of a pod",
            Self::TieOrder => "the policies of equal priority are ordered so",
            Self::Resolved => "nodes or domain names resolve to the address",
            Self::InvalidSelector => "an invalid selector is read so",
            Self::UnknownField => "an unknown field is read so",
            Self::NamespaceLabels => "the namespace has labels that are not known here",
        })
    }
}

/// The rule with each port name read as every port of its protocol.
pub fn names_as_all(rule: &Rule) -> Rule {
    let ports = rule.ports.iter().map(|entry| match entry.ports {
        PortRange::Named(_) => PortEntry {
            ports: PortRange::All,
            ..entry.clone()
        },
        PortRange::All | PortRange::Numbers(..) => entry.clone(),
    });
    Rule {
        ports: ports.collect(),
        peers: rule.peers.clone(),
    }
}
