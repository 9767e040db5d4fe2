//! OBP306: loopback, link-local or cloud-metadata addresses as peers of a declaration.
//!
//! Checked on sets: any overlap counts, however a block is written or split. On ingress it denies. On egress
//! it warns, because workload identity needs some of these addresses. Addresses in
//! `review.unsafeIngressAllowed` or `review.unsafeEgressAllowed` are permitted. An IPv6 address that
//! [carries](carried) such an IPv4 address counts as this address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::raft_port::cluster_zone;
use super::{Declaration, DeclaredRule};
use crate::config::ReviewConfig;
use crate::rules::finding::witness;
use crate::rules::remedy::{Change, ClusterEdit, Rank, Remedy, SettingEdit};
use crate::rules::{Cause, Finding, Onset};
use netpol::address::{AddressSet, Cidr};
use netpol::rule::Peer;
use netpol::{Direction, PeerSet, Region, carried};

/// Blocks that no client and no service of OpenBao has, with a description.
const UNSAFE_V4: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local; the metadata address of most clouds is 169.254.169.254.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // Metadata addresses outside of the link-local block: Alibaba Cloud, Azure, Oracle Cloud.
    (Ipv4Addr::new(100, 100, 100, 200), 32),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(192, 0, 0, 192), 32),
];
const UNSAFE_V6: &[(Ipv6Addr, u8)] = &[
    (Ipv6Addr::LOCALHOST, 128),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    // Metadata address of AWS.
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128),
];

/// Addresses from which service meshes probe pods.
const PROBES: &[(Ipv4Addr, &str)] = &[(Ipv4Addr::new(169, 254, 7, 127), "Istio's ambient mode")];

/// No host: on most systems a connection to it stays on the machine.
const NOBODY_V4: &[(Ipv4Addr, u8)] = &[(Ipv4Addr::UNSPECIFIED, 8)];
const NOBODY_V6: &[(Ipv6Addr, u8)] = &[(Ipv6Addr::UNSPECIFIED, 128)];
/// Addresses of resolvers: link-local, and Azure's, which is an address of the Internet to OBP308.
const RESOLVERS_V4: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
];
const RESOLVERS_V6: &[(Ipv6Addr, u8)] = &[(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10)];
const METADATA_V4: &[(Ipv4Addr, u8)] = &[(Ipv4Addr::new(169, 254, 169, 254), 32)];

/// The unsafe addresses of a direction, and the permitted ones.
struct Search {
    addresses: AddressSet,
    allowed: AddressSet,
    /// Everything that was declared before at addresses that its IPv6 addresses carry.
    carried_before: [Vec<Region>; 2],
}

/// One finding for each declared rule that names such an address.
pub fn check(declaration: &Declaration<'_>) -> Vec<Finding> {
    let allowed = match declaration.direction {
        Direction::Ingress => of_all(&declaration.config.unsafe_ingress_allowed),
        Direction::Egress => allowed(declaration.config),
    };
    let carried = |is_sure| declaration.known(is_sure).filter_map(as_carried).collect();
    let search = Search {
        addresses: blocks(UNSAFE_V4, UNSAFE_V6).minus(&allowed),
        carried_before: [carried(false), carried(true)],
        allowed,
    };
    let rules = declaration.after.iter();
    rules
        .filter_map(|rule| of_rule(declaration, rule, &search))
        .collect()
}

/// The first of these addresses that is one of `nowhere`, directly or carried. Addresses that the
/// configuration names or permits count as themselves only.
pub(super) fn first_of(
    declaration: &Declaration<'_>,
    addresses: &AddressSet,
    nowhere: &AddressSet,
) -> Option<IpAddr> {
    let config = declaration.config;
    let others = addresses.minus(&named(config).union(&allowed(config)));
    let found = addresses.overlap(nowhere).first();
    found.or_else(|| {
        let carried = &carried::of(&others.v6) & &nowhere.v4;
        carried.first().map(IpAddr::V4)
    })
}

/// Addresses that no API server has: unsafe ones, and those that are no host. Without those that the
/// configuration names or permits.
pub(super) fn without_api_server(config: &ReviewConfig) -> AddressSet {
    no_host(config).minus(&named(config))
}

/// Addresses that no resolver has. Link-local addresses are common for resolvers: DNS caches on each node,
/// and those of some clouds, as is Azure's.
pub(super) fn without_resolver(config: &ReviewConfig) -> AddressSet {
    no_host(config).minus(&blocks(RESOLVERS_V4, RESOLVERS_V6))
}

/// The metadata service of most clouds, which is also the resolver in some. Without permitted addresses.
pub(super) fn metadata_resolver(config: &ReviewConfig) -> AddressSet {
    blocks(METADATA_V4, &[]).minus(&allowed(config))
}

/// API server addresses in the configuration.
pub(super) fn named(config: &ReviewConfig) -> AddressSet {
    let addresses = config.api_server_addresses.iter();
    addresses
        .chain(&config.api_server_endpoints)
        .fold(AddressSet::none(), |all, address| {
            all.union(&AddressSet::of(IpNet::from(*address)))
        })
}

fn no_host(config: &ReviewConfig) -> AddressSet {
    let nobody = blocks(NOBODY_V4, NOBODY_V6);
    blocks(UNSAFE_V4, UNSAFE_V6)
        .union(&nobody)
        .minus(&allowed(config))
}

/// Addresses that the configuration permits on egress.
fn allowed(config: &ReviewConfig) -> AddressSet {
    of_all(&config.unsafe_egress_allowed)
}

fn of_all(nets: &[IpNet]) -> AddressSet {
    nets.iter().fold(AddressSet::none(), |all, net| {
        all.union(&AddressSet::of(*net))
    })
}

/// The addresses of some blocks.
pub(super) fn blocks(v4: &[(Ipv4Addr, u8)], v6: &[(Ipv6Addr, u8)]) -> AddressSet {
    nets(v4, v6).fold(AddressSet::none(), |all, net| {
        all.union(&AddressSet::of(net))
    })
}

fn nets<'a>(
    v4: &'a [(Ipv4Addr, u8)],
    v6: &'a [(Ipv6Addr, u8)],
) -> impl Iterator<Item = IpNet> + 'a {
    let v4 = v4
        .iter()
        .filter_map(|(address, length)| Ipv4Net::new(*address, *length).ok());
    let v6 = v6
        .iter()
        .filter_map(|(address, length)| Ipv6Net::new(*address, *length).ok());
    v4.map(IpNet::V4).chain(v6.map(IpNet::V6))
}

/// A part of a rule at unsafe addresses.
struct Piece {
    /// The part. Carried addresses are given as IPv4.
    region: Region,
    /// True if the rule surely allows it.
    is_sure: bool,
    /// A part that stands for it in an example.
    shown: Region,
    /// The IPv4 address that the example carries.
    carried: Option<Ipv4Addr>,
}

fn of_rule(declaration: &Declaration<'_>, rule: &DeclaredRule, search: &Search) -> Option<Finding> {
    // Peers that are everyone are reported elsewhere (OBP302, OBP305), and such a rule names no address.
    if rule.rule.peers.is_empty() {
        return None;
    }
    let named = rule
        .must_first()
        .filter_map(|(region, is_sure)| overlap(region, is_sure, &search.addresses));
    let carried = rule
        .must_first()
        .filter_map(|(region, is_sure)| carried_overlap(region, is_sure, search));
    let pieces: Vec<Piece> = named.chain(carried).collect();
    let known = |piece: &Piece| {
        let carried_before = &search.carried_before[usize::from(piece.is_sure)];
        let mut carried = carried_before.iter();
        declaration.is_known(rule, &piece.region)
            || (declaration.spend(carried_before.len())
                && carried.any(|known| piece.region.is_subset(known)))
    };
    let piece = pieces
        .iter()
        .find(|piece| !known(piece))
        .or_else(|| pieces.first())?;
    let help = match declaration.direction {
        Direction::Ingress => {
            "name the addresses that clients have; the platform team permits others in `review.unsafeIngressAllowed`"
        }
        Direction::Egress => {
            "take the address out with `except`; if workload identity needs it, the platform team permits it in \
             `review.unsafeEgressAllowed`"
        }
    };
    let cause = match declaration.direction {
        Direction::Ingress => Cause::UnsafeIngressAddress,
        Direction::Egress => Cause::UnsafeEgressAddress,
    };
    let inside = piece
        .carried
        .map(|address| format!(": an IPv6 address that embeds {address}"));
    let zone = cluster_zone(declaration);
    Some(Finding {
        reason: format!(
            "names a loopback, link-local or cloud-metadata address as a peer{}{}",
            inside.unwrap_or_default(),
            probe(piece).unwrap_or_default()
        ),
        witness: witness(declaration.direction, &zone, &piece.shown),
        help: help.to_owned(),
        remedies: remedies(declaration, rule),
        ..declaration.finding(cause, Onset::of(known(piece)), rule.field(""))
    })
}

/// Words about the address from which a service mesh probes pods.
fn probe(piece: &Piece) -> Option<String> {
    let PeerSet::V4(addresses) = &piece.region.peer else {
        return None;
    };
    let only = addresses.first().filter(|_| addresses.len() == 1)?;
    let (address, mesh) = PROBES.iter().find(|(address, _)| *address == only)?;
    Some(format!(
        ": {address} is the address from which {mesh} probes pods"
    ))
}

/// The rule without the unsafe addresses, and the setting that permits them.
fn remedies(declaration: &Declaration<'_>, rule: &DeclaredRule) -> Vec<Remedy> {
    let mut unsafe_nets = Vec::new();
    let safe: Vec<Peer> = rule
        .rule
        .peers
        .iter()
        .filter_map(|peer| safe(peer, &mut unsafe_nets))
        .collect();
    let mut all = Vec::new();
    if !safe.is_empty() {
        let edit = ClusterEdit::Peers(rule.at, safe);
        let action = "leave out the unsafe addresses";
        all.push(declaration.remedy(Rank::NarrowPeers, action, edit));
    }
    all.extend(unsafe_nets.first().map(|net| {
        let edit = SettingEdit::UnsafeAllowed(declaration.direction, *net);
        let action = "ask the platform team to permit it";
        Remedy::new(Rank::Permit, action, Change::Setting(edit))
    }));
    all.push(declaration.remedy(
        Rank::LeaveOut,
        "leave the entry out",
        ClusterEdit::LeaveOut(rule.at),
    ));
    all
}

/// The peer without unsafe addresses; `None` where it has no others, with its block among `unsafe_nets`.
fn safe(peer: &Peer, unsafe_nets: &mut Vec<IpNet>) -> Option<Peer> {
    let Peer::Block { cidr, except } = peer else {
        return Some(peer.clone());
    };
    let Some(net) = cidr.canonical() else {
        return Some(peer.clone());
    };
    let mut except = except.clone();
    for unsafe_net in nets(UNSAFE_V4, UNSAFE_V6) {
        if unsafe_net.contains(&net) {
            unsafe_nets.push(net);
            return None;
        }
        let carved = Cidr::from_net(unsafe_net);
        if net.contains(&unsafe_net) && !except.contains(&carved) {
            except.push(carved);
        }
    }
    Some(Peer::Block {
        cidr: cidr.clone(),
        except,
    })
}

/// The part of a region at these addresses.
fn overlap(region: &Region, is_sure: bool, addresses: &AddressSet) -> Option<Piece> {
    let peer = match &region.peer {
        PeerSet::V4(own) => PeerSet::v4(own & &addresses.v4),
        PeerSet::V6(own) => PeerSet::v6(own & &addresses.v6),
        PeerSet::Pods { .. } => None,
    }?;
    let region = Region {
        peer,
        ..region.clone()
    };
    Some(Piece {
        shown: region.clone(),
        region,
        is_sure,
        carried: None,
    })
}

/// The part of a region whose IPv6 addresses carry an unsafe one, but for those that are allowed by name.
fn carried_overlap(region: &Region, is_sure: bool, search: &Search) -> Option<Piece> {
    let PeerSet::V6(own) = &region.peer else {
        return None;
    };
    let own = own - &search.allowed.v6;
    let inside = &carried::of(&own) & &search.addresses.v4;
    let carrier = carried::carrier(&own, &inside)?;
    let with = |peer| Region {
        peer,
        ..region.clone()
    };
    Some(Piece {
        region: with(PeerSet::v4(inside)?),
        shown: with(PeerSet::v6([carrier].into_iter().collect())?),
        is_sure,
        carried: carried::of_address(carrier),
    })
}

/// A region of IPv6 addresses, converted to the IPv4 addresses that they carry.
fn as_carried(region: &Region) -> Option<Region> {
    let PeerSet::V6(own) = &region.peer else {
        return None;
    };
    Some(Region {
        peer: PeerSet::v4(carried::of(own))?,
        ..region.clone()
    })
}
