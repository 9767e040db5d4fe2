//! OBP203: a policy isolates pods for the first time, and another policy leaves them open, so that they are
//! still open. Only for pods without a policy of the operator: for them the first policy may allow anything,
//! since it only narrows ([`beyond_ceiling`](super::beyond_ceiling)).

use std::cell::Cell;

use super::existing_policy::Violations;
use super::policy_change::{PolicyChange, Side};
use super::text::pods_of;
use super::{Cause, Finding, Onset};
use crate::baseline::Selected;
use netpol::cover::{Budget, Exhausted};
use netpol::{Direction, Region, RegionRef};

/// Additional budget for all these proofs, so that another policy never prevents a decision about this write.
const STEPS: u32 = 10_000;

/// Warnings about other policies that leave open the pods which the write isolates.
pub fn check<'a>(change: &'a PolicyChange<'_>) -> Vec<Violations<'a>> {
    let Some(after) = &change.after.selected else {
        return Vec::new();
    };
    if change.zone.rendered.is_some() {
        return Vec::new();
    }
    let is_first = |direction: Direction| {
        let mut before = change.before.selected.iter();
        let isolated =
            before.any(|before| before.isolates(direction) && after.part.is_subset(&before.part));
        after.isolates(direction) && !isolated
    };
    let budget = Cell::new(Budget::new(STEPS.min(change.config.proof_budget)));
    let mut found = Vec::new();
    for direction in Direction::ALL.into_iter().filter(|at| is_first(*at)) {
        for other in &change.others {
            let left = match left_open(change, &budget, direction, (after, other)) {
                Ok(None) => continue,
                Ok(Some(piece)) => Some(piece),
                Err(_) => None,
            };
            let is_decided = left.is_some();
            let finding = finding(change, direction, other, left.as_ref());
            found.push((change.zone, *other, finding));
            if !is_decided {
                // The remaining policies would be undecided too.
                break;
            }
        }
    }
    let mut all = change.budget.get();
    all.add_work(&budget.get());
    change.budget.set(all);
    found
}

/// A part outside of the ceiling that another policy allows for pods which the written policy isolates.
fn left_open(
    change: &PolicyChange<'_>,
    budget: &Cell<Budget>,
    direction: Direction,
    (after, other): (&Selected, &Selected),
) -> Result<Option<Region>, Exhausted> {
    let Some(part) = after.part.intersect(&other.part) else {
        return Ok(None);
    };
    let proof = PolicyChange {
        budget,
        others: Vec::new(),
        before: Side::default(),
        after: Side::default(),
        ..*change
    };
    for region in other.must(direction) {
        let region = RegionRef {
            subject: &part,
            ..region
        };
        if let Some(piece) = proof.outside(region, change.ceiling(direction))? {
            return Ok(Some(piece));
        }
    }
    Ok(None)
}

fn finding(
    change: &PolicyChange<'_>,
    direction: Direction,
    other: &Selected,
    piece: Option<&Region>,
) -> Finding {
    let (name, pods) = (&other.name, pods_of(change.cluster, change.zone.pods));
    let policy_type = direction.policy_type();
    Finding {
        reason: match piece {
            Some(_) => format!(
                "NetworkPolicy `{name}` of the namespace still opens {pods} beyond the ceiling for {policy_type}; this \
                 policy does not close them"
            ),
            None => format!(
                "whether NetworkPolicy `{name}` of the namespace opens {pods} beyond the ceiling for {policy_type} could \
                 not be decided; this policy does not close them"
            ),
        },
        witness: piece.and_then(|piece| change.witness(direction, piece)),
        help: format!("narrow or delete NetworkPolicy `{name}`"),
        ..change.finding(
            Cause::ExistingPolicyBeyondCeiling,
            Onset::PreExisting,
            "spec",
        )
    }
}
