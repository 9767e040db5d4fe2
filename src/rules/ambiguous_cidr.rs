//! OBP315: CIDR text that parsers read differently.
//!
//! Leading zeros may be read as octal, as decimal, or not at all, and one data plane lets a block
//! that it cannot parse match every address. An IPv4-mapped IPv6 block may be read as IPv4. Host
//! bits and a prefix length such as `/08` are masked by all parsers alike, and only warn.

use std::collections::BTreeSet;

use crate::inventory::{Cluster, ObjectRef, Policy};
use crate::perimeter::Direction;
use crate::perimeter::address::{Cidr, CidrReading};
use crate::perimeter::rule::{Peer, Rule};

use super::{Code, Finding, Harm, Level};

/// One CIDR text and where it stands.
type Placed<'a> = (String, &'a Cidr);

/// Findings about the blocks of a policy's rules; text that the old policy had as well warns.
pub fn in_policy(object: &ObjectRef, after: &Policy, before: Option<&Policy>) -> Vec<Finding> {
    let old = before.map(blocks_of_policy).unwrap_or_default();
    findings(object, &blocks_of_policy(after), &old)
}

/// Findings about the blocks that a cluster declares.
pub fn in_cluster(object: &ObjectRef, after: &Cluster, before: Option<&Cluster>) -> Vec<Finding> {
    let old = before.map(blocks_of_cluster).unwrap_or_default();
    findings(object, &blocks_of_cluster(after), &old)
}

fn findings(object: &ObjectRef, blocks: &[Placed<'_>], old: &[Placed<'_>]) -> Vec<Finding> {
    let old: BTreeSet<&str> = old.iter().map(|(_, known)| known.text()).collect();
    let is_old = |cidr: &Cidr| old.contains(cidr.text());
    let finding = |(path, cidr): &Placed<'_>| {
        let (level, reason, help) = match cidr.reading() {
            CidrReading::Canonical(net) if cidr.is_masked() => (
                Level::Warn,
                format!("`{cidr}` is read as `{net}`; newer API servers refuse it"),
                net.to_string(),
            ),
            CidrReading::Canonical(_) => return None,
            CidrReading::Ambiguous => (
                if is_old(cidr) { Level::Warn } else { Level::Deny },
                format!("parsers read `{cidr}` differently: {}", cidr.readings().join(", or ")),
                "the block in canonical form, without leading zeros and not as an IPv4-mapped address".to_owned(),
            ),
        };
        Some(Finding {
            harm: if is_old(cidr) { Harm::Known } else { Harm::New },
            reason,
            help: format!("write {help}"),
            ..Finding::new(Code::Obp315, level, object, path.clone())
        })
    };
    blocks.iter().filter_map(finding).collect()
}

fn blocks_of_policy(policy: &Policy) -> Vec<Placed<'_>> {
    let rules = |direction: Direction| {
        let rules = policy.rules(direction).iter().enumerate();
        // Paths are written only for rules that there is something to say about.
        let rules = rules.filter(|(_, rule)| rule.peers.iter().any(is_noteworthy));
        rules.flat_map(move |(at, rule)| {
            blocks_of_rule(
                &format!("spec.{}[{at}]", direction.field()),
                direction,
                rule,
            )
        })
    };
    Direction::ALL.into_iter().flat_map(rules).collect()
}

fn is_noteworthy(peer: &Peer) -> bool {
    let noteworthy = |cidr: &Cidr| cidr.is_masked() || cidr.canonical().is_none();
    match peer {
        Peer::Pods { .. } => false,
        Peer::Block { cidr, except } => noteworthy(cidr) || except.iter().any(noteworthy),
    }
}

fn blocks_of_cluster(cluster: &Cluster) -> Vec<Placed<'_>> {
    let network = &cluster.network;
    let mut blocks = Vec::new();
    let declared = [
        ("ingressRules", Direction::Ingress, &network.ingress_rules),
        ("egressRules", Direction::Egress, &network.egress_rules),
    ];
    for (field, direction, rules) in declared {
        for (at, rule) in rules.iter().enumerate() {
            let Ok(rule) = rule else { continue };
            blocks.extend(blocks_of_rule(
                &format!("spec.network.{field}[{at}]"),
                direction,
                rule,
            ));
        }
    }
    for (at, peer) in network.trusted_ingress_peers.iter().enumerate() {
        let Ok(peer) = peer else { continue };
        blocks.extend(blocks_of_peer(
            &format!("spec.network.trustedIngressPeers[{at}]"),
            peer,
        ));
    }
    let api_server = network.api_server_cidr.iter().flatten();
    blocks.extend(api_server.map(|cidr| ("spec.network.apiServerCIDR".to_owned(), cidr)));
    blocks
}

fn blocks_of_rule<'a>(path: &str, direction: Direction, rule: &'a Rule) -> Vec<Placed<'a>> {
    let peers = rule.peers.iter().enumerate();
    let field = direction.peers_field();
    peers
        .flat_map(|(at, peer)| blocks_of_peer(&format!("{path}.{field}[{at}]"), peer))
        .collect()
}

fn blocks_of_peer<'a>(path: &str, peer: &'a Peer) -> Vec<Placed<'a>> {
    let Peer::Block { cidr, except } = peer else {
        return Vec::new();
    };
    let excepts = except.iter().enumerate();
    let excepts = excepts.map(|(at, cidr)| (format!("{path}.ipBlock.except[{at}]"), cidr));
    std::iter::once((format!("{path}.ipBlock.cidr"), cidr))
        .chain(excepts)
        .collect()
}
