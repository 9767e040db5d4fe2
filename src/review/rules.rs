//! The rules: what each is about, and the functions that check it. A review runs the table.

mod table;

use super::cluster::ClusterReview;
use super::metadata::MetadataReview;
use super::ordered::OrderedReview;
use super::policy::PolicyReview;
use super::policy::zones::ZoneReview;
use super::restore::RestoreReview;
use crate::baseline::ClusterPerimeter;
use crate::code::Code;
use crate::config::ReviewConfig;
use crate::rules::Finding;
use crate::rules::declaration::Declaration;
use crate::rules::default_deny_absent::{Missing, Unisolated};
use crate::rules::pod_labels::PodLabels;
use crate::rules::waivers::WaiverReview;

pub use table::RULES;

/// Importance of a rule's findings among those of the same level. The most important come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weight {
    /// Connections that are cut or opened, and objects that cannot be checked.
    Exposure,
    /// Declarations that open too much or that will not work.
    Mistake,
    /// Possible improvements.
    Style,
    /// Parts without any effect.
    NoEffect,
}

/// Facts that a finding of a rule depends on. With others it could be another finding, so a denial is confirmed by a
/// live read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// None: the object alone is at fault.
    Object,
    /// Facts about other objects.
    Facts,
    /// Facts, in reviews of restores: the contract for a restore is that of its cluster.
    FactsOfRestore,
    /// Facts, in reviews of clusters and restores: an undecided proof may be about a deleted policy.
    FactsUnlessPolicy,
    /// Facts, in deletions: they may have the object that the request deletes.
    FactsOfDeletion,
}

/// Subject of a rule. The level of its findings depends on it where the operator writes, and for stored policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The floor or the ceiling of policies.
    Allowlist,
    /// Something undecided.
    Undecided,
    /// Anything else.
    Other,
}

/// One row of the table of rules.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The code.
    pub code: Code,
    /// Importance of its findings.
    pub weight: Weight,
    /// Facts that its findings depend on.
    pub basis: Basis,
    /// Its subject.
    pub about: About,
    /// One sentence without a full stop.
    pub summary: &'static str,
    /// The functions that check it. There are none where the review itself fails: it then reports OBP401, OBP402 or
    /// OBP403.
    pub(super) checks: &'static [Check],
}

/// A function that checks a rule, by its subject. Those for clusters, restores and declarations get the findings so far:
/// some findings include others.
#[derive(Clone, Copy, Debug)]
pub(super) enum Check {
    /// The metadata of any object.
    Metadata(fn(&MetadataReview<'_>) -> Vec<Finding>),
    /// A policy write.
    Policy(fn(&PolicyReview<'_>) -> Vec<Finding>),
    /// A policy write, as it applies to one zone. It may replace earlier findings.
    Zone(fn(&ZoneReview<'_>, &mut Vec<Finding>)),
    /// A cluster write.
    Cluster(fn(&ClusterReview<'_>, &[Finding]) -> Vec<Finding>),
    /// A cluster write, if it creates the cluster or changes its spec.
    SpecChanged(fn(&ClusterReview<'_>, &[Finding]) -> Vec<Finding>),
    /// The declared rules of a cluster in one direction.
    Declared(fn(&Declaration<'_>, &[Finding]) -> Vec<Finding>),
    /// A restore write.
    Restore(fn(&RestoreReview<'_>, &[Finding]) -> Vec<Finding>),
    /// A write of an ordered policy, or the state of stored ones.
    Ordered(fn(&OrderedReview<'_>) -> Vec<Finding>),
    /// The labels of a pod, or of the pods of a template, in files.
    PodLabels(fn(&PodLabels<'_>) -> Option<Finding>),
    /// A waiver of the settings, without a write.
    Waiver(fn(&WaiverReview<'_>) -> Option<Finding>),
    /// The policies of a cluster, without a write.
    State(for<'a> fn(&'a ClusterPerimeter, &ReviewConfig, Missing) -> Vec<Unisolated<'a>>),
}

/// All checks, in the order of their rules.
pub(super) fn checks() -> impl Iterator<Item = Check> {
    RULES.iter().flat_map(|rule| rule.checks).copied()
}

impl Code {
    /// The rule.
    pub fn rule(self) -> &'static Rule {
        &RULES[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_is_in_its_own_row() {
        for code in Code::ALL {
            assert_eq!(code.rule().code, code);
        }
    }

    #[test]
    fn only_rules_about_the_undecided_and_about_stored_labels_have_no_check() {
        let unchecked = RULES.iter().filter(|rule| rule.checks.is_empty());
        let codes: Vec<Code> = unchecked.map(|rule| rule.code).collect();
        let undecided = [Code::Obp401, Code::Obp402, Code::Obp403];
        let stored = [Code::Obp503, Code::Obp504];
        assert_eq!(codes, [&undecided[..], &stored].concat());
    }
}
