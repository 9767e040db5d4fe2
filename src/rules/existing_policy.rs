//! OBP203: a new cluster, or one whose pods or declarations change, brings an existing policy to
//! bear that lets through more than the ceiling permits.
//!
//! A create, and an update that moves the zone (other pod labels), denies and names the policy. A
//! narrowed ceiling warns. Managed policies are never named: the operator rewrites them. A policy
//! that is hard, unreadable or ambiguous belongs to somebody else and only ever warns here.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::baseline::{ClusterPerimeter, Selected, ZonePerimeter};
use crate::inventory::ObjectRef;
use crate::perimeter::cover::{Budget, Exhausted, uncovered};
use crate::perimeter::label::Values;
use crate::perimeter::{Direction, Region, witness};
use crate::posture::Posture;

use super::text::pods_of;
use super::{Code, Finding, Level};

/// A finding, with the policy and the zone that it is about.
pub type Pierced<'a> = (&'a ZonePerimeter, &'a Selected, Finding);

/// Findings about policies that pierce the perimeter as it is after the write.
pub fn check<'a>(
    object: &'a ObjectRef,
    posture: &'a Posture,
    before: Option<&'a ClusterPerimeter>,
    after: &'a ClusterPerimeter,
) -> impl Iterator<Item = Pierced<'a>> {
    after.zones.iter().flat_map(move |zone| {
        let old = before.and_then(|before| before.zones.iter().find(|old| old.pods == zone.pods));
        let foreign = zone
            .selected
            .iter()
            .filter(|policy| after.managed(&policy.name).is_none());
        foreign.filter_map(move |policy| {
            let finding = of_policy(object, posture, after, (old, zone), policy)?;
            Some((zone, policy, finding))
        })
    })
}

/// Warnings about policies that cannot be read or are too large to be proved: what they open to the
/// cluster's pods is not known.
pub fn unjudged<'a>(
    object: &'a ObjectRef,
    after: &'a ClusterPerimeter,
) -> impl Iterator<Item = Finding> {
    let names: BTreeSet<&Arc<str>> = after
        .zones
        .iter()
        .flat_map(|zone| &zone.unreadable)
        .collect();
    let foreign = names
        .into_iter()
        .filter(|name| after.managed(name).is_none());
    foreign.map(|name| Finding {
        reason: format!(
            "NetworkPolicy `{name}` of the namespace cannot be read, or is too large to be proved, so what it opens \
             is not known"
        ),
        help: format!("correct or split NetworkPolicy `{name}`"),
        ..Finding::new(Code::Obp203, Level::Warn, object, "")
    })
}

/// What became of holding a policy against the ceiling.
enum Pierce {
    /// This part of it is surely beyond the ceiling.
    Surely(Direction, Region),
    /// This part of it is, as some parsers read its text.
    Perhaps(Direction, Region),
    /// Nobody knows within the budget.
    Undecided,
}

fn of_policy(
    object: &ObjectRef,
    posture: &Posture,
    cluster: &ClusterPerimeter,
    (old, zone): (Option<&ZonePerimeter>, &ZonePerimeter),
    policy: &Selected,
) -> Option<Finding> {
    let found = pierce(posture, zone, policy)?;
    let known = old.is_some_and(|old| selected_as_much(old, zone, policy));
    let level = match found {
        Pierce::Surely(..) if !known => Level::Deny,
        Pierce::Surely(..) | Pierce::Perhaps(..) | Pierce::Undecided => Level::Warn,
    };
    let name = &policy.name;
    let pods = pods_of(cluster, zone.pods);
    let witness = match &found {
        Pierce::Surely(direction, piece) | Pierce::Perhaps(direction, piece) => {
            witness::connection(*direction, &zone.zone, piece)
        }
        Pierce::Undecided => None,
    };
    Some(Finding {
        cluster: Some(object.clone()),
        reason: reason(posture, name, &pods, &found),
        witness,
        help: format!(
            "narrow or delete NetworkPolicy `{name}` first, or take the OpenBao pods out of it, under \
             spec.podSelector.matchExpressions:\n- key: openbao.org/cluster\n  operator: DoesNotExist"
        ),
        ..Finding::new(Code::Obp203, level, object, "")
    })
}

/// What a policy does or may do to the pods.
fn reason(posture: &Posture, name: &str, pods: &str, found: &Pierce) -> String {
    match found {
        Pierce::Surely(..) => {
            format!(
                "NetworkPolicy `{name}` of the namespace already opens {pods} beyond the ceiling"
            )
        }
        Pierce::Perhaps(..) => format!(
            "NetworkPolicy `{name}` of the namespace may open {pods} beyond the ceiling, as some parsers read it"
        ),
        Pierce::Undecided => format!(
            "whether NetworkPolicy `{name}` of the namespace opens {pods} beyond the ceiling could not be decided \
             within {} steps",
            posture.proof_budget
        ),
    }
}

/// Whether the policy selected at least this part of the zone before the write, so that what pierces
/// now did not come with other pod labels. Where any value of a label was possible before, as in a
/// cluster that could not be read, the pods as they are now were among those.
fn selected_as_much(old: &ZonePerimeter, zone: &ZonePerimeter, policy: &Selected) -> bool {
    let same = old.selected.iter().find(|known| known.name == policy.name);
    same.is_some_and(|known| {
        let unknown = known.part.constrained().map(|(key, _)| key);
        let unknown = unknown.filter(|key| old.zone.values(key) == Values::any());
        let part = zone.zone.written_out(&policy.part, unknown);
        part.is_subset(&known.part)
    })
}

/// How a policy pierces the ceiling; `None` where it stays within.
fn pierce(posture: &Posture, zone: &ZonePerimeter, policy: &Selected) -> Option<Pierce> {
    let (mut perhaps, mut undecided) = (None, None);
    for direction in Direction::ALL {
        let ceiling: Vec<&Region> = zone
            .ceiling(direction)
            .iter()
            .map(|entry| &entry.region)
            .collect();
        let outside = |region: &Region| {
            let mut budget = Budget::new(posture.proof_budget);
            outside(zone, &ceiling, region, &mut budget)
        };
        for rule in &policy.rules[direction as usize] {
            for region in rule.must() {
                match outside(region) {
                    Ok(Some(piece)) => return Some(Pierce::Surely(direction, piece)),
                    Ok(None) => {}
                    Err(_) => undecided = Some(Pierce::Undecided),
                }
            }
            let mut doubtful = rule.doubtful().iter();
            let piece = doubtful.find_map(|region| outside(region).ok().flatten());
            perhaps = perhaps.or(piece.map(|piece| Pierce::Perhaps(direction, piece)));
        }
    }
    perhaps.or(undecided)
}

/// A part of a region of the zone that none of `covers` holds.
pub(super) fn outside(
    zone: &ZonePerimeter,
    covers: &[&Region],
    region: &Region,
    budget: &mut Budget,
) -> Result<Option<Region>, Exhausted> {
    let keys = covers
        .iter()
        .flat_map(|cover| cover.subject.constrained().map(|(key, _)| key));
    let area = Region {
        subject: zone.zone.written_out(&region.subject, keys),
        ..region.clone()
    };
    uncovered(&area, covers, budget)
}
