//! The part of a policy review for one zone of one cluster.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::sync::Arc;

use crate::baseline::{ClusterPerimeter, PolicyRegions, Selected, ZonePerimeter};
use crate::config::Baseline;
use crate::inventory::{Fact, Policy};
use crate::review::compiled::CompiledSnapshot;
use crate::review::level::WriterClass;
use crate::review::merged::Merged;
use crate::review::other_shape;
use crate::review::replay;
use crate::review::request::{Edit, Operation, Request};
use crate::review::rules::{self, Check};
use crate::review::written::{PolicyWrite, WriteSide};
use crate::rules::inside_ceiling::{self, Proof};
use crate::rules::policy_change::{PolicyChange, Side};
use crate::rules::{
    Finding, Level, beyond_ceiling, core_connection_cut, isolation_lost, left_open, managed_policy,
    policy_owner,
};
use netpol::Direction;
use netpol::cover::Budget;
use netpol::rule::Rule;

/// The cluster's perimeter. A managed policy that is being written may contain the API server's address if it
/// is not known otherwise.
pub(in crate::review) fn with_observed<'a>(
    compiled: &CompiledSnapshot,
    class: WriterClass,
    cluster: &'a ClusterPerimeter,
    edit: &Edit<Policy>,
) -> Cow<'a, ClusterPerimeter> {
    let known = !compiled.snapshot.api_server.is_empty()
        || !compiled.config.api_server_addresses.is_empty();
    if known || cluster.managed(&edit.object.name).is_none() {
        return Cow::Borrowed(cluster);
    }
    let after = edit
        .after
        .as_ref()
        .filter(|_| class == WriterClass::Operator);
    let shown = edit.before.iter().chain(after).filter_map(Fact::read);
    let observed: Vec<Rule> = shown.flat_map(|policy| policy.egress.clone()).collect();
    if observed.is_empty() {
        return Cow::Borrowed(cluster);
    }
    let recompiled = compiled.facts(&cluster.object.namespace).and_then(|facts| {
        let fact = facts.clusters.get(&cluster.object.name)?;
        let regions = compiled.regions(&cluster.object.namespace, facts);
        Some(ClusterPerimeter::of(
            fact,
            (facts, &regions),
            &compiled.config,
            &[],
            &observed,
        ))
    });
    recompiled.map_or(Cow::Borrowed(cluster), Cow::Owned)
}

pub(super) fn of_cluster(
    compiled: &CompiledSnapshot,
    request: &Request,
    class: WriterClass,
    cluster: &ClusterPerimeter,
    written: &PolicyWrite<'_>,
    budget: &Cell<Budget>,
) -> Vec<Finding> {
    let managed = cluster.managed(&written.edit.object.name);
    if managed.is_some() && request.operation == Operation::Delete && may_go(compiled, cluster) {
        return Vec::new();
    }
    let mut merged = Merged::default();
    for zone in &cluster.zones {
        let of_zone = of_zone(compiled, request, class, cluster, zone, written, budget);
        merged.add(of_zone, cluster);
    }
    merged.findings
}

/// The proofs for the written policy's rules.
pub(in crate::review) fn proofs(compiled: &CompiledSnapshot, edit: &Edit<Policy>) -> Vec<Proof> {
    let perimeters = compiled.perimeters(&edit.object.namespace).iter();
    let zones =
        perimeters.flat_map(|cluster| cluster.zones.iter().map(move |zone| (cluster, zone)));
    let budget = Cell::new(Budget::new(compiled.config.proof_budget));
    let written = PolicyWrite::of(edit);
    zones
        .flat_map(|(cluster, zone)| {
            inside_ceiling::proofs(&change(compiled, cluster, zone, &written, &budget))
        })
        .collect()
}

/// Returns true if a managed policy may be deleted, with its cluster or its namespace.
pub(super) fn may_go(compiled: &CompiledSnapshot, cluster: &ClusterPerimeter) -> bool {
    let namespace = compiled
        .facts(&cluster.object.namespace)
        .and_then(|facts| facts.namespace.as_ref());
    cluster.deleting
        || namespace
            .and_then(Fact::read)
            .is_some_and(|namespace| namespace.terminating)
}

/// A policy write, as it applies to one zone.
pub(in crate::review) struct ZoneReview<'a> {
    compiled: &'a CompiledSnapshot,
    class: WriterClass,
    operation: Operation,
    change: PolicyChange<'a>,
    /// True if it is the operator's policy for the zone.
    is_managed: bool,
    elsewhere: OnceCell<Vec<(Baseline, Selected)>>,
}

fn of_zone(
    compiled: &CompiledSnapshot,
    request: &Request,
    class: WriterClass,
    cluster: &ClusterPerimeter,
    zone: &ZonePerimeter,
    written: &PolicyWrite<'_>,
    budget: &Cell<Budget>,
) -> Vec<Finding> {
    let managed = cluster.managed(&written.edit.object.name);
    let write = ZoneReview {
        compiled,
        class,
        operation: request.operation,
        change: change(compiled, cluster, zone, written, budget),
        is_managed: managed.is_some_and(|managed| managed.pods == zone.pods),
        elsewhere: OnceCell::new(),
    };
    let mut findings = Vec::new();
    for check in rules::checks() {
        if let Check::Zone(check) = check {
            check(&write, &mut findings);
        }
    }
    findings
}

/// OBP101.
pub(in crate::review) fn core_connections(write: &ZoneReview<'_>, found: &mut Vec<Finding>) {
    let change = &write.change;
    found.extend(replay::of_change(
        change,
        core_connection_cut::check(change),
    ));
}

/// OBP102.
pub(in crate::review) fn isolation(write: &ZoneReview<'_>, found: &mut Vec<Finding>) {
    let change = &write.change;
    found.extend(replay::of_change(change, isolation_lost::check(change)));
}

/// OBP103, with a confirmed connection of the findings that it replaces.
pub(in crate::review) fn deletion(write: &ZoneReview<'_>, found: &mut Vec<Finding>) {
    if write.is_managed && write.operation == Operation::Delete {
        *found = managed_policy::deleted(&write.change, std::mem::take(found));
    }
}

/// OBP104: pods, directions and labels of a managed policy, and a new owner of another one.
pub(in crate::review) fn managed(write: &ZoneReview<'_>, found: &mut Vec<Finding>) {
    let change = &write.change;
    if write.is_managed && write.operation != Operation::Delete {
        found.extend(managed_policy::retargeted(change));
    }
    if change.cluster.managed(&change.object.name).is_none()
        && let Some(owner) = policy_owner::added_owner(change)
    {
        let gone = change.collected();
        let mut lost = isolation_lost::check(&gone);
        lost.extend(core_connection_cut::check(&gone));
        let lost = replay::of_change(&gone, lost).into_iter().next();
        found.extend(lost.map(|lost| policy_owner::owner_added(change, owner, lost)));
    }
}

/// OBP201.
pub(in crate::review) fn ingress_ceiling(write: &ZoneReview<'_>, found: &mut Vec<Finding>) {
    found.extend(ceiling(write, Direction::Ingress));
}

/// OBP202.
pub(in crate::review) fn egress_ceiling(write: &ZoneReview<'_>, found: &mut Vec<Finding>) {
    found.extend(ceiling(write, Direction::Egress));
}

fn ceiling(write: &ZoneReview<'_>, direction: Direction) -> Vec<Finding> {
    let change = &write.change;
    let mut found = beyond_ceiling::check(change, direction, &[]);
    let is_new = |finding: &Finding| finding.level == Level::Deny;
    if write.class == WriterClass::Stored && write.is_managed && found.iter().any(is_new) {
        // Computed only if needed: it takes as long as compiling the cluster.
        let of_zone = || elsewhere(write.compiled, change.cluster, change.zone);
        found = beyond_ceiling::check(change, direction, write.elsewhere.get_or_init(of_zone));
    }
    replay::of_change(change, found)
}

/// OBP203: other policies that leave open the pods which the write isolates.
pub(in crate::review) fn left_open(write: &ZoneReview<'_>, found: &mut Vec<Finding>) {
    let tunnels = &write.compiled.config.tunnel_ports;
    let left = left_open::check(&write.change).into_iter();
    found.extend(left.map(|(zone, policy, left)| replay::of_existing(zone, policy, left, tunnels)));
}

/// The managed policy of a zone as the operator renders it in each other baseline.
fn elsewhere(
    compiled: &CompiledSnapshot,
    cluster: &ClusterPerimeter,
    zone: &ZonePerimeter,
) -> Vec<(Baseline, Selected)> {
    let tunnels = &compiled.config.tunnel_ports;
    let rendered = other_shape::elsewhere(compiled, cluster, zone.pods).into_iter();
    let selected = rendered.filter_map(|(baseline, rendered)| {
        Some((baseline, Selected::of(&rendered, &zone.space, tunnels)?))
    });
    selected.collect()
}

/// The write as it applies to one zone.
pub(in crate::review) fn change<'a>(
    compiled: &'a CompiledSnapshot,
    cluster: &'a ClusterPerimeter,
    zone: &'a ZonePerimeter,
    written: &'a PolicyWrite<'a>,
    budget: &'a Cell<Budget>,
) -> PolicyChange<'a> {
    let edit = written.edit;
    let name = &edit.object.name;
    let tunnels = &compiled.config.tunnel_ports;
    let is_edited = |policy: &&Selected| policy.name == *name && !name.is_empty();
    let state = |fact: &'a Option<Fact<Policy>>, side: &WriteSide| {
        let policy = fact.as_ref().and_then(Fact::read);
        let select = |policy: &Arc<Policy>| {
            let regions = || Arc::new(PolicyRegions::of(policy, tunnels));
            Selected::with(policy, side.pods.as_ref()?, &zone.space, || {
                side.regions.get_or_init(regions).clone()
            })
        };
        Side {
            policy: policy.map(AsRef::as_ref),
            selected: policy.and_then(select),
        }
    };
    let mut before = state(&edit.before, &written.before);
    let is_managed = || {
        cluster
            .managed(name)
            .is_some_and(|managed| managed.pods == zone.pods)
    };
    if let (None, Some(rendered), true) = (&edit.before, &zone.rendered, is_managed()) {
        // A managed policy that does not exist counts as rendered.
        before = Side {
            policy: Some(rendered),
            selected: Selected::of(rendered, &zone.space, tunnels),
        };
    }
    PolicyChange {
        object: &edit.object,
        cluster,
        zone,
        config: &compiled.config,
        others: zone
            .selected
            .iter()
            .filter(|policy| !is_edited(policy))
            .collect(),
        before,
        after: state(&edit.after, &written.after),
        budget,
    }
}
