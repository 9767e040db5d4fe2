//! OBP315: CIDR text that parsers read differently, or that newer API servers reject.
//!
//! Leading zeros are read as octal, as decimal, or not at all, and one data plane treats a block that it
//! cannot parse as every address. An IPv4-mapped IPv6 block may be read as IPv4. All parsers mask host bits
//! and a prefix length such as `/08`, but Kubernetes 1.36 rejects both in a new policy. If the operator
//! copied them from an OpenBaoCluster, it could not write its policies, so they deny; elsewhere they warn.

use std::collections::BTreeSet;

use crate::inventory::network::{DeclaredAt, DeclaredList};
use crate::inventory::{Cluster, ObjectRef, Policy};
use netpol::Direction;
use netpol::address::{Cidr, CidrReading};
use netpol::rule::{Peer, Rule};

use super::paste::canonical;
use super::remedy::{Change, ClusterEdit, PolicyEdit, Rank, Remedy};
use super::{Cause, Finding, Onset};

/// One CIDR text and its location.
struct Placed<'a> {
    path: String,
    cidr: &'a Cidr,
    /// The rule, or the declared entry.
    within: Within<'a>,
    /// Rules of the operator's policies that contain the text unchanged: ingress of one policy, or egress of
    /// both. `None` if the operator does not copy it.
    copied: Option<Direction>,
}

/// The part of an object with a block.
#[derive(Clone, Copy)]
enum Within<'a> {
    /// A rule of a policy.
    Rule(Direction, usize, &'a [Peer]),
    /// A declared rule or trusted peer of a cluster.
    Declared(DeclaredAt, &'a [Peer]),
    /// `apiServerCIDR`.
    ApiServer,
}

/// The entry with this block in canonical form, if all parsers agree on it. Otherwise only the writer knows the right
/// text, and the entry is left out.
fn remedy(object: &ObjectRef, placed: &Placed<'_>) -> Remedy {
    let is_clear = placed.cidr.canonical().is_some();
    let peers = |peers: &[Peer]| peers.iter().map(canonical).collect();
    let cluster = |edit| Change::Cluster(object.clone(), edit);
    let policy = |edit| Change::Policy(object.clone(), edit);
    let change = match placed.within {
        Within::Rule(direction, at, all) if is_clear => {
            policy(PolicyEdit::Peers(direction, at, peers(all)))
        }
        Within::Rule(direction, at, _) => policy(PolicyEdit::LeaveOut(direction, at)),
        Within::Declared(at, all) if is_clear => cluster(ClusterEdit::Peers(at, peers(all))),
        Within::Declared(at, _) => cluster(ClusterEdit::LeaveOut(at)),
        Within::ApiServer => {
            let net = placed.cidr.canonical().map(Cidr::from_net);
            cluster(ClusterEdit::ApiServer(
                net.unwrap_or_else(|| placed.cidr.clone()),
            ))
        }
    };
    if is_clear {
        Remedy::new(Rank::Field, "write the blocks in canonical form", change)
    } else {
        let action = "write the block in canonical form, or leave the entry out";
        Remedy::new(Rank::LeaveOut, action, change)
    }
}

/// Findings about the blocks of a policy's rules. Text that the old policy had too warns.
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
    let old = old.iter().map(|known| (known.cidr.text(), known.copied));
    let old: Known<'_> = old.collect();
    let finding = |placed: &Placed<'_>| {
        let (cidr, is_old) = (placed.cidr, is_old(placed, &old));
        let (cause, reason, help) = match cidr.reading() {
            CidrReading::Canonical(_) if !cidr.is_masked() => return None,
            CidrReading::Canonical(net) => (
                if placed.copied.is_none() { Cause::MaskedCidr } else { Cause::AmbiguousCidr },
                masked(placed, &net.to_string()),
                canonical_or_host(cidr, &net.to_string()),
            ),
            CidrReading::Ambiguous => (
                Cause::AmbiguousCidr,
                format!("parsers read `{cidr}` differently: {}", cidr.readings().join(", or ")),
                "the block in canonical form, without leading zeros and not as an IPv4-mapped address".to_owned(),
            ),
        };
        Some(Finding {
            reason,
            help: format!("write {help}"),
            remedies: vec![remedy(object, placed)],
            ..Finding::of(cause, Onset::of(is_old), object, placed.path.clone())
        })
    };
    blocks.iter().filter_map(finding).collect()
}

/// The texts before the write, with the rules that contain them.
type Known<'a> = BTreeSet<(&'a str, Option<Direction>)>;

/// Returns true if the text was there before the write, so that API servers still accept it in each policy
/// that contains it.
fn is_old(placed: &Placed<'_>, old: &Known<'_>) -> bool {
    let (ingress, egress) = (Some(Direction::Ingress), Some(Direction::Egress));
    let enough: &[Option<Direction>] = match placed.copied {
        None => &[None, ingress, egress],
        Some(Direction::Ingress) => &[ingress, egress],
        Some(Direction::Egress) => &[egress],
    };
    let text = placed.cidr.text();
    enough.iter().any(|copied| old.contains(&(text, *copied)))
}

/// The reason of a finding about text that all parsers mask.
fn masked(placed: &Placed<'_>, net: &str) -> String {
    let cidr = placed.cidr;
    let wrong = if has_host_bits(cidr) {
        "has host bits"
    } else {
        "has a prefix length with a leading zero"
    };
    let stall = if placed.copied.is_some() {
        "; the operator copies it into its policy and could not write that policy"
    } else {
        ""
    };
    format!(
        "`{cidr}` {wrong}, which Kubernetes 1.36 rejects in a new policy: all parsers read it as {net}{stall}"
    )
}

/// The canonical block, and the single address that may be meant.
fn canonical_or_host(cidr: &Cidr, net: &str) -> String {
    match cidr.text().split_once('/') {
        Some((address, _)) if has_host_bits(cidr) => {
            let whole = if address.contains(':') { 128 } else { 32 };
            format!("{net}, or {address}/{whole} for that one address")
        }
        _ => net.to_owned(),
    }
}

fn has_host_bits(cidr: &Cidr) -> bool {
    let prefix = cidr.text().rsplit('/').next().unwrap_or_default();
    prefix.len() < 2 || !prefix.starts_with('0')
}

fn blocks_of_policy(policy: &Policy) -> Vec<Placed<'_>> {
    let rules = |direction: Direction| {
        let rules = policy.rules(direction).iter().enumerate();
        rules.flat_map(move |(at, rule)| {
            let within = Within::Rule(direction, at, &rule.peers);
            let path = move || format!("spec.{}[{at}]", direction.field());
            blocks_of_rule(&path, direction, (within, None), rule)
        })
    };
    Direction::ALL.into_iter().flat_map(rules).collect()
}

/// Returns true if there is a finding about a block. Field paths of other blocks are not formatted: a
/// declaration may have very many.
fn is_noteworthy(cidr: &Cidr) -> bool {
    cidr.is_masked() || cidr.canonical().is_none()
}

fn blocks_of_cluster(cluster: &Cluster) -> Vec<Placed<'_>> {
    let network = &cluster.network;
    let mut blocks = Vec::new();
    let declared = [
        (
            DeclaredList::IngressRules,
            Direction::Ingress,
            &network.ingress_rules,
        ),
        (
            DeclaredList::EgressRules,
            Direction::Egress,
            &network.egress_rules,
        ),
    ];
    for (list, direction, rules) in declared {
        for (at, rule) in rules.iter().enumerate() {
            let Ok(rule) = rule else { continue };
            let at = DeclaredAt { list, at };
            let within = (Within::Declared(at, &rule.peers), Some(direction));
            blocks.extend(blocks_of_rule(&|| at.to_string(), direction, within, rule));
        }
    }
    for (at, peer) in network.trusted_ingress_peers.iter().enumerate() {
        let Ok(peer) = peer else { continue };
        let list = DeclaredList::TrustedPeers;
        let at = DeclaredAt { list, at };
        let within = Within::Declared(at, std::slice::from_ref(peer));
        let within = (within, Some(Direction::Ingress));
        blocks.extend(blocks_of_peer(&|| at.to_string(), within, peer));
    }
    // The operator masks this block.
    let api_server = network.api_server_cidr.iter().flatten();
    let api_server = api_server.filter(|cidr| is_noteworthy(cidr));
    blocks.extend(api_server.map(|cidr| Placed {
        path: "spec.network.apiServerCIDR".to_owned(),
        cidr,
        within: Within::ApiServer,
        copied: None,
    }));
    blocks
}

fn blocks_of_rule<'a>(
    path: &dyn Fn() -> String,
    direction: Direction,
    within: (Within<'a>, Option<Direction>),
    rule: &'a Rule,
) -> Vec<Placed<'a>> {
    let peers = rule.peers.iter().enumerate();
    let field = direction.peers_field();
    let peers = peers.flat_map(|(at, peer)| {
        let path = || format!("{}.{field}[{at}]", path());
        blocks_of_peer(&path, within, peer)
    });
    peers.collect()
}

fn blocks_of_peer<'a>(
    path: &dyn Fn() -> String,
    (within, copied): (Within<'a>, Option<Direction>),
    peer: &'a Peer,
) -> Vec<Placed<'a>> {
    let Peer::Block { cidr, except } = peer else {
        return Vec::new();
    };
    let placed = |field: &str, cidr| Placed {
        path: format!("{}.ipBlock.{field}", path()),
        cidr,
        within,
        copied,
    };
    let block = is_noteworthy(cidr).then(|| placed("cidr", cidr));
    let excepts = except.iter().enumerate();
    let excepts = excepts.filter(|(_, cidr)| is_noteworthy(cidr));
    let excepts = excepts.map(|(at, cidr)| placed(&format!("except[{at}]"), cidr));
    block.into_iter().chain(excepts).collect()
}
