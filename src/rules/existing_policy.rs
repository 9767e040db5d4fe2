//! OBP203: after a cluster is created, or its pods or declarations change, an existing policy selects pods
//! and allows more than the ceiling.
//!
//! A creation, and an update that changes the zone (other pod labels), denies and names the policy. A
//! narrower ceiling warns. Managed policies that the operator will rewrite are not reported.
//!
//! Each rule of a policy is checked on its own, however large the policy is. If a policy may allow too much
//! because it cannot be read or proofs of it run out of budget, the result is undecided: OBP402, at the same
//! levels. A policy that allows too much only in one reading of an ambiguous block warns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::baseline::{Ceiling, ClusterPerimeter, Selected, ZonePerimeter};
use crate::config::ReviewConfig;
use crate::inventory::{Kind, ObjectRef};
use netpol::budget::{Budget, steps};
use netpol::cover::Exhausted;
use netpol::label::Values;
use netpol::{Direction, Region, RegionRef};

use super::finding::witness;
use super::proof::{SHOWN, outside};
use super::remedy::exclude;
use super::{Cause, Finding, Onset};

/// A finding, its zone and its policy.
pub type Violations<'a> = (&'a ZonePerimeter, &'a Selected, Finding);

/// Steps of the first attempt for each region. Ordinary regions need a few.
const FIRST: u32 = 20;

/// Findings about policies that violate the perimeter after the write. All share the budget: each region may
/// first take a few steps, so that a hard policy does not prevent decisions about others. The rest of the
/// budget is for regions that need more. Policies in `aside` are skipped: the operator rewrites them, or they
/// are checked separately.
pub fn check<'a>(
    object: &'a ObjectRef,
    config: &'a ReviewConfig,
    before: Option<&'a ClusterPerimeter>,
    after: &'a ClusterPerimeter,
    skipped: &BTreeSet<Arc<str>>,
    budget: &mut Budget,
) -> Vec<Violations<'a>> {
    let zones = after.zones.iter();
    let policies = zones.flat_map(|zone| {
        let selected = zone.selected.iter().chain(&zone.oversize);
        selected.map(move |policy| (zone, policy))
    });
    let foreign = policies.filter(|(_, policy)| !skipped.contains(&policy.name));
    let mut compare = |zone, policy, most| {
        // The budget is used up, and there may be many rules left.
        if budget.is_spent() {
            return Some(Comparison::Undecided);
        }
        let found = compare(zone, policy, budget, most);
        // The example connection is evaluated against the ceiling.
        let ceilings = zone.ceiling.iter().map(Ceiling::weight);
        if matches!(
            found,
            Some(Comparison::Certain(..) | Comparison::Possible(..))
        ) && !budget.spend(SHOWN + ceilings.sum::<usize>())
        {
            return Some(Comparison::Undecided);
        }
        found
    };
    let first: Vec<_> = foreign
        .map(|(zone, policy)| (zone, policy, compare(zone, policy, FIRST)))
        .collect();
    let decided = first.into_iter().filter_map(|(zone, policy, found)| {
        let found = match found {
            Some(Comparison::Undecided) => compare(zone, policy, u32::MAX),
            found => found,
        };
        let old = before.and_then(|before| before.zones.iter().find(|old| old.pods == zone.pods));
        let finding = of_policy(object, config, after, (old, zone), (policy, found?));
        Some((zone, policy, finding))
    });
    decided.collect()
}

/// Findings about policies of which only the name, or only the name and the selected pods, are known. It is
/// undecided what they allow.
pub fn undecided(
    object: &ObjectRef,
    before: Option<&ClusterPerimeter>,
    after: &ClusterPerimeter,
    skipped: &BTreeSet<Arc<str>>,
) -> Vec<Finding> {
    let mut onsets: BTreeMap<&Arc<str>, Onset> = BTreeMap::new();
    for zone in &after.zones {
        let old = before.and_then(|before| before.zones.iter().find(|old| old.pods == zone.pods));
        let old = old.filter(|old| zone.space.is_subset(&old.space));
        for name in &zone.unreadable {
            let is_known = old.is_some_and(|old| old.unreadable.contains(name));
            let onset = Onset::of(is_known);
            let is_judged = zone.oversize.iter().any(|policy| policy.name == *name);
            if !is_judged && !skipped.contains(name) {
                let known = onsets.entry(name).or_insert(onset);
                *known = onset.min(*known);
            }
        }
    }
    let finding = |(name, onset): (&Arc<str>, Onset)| Finding {
        cluster: Some(object.clone()),
        reason: format!(
            "NetworkPolicy `{name}` of the namespace may select the pods of {}, and what it opens to them cannot be \
             read",
            after.object
        ),
        help: format!("correct, split or delete NetworkPolicy `{name}` first"),
        ..Finding::of(Cause::Undecided, onset, object, "")
    };
    onsets.into_iter().map(finding).collect()
}

/// Result of comparing a policy with the ceiling.
enum Comparison {
    /// This part is outside of the ceiling in every reading.
    Certain(Direction, Region),
    /// This part is outside of the ceiling in some readings of its text.
    Possible(Direction, Region),
    /// The budget was not enough.
    Undecided,
}

fn of_policy(
    object: &ObjectRef,
    config: &ReviewConfig,
    cluster: &ClusterPerimeter,
    (old, zone): (Option<&ZonePerimeter>, &ZonePerimeter),
    (policy, found): (&Selected, Comparison),
) -> Finding {
    let known = old.is_some_and(|old| selected_as_much(old, zone, policy));
    let cause = match found {
        Comparison::Undecided => Cause::Undecided,
        Comparison::Certain(..) if known => Cause::CeilingNarrowed,
        Comparison::Certain(..) | Comparison::Possible(..) => Cause::ExistingPolicyBeyondCeiling,
    };
    let onset = Onset::of(known || matches!(found, Comparison::Possible(..)));
    let name = &policy.name;
    let witness = match &found {
        Comparison::Certain(direction, piece) | Comparison::Possible(direction, piece) => {
            witness(*direction, &zone.space, piece)
        }
        Comparison::Undecided => None,
    };
    let finding = Finding {
        cluster: Some(object.clone()),
        pods: vec![zone.pods],
        witness,
        help: format!("narrow or delete NetworkPolicy `{name}` first"),
        remedies: exclude(
            &ObjectRef {
                kind: Kind::NetworkPolicy,
                namespace: policy.policy.meta.namespace.clone(),
                name: name.clone(),
            },
            &policy.policy,
            &[zone.pods],
        )
        .into_iter()
        .collect(),
        ..Finding::of(cause, onset, object, "")
    };
    let policy = format!("NetworkPolicy `{name}` of the namespace");
    let (before, after) = match found {
        Comparison::Certain(..) => (
            format!("{policy} already opens "),
            " beyond the ceiling".to_owned(),
        ),
        Comparison::Possible(..) => (
            format!("{policy} may open "),
            " beyond the ceiling, as some parsers read it".to_owned(),
        ),
        Comparison::Undecided => (
            format!("whether {policy} opens "),
            format!(
                " beyond the ceiling could not be decided within {} steps",
                config.proof_budget
            ),
        ),
    };
    finding.about_pods(&before, cluster, &after)
}

/// Returns true if the policy selected at least this part of the zone before the write, so that the violation
/// is not due to other pod labels. If any value of a label was possible before, as in a cluster that could
/// not be read, the current pods were included.
fn selected_as_much(old: &ZonePerimeter, zone: &ZonePerimeter, policy: &Selected) -> bool {
    let mut selected = old.selected.iter().chain(&old.oversize);
    let same = selected.find(|known| known.name == policy.name);
    same.is_some_and(|known| {
        let unknown = known.part.constrained().map(|(key, _)| key);
        let unknown = unknown.filter(|key| old.space.values(key) == Values::any());
        let part = zone.space.written_out(&policy.part, unknown);
        part.is_subset(&known.part)
    })
}

/// The violation of the ceiling by a policy; `None` if there is none. No region may take more than `most`
/// steps.
fn compare(
    zone: &ZonePerimeter,
    policy: &Selected,
    budget: &mut Budget,
    most: u32,
) -> Option<Comparison> {
    let (mut perhaps, mut undecided) = (None, None);
    for direction in Direction::ALL {
        let ceiling = &zone.ceiling[direction as usize];
        let most = most.saturating_add(steps(ceiling.weight()));
        let mut outside = |region: RegionRef<'_>| {
            let piece = budget.within(most, |budget| beyond(zone, direction, region, budget));
            if piece.is_err() {
                undecided = Some(Comparison::Undecided);
            }
            piece.ok().flatten()
        };
        for rule in policy.rules(direction) {
            if let Some(piece) = rule.unambiguous_must_first().find_map(&mut outside) {
                return Some(Comparison::Certain(direction, piece));
            }
            let piece = rule.ambiguous().find_map(&mut outside);
            perhaps = perhaps.or(piece.map(|piece| Comparison::Possible(direction, piece)));
        }
    }
    undecided.or(perhaps)
}

/// The first part of a region in no entry of the ceiling.
fn beyond(
    zone: &ZonePerimeter,
    direction: Direction,
    region: RegionRef<'_>,
    budget: &mut Budget,
) -> Result<Option<Region>, Exhausted> {
    let ceiling = &zone.ceiling[direction as usize];
    if !budget.spend(ceiling.to_look_at(region)) {
        return Err(Exhausted::default());
    }
    if ceiling.holder(region).is_some() {
        return Ok(None);
    }
    outside(&zone.space, region, ceiling.touching(region), budget)
}
