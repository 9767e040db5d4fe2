//! Why a rule was accepted: which entries of the ceiling it lies in.

use super::case::Case;
use crate::baseline::{Entry, SelectedRule};
use crate::inventory::ObjectRef;
use netpol::{Direction, RegionRef};

/// One rule of a policy and the entries of the ceiling that cover it. The proof itself is
/// [`super::beyond_ceiling`]'s; this says what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The policy.
    pub object: ObjectRef,
    /// Field path of the rule.
    pub path: String,
    /// The cluster whose pods the rule is about.
    pub cluster: ObjectRef,
    /// The entries, each by its row and, where it is declared, its field; together they cover the
    /// rule.
    pub entries: Vec<String>,
}

/// A certificate for each rule of the written policy that lies inside the ceiling.
pub fn certificates(case: &Case<'_>) -> Vec<Certificate> {
    let Some(after) = &case.after.selected else {
        return Vec::new();
    };
    let of_direction = |direction: Direction| {
        let rules = after.rules(direction).enumerate();
        rules.filter_map(move |(at, rule)| {
            let entries = entries(case, direction, rule)?;
            Some(Certificate {
                object: case.object.clone(),
                path: format!("spec.{}[{at}]", direction.field()),
                cluster: case.cluster.object.clone(),
                entries,
            })
        })
    };
    Direction::ALL.into_iter().flat_map(of_direction).collect()
}

/// The entries that cover all regions of a rule; `None` where they do not, or it is undecided.
fn entries(case: &Case<'_>, direction: Direction, rule: SelectedRule<'_>) -> Option<Vec<String>> {
    let ceiling = case.zone.ceiling(direction);
    let mut covering: Vec<&Entry> = Vec::new();
    for region in rule.may() {
        if !case.look(case.zone.ceiling[direction as usize].weight()) {
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
