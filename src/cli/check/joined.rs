//! Reports of several object sets as one.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::report::Report;

/// Numbers of objects.
#[derive(Clone, Copy, Debug, Default, JsonSchema, Serialize)]
pub(super) struct Summary {
    /// Objects that were reviewed.
    pub(super) judged: usize,
    /// Objects that are denied.
    pub(super) denied: usize,
    /// Objects with warnings.
    pub(super) warned: usize,
    /// Objects of other kinds.
    pub(super) skipped: usize,
    /// Objects that could not be checked.
    pub(super) unjudged: usize,
}

impl Report {
    /// One report of several object sets. Each holds only what the earlier ones do not.
    pub(super) fn joined(reports: Vec<Self>) -> Self {
        let mut reports = reports.into_iter();
        let mut all = reports.next().unwrap_or_default();
        for report in reports {
            all.findings.extend(report.findings);
            all.accepted.extend(report.accepted);
            all.connectivity = match (all.connectivity.take(), report.connectivity) {
                (Some(one), Some(other)) => Some(one.joined(other)),
                (one, other) => one.or(other),
            };
            all.counted_as_rendered.extend(report.counted_as_rendered);
            all.unjudged.extend(report.unjudged);
            all.notes.extend(report.notes);
            all.checkpoints.extend(report.checkpoints);
            all.summary.add(&report.summary);
            all.judged.extend(report.judged);
            all.is_of_other_kinds |= report.is_of_other_kinds;
        }
        let mut seen = BTreeSet::new();
        all.notes.retain(|note| seen.insert(note.clone()));
        let mut seen = BTreeSet::new();
        all.counted_as_rendered
            .retain(|policy| seen.insert(policy.clone()));
        all
    }
}

impl Summary {
    fn add(&mut self, other: &Self) {
        self.judged += other.judged;
        self.denied += other.denied;
        self.warned += other.warned;
        self.skipped += other.skipped;
        self.unjudged += other.unjudged;
    }
}
