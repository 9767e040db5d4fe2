//! The proof of a rule that was accepted: the entries of the ceiling that contain it.

use super::policy_change::PolicyChange;
use crate::baseline::{Entry, SelectedRule};
use crate::inventory::ObjectRef;
use netpol::{Direction, RegionRef};

/// One rule of a policy and the entries of the ceiling that contain it. [`super::beyond_ceiling`] proves it;
/// this lists the entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The policy.
    pub object: ObjectRef,
    /// Field path of the rule.
    pub path: String,
    /// The cluster whose pods the rule is about.
    pub cluster: ObjectRef,
    /// The entries, each by its row and, if it is declared, its field. Together they contain the rule.
    pub entries: Vec<String>,
}

/// The proof of each rule of the written policy that is inside the ceiling.
pub fn proofs(case: &PolicyChange<'_>) -> Vec<Proof> {
    let Some(after) = &case.after.selected else {
        return Vec::new();
    };
    let of_direction = |direction: Direction| {
        let rules = after.rules(direction).enumerate();
        rules.filter_map(move |(at, rule)| {
            let entries = entries(case, direction, rule)?;
            Some(Proof {
                object: case.object.clone(),
                path: format!("spec.{}[{at}]", direction.field()),
                cluster: case.cluster.object.clone(),
                entries,
            })
        })
    };
    Direction::ALL.into_iter().flat_map(of_direction).collect()
}

/// The entries that contain all regions of a rule; `None` if they do not, or if it is undecided.
fn entries(
    case: &PolicyChange<'_>,
    direction: Direction,
    rule: SelectedRule<'_>,
) -> Option<Vec<String>> {
    let ceiling = case.zone.ceiling(direction);
    let mut covering: Vec<&Entry> = Vec::new();
    for region in rule.may() {
        if !case.spend(case.zone.ceiling[direction as usize].weight()) {
            return None;
        }
        if let Some(entry) = case.zone.holder(direction, region) {
            covering.push(entry);
            continue;
        }
        let live: Vec<&Entry> = ceiling
            .iter()
            .filter(|entry| !region.is_disjoint((&entry.region).into()))
            .collect();
        let covers = live.iter().map(|entry| RegionRef::from(&entry.region));
        if !matches!(case.outside(region, covers), Ok(None)) {
            return None;
        }
        covering.extend(live);
    }
    let mut names: Vec<String> = covering.into_iter().map(name).collect();
    names.sort();
    names.dedup();
    Some(names)
}

fn name(entry: &Entry) -> String {
    match &entry.declared {
        Some(field) => format!("{} ({field})", entry.row.id),
        None => entry.row.id.to_owned(),
    }
}
