//! The rows of the NetworkPolicy semantics, sections 1.1 to 1.4, as tables: the engine and the naive
//! evaluator agree, for `Must` and for `May`. Rows about parsing (A2, A10, B6, C2, C9, C18, D4 to D6) are
//! with the parser's tests.

mod peers;
mod pods;
mod ports;

use std::net::IpAddr;

use crate::connection::{Connection, Endpoint, LabelPairs};
use crate::point::{At, rule_passes};
use crate::port::{Port, Protocol};
use crate::rule::{Peer, PortEntry, PortRange, Rule, Selector};
use crate::testing::domain::HOME;
use crate::{Direction, LabelSet, PeerSet, Reading, Region};

/// The implementations that allow a connection: all, or some, depending on how they parse a block or on
/// how they treat ports (which a rule of the ceiling permits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passes {
    Always,
    Permitted,
    Perhaps,
    Never,
}

use Passes::{Always, Never, Perhaps, Permitted};

pub(super) fn pairs(labels: &[(&str, &str)]) -> LabelPairs {
    labels
        .iter()
        .map(|(key, value)| ((*key).into(), (*value).into()))
        .collect()
}

/// A pod in a namespace with no label but its name.
pub(super) fn pod(namespace: &str, labels: &[(&str, &str)]) -> Endpoint {
    Endpoint::Pod {
        namespace: pairs(&[("kubernetes.io/metadata.name", namespace)]),
        labels: pairs(labels),
    }
}

pub(super) fn address(text: &str) -> Endpoint {
    Endpoint::Address(text.parse().expect("an address"))
}

pub(super) fn pods(namespaces: Option<Selector>, pods: Option<Selector>) -> Peer {
    Peer::Pods { namespaces, pods }
}

pub(super) fn block(cidr: &str, except: &[&str]) -> Peer {
    let read = |text: &str| text.parse().expect("a block");
    Peer::Block {
        cidr: read(cidr),
        except: except.iter().map(|text| read(text)).collect(),
    }
}

pub(super) fn ports(protocol: Protocol, ports: PortRange) -> PortEntry {
    PortEntry::new(protocol, ports)
}

fn connection(direction: Direction, peer: Endpoint, protocol: Protocol, port: Port) -> Connection {
    Connection {
        direction,
        subject: pairs(&[("app", "bao")]),
        peer,
        protocol,
        port,
    }
}

/// The engine's answer, after a check that the naive evaluator agrees.
fn passes(rule: &Rule, connection: &Connection) -> Passes {
    passes_where(rule, connection, &[])
}

/// The same for pods with a proxy that forwards from the ports in `tunnels` to all others.
fn passes_where(rule: &Rule, connection: &Connection, tunnels: &[u16]) -> Passes {
    let [must, may, permitted] = [Reading::Must, Reading::May, Reading::Permitted].map(|reading| {
        let at = At {
            reading,
            tunnels,
            ..may_at_home()
        };
        let regions = rule.regions(at, connection.direction, &LabelSet::any());
        let engine = regions.iter().any(|region| holds(region, connection));
        let naive = rule_passes(rule, connection, at);
        assert_eq!(engine, naive, "{reading:?} of {rule:?} for {connection}");
        engine
    });
    match (must, permitted, may) {
        (true, true, true) => Always,
        (false, false, true) => Perhaps,
        (false, true, true) => Permitted,
        (false, false, false) => Never,
        seen => panic!("{rule:?} lets {connection} through by the wrong readings: {seen:?}"),
    }
}

/// The widest reading of a policy in the namespace of the protected pods.
fn may_at_home() -> At<'static> {
    At {
        namespace: HOME,
        reading: Reading::May,
        tunnels: &[],
    }
}

pub(super) fn holds(region: &Region, connection: &Connection) -> bool {
    let matches =
        |set: &LabelSet, pairs: &LabelPairs| set.matches(&pairs.iter().cloned().collect());
    let peer = match (&region.peer, &connection.peer) {
        (PeerSet::Pods { namespaces, pods }, Endpoint::Pod { namespace, labels }) => {
            matches(namespaces, namespace) && matches(pods, labels)
        }
        (PeerSet::V4(set), Endpoint::Address(IpAddr::V4(address))) => set.contains(*address),
        (PeerSet::V6(set), Endpoint::Address(IpAddr::V6(address))) => set.contains(*address),
        _ => false,
    };
    peer && region.ports.contains(connection.protocol, &connection.port)
}
