//! What one policy lets through, decided for one connection, straight from the words of the
//! NetworkPolicy API: no sets, and nothing shared with the engine but the rules as read.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use openbao_perimeter::inventory::Policy;
use openbao_perimeter::perimeter::address::Cidr;
use openbao_perimeter::perimeter::connection::Endpoint;
use openbao_perimeter::perimeter::label::NAMESPACE_NAME;
use openbao_perimeter::perimeter::port::Port;
use openbao_perimeter::perimeter::rule::{Operator, Peer, PortEntry, PortRange, Rule, Selector};
use openbao_perimeter::perimeter::{Connection, Direction, Reading};

type Labels = BTreeMap<Arc<str>, Arc<str>>;

/// Whether a selector selects these labels.
pub fn selects(selector: &Selector, labels: &Labels) -> bool {
    let listed = selector
        .labels
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value));
    listed
        && selector.expressions.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            let is_listed = value.is_some_and(|value| requirement.values.contains(value));
            match requirement.operator {
                Operator::In => is_listed,
                Operator::NotIn => !is_listed,
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        })
}

/// Whether a rule of the policy lets the connection through.
pub fn lets_through(policy: &Policy, connection: &Connection, reading: Reading) -> bool {
    let subject = connection.subject.iter().cloned().collect();
    let direction = connection.direction;
    selects(&policy.pods, &subject)
        && policy.isolates(direction)
        && policy
            .rules(direction)
            .iter()
            .any(|rule| admits(rule, &policy.meta.namespace, connection, reading))
}

fn admits(rule: &Rule, namespace: &str, connection: &Connection, reading: Reading) -> bool {
    let peer = |peer: &Peer| is_peer(peer, namespace, &connection.peer, reading);
    (rule.peers.is_empty() || rule.peers.iter().any(peer))
        && (rule.ports.is_empty() || rule.ports.iter().any(|entry| names(entry, connection)))
}

fn is_peer(peer: &Peer, own: &str, end: &Endpoint, reading: Reading) -> bool {
    match (peer, end) {
        (Peer::Pods { namespaces, pods }, Endpoint::Pod { namespace, labels }) => {
            let namespace: Labels = namespace.iter().cloned().collect();
            let labels = labels.iter().cloned().collect();
            let here = match namespaces {
                Some(selector) => selects(selector, &namespace),
                None => namespace.get(NAMESPACE_NAME).map(AsRef::as_ref) == Some(own),
            };
            here && pods.as_ref().is_none_or(|pods| selects(pods, &labels))
        }
        (Peer::Block { cidr, except }, Endpoint::Address(address)) => {
            let may = reading == Reading::May;
            holds(cidr, *address, may) && !except.iter().any(|cidr| holds(cidr, *address, !may))
        }
        _ => false,
    }
}

fn holds(cidr: &Cidr, address: IpAddr, where_parsers_differ: bool) -> bool {
    cidr.canonical()
        .map_or(where_parsers_differ, |net| net.contains(&address))
}

fn names(entry: &PortEntry, connection: &Connection) -> bool {
    let outside = matches!(connection.peer, Endpoint::Address(_));
    let here = match (&entry.ports, &connection.port) {
        (PortRange::All | PortRange::Numbers(1, u16::MAX), _) => true,
        (PortRange::Numbers(first, last), Port::Number(number)) => (first..=last).contains(&number),
        // Nothing tells which ports an address has names for.
        (PortRange::Named(_), _) if outside && connection.direction == Direction::Egress => false,
        (PortRange::Named(name), Port::Named(asked)) => name == asked,
        _ => false,
    };
    here && entry.protocol == connection.protocol
}
