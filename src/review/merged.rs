//! Merges findings about the same rule for several groups of pods into one.

use std::collections::BTreeMap;

use crate::baseline::ClusterPerimeter;
use crate::rules::{Code, Finding};

/// Findings of several zones. A finding about the same rule in another zone is merged into the first one,
/// with one connection for both.
#[derive(Default)]
pub(super) struct Merged {
    pub(super) findings: Vec<Finding>,
    /// Findings into which others may be merged, by code and path.
    known: BTreeMap<(Code, String), Vec<usize>>,
}

impl Merged {
    pub(super) fn add(&mut self, others: Vec<Finding>, cluster: &ClusterPerimeter) {
        for other in others {
            if !other.merges {
                self.findings.push(other);
                continue;
            }
            let known = self.known.entry((other.code, other.path.clone()));
            let known = known.or_default();
            let is_as_bad = |at: &&usize| self.findings[**at].level <= other.level;
            if let Some(same) = known.iter().find(is_as_bad) {
                self.findings[*same].include(cluster, &other.pods);
            } else {
                known.push(self.findings.len());
                self.findings.push(other);
            }
        }
    }
}
