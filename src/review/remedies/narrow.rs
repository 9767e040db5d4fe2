//! Rules narrowed to the ceiling, and fields for a single connection.

use std::net::IpAddr;

use super::policies::Beyond;
use crate::baseline::{Entry, Peers};
use crate::rules::Finding;
use crate::rules::remedy::{
    AddressList, Change, ClusterEdit, PolicyEdit, Rank, Remedy, port_entries, rule_path,
};
use netpol::port::{PortSet, Protocol};
use netpol::rule::Peer;
use netpol::{Direction, PeerSet, Reading};

/// Maximum number of peers of a narrowed rule.
const MAX_PEERS: usize = 4;

/// The field for single resolvers or API server endpoints, if all peers that are not permitted are single
/// addresses.
pub(super) fn field(beyond: &Beyond<'_>) -> Option<Remedy> {
    if beyond.direction != Direction::Egress || !beyond.cluster.is_cluster() {
        return None;
    }
    let ports = beyond.rule.port_set();
    let has_resolvers = beyond
        .denied
        .compiled
        .config
        .baseline
        .features()
        .has_dns_fields;
    let (list, what) = if ports.is_subset(&dns_ports()) && has_resolvers {
        (AddressList::Resolvers, "the resolver")
    } else if ports.is_subset(&PortSet::number(Protocol::Tcp, 6443)) {
        (AddressList::ApiServers, "the API server's endpoint")
    } else {
        return None;
    };
    let addresses: Vec<IpAddr> = not_permitted(beyond).map(host).collect::<Option<_>>()?;
    (!addresses.is_empty()).then(|| {
        Remedy::new(
            Rank::Field,
            format!("declare {what}"),
            Change::Cluster(
                beyond.cluster.object.clone(),
                ClusterEdit::Addresses(list, addresses),
            ),
        )
    })
}

/// The peers of the rule that are not permitted on all of its ports.
pub(super) fn not_permitted<'a>(beyond: &'a Beyond<'a>) -> impl Iterator<Item = &'a Peer> {
    let ports = beyond.rule.port_set();
    let peers = beyond.rule.peers.iter();
    peers.filter(move |peer| !ports.is_subset(&allowed(beyond, peer)))
}

fn dns_ports() -> PortSet {
    PortSet::number(Protocol::Udp, 53).union(&PortSet::number(Protocol::Tcp, 53))
}

/// The address of a block with only one address.
fn host(peer: &Peer) -> Option<IpAddr> {
    match peer {
        Peer::Block { cidr, except } if except.is_empty() => {
            let net = cidr.canonical()?;
            (net.prefix_len() == net.max_prefix_len()).then(|| net.addr())
        }
        _ => None,
    }
}

/// The rule with fewer ports, with fewer peers, or with the permitted peers.
pub(super) fn rules(beyond: &Beyond<'_>, finding: &Finding) -> Vec<Remedy> {
    let (direction, at) = (beyond.direction, beyond.at);
    let place = rule_path(direction, at);
    let narrowed = |rank, action: String, edit| {
        Remedy::new(rank, action, Change::Policy(finding.object.clone(), edit))
    };
    let written = beyond.rule.port_set();
    let peers = &beyond.rule.peers;
    let of_peers: Vec<PortSet> = peers.iter().map(|peer| allowed(beyond, peer)).collect();
    let mut all = Vec::new();
    let common = of_peers
        .iter()
        .fold(written.clone(), |common, allowed| common.intersect(allowed));
    if !peers.is_empty()
        && !written.is_subset(&common)
        && let Some(ports) = port_entries(&common)
    {
        all.push(narrowed(
            Rank::NarrowPorts,
            format!("narrow the ports of {place}"),
            PolicyEdit::Ports(direction, at, ports),
        ));
    }
    let fine = peers.iter().zip(&of_peers);
    let fine = fine.filter(|(_, allowed)| written.is_subset(allowed));
    let fine: Vec<Peer> = fine.map(|(peer, _)| peer.clone()).collect();
    if !fine.is_empty() && fine.len() < peers.len() {
        all.push(narrowed(
            Rank::NarrowPeers,
            format!("keep only the allowed peers of {place}"),
            PolicyEdit::Peers(direction, at, fine),
        ));
        return all;
    }
    let (nearest, reason) = nearest(beyond, &written);
    if !nearest.is_empty() {
        // Other pods may need more than these peers, except for DNS.
        let is_dns = written.is_subset(&dns_ports());
        let rank = if beyond.is_shared && !is_dns {
            Rank::NarrowShared
        } else {
            Rank::NarrowPeers
        };
        all.push(narrowed(
            rank,
            format!("narrow the peers of {place} to what is allowed ({reason})"),
            PolicyEdit::Peers(direction, at, nearest),
        ));
    }
    all
}

/// The peers that are permitted on all ports of the rule, and the reason. On ingress only declared ones:
/// connections of the operator are open anyway.
fn nearest(beyond: &Beyond<'_>, written: &PortSet) -> (Vec<Peer>, &'static str) {
    let Some(zone) = beyond.zones.first() else {
        return (Vec::new(), "");
    };
    let sets: Vec<PeerSet> = if beyond.rule.peers.is_empty() {
        PeerSet::everyone()
    } else {
        let peers = beyond.rule.peers.iter();
        peers.flat_map(|peer| sets(beyond, peer)).collect()
    };
    let is_near = |entry: &&Entry| {
        let is_wanted = beyond.direction == Direction::Egress || entry.declared.is_some();
        is_wanted
            && written.is_subset(&entry.region.ports)
            && sets.iter().any(|set| !set.is_disjoint(&entry.region.peer))
    };
    let mut reason = "";
    let mut peers: Vec<Peer> = Vec::new();
    for entry in zone.ceiling(beyond.direction).iter().filter(is_near) {
        // A rule for everyone, or for every address, is not narrower.
        if entry.rule.peers.is_empty() || entry.row.peers == Peers::DevelopmentAddresses {
            continue;
        }
        for peer in &entry.rule.peers {
            if !peers.contains(peer) && peers.len() < MAX_PEERS {
                peers.push(peer.clone());
            }
        }
        reason = if reason.is_empty() {
            entry.row.reason
        } else {
            reason
        };
    }
    (peers, reason)
}

/// Ports on which the ceiling permits all of a peer, in each zone.
fn allowed(beyond: &Beyond<'_>, peer: &Peer) -> PortSet {
    let sets = sets(beyond, peer);
    let mut common: Option<PortSet> = None;
    for zone in &beyond.zones {
        for set in &sets {
            let entries = zone.ceiling(beyond.direction).iter();
            let holding = entries.filter(|entry| set.is_subset(&entry.region.peer));
            let ports = holding.fold(PortSet::none(), |all, entry| all.union(&entry.region.ports));
            common = Some(match common {
                Some(common) => common.intersect(&ports),
                None => ports,
            });
        }
    }
    common.unwrap_or_else(PortSet::none)
}

fn sets(beyond: &Beyond<'_>, peer: &Peer) -> Vec<PeerSet> {
    let namespace = &beyond.denied.request.object().namespace;
    peer.sets(namespace, Reading::May).into_iter().collect()
}
