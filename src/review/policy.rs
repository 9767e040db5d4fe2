//! The review of a NetworkPolicy write: one case for each zone that is judged.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::advice;
use super::level::WriterClass;
use super::merged::Merged;
use super::metadata;
use super::replay;
use super::request::{Edit, Operation, Request};
use super::world::World;
use super::written::{Side, Written};
use crate::baseline::{ClusterPerimeter, PolicyRegions, Selected, ZonePerimeter};
use crate::code::Door;
use crate::inventory::{Fact, Kind, ObjectRef, Policy, Unreadable};
use crate::posture::{Edition, Posture};
use crate::rules::case::{Case, State};
use crate::rules::certificate::{self, Certificate};
use crate::rules::policy_owner::{self, Owners};
use crate::rules::{
    Code, Finding, Level, ambiguous_cidr, beyond_ceiling, core_connection_cut, input,
    isolation_lost, left_open, managed_policy, size,
};
use netpol::LabelSet;
use netpol::cover::Budget;
use netpol::rule::Rule;

/// All findings about a policy write.
pub(super) fn findings(
    world: &World,
    request: &Request,
    class: WriterClass,
    edit: &Edit<Policy>,
    budget: &Cell<Budget>,
) -> Vec<Finding> {
    let perimeters = world.perimeters(&edit.object.namespace);
    let mut findings = Vec::new();
    // Where there is no cluster, no perimeter can be hurt.
    let is_guarded = !perimeters.is_empty();
    let level = if is_guarded { Level::Deny } else { Level::Warn };
    let stored = deleted(world, edit);
    let edit = match &stored {
        Deleted::AsSaid => edit,
        Deleted::Stored(edit) => edit,
        Deleted::Unknown(broken) => return input::unreadable(&edit.object, broken, level),
    };
    if let Some(Fact::Unreadable(broken)) = &edit.after {
        findings.extend(input::unreadable(&edit.object, broken, level));
    }
    if is_guarded {
        findings.extend(advice::of_policy(request.door, edit));
    }
    if !concerns(perimeters, edit) {
        return findings;
    }
    findings.extend(owners_of_managed(world, perimeters, edit));
    let read = |fact: &'_ Option<Fact<Policy>>| fact.as_ref().and_then(Fact::read).cloned();
    let (before, after) = (read(&edit.before), read(&edit.after));
    if let Some(after) = &after {
        let too_large = size::check(&edit.object, after, &world.posture.caps);
        if !too_large.is_empty() {
            // No proof is tried, so nothing else can be said of it.
            findings.extend(too_large);
            findings.extend(unproved_owners(perimeters, edit));
            return findings;
        }
        findings.extend(ambiguous_cidr::in_policy(
            &edit.object,
            after,
            before.as_deref(),
        ));
    }
    if matches!(edit.after, Some(Fact::Unreadable(_))) {
        findings.extend(unproved_owners(perimeters, edit));
    }
    findings.extend(neighbours(world, edit));
    let written = Written::of(edit);
    let zones = perimeters.iter().map(|cluster| cluster.zones.len());
    let mut left = budget.get();
    let is_enough = left.look(written.weight().saturating_mul(zones.sum()));
    budget.set(left);
    if !is_enough {
        findings.push(unselected(edit, world.posture.proof_budget));
        return findings;
    }
    for cluster in perimeters {
        if let Some(version) = &cluster.unread_version {
            findings.extend(of_unread(world, request, cluster, version, edit));
            continue;
        }
        let cluster = with_observed(world, class, cluster, edit);
        findings.extend(of_cluster(
            world, request, class, &cluster, &written, budget,
        ));
    }
    findings
}

/// The finding that it could not be told which pods the policy selects.
fn unselected(edit: &Edit<Policy>, steps: u32) -> Finding {
    Finding {
        reason: format!(
            "which pods of the clusters of the namespace it selects could not be decided within {steps} steps"
        ),
        help: "select pods by fewer labels and values".to_owned(),
        ..Finding::new(Code::Obp402, Level::Deny, &edit.object, "spec.podSelector")
    }
}

/// The finding about a policy that may select pods of a cluster of which only the name is known. The audit has none:
/// it says the same of the cluster itself.
fn of_unread(
    world: &World,
    request: &Request,
    cluster: &ClusterPerimeter,
    version: &str,
    edit: &Edit<Policy>,
) -> Option<Finding> {
    let is_managed = cluster.managed(&edit.object.name).is_some();
    let goes_with_it = is_managed && request.operation == Operation::Delete;
    if request.door == Door::Audit
        || goes_with_it && may_go(world, cluster)
        || !concerns(std::slice::from_ref(cluster), edit)
    {
        return None;
    }
    let finding = input::unread_cluster(&edit.object, &cluster.object, version);
    // By labels and owners the operator finds its policy, and the garbage collector deletes one.
    let changes_hands = metadata::may_leave_its_manager(request, world.posture.baseline)
        || metadata::changes_owners(edit);
    Some(if changes_hands {
        Finding {
            path: "metadata".to_owned(),
            ..finding
        }
    } else {
        finding
    })
}

/// What a write deletes.
enum Deleted {
    /// Nothing, or what the request says.
    AsSaid,
    /// The policy of that name in the facts: the request has it not, or it cannot be read.
    Stored(Box<Edit<Policy>>),
    /// Neither the request nor the facts say.
    Unknown(Arc<Unreadable>),
}

fn deleted(world: &World, edit: &Edit<Policy>) -> Deleted {
    let (Some(Fact::Unreadable(broken)), None) = (&edit.before, &edit.after) else {
        return Deleted::AsSaid;
    };
    let facts = world.facts(&edit.object.namespace);
    match facts.and_then(|facts| facts.policies.get(&edit.object.name)) {
        Some(stored @ Fact::Read(_)) => Deleted::Stored(Box::new(Edit {
            before: Some(stored.clone()),
            ..edit.clone()
        })),
        // Nothing that it says was counted on.
        Some(Fact::Unreadable(_)) => Deleted::AsSaid,
        None if broken.too_large.is_some() => Deleted::AsSaid,
        None if facts.is_some_and(|facts| facts.stubs.contains_key(&edit.object.name)) => {
            Deleted::AsSaid
        }
        None => Deleted::Unknown(Arc::clone(broken)),
    }
}

/// Warnings about other objects of the namespace that cannot be read: they are not counted on, and
/// never stop this write by themselves.
fn neighbours(world: &World, edit: &Edit<Policy>) -> Vec<Finding> {
    let namespace = &edit.object.namespace;
    let clusters = world.facts(namespace).into_iter();
    let clusters = clusters.flat_map(|facts| facts.clusters.iter());
    let partly: Vec<Finding> = clusters
        .clone()
        .filter_map(|(_, cluster)| cluster.read()?.broken.as_ref())
        .map(|broken| input::partly_read(broken))
        .collect();
    let clusters = clusters
        .filter(|(_, cluster)| cluster.read().is_none() && cluster.unread_version().is_none())
        .map(|(name, _)| (Kind::OpenBaoCluster, name));
    let zones = world.perimeters(namespace).iter();
    let zones = zones.flat_map(|cluster| &cluster.zones);
    let policies: BTreeSet<&Arc<str>> = zones.flat_map(|zone| &zone.unreadable).collect();
    let policies = policies
        .into_iter()
        .filter(|name| **name != edit.object.name)
        .map(|name| (Kind::NetworkPolicy, name));
    let reference = |(kind, name): (Kind, &Arc<str>)| ObjectRef {
        kind,
        namespace: namespace.clone(),
        name: name.clone(),
    };
    let others = clusters.chain(policies).map(reference);
    let others = others.map(|object| input::neighbour(&object));
    partly.into_iter().chain(others).collect()
}

/// Whether the policy is or was a managed one, or selects a pod of a judged zone. A policy that
/// cannot be read may select any.
pub(super) fn concerns(perimeters: &[ClusterPerimeter], edit: &Edit<Policy>) -> bool {
    let facts = || edit.before.iter().chain(&edit.after);
    let selects: Vec<LabelSet> = facts()
        .filter_map(|fact| fact.read()?.pods.label_set())
        .collect();
    let is_unreadable = facts().any(|fact| fact.read().is_none());
    let is_managed = |cluster: &ClusterPerimeter| cluster.managed(&edit.object.name).is_some();
    let is_selected = |zone: &ZonePerimeter| {
        let mut selects = selects.iter();
        is_unreadable || selects.any(|pods| zone.zone.select(pods).is_some())
    };
    perimeters
        .iter()
        .any(|cluster| is_managed(cluster) || cluster.zones.iter().any(is_selected))
}

/// The owners of the written policy; `None` where none is written.
fn owners(edit: &Edit<Policy>) -> Option<Owners<'_>> {
    Some(Owners {
        object: &edit.object,
        before: edit.before.as_ref().map(Fact::<Policy>::meta),
        after: edit.after.as_ref()?.meta(),
    })
}

/// Findings about the owners of a managed policy, also of one that cannot be read otherwise.
fn owners_of_managed(
    world: &World,
    perimeters: &[ClusterPerimeter],
    edit: &Edit<Policy>,
) -> Vec<Finding> {
    let managing = perimeters
        .iter()
        .filter(|cluster| cluster.unread_version.is_none())
        .filter(|cluster| cluster.managed(&edit.object.name).is_some());
    let of_cluster = |cluster: &ClusterPerimeter| {
        let owners = owners(edit);
        owners.map(|owners| policy_owner::of_managed(&owners, cluster, world.posture.baseline))
    };
    managing.filter_map(of_cluster).flatten().collect()
}

/// Findings about new owners of a policy of which nothing can be proved.
fn unproved_owners(perimeters: &[ClusterPerimeter], edit: &Edit<Policy>) -> Vec<Finding> {
    let mut others = perimeters
        .iter()
        .filter(|cluster| cluster.unread_version.is_none())
        .filter(|cluster| cluster.managed(&edit.object.name).is_none());
    let found = others.find_map(|cluster| policy_owner::unproved(&owners(edit)?, cluster));
    found.into_iter().collect()
}

/// The cluster's perimeter, in which a managed policy that is being written may itself show the API
/// server's address where nothing else names it.
pub(super) fn with_observed<'a>(
    world: &World,
    class: WriterClass,
    cluster: &'a ClusterPerimeter,
    edit: &Edit<Policy>,
) -> Cow<'a, ClusterPerimeter> {
    let known =
        !world.snapshot.api_server.is_empty() || !world.posture.api_server_addresses.is_empty();
    if known || cluster.managed(&edit.object.name).is_none() {
        return Cow::Borrowed(cluster);
    }
    let after = edit
        .after
        .as_ref()
        .filter(|_| class == WriterClass::Operator);
    let shown = edit.before.iter().chain(after).filter_map(Fact::read);
    let observed: Vec<Rule> = shown.flat_map(|policy| policy.egress.clone()).collect();
    let recompiled = world.facts(&cluster.object.namespace).and_then(|facts| {
        let fact = facts.clusters.get(&cluster.object.name)?;
        let regions = world.regions(&cluster.object.namespace, facts);
        Some(ClusterPerimeter::of(
            fact,
            (facts, &regions),
            &world.posture,
            &[],
            &observed,
        ))
    });
    recompiled.map_or(Cow::Borrowed(cluster), Cow::Owned)
}

fn of_cluster(
    world: &World,
    request: &Request,
    class: WriterClass,
    cluster: &ClusterPerimeter,
    written: &Written<'_>,
    budget: &Cell<Budget>,
) -> Vec<Finding> {
    let managed = cluster.managed(&written.edit.object.name);
    if managed.is_some() && request.operation == Operation::Delete && may_go(world, cluster) {
        return Vec::new();
    }
    let mut merged = Merged::default();
    for zone in &cluster.zones {
        let of_zone = of_zone(world, request, class, cluster, zone, written, budget);
        merged.add(of_zone, cluster);
    }
    merged.findings
}

/// What the acceptance of the written policy's rules rests on.
pub(super) fn certificates(world: &World, edit: &Edit<Policy>) -> Vec<Certificate> {
    let perimeters = world.perimeters(&edit.object.namespace).iter();
    let zones =
        perimeters.flat_map(|cluster| cluster.zones.iter().map(move |zone| (cluster, zone)));
    let budget = Cell::new(Budget::new(world.posture.proof_budget));
    let written = Written::of(edit);
    zones
        .flat_map(|(cluster, zone)| {
            certificate::certificates(&case(world, cluster, zone, &written, &budget))
        })
        .collect()
}

/// A managed policy may be deleted with its cluster or its namespace.
fn may_go(world: &World, cluster: &ClusterPerimeter) -> bool {
    let namespace = world
        .facts(&cluster.object.namespace)
        .and_then(|facts| facts.namespace.as_ref());
    cluster.deleting
        || namespace
            .and_then(Fact::read)
            .is_some_and(|namespace| namespace.terminating)
}

fn of_zone(
    world: &World,
    request: &Request,
    class: WriterClass,
    cluster: &ClusterPerimeter,
    zone: &ZonePerimeter,
    written: &Written<'_>,
    budget: &Cell<Budget>,
) -> Vec<Finding> {
    let mut case = case(world, cluster, zone, written, budget);
    let managed = cluster.managed(&case.object.name);
    let is_managed = managed.is_some_and(|managed| managed.pods == zone.pods);
    let mut findings = core_connection_cut::check(&case);
    findings.extend(isolation_lost::check(&case));
    let mut beyond = beyond_ceiling::check(&case);
    let is_new = |finding: &Finding| finding.level == Level::Deny;
    if class == WriterClass::Stored && is_managed && beyond.iter().any(is_new) {
        // Worked out only where it matters: it takes as long as to compile the cluster.
        case.elsewhere = elsewhere(world, cluster, zone);
        beyond = beyond_ceiling::check(&case);
    }
    findings.extend(beyond);
    // What the managed policy's own rules say rests on connections that were replayed already.
    let mut findings = replay::of_case(&case, findings);
    let left = left_open::check(&case).into_iter();
    let tunnels = &world.posture.tunnel_ports;
    findings
        .extend(left.map(|(zone, policy, left)| replay::of_existing(zone, policy, left, tunnels)));
    if managed.is_none()
        && let Some(owner) = policy_owner::newcomer(&case)
    {
        let gone = case.collected();
        let mut lost = isolation_lost::check(&gone);
        lost.extend(core_connection_cut::check(&gone));
        let lost = replay::of_case(&gone, lost).into_iter().next();
        findings.extend(lost.map(|lost| policy_owner::given_away(&case, owner, lost)));
    }
    match (is_managed, request.operation) {
        (false, _) => {}
        (true, Operation::Delete) => findings = managed_policy::deleted(&case, findings),
        (true, _) => findings.extend(managed_policy::retargeted(&case)),
    }
    findings
}

/// The managed policy of a zone as the operator renders it under each other baseline.
fn elsewhere(
    world: &World,
    cluster: &ClusterPerimeter,
    zone: &ZonePerimeter,
) -> Vec<(Edition, Selected)> {
    let Some(facts) = world.facts(&cluster.object.namespace) else {
        return Vec::new();
    };
    let Some(fact) = facts.clusters.get(&cluster.object.name) else {
        return Vec::new();
    };
    let regions = world.regions(&cluster.object.namespace, facts);
    let others = Edition::ALL.into_iter();
    let others = others.filter(|edition| *edition != world.posture.baseline);
    let rendered = others.filter_map(|baseline| {
        let posture = Posture {
            baseline,
            ..Posture::clone(&world.posture)
        };
        let api_server = &world.snapshot.api_server;
        let beside = (facts, &*regions);
        let cluster = ClusterPerimeter::of(fact, beside, &posture, api_server, &[]);
        let mut zones = cluster.zones.into_iter();
        let rendered = zones.find(|other| other.pods == zone.pods)?.rendered?;
        let tunnels = &world.posture.tunnel_ports;
        Some((baseline, Selected::of(&rendered, &zone.zone, tunnels)?))
    });
    rendered.collect()
}

/// The write as it concerns one zone.
pub(super) fn case<'a>(
    world: &'a World,
    cluster: &'a ClusterPerimeter,
    zone: &'a ZonePerimeter,
    written: &'a Written<'a>,
    budget: &'a Cell<Budget>,
) -> Case<'a> {
    let edit = written.edit;
    let name = &edit.object.name;
    let tunnels = &world.posture.tunnel_ports;
    let is_edited = |policy: &&Selected| policy.name == *name && !name.is_empty();
    let state = |fact: &'a Option<Fact<Policy>>, side: &Side| {
        let policy = fact.as_ref().and_then(Fact::read);
        let select = |policy: &Arc<Policy>| {
            let regions = || Arc::new(PolicyRegions::of(policy, tunnels));
            Selected::with(policy, side.pods.as_ref()?, &zone.zone, || {
                side.regions.get_or_init(regions).clone()
            })
        };
        State {
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
        before = State {
            policy: Some(rendered),
            selected: Selected::of(rendered, &zone.zone, tunnels),
        };
    }
    Case {
        object: &edit.object,
        cluster,
        zone,
        posture: &world.posture,
        others: zone
            .selected
            .iter()
            .filter(|policy| !is_edited(policy))
            .collect(),
        before,
        after: state(&edit.after, &written.after),
        elsewhere: Vec::new(),
        budget,
    }
}
