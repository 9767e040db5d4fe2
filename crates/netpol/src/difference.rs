//! The points in which the two [readings](super::Reading) of a rule differ, each by its name.
//!
//! A connection that exists only because of one of them says so, and so tells its reader what to
//! write differently. Asked of the naive point evaluator, so that the answer does not rest on the
//! engine that found the connection.
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

/// Why a connection exists only under one of the two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Difference {
    /// A CIDR text is read in one of several ways: it may mean every address, or none (semantics
    /// C16, C17).
    AmbiguousCidr,
    /// A port name is declared, for this protocol and number, by the destination pod (semantics D7,
    /// D8, D11), also by one behind an address (D9).
    UndeclaredPortName,
    /// A proxy in the pod forwards a tunnel port to every TCP port (semantics D13).
    TunnelPort,
}

impl Difference {
    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AmbiguousCidr => "ambiguous-cidr",
            Self::UndeclaredPortName => "undeclared-port-name",
            Self::TunnelPort => "tunnel-port",
        }
    }

    /// The condition under which one of `rules`, of policies at this place, lets through a connection that
    /// may pass; `None` where every implementation lets it through.
    pub fn of<'a>(
        rules: impl IntoIterator<Item = &'a Rule> + Clone,
        shown: &Connection,
        at: At<'_>,
    ) -> Option<Self> {
        let passes = |rule: &Rule, reading| rule_passes(rule, shown, At { reading, ..at });
        let surely = |rule: &Rule| passes(rule, Reading::Must);
        let by_name = matches!(shown.port, Port::Named(_));
        if rules.clone().into_iter().any(surely) {
            return by_name.then_some(Self::UndeclaredPortName);
        }
        let mut named = rules.clone().into_iter().map(names_as_all);
        let mut rules = rules.into_iter();
        Some(if named.any(|rule| surely(&rule)) {
            Self::UndeclaredPortName
        } else if rules.any(|rule| passes(rule, Reading::Permitted)) {
            Self::TunnelPort
        } else {
            Self::AmbiguousCidr
        })
    }
}

impl fmt::Display for Difference {
    /// The condition, to stand after "only where".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AmbiguousCidr => "a CIDR that parsers read differently is read so",
            Self::UndeclaredPortName => "the destination pod declares the port name so",
            Self::TunnelPort => "a mesh's proxy in the pod forwards its tunnel port to every port",
        })
    }
}

/// The rule with each port name read as every port of its protocol, which it may come to mean.
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
