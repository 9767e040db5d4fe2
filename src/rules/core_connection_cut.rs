//! OBP101: a core connection is no longer allowed.

use super::policy_change::{PolicyChange, WriteState};
use super::proof::SHOWN;
use super::remedy::{Change, PolicyEdit, Rank, Remedy};
use super::text::pods_of;
use super::{Cause, Finding, Onset};
use crate::baseline::{Entry, SelectedRule};
use netpol::cover::Exhausted;
use netpol::{Direction, LabelSet, Region, RegionRef};

/// The core connections that this write cuts, one finding for each row of the baseline.
pub fn check(change: &PolicyChange<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for direction in Direction::ALL {
        match cut(change, direction) {
            Ok(cut) => findings.extend(
                cut.iter()
                    .map(|(entry, piece)| finding(change, direction, entry, piece)),
            ),
            Err(exhausted) => findings.push(change.undecided("the floor", &exhausted)),
        }
    }
    findings
}

/// The entries of the floor that the write cuts, each with the part that is lost. This is exact for the union
/// of all policies. Connections that were not allowed before are not lost.
pub fn cut<'a>(
    change: &'a PolicyChange<'_>,
    direction: Direction,
) -> Result<Vec<(&'a Entry, Region)>, Exhausted> {
    let floor = change.zone.floor(direction);
    if floor.is_empty() || only_adds(change, direction) {
        return Ok(Vec::new());
    }
    let open = change.open(WriteState::After, direction)?;
    let after = || allowed(change, WriteState::After, direction, &open);
    let mut open_before = None;
    let mut cut = Vec::new();
    for entry in floor {
        let area = RegionRef::from(&entry.region);
        if change.outside(area, after())?.is_none() {
            continue;
        }
        if open_before.is_none() {
            open_before = Some(change.open(WriteState::Before, direction)?);
        }
        let open = open_before.as_deref().unwrap_or_default();
        let before = allowed(change, WriteState::Before, direction, open);
        let missing = change.all_outside(area, before)?;
        let covers = || {
            // Shortens the lifetime to that of the missing part.
            let after = after().map(|region| RegionRef {
                subject: region.subject,
                peer: region.peer,
                ports: region.ports,
            });
            after.chain(missing.iter().map(RegionRef::from))
        };
        if let Some(piece) = change.outside(area, covers())? {
            // The connection is evaluated against every rule, before and after.
            let policies = change.policies(WriteState::After);
            let rules = policies.map(|policy| policy.size(direction)).sum::<usize>();
            if !change.spend(SHOWN + REPLAYS * rules) {
                return Err(Exhausted::of(covers()));
            }
            // A part that is cut in every reading is preferred.
            let sure =
                change.outside(area, covers().chain(ambiguous_regions(change, direction)))?;
            cut.push((entry, sure.unwrap_or(piece)));
        }
    }
    Ok(cut)
}

/// Number of evaluations of a connection against every rule.
const REPLAYS: usize = 4;

/// Connections that are permitted after the write under some readings only.
fn ambiguous_regions<'a>(
    change: &'a PolicyChange<'_>,
    direction: Direction,
) -> impl Iterator<Item = RegionRef<'a>> + Clone {
    let policies = change.policies(WriteState::After);
    let rules = policies.flat_map(move |policy| policy.rules(direction));
    rules.flat_map(SelectedRule::ambiguous)
}

/// Returns true if the policy did not select the zone before. It then removes nothing, unless it isolates
/// pods that no other single policy isolates.
fn only_adds(change: &PolicyChange<'_>, direction: Direction) -> bool {
    let isolated = |part: &LabelSet| {
        let mut others = change.others.iter();
        others.any(|other| other.isolates(direction) && part.is_subset(&other.part))
    };
    let after = change.after.selected.as_ref();
    let after = after.filter(|after| after.isolates(direction));
    change.before.selected.is_none() && after.is_none_or(|after| isolated(&after.part))
}

/// Connections that every implementation allows before or after the write, even after policies were collected
/// with their owners. `open` are those that no policy isolates.
fn allowed<'a>(
    change: &'a PolicyChange<'_>,
    state: WriteState,
    direction: Direction,
    open: &'a [Region],
) -> impl Iterator<Item = RegionRef<'a>> + Clone {
    let policies = change.lasting(state);
    let rules = policies.flat_map(move |policy| policy.must(direction));
    open.iter().map(RegionRef::from).chain(rules)
}

/// Beginning of the help about a deletion, which no change of the write makes pass.
pub(super) fn deletion_prefix(change: &PolicyChange<'_>) -> &'static str {
    match change.after.policy {
        Some(_) => "",
        None => "the deletion alone cannot pass: ",
    }
}

fn finding(
    change: &PolicyChange<'_>,
    direction: Direction,
    entry: &Entry,
    piece: &Region,
) -> Finding {
    let put_back = || {
        Remedy::new(
            Rank::PutBack,
            "put the rule back",
            Change::Policy(
                change.object.clone(),
                PolicyEdit::Add(direction, entry.rule.clone()),
            ),
        )
    };
    Finding {
        reason: format!(
            "cuts core connection `{}` of {}: {}",
            entry.row.id,
            pods_of(change.cluster, change.zone.pods),
            entry.row.reason
        ),
        witness: change.witness(direction, piece),
        help: format!(
            "{}let another policy of the namespace permit it first",
            deletion_prefix(change)
        ),
        remedies: change
            .after
            .policy
            .map(|_| put_back())
            .into_iter()
            .collect(),
        example_label: "connection cut",
        ..change.finding(
            Cause::CoreConnectionCut,
            Onset::Introduced,
            format!("spec.{}", direction.field()),
        )
    }
}
