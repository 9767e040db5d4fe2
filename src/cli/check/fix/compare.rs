//! Comparison of the reviews before and after an edit.

use std::collections::BTreeMap;

use super::ReviewedSet;
use crate::inventory::ObjectRef;
use crate::review::connectivity::{Effect, connectivity};
use crate::rules::{Code, Level};

/// Returns true if a connection of a protected pod is open that was not, or if that is not known.
pub(super) fn opens(old: &[ReviewedSet], new: &[ReviewedSet]) -> bool {
    old.len() != new.len()
        || old.iter().zip(new).any(|(old, new)| {
            let found = connectivity(&old.compiled, &new.compiled);
            let mut changes = found.changes.iter();
            !found.not_compared.is_empty() || changes.any(|change| change.effect == Effect::Opened)
        })
}

/// Numbers of findings by object and rule: those that deny, and those that deny or warn.
#[derive(Default)]
pub(super) struct Counts(BTreeMap<(ObjectRef, Code), (usize, usize)>);

impl Counts {
    pub(super) fn of(sets: &[ReviewedSet]) -> Self {
        let mut counts = Self::default();
        let reviewed = sets.iter().flat_map(|set| &set.reviewed);
        for finding in reviewed.flat_map(|reviewed| &reviewed.verdict.findings) {
            let about = (finding.object.clone(), finding.code);
            let (denied, all) = counts.0.entry(about).or_default();
            *denied += usize::from(finding.level == Level::Deny);
            *all += usize::from(finding.level <= Level::Warn);
        }
        counts
    }

    pub(super) fn has_more_denials(&self, other: &Self, about: &(ObjectRef, Code)) -> bool {
        let denied = |counts: &Self| counts.0.get(about).map_or(0, |(denied, _)| *denied);
        denied(self) > denied(other)
    }

    /// Returns true if no number is greater.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.0.iter().all(|(about, (denied, all))| {
            let known = other.0.get(about).copied().unwrap_or_default();
            *denied <= known.0 && *all <= known.1
        })
    }
}
