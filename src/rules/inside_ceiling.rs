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
pub fn proofs(change: &PolicyChange<'_>) -> Vec<Proof> {
    let Some(after) = &change.after.selected else {
        return Vec::new();
    };
    let of_direction = |direction: Direction| {
        let rules = after.rules(direction).enumerate();
        rules.filter_map(move |(at, rule)| {
            let entries = entries(change, direction, rule)?;
            Some(Proof {
                object: change.object.clone(),
                path: format!("spec.{}[{at}]", direction.field()),
                cluster: change.cluster.object.clone(),
                entries,
            })
        })
    };
    Direction::ALL.into_iter().flat_map(of_direction).collect()
}

/// The entries that contain all regions of a rule; `None` if they do not, or if it is undecided.
fn entries(
    change: &PolicyChange<'_>,
    direction: Direction,
    rule: SelectedRule<'_>,
) -> Option<Vec<String>> {
    let ceiling = change.zone.ceiling(direction);
    let mut covering: Vec<&Entry> = Vec::new();
    for region in rule.may() {
        if !change.spend(change.zone.ceiling[direction as usize].weight()) {
            return None;
        }
        if let Some(entry) = change.zone.holder(direction, region) {
            covering.push(entry);
            continue;
        }
        let live: Vec<&Entry> = ceiling
            .iter()
            .filter(|entry| !region.is_disjoint((&entry.region).into()))
            .collect();
        let covers = live.iter().map(|entry| RegionRef::from(&entry.region));
        if !matches!(change.outside(region, covers), Ok(None)) {
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
