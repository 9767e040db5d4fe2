//! Merges findings about the same rule for several groups of pods into one.

use std::collections::BTreeMap;

use crate::baseline::{ClusterPerimeter, Pods};
use crate::rules::text::{groups_of, ways};
use crate::rules::{Code, Finding};

/// Findings of several zones. A finding about the same rule in another zone becomes part of the first
/// one: one connection proves both. The first way out of the other finding is added, since the ways out of
/// the one may leave the other.
#[derive(Default)]
pub(super) struct Merged {
    pub(super) findings: Vec<Finding>,
    /// Those that are told once, by rule and path.
    known: BTreeMap<(Code, String), Vec<usize>>,
}

impl Merged {
    pub(super) fn add(&mut self, others: Vec<Finding>, cluster: &ClusterPerimeter) {
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
                include(same, cluster, &other.pods);
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

/// Adds groups of pods to those that a finding is about.
pub(super) fn include(finding: &mut Finding, cluster: &ClusterPerimeter, pods: &[Pods]) {
    let known = groups_of(cluster, &finding.pods);
    let others: Vec<Pods> = pods
        .iter()
        .copied()
        .filter(|pods| !finding.pods.contains(pods))
        .collect();
    finding.pods.extend(&others);
    if finding.reason.contains(&known) {
        let all = groups_of(cluster, &finding.pods);
        finding.reason = finding.reason.replacen(&known, &all, 1);
    } else {
        finding.reason.push_str("; the same holds for ");
        finding.reason.push_str(&groups_of(cluster, &others));
    }
}
