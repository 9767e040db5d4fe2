//! OBP105: pods of a cluster are not isolated in a direction, so that every connection is open to
//! them there. A statement about what is, not about a write.

use crate::baseline::{ClusterPerimeter, Selected, ZonePerimeter, selector};
use crate::perimeter::cover::{Budget, Exhausted};
use crate::perimeter::{Direction, LabelSet, Region, witness};
use crate::posture::Posture;

use super::case::{everything, subject_only};
use super::existing_policy::outside;
use super::paste::paste_selector;
use super::text::pods_of;
use super::{Code, Finding, Harm, Level};

/// What a managed policy counts as that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The operator will render it: the files of a check need not hold it.
    Rendered,
    /// It is not there now.
    Absent,
}

/// A finding, with the zone that it is about.
pub type Bare<'a> = (&'a ZonePerimeter, Finding);

/// One finding for each zone and direction of a cluster in which some pods are not isolated. Nothing
/// is said of the operator's own pods, and of a cluster that is being deleted.
pub fn check<'a>(
    cluster: &'a ClusterPerimeter,
    posture: &'a Posture,
    missing: Missing,
) -> impl Iterator<Item = Bare<'a>> {
    let is_judged = is_judged(cluster);
    let zones = cluster.zones.iter().filter(move |_| is_judged);
    zones.flat_map(move |zone| {
        Direction::ALL.into_iter().filter_map(move |direction| {
            let finding = of_zone(cluster, posture, zone, direction, missing)?;
            Some((zone, finding))
        })
    })
}

/// Whether the rule says anything of a cluster.
pub fn is_judged(cluster: &ClusterPerimeter) -> bool {
    cluster.is_cluster() && !cluster.deleting
}

/// The policies of a zone that are there, or count as if they were.
pub fn counted(zone: &ZonePerimeter, missing: Missing) -> impl Iterator<Item = &Selected> {
    let policies = zone.selected.iter();
    policies.filter(move |policy| !policy.rendered || missing == Missing::Rendered)
}

fn of_zone(
    cluster: &ClusterPerimeter,
    posture: &Posture,
    zone: &ZonePerimeter,
    direction: Direction,
    missing: Missing,
) -> Option<Finding> {
    let mut budget = Budget::new(posture.proof_budget);
    let piece = match bare(zone, direction, missing, &mut budget) {
        Ok(piece) => Some(piece?),
        Err(_) => None,
    };
    let pods = pods_of(cluster, zone.pods);
    let policy_type = direction.policy_type();
    let shown = piece.as_ref().and_then(|piece| {
        let ceiling = zone.ceiling(direction).iter();
        let ceiling: Vec<&Region> = ceiling.map(|entry| &entry.region).collect();
        let mut open = everything(&piece.subject).into_iter();
        let region = open.find_map(|area| outside(zone, &ceiling, &area, &mut budget).ok()?)?;
        witness::connection(direction, &zone.zone, &region)
    });
    let reason = match (&piece, zone.unreadable.first()) {
        (None, _) => format!(
            "whether a policy isolates {pods} for {policy_type} could not be decided within {} steps",
            posture.proof_budget
        ),
        (Some(_), None) => {
            format!("no policy isolates {pods} for {policy_type}, so every connection is open")
        }
        (Some(_), Some(broken)) => format!(
            "no policy that can be judged isolates {pods} for {policy_type}; NetworkPolicy `{broken}` cannot be \
             judged, and may"
        ),
    };
    let selector = paste_selector(&selector(zone.pods, &cluster.object.name));
    Some(Finding {
        level: Level::Audit,
        harm: Harm::New,
        cluster: Some(cluster.object.clone()),
        reason,
        witness: shown,
        help: format!(
            "see why the operator keeps no policy for them, or isolate them by one of your own:\nspec:\n  \
             podSelector:\n    {}\n  policyTypes: [{policy_type}]",
            selector.replace('\n', "\n    ")
        ),
        ..Finding::new(Code::Obp105, Level::Audit, &cluster.object, "")
    })
}

/// A part of the zone that no policy isolates.
///
/// # Errors
/// The proof is out of budget.
pub fn bare(
    zone: &ZonePerimeter,
    direction: Direction,
    missing: Missing,
    budget: &mut Budget,
) -> Result<Option<Region>, Exhausted> {
    let isolating = counted(zone, missing).filter(|policy| policy.isolates(direction));
    let isolated: Vec<Region> = isolating
        .map(|policy| subject_only(policy.part.clone()))
        .collect();
    let covers: Vec<&Region> = isolated.iter().collect();
    outside(zone, &covers, &subject_only(LabelSet::any()), budget)
}
