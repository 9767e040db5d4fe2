//! Evaluation of rules on a single connection.
//!
//! This is a second, naive implementation of the NetworkPolicy API (`semantics` rows A1 to D12). It uses
//! none of the engine's sets; the two share only the types of rules and connections. It checks each
//! connection before it is shown to a user, and the tests enumerate small worlds with it to check the
//! engine in both directions.
//!
//! ```
//! use netpol::connection::{Connection, Endpoint};
//! use netpol::point::{At, rule_passes};
//! use netpol::port::{Port, Protocol};
//! use netpol::rule::{PortEntry, Rule};
//! use netpol::{Direction, Reading};
//!
//! let connection = |port| Connection {
//!     direction: Direction::Ingress,
//!     subject: vec![("app".into(), "bao".into())],
//!     peer: Endpoint::Address([203, 0, 113, 1].into()),
//!     protocol: Protocol::Tcp,
//!     port: Port::Number(port),
//! };
//! let everyone = Rule { peers: vec![], ports: vec![PortEntry::tcp(8200)] };
//! let at = At { namespace: "bao", reading: Reading::May, tunnels: &[15008] };
//! assert!(rule_passes(&everyone, &connection(8200), at));
//! assert!(!rule_passes(&everyone, &connection(8201), at));
//! ```

pub mod tiers;

use std::net::IpAddr;

pub use super::At;
use super::address::{Cidr, CidrReading};
use super::connection::{Connection, Endpoint, LabelPairs};
use super::label::NAMESPACE_NAME;
use super::port::{Port, Protocol};
use super::rule::{Operator, Peer, PortEntry, PortRange, Requirement, Rule, Selector};
use super::{Direction, Reading};

/// The parts of a policy that decide a connection. The policy is in the protected pods' namespace.
#[derive(Clone, Copy, Debug)]
pub struct PolicyView<'a> {
    /// `spec.podSelector`.
    pub pods: &'a Selector,
    /// True if it isolates, by direction in the order of [`Direction::ALL`].
    pub isolates: [bool; 2],
    /// Its rules, by direction in the order of [`Direction::ALL`]. Ignored where it does not isolate.
    pub rules: [&'a [Rule]; 2],
}

impl PolicyView<'_> {
    /// Returns true if the policy isolates a pod with these labels in this direction (B1 to B8).
    pub fn isolates(&self, direction: Direction, pod: &LabelPairs) -> bool {
        self.isolates[direction as usize] && selects(self.pods, pod)
    }
}

/// Returns true if any of the policies isolates a pod with these labels.
pub fn is_isolated(policies: &[PolicyView<'_>], direction: Direction, pod: &LabelPairs) -> bool {
    policies
        .iter()
        .any(|policy| policy.isolates(direction, pod))
}

/// Returns true if a rule of a policy that isolates the protected pod allows the connection (B10).
pub fn is_let_through(policies: &[PolicyView<'_>], connection: &Connection, at: At<'_>) -> bool {
    let direction = connection.direction;
    policies
        .iter()
        .filter(|policy| policy.isolates(direction, &connection.subject))
        .any(|policy| {
            let mut rules = policy.rules[direction as usize].iter();
            rules.any(|rule| rule_passes(rule, connection, at))
        })
}

/// Returns true if the protected pod's side allows the connection: a rule allows it, or no policy isolates
/// the pod (B9).
pub fn passes(policies: &[PolicyView<'_>], connection: &Connection, at: At<'_>) -> bool {
    !is_isolated(policies, connection.direction, &connection.subject)
        || is_let_through(policies, connection, at)
}

/// Returns true if a rule allows the connection, for a pod that its policy selects.
pub fn rule_passes(rule: &Rule, connection: &Connection, at: At<'_>) -> bool {
    let peers = rule.peers.is_empty()
        || rule
            .peers
            .iter()
            .any(|peer| peer_matches(peer, &connection.peer, at));
    peers && ports_match(&rule.ports, connection, at)
}

/// Returns true if a selector matches exactly these labels (A5 to A9).
pub fn selects(selector: &Selector, labels: &LabelPairs) -> bool {
    let equal = |(key, value)| value_of(labels, key) == Some(value);
    selector
        .labels
        .iter()
        .all(|(key, value)| equal((key.as_ref(), value.as_ref())))
        && selector
            .expressions
            .iter()
            .all(|requirement| holds(requirement, labels))
}

fn value_of<'a>(labels: &'a LabelPairs, key: &str) -> Option<&'a str> {
    let (_, value) = labels.iter().find(|(own, _)| &**own == key)?;
    Some(value)
}

fn holds(requirement: &Requirement, labels: &LabelPairs) -> bool {
    holds_for(requirement, value_of(labels, &requirement.key))
}

/// Returns true if a label with this value satisfies the requirement. `None` stands for an absent label.
fn holds_for(requirement: &Requirement, value: Option<&str>) -> bool {
    let listed = value.is_some_and(|value| requirement.values.iter().any(|own| &**own == value));
    match requirement.operator {
        Operator::In => listed,
        Operator::NotIn => !listed,
        Operator::Exists => value.is_some(),
        Operator::DoesNotExist => value.is_none(),
    }
}

fn peer_matches(peer: &Peer, endpoint: &Endpoint, at: At<'_>) -> bool {
    match (peer, endpoint) {
        (Peer::Pods { namespaces, pods }, Endpoint::Pod { namespace, labels }) => {
            let there = match namespaces {
                Some(selector) => selects(selector, namespace),
                None => value_of(namespace, NAMESPACE_NAME) == Some(at.namespace),
            };
            there
                && pods
                    .as_ref()
                    .is_none_or(|selector| selects(selector, labels))
        }
        (Peer::Block { cidr, except }, Endpoint::Address(address)) => {
            let carved = match at.reading {
                Reading::Must | Reading::Permitted => Reading::May,
                Reading::May => Reading::Must,
            };
            in_block(cidr, *address, at.reading)
                && !except.iter().any(|block| in_block(block, *address, carved))
        }
        _ => false,
    }
}

/// Ambiguous CIDR text contains every address for [`Reading::May`], and none for the other readings
/// (C15 to C18).
fn in_block(cidr: &Cidr, address: IpAddr, reading: Reading) -> bool {
    match cidr.reading() {
        CidrReading::Canonical(block) => block.contains(&address),
        CidrReading::Ambiguous => reading == Reading::May,
    }
}

fn ports_match(entries: &[PortEntry], connection: &Connection, at: At<'_>) -> bool {
    if entries.is_empty() {
        return true;
    }
    let of_protocol = || {
        entries
            .iter()
            .filter(|entry| entry.protocol == connection.protocol)
            .map(|entry| &entry.ports)
    };
    let holds_number = |number: u16| {
        of_protocol().any(|range| match range {
            PortRange::All => true,
            PortRange::Numbers(first, last) => (*first..=*last).contains(&number),
            PortRange::Named(_) => false,
        })
    };
    // A name is a number that the destination pod chooses (D7, D11). Implementations decide whether to look
    // it up for the pod behind an address (D9).
    let looks_up = connection.direction == Direction::Ingress
        || matches!(connection.peer, Endpoint::Pod { .. })
        || at.reading != Reading::Must;
    let written = match &connection.port {
        Port::Number(number) => holds_number(*number),
        Port::Named(name) => {
            let same = |range: &PortRange| matches!(range, PortRange::Named(own) if own == name);
            (looks_up && of_protocol().any(same))
                || of_protocol().any(|range| *range == PortRange::All)
                || (1..=u16::MAX).all(holds_number)
        }
    };
    // A peer that reaches a tunnel port of a pod in a mesh reaches each of its TCP ports (D13).
    let tunnelled = connection.direction == Direction::Ingress
        && connection.protocol == Protocol::Tcp
        && at.reading != Reading::Must
        && at.tunnels.iter().any(|tunnel| holds_number(*tunnel));
    written || tunnelled
}
