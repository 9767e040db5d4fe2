//! The review of a NetworkPolicy write, for each affected zone.

pub(super) mod zones;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::compiled::CompiledSnapshot;
use super::level::WriterClass;
use super::metadata;
use super::request::{Edit, Operation, Request};
use super::rules::{self, Check};
use super::written::PolicyWrite;
use crate::advice::without_effect;
use crate::baseline::{ClusterPerimeter, ZonePerimeter};
use crate::code::EnforcementPoint;
use crate::config::ReviewConfig;
use crate::inventory::{Fact, Kind, ObjectRef, Policy, Unreadable};
use crate::rules::policy_owner::{self, Owners};
use crate::rules::{Cause, Finding, Onset, Place, ambiguous_cidr, input, size};
use netpol::LabelSet;
use netpol::cover::Budget;

pub(super) use zones::{change, proofs, with_observed};
use zones::{may_go, of_cluster};

/// A policy write.
pub(super) struct PolicyReview<'a> {
    request: &'a Request,
    config: &'a ReviewConfig,
    edit: &'a Edit<Policy>,
    before: Option<&'a Policy>,
    /// The new policy, if proofs about it are tried.
    after: Option<&'a Policy>,
    /// The clusters of the namespace, if the policy concerns one of them.
    perimeters: &'a [ClusterPerimeter],
    /// True if the namespace has clusters.
    is_guarded: bool,
}

/// All findings about a policy write.
pub(super) fn findings(
    compiled: &CompiledSnapshot,
    request: &Request,
    class: WriterClass,
    edit: &Edit<Policy>,
    budget: &Cell<Budget>,
) -> Vec<Finding> {
    let perimeters = compiled.perimeters(&edit.object.namespace);
    let mut findings = Vec::new();
    // Without a cluster there is no perimeter.
    let is_guarded = !perimeters.is_empty();
    let onset = Onset::of(!is_guarded);
    let stored = deleted(compiled, edit);
    let edit = match &stored {
        Deleted::AsSaid => edit,
        Deleted::Stored(edit) => edit,
        Deleted::Unknown(broken) => return input::unreadable(&edit.object, broken, onset),
    };
    if let Some(Fact::Unreadable(broken)) = &edit.after {
        findings.extend(input::unreadable(&edit.object, broken, onset));
    }
    let is_concerned = concerns(perimeters, edit);
    let read = |fact: &'_ Option<Fact<Policy>>| fact.as_ref().and_then(Fact::read).cloned();
    let (before, after) = (read(&edit.before), read(&edit.after));
    let too_large = after.as_ref().filter(|_| is_concerned);
    let too_large = too_large.map(|after| size::check(&edit.object, after, &compiled.config.caps));
    let too_large = too_large.unwrap_or_default();
    let write = PolicyReview {
        request,
        config: &compiled.config,
        edit,
        before: before.as_deref(),
        after: after.as_deref().filter(|_| too_large.is_empty()),
        perimeters: if is_concerned { perimeters } else { &[] },
        is_guarded,
    };
    for check in rules::checks() {
        if let Check::Policy(check) = check {
            findings.extend(check(&write));
        }
    }
    if !is_concerned {
        return findings;
    }
    if !too_large.is_empty() {
        // No proof is tried, so there are no other findings.
        findings.extend(too_large);
        return findings;
    }
    findings.extend(neighbours(compiled, edit));
    let written = PolicyWrite::of(edit);
    let zones = perimeters.iter().map(|cluster| cluster.zones.len());
    let mut left = budget.get();
    let is_enough = left.spend(written.weight().saturating_mul(zones.sum()));
    budget.set(left);
    if !is_enough {
        findings.push(unselected(edit, compiled.config.proof_budget));
        return findings;
    }
    for cluster in perimeters {
        if let Some(version) = &cluster.unread_version {
            findings.extend(of_unread(compiled, request, cluster, version, edit));
            continue;
        }
        let cluster = with_observed(compiled, class, cluster, edit);
        findings.extend(of_cluster(
            compiled, request, class, &cluster, &written, budget,
        ));
    }
    findings
}

/// OBP104: the owners of a managed policy, and those of a policy about which nothing can be proved.
pub(super) fn owners(write: &PolicyReview<'_>) -> Vec<Finding> {
    let Some(owners) = owners_of(write.edit) else {
        return Vec::new();
    };
    let known = write.perimeters.iter();
    let known = known.filter(|cluster| cluster.unread_version.is_none());
    let is_managed =
        |cluster: &&ClusterPerimeter| cluster.managed(&write.edit.object.name).is_some();
    let (managing, others): (Vec<_>, Vec<_>) = known.partition(is_managed);
    let managed = managing
        .into_iter()
        .flat_map(|cluster| policy_owner::of_managed(&owners, cluster, write.config.baseline));
    let mut others = others.into_iter().filter(|_| write.after.is_none());
    let unproved = others.find_map(|cluster| policy_owner::unproved(&owners, cluster));
    managed.chain(unproved).collect()
}

/// OBP315.
pub(super) fn ambiguous(write: &PolicyReview<'_>) -> Vec<Finding> {
    match write.after {
        Some(after) if !write.perimeters.is_empty() => {
            ambiguous_cidr::in_policy(&write.edit.object, after, write.before)
        }
        _ => Vec::new(),
    }
}

/// OBP317, for users who write the policy. Stored objects are not checked.
pub(super) fn without_effect(write: &PolicyReview<'_>) -> Vec<Finding> {
    let is_stored = write.request.point == EnforcementPoint::Audit;
    match &write.edit.after {
        Some(Fact::Read(after)) if write.is_guarded && write.edit.spec_changed && !is_stored => {
            without_effect::in_policy(&write.edit.object, after, write.before)
        }
        _ => Vec::new(),
    }
}

/// The finding that the pods selected by the policy could not be determined.
fn unselected(edit: &Edit<Policy>, steps: u32) -> Finding {
    Finding {
        reason: format!(
            "which pods of the clusters of the namespace it selects could not be decided within {steps} steps"
        ),
        help: "select pods by fewer labels and values".to_owned(),
        ..Finding::of(
            Cause::Undecided,
            Onset::Introduced,
            &edit.object,
            "spec.podSelector",
        )
    }
}

/// The finding about a policy that may select pods of a cluster of which only the name is known. The audit
/// has none, since it reports the cluster itself.
fn of_unread(
    compiled: &CompiledSnapshot,
    request: &Request,
    cluster: &ClusterPerimeter,
    version: &str,
    edit: &Edit<Policy>,
) -> Option<Finding> {
    let is_managed = cluster.managed(&edit.object.name).is_some();
    let goes_with_it = is_managed && request.operation == Operation::Delete;
    if request.point == EnforcementPoint::Audit
        || goes_with_it && may_go(compiled, cluster)
        || !concerns(std::slice::from_ref(cluster), edit)
    {
        return None;
    }
    let finding = input::unread_cluster(&edit.object, &cluster.object, version);
    // The operator recognises its policy by labels and owners, and the garbage collector deletes by owners.
    let changes_hands = metadata::may_leave_its_manager(request, compiled.config.baseline)
        || metadata::changes_owners(edit);
    Some(if changes_hands {
        Finding {
            path: "metadata".to_owned(),
            place: Place::Metadata,
            ..finding
        }
    } else {
        finding
    })
}

/// The policy that a write deletes.
enum Deleted {
    /// None, or the one in the request.
    AsSaid,
    /// The policy of that name in the facts: it is missing or unreadable in the request.
    Stored(Box<Edit<Policy>>),
    /// It is in neither the request nor the facts.
    Unknown(Arc<Unreadable>),
}

fn deleted(compiled: &CompiledSnapshot, edit: &Edit<Policy>) -> Deleted {
    let (Some(Fact::Unreadable(broken)), None) = (&edit.before, &edit.after) else {
        return Deleted::AsSaid;
    };
    let facts = compiled.facts(&edit.object.namespace);
    match facts.and_then(|facts| facts.policies.get(&edit.object.name)) {
        Some(stored @ Fact::Read(_)) => Deleted::Stored(Box::new(Edit {
            before: Some(stored.clone()),
            ..edit.clone()
        })),
        // An unreadable policy was not relied on.
        Some(Fact::Unreadable(_)) => Deleted::AsSaid,
        None if broken.too_large.is_some() => Deleted::AsSaid,
        None if facts.is_some_and(|facts| facts.stubs.contains_key(&edit.object.name)) => {
            Deleted::AsSaid
        }
        None => Deleted::Unknown(Arc::clone(broken)),
    }
}

/// Warnings about other unreadable objects of the namespace. They are not relied on, and never deny this
/// write.
fn neighbours(compiled: &CompiledSnapshot, edit: &Edit<Policy>) -> Vec<Finding> {
    let namespace = &edit.object.namespace;
    let clusters = compiled.facts(namespace).into_iter();
    let clusters = clusters.flat_map(|facts| facts.clusters.iter());
    let partly: Vec<Finding> = clusters
        .clone()
        .filter_map(|(_, cluster)| cluster.read()?.broken.as_ref())
        .map(|broken| input::partly_read(broken))
        .collect();
    let clusters = clusters
        .filter(|(_, cluster)| cluster.read().is_none() && cluster.unread_version().is_none())
        .map(|(name, _)| (Kind::OpenBaoCluster, name));
    let zones = compiled.perimeters(namespace).iter();
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
    let others = others.map(|object| input::unreadable_policy(&object));
    partly.into_iter().chain(others).collect()
}

/// Returns true if the policy is or was a managed one, or selects a pod of a zone. A policy that cannot be
/// read may select any pod.
pub(super) fn concerns(perimeters: &[ClusterPerimeter], edit: &Edit<Policy>) -> bool {
    let facts = || edit.before.iter().chain(&edit.after);
    let selects: Vec<LabelSet> = facts()
        .filter_map(|fact| fact.read()?.pods.label_set())
        .collect();
    let is_unreadable = facts().any(|fact| fact.read().is_none());
    let is_managed = |cluster: &ClusterPerimeter| cluster.managed(&edit.object.name).is_some();
    let is_selected = |zone: &ZonePerimeter| {
        let mut selects = selects.iter();
        is_unreadable || selects.any(|pods| zone.space.select(pods).is_some())
    };
    perimeters
        .iter()
        .any(|cluster| is_managed(cluster) || cluster.zones.iter().any(is_selected))
}

/// The owners of the written policy; `None` if none is written.
fn owners_of(edit: &Edit<Policy>) -> Option<Owners<'_>> {
    Some(Owners {
        object: &edit.object,
        before: edit.before.as_ref().map(Fact::<Policy>::meta),
        after: edit.after.as_ref()?.meta(),
    })
}
