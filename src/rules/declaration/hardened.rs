//! OBP310: the operator's contract for Hardened clusters, checked on sets.
//!
//! The operator checks labels and prefix lengths, peer by peer. Here a selector is explicit if it excludes
//! some pod, however it is written, and ports are named if they are not most of all ports, in one rule or
//! together. Where the operator is stricter (`except` does not count), its rule applies too, so everything
//! accepted here is accepted there.

mod peers;
mod ports;
mod restore;

use std::net::Ipv4Addr;

use super::{Declaration, DeclaredRule, FieldLocation, TRUSTED_PEERS};
use crate::inventory::network::DeclaredList;
use crate::inventory::{Cluster, Profile};
use crate::rules::paste::canonical;
use crate::rules::remedy::{ClusterEdit, Rank, namespace_to_name};
use crate::rules::{Cause, Code, Finding, Onset};
use netpol::address::Cidr;
use netpol::rule::{Peer, PortEntry, Rule};
use netpol::{Direction, Region};

pub use restore::of_restore;

/// Field path of raw ingress rules.
const RAW_RULES: &str = "spec.network.ingressRules";

/// Beginning of every finding about the contract.
const CONTRACT: &str = "the contract for Hardened clusters";

/// The part of a rule that is not explicit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Addresses,
    Pods,
    Ports,
}

impl About {
    /// Other rules whose findings include this one.
    const fn included_in(self) -> &'static [Code] {
        match self {
            Self::Addresses => &[Code::Obp302, Code::Obp305, Code::Obp306],
            Self::Pods => &[Code::Obp302, Code::Obp305],
            Self::Ports => &[],
        }
    }
}

/// A part of a rule that violates the contract.
#[derive(Clone, Debug)]
struct Breach {
    about: About,
    location: FieldLocation,
    reason: String,
    help: &'static str,
    edit: Option<ClusterEdit>,
}

/// Findings about the declared rules of a Hardened cluster, without those that `found` includes.
pub fn check(declaration: &Declaration<'_>, found: &[Finding]) -> Vec<Finding> {
    if declaration.profile != Some(Profile::Hardened) {
        return Vec::new();
    }
    let broken: Vec<&Region> = broken_before(declaration);
    let mut findings = Vec::new();
    for rule in checked(declaration.direction, &declaration.after) {
        let onset = onset(declaration, rule, &broken);
        let peers = peers::breaches(declaration, rule);
        for breach in peers
            .into_iter()
            .chain(ports::breach(declaration.direction, rule))
        {
            let about = breach.about;
            let is_reported = |weighed: &Finding| {
                let mut same = found.iter().filter(|found| found.path == rule.path);
                same.any(|found| {
                    about.included_in().contains(&found.code) && found.level <= weighed.level
                })
            };
            let weighed = weighed(declaration, onset, breach);
            findings.extend(weighed.filter(|weighed| !is_reported(weighed)));
        }
    }
    let together = ports::together(declaration);
    findings.extend(together.and_then(|(onset, breach)| weighed(declaration, onset, breach)));
    findings
}

/// The rules that are checked in detail. Raw ingress rules are denied as a whole.
fn checked(direction: Direction, rules: &[DeclaredRule]) -> impl Iterator<Item = &DeclaredRule> {
    let is_raw = |rule: &&DeclaredRule| rule.at.list == DeclaredList::IngressRules;
    rules
        .iter()
        .filter(move |rule| direction == Direction::Egress || !is_raw(rule))
}

/// Connections of the rules that broke the contract before the write, while it was in force.
fn broken_before<'a>(declaration: &'a Declaration<'_>) -> Vec<&'a Region> {
    if declaration.profile_before != Some(Profile::Hardened) {
        return Vec::new();
    }
    let is_broken = |rule: &&DeclaredRule| {
        ports::breach(declaration.direction, rule).is_some()
            || !peers::breaches(declaration, rule).is_empty()
    };
    let rules = checked(declaration.direction, &declaration.before).filter(is_broken);
    rules.flat_map(|rule| &rule.regions).collect()
}

/// Pre-existing if all connections of the rule already violated the contract.
fn onset(declaration: &Declaration<'_>, rule: &DeclaredRule, broken: &[&Region]) -> Onset {
    let mut regions = rule.regions.iter();
    let known = |region: &Region| {
        // If the budget is not enough, the violation counts as new.
        declaration.spend(broken.len()) && broken.iter().any(|broken| region.is_subset(broken))
    };
    Onset::of(!broken.is_empty() && regions.all(known))
}

/// The finding about a violation; `None` for advice that already applied before the write.
fn weighed(declaration: &Declaration<'_>, onset: Onset, breach: Breach) -> Option<Finding> {
    let remedy = breach.edit.map(|edit| {
        let rank = match breach.about {
            About::Ports => Rank::NarrowPorts,
            About::Addresses | About::Pods => Rank::Name,
        };
        declaration.remedy(rank, breach.help, edit)
    });
    Some(Finding {
        reason: format!("{CONTRACT}: {}", breach.reason),
        help: breach.help.to_owned(),
        remedies: remedy.into_iter().collect(),
        ..reported(declaration, onset, breach.location)?
    })
}

fn reported(
    declaration: &Declaration<'_>,
    onset: Onset,
    location: impl Into<FieldLocation>,
) -> Option<Finding> {
    match onset {
        Onset::PreExisting if !declaration.is_under_contract() => None,
        _ => Some(declaration.finding(Cause::HardenedContract, onset, location)),
    }
}

/// Findings about the cluster as a whole: missing declarations, and raw ingress rules.
pub fn of_cluster(
    declaration: &Declaration<'_>,
    after: &Cluster,
    before: Option<&Cluster>,
) -> Vec<Finding> {
    let raw = raw_ingress(declaration, after, before);
    let ingress = untrusting_ingress(declaration, after, before);
    let egress = missing_egress(declaration, after, before);
    [raw, ingress, egress].into_iter().flatten().collect()
}

/// Raw ingress rules. Before 0.1 there is no alternative to them.
fn raw_ingress(
    declaration: &Declaration<'_>,
    after: &Cluster,
    before: Option<&Cluster>,
) -> Option<Finding> {
    let is_free = !declaration.config.baseline.features().has_trusted_peers;
    let rules = &after.network.ingress_rules;
    if is_free || after.profile != Some(Profile::Hardened) || rules.is_empty() {
        return None;
    }
    let old = hardened(before);
    let known = |old: &Cluster| {
        rules
            .iter()
            .all(|rule| old.network.ingress_rules.contains(rule))
    };
    let onset = Onset::of(old.is_some_and(known));
    let is_explicit = |rule: &&DeclaredRule| {
        rule.at.list == DeclaredList::IngressRules && peers::breaches(declaration, rule).is_empty()
    };
    let explicit = declaration.after.iter().filter(is_explicit);
    let mut peers: Vec<Peer> = explicit
        .flat_map(|rule| rule.rule.peers.iter().map(canonical))
        .collect();
    if peers.is_empty() {
        peers.push(namespace_to_name());
    }
    let trusted = after.network.trusted_ingress_peers.iter().flatten();
    let peers: Vec<Peer> = trusted.cloned().chain(peers).collect();
    Some(Finding {
        reason: format!(
            "{CONTRACT}: raw `ingressRules` are denied, since they open any port to any peer"
        ),
        help: "declare the clients of the API port in trustedIngressPeers instead".to_owned(),
        remedies: vec![declaration.remedy(
            Rank::Trust,
            "declare the clients of the API port as trusted peers instead",
            ClusterEdit::TrustInstead(peers),
        )],
        ..reported(declaration, onset, RAW_RULES)?
    })
}

/// An Ingress without a trusted peer. The newest operator rejects it for every cluster.
fn untrusting_ingress(
    declaration: &Declaration<'_>,
    after: &Cluster,
    before: Option<&Cluster>,
) -> Option<Finding> {
    let untrusting = |cluster: &Cluster| {
        cluster.ingress_enabled && cluster.network.trusted_ingress_peers.is_empty()
    };
    if !declaration
        .config
        .baseline
        .features()
        .ingress_needs_trusted_peers
        || !untrusting(after)
    {
        return None;
    }
    let onset = Onset::of(before.is_some_and(untrusting));
    Some(Finding {
        reason: "`spec.ingress` is enabled but no trusted peer is declared, so nothing could reach OpenBao through it"
            .to_owned(),
        help: "name the namespace of the ingress controller in trustedIngressPeers".to_owned(),
        remedies: vec![declaration.remedy(
            Rank::Name,
            "name the namespace of the ingress controller",
            ClusterEdit::Trust(vec![namespace_to_name()]),
        )],
        ..declaration.finding(Cause::IngressWithoutTrustedPeer, onset, TRUSTED_PEERS)
    })
}

/// Backups or snapshots without an egress rule for them.
fn missing_egress(
    declaration: &Declaration<'_>,
    after: &Cluster,
    before: Option<&Cluster>,
) -> Option<Finding> {
    let missing =
        |cluster: &Cluster| cluster.stores_snapshots && cluster.network.egress_rules.is_empty();
    if after.profile != Some(Profile::Hardened) || !missing(after) {
        return None;
    }
    let onset = Onset::of(hardened(before).is_some_and(missing));
    Some(Finding {
        reason: format!(
            "{CONTRACT}: backups and snapshots before upgrades need an egress rule, and none is declared"
        ),
        help: "declare the object storage in egressRules".to_owned(),
        remedies: vec![declaration.remedy(
            Rank::Name,
            "name the address of the object storage, for example",
            ClusterEdit::Declare(
                Direction::Egress,
                Rule {
                    peers: vec![Peer::Block {
                        cidr: Cidr::host(Ipv4Addr::new(192, 0, 2, 10).into()),
                        except: Vec::new(),
                    }],
                    ports: vec![PortEntry::tcp(443)],
                },
            ),
        )],
        ..reported(declaration, onset, "spec.network.egressRules")?
    })
}

/// The cluster before the write, if the contract applied to it.
fn hardened(before: Option<&Cluster>) -> Option<&Cluster> {
    before.filter(|old| old.profile == Some(Profile::Hardened))
}
