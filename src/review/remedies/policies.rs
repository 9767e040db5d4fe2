//! Remedies for a policy that opens too much.

use std::collections::BTreeSet;

use super::{Denied, narrow};
use crate::baseline::{ClusterPerimeter, Zone, ZonePerimeter};
use crate::inventory::Policy;
use crate::rules::declaration::{is_under_contract, is_wide};
use crate::rules::paste::canonical;
use crate::rules::remedy::{
    Change, ClusterEdit, PolicyEdit, Rank, Remedy, SettingEdit, covers_other_pods, exclude,
    namespace_to_name,
};
use crate::rules::{Finding, Place};
use netpol::Direction;
use netpol::port::{PortSet, Protocol};
use netpol::rule::{PortEntry, Rule};

/// A rule that opens too much, with its context.
pub(super) struct Beyond<'a> {
    pub(super) denied: &'a Denied<'a>,
    pub(super) cluster: &'a ClusterPerimeter,
    pub(super) zones: Vec<&'a ZonePerimeter>,
    pub(super) direction: Direction,
    pub(super) at: usize,
    pub(super) rule: &'a Rule,
    /// True if the policy is meant for other pods too.
    pub(super) is_shared: bool,
}

/// The rule that a finding is about; `None` without one, or if too little of the budget is left.
fn beyond<'a>(denied: &'a Denied<'a>, finding: &Finding, after: &'a Policy) -> Option<Beyond<'a>> {
    let Place::Rule(direction, at) = finding.place else {
        return None;
    };
    let mut perimeters = denied.compiled.perimeters(&finding.object.namespace).iter();
    let cluster = perimeters.find(|cluster| Some(&cluster.object) == finding.cluster.as_ref())?;
    let rule = after.rules(direction).get(at)?;
    // Peers are copied and compared with each entry of the ceiling.
    let zones = cluster.zones.iter();
    let zones: Vec<&ZonePerimeter> = zones
        .filter(|zone| finding.pods.contains(&zone.pods))
        .collect();
    let weight: usize = zones
        .iter()
        .map(|zone| zone.ceiling[direction as usize].weight())
        .sum();
    denied
        .spend(rule.size().saturating_mul(8 + weight))
        .then(|| Beyond {
            denied,
            cluster,
            zones,
            direction,
            at,
            rule,
            is_shared: covers_other_pods(after),
        })
}

/// Declarations for a finding about a rule of the policy, without the peers that are permitted already.
pub(super) fn declarations(denied: &Denied<'_>, finding: &Finding, after: &Policy) -> Vec<Remedy> {
    let Some(beyond) = beyond(denied, finding, after) else {
        return Vec::new();
    };
    let rule = Rule {
        peers: narrow::not_permitted(&beyond).map(canonical).collect(),
        ports: beyond.rule.ports.clone(),
    };
    // Without peers it would be a rule for everyone.
    if rule.peers.is_empty() {
        return Vec::new();
    }
    let config = &denied.compiled.config;
    let is_wide = is_wide(
        beyond.cluster,
        config,
        beyond.direction,
        &rule,
        denied.budget,
    );
    let mut all = Vec::from_iter(narrow::field(&beyond));
    all.extend(declare(&beyond, &rule, is_wide));
    all
}

/// Remedies for a finding about a rule of the policy.
pub(super) fn suggested(denied: &Denied<'_>, finding: &Finding, after: &Policy) -> Vec<Remedy> {
    let Some(beyond) = beyond(denied, finding, after) else {
        return Vec::new();
    };
    let (cluster, rule) = (beyond.cluster, beyond.rule);
    let (direction, at) = (beyond.direction, beyond.at);
    let mut all = Vec::new();
    if cluster.managed(&finding.object.name).is_none() {
        all.extend(narrow::field(&beyond));
        all.extend(narrow::rules(&beyond, finding));
        all.extend(exclude(&finding.object, after, &finding.pods));
    }
    let canonical = Rule {
        peers: rule.peers.iter().map(canonical).collect(),
        ports: rule.ports.clone(),
    };
    let config = &denied.compiled.config;
    let is_wide = is_wide(cluster, config, direction, &canonical, denied.budget);
    all.extend(declare(&beyond, &canonical, is_wide));
    if !is_wide {
        all.extend(permit(&beyond, &canonical));
    }
    all.push(Remedy::new(
        Rank::LeaveOut,
        "leave the rule out",
        Change::Policy(finding.object.clone(), PolicyEdit::LeaveOut(direction, at)),
    ));
    all
}

/// Declares the connection in the OpenBaoCluster. Connections of the operator's own pods and ingress to jobs
/// cannot be declared.
fn declare(beyond: &Beyond<'_>, rule: &Rule, is_wide: bool) -> Vec<Remedy> {
    let direction = beyond.direction;
    let servers = beyond.zones.iter().any(|zone| zone.pods == Zone::Workload);
    if !beyond.cluster.is_cluster() || (direction == Direction::Ingress && !servers) {
        return Vec::new();
    }
    let config = &beyond.denied.compiled.config;
    let api = PortSet::number(Protocol::Tcp, config.api_port);
    let out = Some((direction, beyond.at));
    // The policy is allowed unchanged if everything that it opens is declared.
    let is_all = direction == Direction::Egress || beyond.zones.len() == 1;
    let remedy = |rank, action: &str, edit, leaves_out| Remedy {
        leaves_out,
        ..Remedy::new(
            rank,
            action,
            Change::Cluster(beyond.cluster.object.clone(), edit),
        )
    };
    let trusts = direction == Direction::Ingress && config.baseline.features().has_trusted_peers;
    let with_ports = |peers, ports| Rule { peers, ports };
    let mut all = Vec::new();
    if !is_wide {
        let is_api = rule.port_set().is_subset(&api);
        if trusts {
            let edit = ClusterEdit::Trust(rule.peers.clone());
            let out = out.filter(|_| !(is_all && is_api));
            all.push(remedy(Rank::Trust, "declare the client", edit, out));
        }
        let edit = ClusterEdit::Declare(direction, rule.clone());
        let out = out.filter(|_| !is_all);
        all.push(remedy(Rank::Declare, "declare the rule", edit, out));
    }
    // One peer to fill in, if the rule itself cannot be declared.
    if is_wide || is_under_contract(config, beyond.cluster.profile) {
        let peer = vec![namespace_to_name()];
        let ports = match direction {
            Direction::Ingress => vec![PortEntry::tcp(config.api_port)],
            Direction::Egress if rule.ports.is_empty() => vec![PortEntry::tcp(443)],
            Direction::Egress => rule.ports.clone(),
        };
        let (action, edit) = match direction {
            Direction::Ingress if trusts => ("declare the client", ClusterEdit::Trust(peer)),
            Direction::Ingress => (
                "declare the client",
                ClusterEdit::Declare(direction, with_ports(peer, ports)),
            ),
            Direction::Egress => (
                "declare the destination",
                ClusterEdit::Declare(direction, with_ports(peer, ports)),
            ),
        };
        all.push(remedy(Rank::Name, action, edit, out));
    }
    all
}

/// Permits the rule in the settings, like rules that every namespace has. The Raft port is never permitted,
/// since only the cluster's own pods need it.
fn permit(beyond: &Beyond<'_>, rule: &Rule) -> Option<Remedy> {
    let raft = PortSet::number(Protocol::Tcp, beyond.denied.compiled.config.cluster_port);
    let servers = beyond.zones.iter().any(|zone| zone.pods == Zone::Workload);
    let opens_raft = servers && !rule.port_set().is_disjoint(&raft);
    if beyond.direction == Direction::Ingress && opens_raft {
        return None;
    }
    let zones: BTreeSet<Zone> = beyond.zones.iter().map(|zone| zone.pods).collect();
    let permitted = SettingEdit::Platform(zones, beyond.direction, rule.clone());
    Some(Remedy::new(
        Rank::Permit,
        "ask the platform team to permit it",
        Change::Setting(permitted),
    ))
}
