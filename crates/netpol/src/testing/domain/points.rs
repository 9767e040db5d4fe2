//! The points of a world: one for each set of points that no rule can distinguish.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::{FREE_KEY, FRESH, Vocabulary, Words};
use crate::Direction;
use crate::address::Cidr;
use crate::connection::{Connection, Endpoint, LabelPairs};
use crate::label::NAMESPACE_NAME;
use crate::port::{Port, Protocol};
use crate::rule::{PortEntry, PortRange};

/// All label sets with one of each key's values, where `None` is an absent key.
fn products(keys: &[(&str, Vec<Option<&str>>)]) -> Vec<LabelPairs> {
    let mut all = vec![LabelPairs::new()];
    for (key, values) in keys {
        let with = |labels: &LabelPairs, value: Option<&str>| {
            let own = value.map(|value| (Arc::from(*key), Arc::from(value)));
            labels.iter().cloned().chain(own).collect::<LabelPairs>()
        };
        all = all
            .iter()
            .flat_map(|labels| {
                values
                    .iter()
                    .map(|value| with(labels, *value))
                    .collect::<Vec<_>>()
            })
            .collect();
    }
    for labels in &mut all {
        labels.sort();
    }
    all
}

fn listed(values: &[&'static str]) -> Vec<Option<&'static str>> {
    values.iter().copied().map(Some).collect()
}

pub(super) fn subjects(words: &Vocabulary) -> Vec<LabelPairs> {
    let mut keys = vec![("app", vec![Some("bao")])];
    for (key, values) in words.known {
        keys.push((key, [listed(values), vec![None]].concat()));
    }
    if !words.free.is_empty() {
        keys.push((
            FREE_KEY,
            [listed(words.free), vec![Some(FRESH), None]].concat(),
        ));
    }
    products(&keys)
}

pub(super) fn peers(words: &Vocabulary) -> Vec<Endpoint> {
    let open = |keys: Words| {
        let values = |values| [listed(values), vec![Some(FRESH), None]].concat();
        keys.iter()
            .map(|(key, own)| (*key, values(own)))
            .collect::<Vec<_>>()
    };
    let mut namespaces = open(words.namespace_labels);
    let names = [listed(words.namespaces), vec![Some(FRESH)]].concat();
    namespaces.push((NAMESPACE_NAME, names));
    let pods = products(&open(words.pod_labels));
    let mut peers = Vec::new();
    for namespace in products(&namespaces) {
        peers.extend(pods.iter().map(|labels| Endpoint::Pod {
            namespace: namespace.clone(),
            labels: labels.clone(),
        }));
    }
    peers.extend(addresses(words).into_iter().map(Endpoint::Address));
    peers
}

/// One address of each part into which the blocks divide the two families.
fn addresses(words: &Vocabulary) -> Vec<IpAddr> {
    let mut candidates: Vec<IpAddr> = vec![[203, 0, 113, 1].into(), IpAddr::V6(1_u128.into())];
    for net in words.blocks.iter().filter_map(|text| canonical(text)) {
        let (first, last) = (net.network(), net.broadcast());
        candidates.extend([first, last]);
        candidates.extend(match last {
            IpAddr::V4(last) => u32::from(last)
                .checked_add(1)
                .map(|next| IpAddr::V4(next.into())),
            IpAddr::V6(last) => u128::from(last)
                .checked_add(1)
                .map(|next| IpAddr::V6(next.into())),
        });
    }
    let mut seen = BTreeSet::new();
    candidates.retain(|address| seen.insert((address.is_ipv4(), blocks_of(words, *address))));
    candidates
}

fn canonical(text: &str) -> Option<IpNet> {
    let cidr: Cidr = text.parse().expect("a block");
    cidr.canonical()
}

pub(super) fn blocks_of(words: &Vocabulary, address: IpAddr) -> (bool, Vec<bool>) {
    let nets = words.blocks.iter();
    let inside = nets.map(|text| canonical(text).is_some_and(|net| net.contains(&address)));
    (address.is_ipv4(), inside.collect())
}

/// The first number of each part into which the entries divide the ports, every name, and a fresh name.
pub(super) fn port_points(entries: &[PortEntry]) -> Vec<(Protocol, Port)> {
    let mut points = BTreeSet::new();
    for protocol in Protocol::ALL {
        points.insert((protocol, Port::Number(1)));
        points.insert((protocol, Port::Named(FRESH.into())));
    }
    for entry in entries {
        match &entry.ports {
            PortRange::All => {}
            PortRange::Named(name) => {
                points.insert((entry.protocol, Port::Named(name.clone())));
            }
            PortRange::Numbers(first, last) => {
                points.insert((entry.protocol, Port::Number(*first)));
                points.extend(
                    last.checked_add(1)
                        .map(|next| (entry.protocol, Port::Number(next))),
                );
            }
        }
    }
    points.into_iter().collect()
}

pub(super) fn connections(
    direction: Direction,
    subject: &LabelPairs,
    peers: &[Endpoint],
    ports: &[(Protocol, Port)],
) -> Vec<Connection> {
    let one = |peer: &Endpoint, (protocol, port): &(Protocol, Port)| Connection {
        direction,
        subject: subject.clone(),
        peer: peer.clone(),
        protocol: *protocol,
        port: port.clone(),
    };
    peers
        .iter()
        .flat_map(|peer| ports.iter().map(|port| one(peer, port)).collect::<Vec<_>>())
        .collect()
}
