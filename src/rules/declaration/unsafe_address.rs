//! OBP306: loopback, link-local or cloud-metadata addresses as peers of a declaration.
//!
//! Judged as sets: any overlap counts, however the block is written or split. On ingress it
//! denies. On egress it warns, because workload identity needs some of these addresses; those that
//! the platform's owner lists in `review.unsafeEgressAllowed` are silent.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::raft_port::cluster_zone;
use super::{Declaration, DeclaredRule};
use crate::perimeter::address::AddressSet;
use crate::perimeter::{Direction, PeerSet, Region, witness};
use crate::rules::{Code, Finding, Level};

/// Blocks that no client and no service of OpenBao has, with what they are.
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

/// One finding for each declared rule that names such an address.
pub fn check(declaration: &Declaration<'_>) -> Vec<Finding> {
    let unsafe_addresses = unsafe_addresses(declaration);
    let rules = declaration.after.iter();
    rules
        .filter_map(|rule| of_rule(declaration, rule, &unsafe_addresses))
        .collect()
}

fn unsafe_addresses(declaration: &Declaration<'_>) -> AddressSet {
    let v4 = UNSAFE_V4
        .iter()
        .filter_map(|(address, length)| Ipv4Net::new(*address, *length).ok());
    let v6 = UNSAFE_V6
        .iter()
        .filter_map(|(address, length)| Ipv6Net::new(*address, *length).ok());
    let nets = v4.map(IpNet::V4).chain(v6.map(IpNet::V6));
    let all = nets.fold(AddressSet::none(), |all, net| {
        all.union(&AddressSet::of(net))
    });
    match declaration.direction {
        Direction::Ingress => all,
        Direction::Egress => {
            let allowed = declaration.posture.unsafe_egress_allowed.iter();
            allowed.fold(all, |left, net| left.minus(&AddressSet::of(*net)))
        }
    }
}

fn of_rule(
    declaration: &Declaration<'_>,
    rule: &DeclaredRule,
    addresses: &AddressSet,
) -> Option<Finding> {
    let pieces: Vec<Region> = rule
        .surest_first()
        .filter_map(|region| overlap(region, addresses))
        .collect();
    let known = |piece: &Region| declaration.is_known(piece);
    let piece = pieces
        .iter()
        .find(|piece| !known(piece))
        .or_else(|| pieces.first())?;
    let help = match declaration.direction {
        Direction::Ingress => "name the addresses that clients really have",
        Direction::Egress => {
            "take the address out of the block with `except`, or, where workload identity needs it, ask the \
             platform's owner to list it in the setting `review.unsafeEgressAllowed`"
        }
    };
    let weighed = match (known(piece), declaration.direction) {
        (true, _) => declaration.finding(Code::Obp306, Level::Warn, &rule.path),
        (false, Direction::Ingress) => declaration.finding(Code::Obp306, Level::Deny, &rule.path),
        (false, Direction::Egress) => declaration.by_contract(Code::Obp306, &rule.path),
    };
    Some(Finding {
        reason: "names a loopback, link-local or cloud-metadata address as a peer".to_owned(),
        witness: witness::connection(declaration.direction, &cluster_zone(declaration), piece),
        help: help.to_owned(),
        ..weighed
    })
}

/// The part of a region at these addresses.
fn overlap(region: &Region, addresses: &AddressSet) -> Option<Region> {
    let peer = match &region.peer {
        PeerSet::V4(own) => PeerSet::v4(own & &addresses.v4),
        PeerSet::V6(own) => PeerSet::v6(own & &addresses.v6),
        PeerSet::Pods { .. } => None,
    }?;
    Some(Region {
        peer,
        ..region.clone()
    })
}
