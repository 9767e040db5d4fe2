//! Findings about the same rule for several groups of pods, told in one.

use std::collections::BTreeMap;

use crate::rules::text::ways;
use crate::rules::{Code, Finding};

/// The findings of several zones. What the same rule does there too is told in one breath with what
/// it does here: one connection proves it. The first way out of the other finding is named too, since
/// the ways out of the one may leave the other.
#[derive(Default)]
pub(super) struct Merged {
    pub(super) findings: Vec<Finding>,
    /// Those that are told once, by rule and path.
    known: BTreeMap<(Code, String), Vec<usize>>,
}

impl Merged {
    pub(super) fn add(&mut self, others: Vec<Finding>, pods: &str) {
        for other in others {
            let twice = matches!(
                other.code,
                Code::Obp102 | Code::Obp104 | Code::Obp201 | Code::Obp202 | Code::Obp402
            );
            if !twice {
                self.findings.push(other);
                continue;
            }
            let key = (other.code, other.path.clone());
            let known = self.known.entry(key).or_default();
            let is_as_bad = |at: &&usize| self.findings[**at].level <= other.level;
            if let Some(same) = known.iter().find(is_as_bad) {
                let same = &mut self.findings[*same];
                likewise(same, pods);
                let way = ways(&other.help).next().unwrap_or_default();
                if !ways(&same.help).any(|known| known == way) {
                    same.help.push_str("\nand ");
                    same.help.push_str(way);
                }
            } else {
                known.push(self.findings.len());
                self.findings.push(other);
            }
        }
    }
}

/// Says that what was found is so for other pods as well.
pub(super) fn likewise(finding: &mut Finding, pods: &str) {
    finding.reason.push_str("; likewise for ");
    finding.reason.push_str(pods);
}
