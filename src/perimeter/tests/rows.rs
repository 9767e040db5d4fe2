//! The rows of the NetworkPolicy semantics, sections 1.1 to 1.4, as tables: what the engine says and
//! what the naive evaluator says, for must and for may. Rows about reading text (A2, A10, B6, C2, C9,
//! C18, D4 to D6) are with the reader's tests.

mod peers;
mod pods;
mod ports;

use std::net::IpAddr;

use super::domain::HOME;
use crate::perimeter::connection::{Connection, Endpoint, LabelPairs};
use crate::perimeter::point::{At, rule_passes};
use crate::perimeter::port::{Port, Protocol};
use crate::perimeter::rule::{Peer, PortEntry, PortRange, Rule, Selector};
use crate::perimeter::{Direction, LabelSet, PeerSet, Reading, Region};

/// What every implementation lets through, and what some may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passes {
    Always,
    Perhaps,
    Never,
}

use Passes::{Always, Never, Perhaps};

fn pairs(labels: &[(&str, &str)]) -> LabelPairs {
    labels
        .iter()
        .map(|(key, value)| ((*key).into(), (*value).into()))
        .collect()
}

/// A pod of a namespace that carries only its name.
fn pod(namespace: &str, labels: &[(&str, &str)]) -> Endpoint {
    Endpoint::Pod {
        namespace: pairs(&[("kubernetes.io/metadata.name", namespace)]),
        labels: pairs(labels),
    }
}

fn address(text: &str) -> Endpoint {
    Endpoint::Address(text.parse().expect("an address"))
}

fn pods(namespaces: Option<Selector>, pods: Option<Selector>) -> Peer {
    Peer::Pods { namespaces, pods }
}

fn block(cidr: &str, except: &[&str]) -> Peer {
    let read = |text: &str| text.parse().expect("a block");
    Peer::Block {
        cidr: read(cidr),
        except: except.iter().map(|text| read(text)).collect(),
    }
}

fn ports(protocol: Protocol, ports: PortRange) -> PortEntry {
    PortEntry { protocol, ports }
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

/// What the engine says, after the naive evaluator has said the same.
fn passes(rule: &Rule, connection: &Connection) -> Passes {
    let [must, may] = [Reading::Must, Reading::May].map(|reading| {
        let regions = rule.regions(HOME, connection.direction, &LabelSet::any(), reading);
        let engine = regions.iter().any(|region| holds(region, connection));
        let at = At {
            namespace: HOME,
            reading,
        };
        let naive = rule_passes(rule, connection, at);
        assert_eq!(engine, naive, "{reading:?} of {rule:?} for {connection}");
        engine
    });
    match (must, may) {
        (true, true) => Always,
        (false, true) => Perhaps,
        (false, false) => Never,
        (true, false) => panic!("{rule:?} surely lets {connection} through, and may not"),
    }
}

fn holds(region: &Region, connection: &Connection) -> bool {
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
