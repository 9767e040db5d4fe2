//! Policies of other kinds: which pods of which clusters they select (OBP404).

use super::cluster::ClusterReview;
use super::compiled::CompiledSnapshot;
use super::level;
use crate::baseline::{ClusterPerimeter, Zone, zone};
use crate::code::EnforcementPoint;
use crate::inventory::{
    Completeness, Fact, Kind, KindUse, Labels, NamespaceFacts, ObjectRef, OtherPolicy,
};
use crate::rules::Finding;
use crate::rules::policy_not_judged::{self, Pods, Selected, line, selected};
use netpol::pod_space::{OtherKeys, PodSpace};

/// The finding about one policy, if it selects pods of a cluster.
pub(super) fn of_policy(
    compiled: &CompiledSnapshot,
    object: &ObjectRef,
    policy: &Fact<OtherPolicy>,
    point: EnforcementPoint,
) -> Vec<Finding> {
    if is_decided(policy) {
        return Vec::new();
    }
    let perimeters = compiled.perimeters_near(&object.namespace);
    let pods: Vec<Pods<'_>> = perimeters
        .map(|perimeter| pods_of(compiled, perimeter))
        .collect();
    let selected: Vec<Selected<'_>> = pods
        .iter()
        .filter_map(|pods| selected(policy, pods))
        .collect();
    let found = policy_not_judged::of_policy(object, policy, &selected, point);
    level::of_state(&compiled.config, point, found.into_iter().collect())
}

/// Findings about the policies of a namespace, or about the cluster-scoped ones if it is empty.
pub(super) fn of_namespace(
    compiled: &CompiledSnapshot,
    namespace: &str,
    point: EnforcementPoint,
) -> Vec<Finding> {
    let Some(facts) = compiled.snapshot.namespace(namespace) else {
        return Vec::new();
    };
    let policies = facts.others();
    let of_policies =
        policies.flat_map(|(object, policy)| of_policy(compiled, &object, policy, point));
    let kinds = if namespace.is_empty() {
        unread(compiled, point)
    } else {
        Vec::new()
    };
    of_policies.chain(kinds).collect()
}

/// Findings about the kinds of which no object is known.
pub(super) fn unread(compiled: &CompiledSnapshot, point: EnforcementPoint) -> Vec<Finding> {
    let kinds = Kind::ALL.into_iter();
    let kinds = kinds.filter(|kind| kind.used_for() == KindUse::Seen);
    let found = kinds.filter_map(|kind| match compiled.snapshot.completeness(kind) {
        Completeness::Unread(unread) => Some(policy_not_judged::of_kind(kind, &unread, point)),
        _ => None,
    });
    level::of_state(&compiled.config, point, found.collect())
}

/// The policies that select pods of a cluster or of the operator and are not checked, each in one line.
pub(crate) fn lines(compiled: &CompiledSnapshot, perimeter: &ClusterPerimeter) -> Vec<String> {
    let pods = pods_of(compiled, perimeter);
    let near = near(compiled, perimeter.object.home());
    let near = near.filter(|(_, policy)| !is_decided(policy));
    near.filter_map(|(object, policy)| Some(line(&object, policy, &selected(policy, &pods)?)))
        .collect()
}

/// Existing policies that select pods of a new cluster.
pub(super) fn of_cluster(write: &ClusterReview<'_>, _: &[Finding]) -> Vec<Finding> {
    if write.edit.before.is_some() {
        return Vec::new();
    }
    let compiled = write.compiled;
    let facts = compiled.facts(&write.object.namespace);
    let restores: Vec<&Labels> = facts
        .map(|facts| facts.restore_labels(&write.object.name).collect())
        .unwrap_or_default();
    let zones = Zone::of_cluster(compiled.config.baseline).iter();
    let spaces: Vec<(Zone, PodSpace)> = zones
        .map(|pods| {
            let config = &compiled.config;
            let space = zone(*pods, write.after, &restores, config, OtherKeys::Absent);
            (*pods, space)
        })
        .collect();
    let pods = Pods {
        owner: write.object,
        namespace: compiled.snapshot.namespace_labels(&write.object.namespace),
        zones: spaces.iter().map(|(zone, space)| (*zone, space)).collect(),
    };
    let near = near(compiled, &write.object.namespace);
    let near = near.filter(|(_, policy)| !is_decided(policy));
    let found = near.filter_map(|(object, policy)| {
        let selected = selected(policy, &pods)?;
        Some((object, policy, selected))
    });
    let found: Vec<_> = found.collect();
    policy_not_judged::of_cluster(write.object, &found)
        .into_iter()
        .collect()
}

/// Returns true if the rules of a policy are compared with the perimeters, so that nothing has to be said of its
/// existence.
fn is_decided(policy: &Fact<OtherPolicy>) -> bool {
    policy.read().is_some_and(|policy| policy.ordered.is_some())
}

/// The policies that can select pods of a namespace: its own and the cluster-scoped ones.
fn near<'a>(
    compiled: &'a CompiledSnapshot,
    namespace: &str,
) -> impl Iterator<Item = (ObjectRef, &'a Fact<OtherPolicy>)> {
    let own = compiled.facts(namespace).into_iter();
    own.chain([&*compiled.snapshot.cluster_scoped])
        .flat_map(NamespaceFacts::others)
}

fn pods_of<'a>(compiled: &'a CompiledSnapshot, perimeter: &'a ClusterPerimeter) -> Pods<'a> {
    let zones = perimeter.zones.iter();
    Pods {
        owner: &perimeter.object,
        namespace: compiled.snapshot.namespace_labels(perimeter.object.home()),
        zones: zones.map(|zone| (zone.pods, &zone.space)).collect(),
    }
}
