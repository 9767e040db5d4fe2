//! One concrete connection from a region, as readable as the region allows.
//!
//! The address is one reserved for documentation, or else the smallest usable one. The port is a TCP port
//! that the caller prefers, or else the smallest port of the first protocol. A label that may be absent is
//! absent. A label that must have a listed value has the first one. A label that must differ from the
//! listed values has a fresh name.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use range_set_blaze::{Integer, RangeSetBlaze};

use super::connection::{Connection, Endpoint, LabelPairs};
use super::label::{LabelSet, NAMESPACE_NAME, Values};
use super::names::Names;
use super::pod_space::PodSpace;
use super::port::{Port, PortSet, Protocol};
use super::{Direction, PeerSet, Region};

/// A connection in `region`, whose subject is a part of `zone`. `None` if no pod of the zone is in the
/// region. The port is the first of the `preferred` TCP ports that the region contains.
pub fn connection(
    direction: Direction,
    zone: &PodSpace,
    region: &Region,
    preferred: &[u16],
) -> Option<Connection> {
    let (protocol, port) = port(&region.ports, preferred)?;
    Some(Connection {
        direction,
        subject: subject(zone, &region.subject)?,
        peer: peer(&region.peer)?,
        protocol,
        port,
    })
}

/// Labels of one pod in a part of the zone.
fn subject(zone: &PodSpace, part: &LabelSet) -> Option<LabelPairs> {
    let known = zone
        .known()
        .map(|(key, values)| (key, values.intersect(&part.values(key))));
    let others = part
        .constrained()
        .filter(|(key, _)| zone.known().all(|(known, _)| known != *key))
        .map(|(key, values)| (key, values.intersect(&zone.values(key))));
    let mut pairs = pairs(known.chain(others))?;
    pairs.sort();
    Some(pairs)
}

fn pairs<'a>(keys: impl Iterator<Item = (&'a Arc<str>, Values)>) -> Option<LabelPairs> {
    let mut chosen = LabelPairs::new();
    for (key, values) in keys {
        if !values.allows_absent() {
            chosen.push((key.clone(), choose(values.values(), "another-value")?));
        }
    }
    Some(chosen)
}

/// The first listed name, or a fresh one if the listed names are excluded.
fn choose(names: &Names, fresh: &str) -> Option<Arc<str>> {
    match names {
        Names::Only(listed) => listed.first().cloned(),
        Names::AllBut(listed) => {
            let numbered = (2..).map(|n| Arc::from(format!("{fresh}-{n}")));
            let mut candidates = std::iter::once(Arc::from(fresh)).chain(numbered);
            candidates.find(|name| !listed.lists(name))
        }
    }
}

/// IPv4 addresses reserved for documentation (RFC 5737).
const EXAMPLES_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(203, 0, 113, 1),
    Ipv4Addr::new(198, 51, 100, 1),
    Ipv4Addr::new(192, 0, 2, 1),
];
/// IPv6 addresses reserved for documentation (RFC 3849).
const EXAMPLES_V6: [Ipv6Addr; 1] = [Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)];
/// Addresses that a host can have.
const USABLE_V4: RangeInclusive<Ipv4Addr> = Ipv4Addr::new(1, 0, 0, 1)..=Ipv4Addr::BROADCAST;
const USABLE_V6: RangeInclusive<Ipv6Addr> = Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 1)
    ..=Ipv6Addr::new(
        0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff,
    );

/// A documentation address, else the smallest usable one, else the smallest.
fn example<T: Integer>(
    addresses: &RangeSetBlaze<T>,
    known: &[T],
    usable: RangeInclusive<T>,
) -> Option<T> {
    let known = known
        .iter()
        .copied()
        .find(|address| addresses.contains(*address));
    known
        .or_else(|| (addresses & RangeSetBlaze::from_iter([usable])).first())
        .or_else(|| addresses.first())
}

fn peer(peer: &PeerSet) -> Option<Endpoint> {
    match peer {
        PeerSet::V4(addresses) => example(addresses, &EXAMPLES_V4, USABLE_V4)
            .map(|address| Endpoint::Address(address.into())),
        PeerSet::V6(addresses) => example(addresses, &EXAMPLES_V6, USABLE_V6)
            .map(|address| Endpoint::Address(address.into())),
        PeerSet::Pods {
            namespaces,
            pods: labels,
        } => {
            let named = namespaces.values(NAMESPACE_NAME);
            let name = choose(named.values(), "another-namespace")?;
            let mut namespace = vec![(Arc::from(NAMESPACE_NAME), name)];
            let others = namespaces
                .constrained()
                .filter(|(key, _)| &***key != NAMESPACE_NAME);
            namespace.extend(pairs(others.map(|(key, values)| (key, values.clone())))?);
            let labels = pairs(
                labels
                    .constrained()
                    .map(|(key, values)| (key, values.clone())),
            )?;
            Some(Endpoint::Pod { namespace, labels })
        }
    }
}

fn port(ports: &PortSet, preferred: &[u16]) -> Option<(Protocol, Port)> {
    let tcp = ports.ports(Protocol::Tcp).numbers();
    if let Some(number) = preferred.iter().find(|number| tcp.contains(**number)) {
        return Some((Protocol::Tcp, Port::Number(*number)));
    }
    let number = Protocol::ALL.into_iter().find_map(|protocol| {
        ports
            .ports(protocol)
            .numbers()
            .first()
            .map(|number| (protocol, Port::Number(number)))
    });
    number.or_else(|| {
        Protocol::ALL.into_iter().find_map(|protocol| {
            let name = choose(ports.ports(protocol).names(), "another-port")?;
            Some((protocol, Port::Named(name)))
        })
    })
}
