//! OBP105: the operator's policy for pods of a cluster is missing, or no policy isolates them in a direction,
//! so that every connection is allowed. The finding is about a state, not about a write.

use crate::baseline::{ClusterPerimeter, Selected, Zone, ZonePerimeter, selector};
use crate::config::ReviewConfig;
use netpol::cover::{Budget, Exhausted};
use netpol::{Direction, LabelSet, Region};

use super::finding::witness;
use super::paste::paste_selector;
use super::policy_change::{everything, whole};
use super::proof::outside;
use super::text::pods_of;
use super::{Cause, Finding, Onset};

/// Treatment of a missing managed policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The operator will render it. Files for `check` need not contain it.
    Rendered,
    /// It does not exist.
    Absent,
}

/// A finding and its zone.
pub type Unisolated<'a> = (&'a ZonePerimeter, Finding);

/// One finding for all missing managed policies of a cluster, and one for each other zone and direction in
/// which some pods are not isolated. The operator's own pods, and clusters that are being deleted, are not
/// checked.
pub(crate) fn check<'a>(
    cluster: &'a ClusterPerimeter,
    config: &ReviewConfig,
    missing: Missing,
) -> Vec<Unisolated<'a>> {
    if !is_judged(cluster) {
        return Vec::new();
    }
    let is_gone = |zone: &&ZonePerimeter| missing == Missing::Absent && zone.missing.is_some();
    let (gone, others): (Vec<_>, Vec<_>) = cluster.zones.iter().partition(is_gone);
    let mut found: Vec<Unisolated<'a>> = of_missing(cluster, config, &gone).into_iter().collect();
    for zone in others {
        for direction in Direction::ALL {
            let finding = of_zone(cluster, config, zone, direction, missing);
            found.extend(finding.map(|finding| (zone, finding)));
        }
    }
    found
}

/// Returns true if the rule applies to a cluster.
pub(crate) fn is_judged(cluster: &ClusterPerimeter) -> bool {
    cluster.is_cluster() && !cluster.deleting
}

/// The policies of a zone that exist, or count as existing.
pub(crate) fn counted(zone: &ZonePerimeter, missing: Missing) -> impl Iterator<Item = &Selected> {
    let policies = zone.selected.iter();
    policies.filter(move |policy| !policy.rendered || missing == Missing::Rendered)
}

/// The finding that the operator's policies of these zones are missing, with a connection that is therefore
/// allowed.
fn of_missing<'a>(
    cluster: &'a ClusterPerimeter,
    config: &ReviewConfig,
    gone: &[&'a ZonePerimeter],
) -> Option<Unisolated<'a>> {
    let first = *gone.first()?;
    let mut open = gone.iter().flat_map(|zone| {
        Direction::ALL.into_iter().filter_map(move |direction| {
            let finding = of_zone(cluster, config, zone, direction, Missing::Absent)?;
            Some((*zone, finding))
        })
    });
    let open = open.next();
    let names = gone.iter().filter_map(|zone| zone.missing.as_deref());
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let (policies, are) = match names.len() {
        1 => ("NetworkPolicy", "is"),
        _ => ("NetworkPolicies", "are"),
    };
    let then = match &open {
        Some((_, finding)) => finding.reason.clone(),
        None => "other policies isolate the pods, so connections that only the missing policies permit are cut"
            .to_owned(),
    };
    let object = &cluster.object;
    let before = match first.pods {
        // The jobs' policy is first only if that of the servers exists.
        Zone::Jobs => " (an operator before 0.1 keeps none for jobs: set `baseline: classic`)",
        Zone::Workload | Zone::Controller => "",
    };
    let (zone, shown) = open.map_or((first, None), |(zone, finding)| (zone, finding.witness));
    let finding = Finding {
        cluster: Some(object.clone()),
        reason: format!(
            "{policies} {} of the operator {are} missing: {then}",
            names.join(" and ")
        ),
        witness: shown,
        help: format!(
            "find out why the operator does not keep {0}{before}: kubectl -n {1} describe openbaocluster {2}\nor {3}",
            if names.len() == 1 { "it" } else { "them" },
            object.namespace,
            object.name,
            isolating(cluster, zone, "Ingress, Egress"),
        ),
        ..Finding::of(Cause::ManagedPolicyMissing, Onset::Introduced, object, "")
    };
    Some((zone, finding))
}

fn of_zone(
    cluster: &ClusterPerimeter,
    config: &ReviewConfig,
    zone: &ZonePerimeter,
    direction: Direction,
    missing: Missing,
) -> Option<Finding> {
    let mut budget = Budget::new(config.proof_budget);
    let piece = match unisolated(zone, direction, missing, &mut budget) {
        Ok(piece) => Some(piece?),
        Err(_) => None,
    };
    let pods = pods_of(cluster, zone.pods);
    let policy_type = direction.policy_type();
    let shown = piece.as_ref().and_then(|piece| {
        let mut open = everything(&piece.subject).into_iter();
        let ceiling = || zone.ceiling_regions(direction);
        let region = open.find_map(|area| {
            outside(&zone.space, (&area).into(), ceiling(), &mut budget).ok()?
        })?;
        witness(direction, &zone.space, &region)
    });
    let reason = match (&piece, zone.unreadable.first()) {
        (None, _) => format!(
            "whether a policy isolates {pods} for {policy_type} could not be decided within {} steps",
            config.proof_budget
        ),
        (Some(_), None) => {
            format!("no policy isolates {pods} for {policy_type}, so every connection is open")
        }
        (Some(_), Some(broken)) => format!(
            "no policy that can be read isolates {pods} for {policy_type}; NetworkPolicy `{broken}` cannot be read \
             and may isolate them"
        ),
    };
    Some(Finding {
        cluster: Some(cluster.object.clone()),
        reason,
        witness: shown,
        help: format!(
            "find out why the operator keeps no policy for them, or {}",
            isolating(cluster, zone, policy_type)
        ),
        ..Finding::of(
            Cause::DefaultDenyAbsent,
            Onset::Introduced,
            &cluster.object,
            "",
        )
    })
}

/// The advice to isolate the pods of a zone with another policy.
fn isolating(cluster: &ClusterPerimeter, zone: &ZonePerimeter, types: &str) -> String {
    let selector = paste_selector(&selector(zone.pods, &cluster.object.name));
    format!(
        "isolate them with a policy of your own:\nspec:\n  podSelector:\n    {}\n  policyTypes: [{types}]",
        selector.replace('\n', "\n    ")
    )
}

/// A part of the zone that no policy isolates.
///
/// # Errors
/// The proof is out of budget.
pub fn unisolated(
    zone: &ZonePerimeter,
    direction: Direction,
    missing: Missing,
    budget: &mut Budget,
) -> Result<Option<Region>, Exhausted> {
    let isolating = counted(zone, missing).filter(|policy| policy.isolates(direction));
    let isolated = isolating.map(|policy| whole(&policy.part));
    outside(&zone.space, whole(&LabelSet::any()), isolated, budget)
}
