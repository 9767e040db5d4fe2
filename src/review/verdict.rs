//! The result of a review.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::maintenance::MissingPermission;
use crate::printable;
use crate::rules::{Code, Finding, Level};
use netpol::Direction;
use netpol::rule::{Rule, Selector};

/// The outcome of a review: the worst level among its findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// No finding.
    Allow,
    /// Allowed, with warnings.
    Warn,
    /// Denied.
    Deny,
}

impl Outcome {
    /// The name in logs, metrics and JSON.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Deny => "deny",
        }
    }
}

/// All findings of a review in a stable order, the most important first: level, weight, code, object, path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Findings.
    pub findings: Vec<Finding>,
    /// Number of findings whose connection the second evaluator did not confirm. Each is a bug.
    pub unreplayed: usize,
    /// True if a denial became a warning because the write is permitted maintenance.
    pub maintained: bool,
    /// Permission that the user of a denied maintenance write lacks.
    pub missing_permission: Option<MissingPermission>,
    /// Work of the proofs in steps ([`Budget::work`](netpol::cover::Budget::work)).
    pub work: u64,
    /// True if a proof used up its budget, so that a larger one may change the verdict.
    pub ran_out: bool,
}

impl Verdict {
    /// A verdict with these findings, sorted and without duplicates.
    pub fn new(mut findings: Vec<Finding>) -> Self {
        for finding in &mut findings {
            escape(finding);
        }
        findings.sort_by(|a, b| {
            let rank =
                |finding: &Finding| (finding.level, finding.code.rule().weight, finding.code);
            let by_rank = rank(a).cmp(&rank(b));
            by_rank
                .then_with(|| a.object.cmp(&b.object))
                .then_with(|| by_path(&a.path, &b.path))
                .then_with(|| a.reason.cmp(&b.reason))
        });
        findings.dedup();
        let unreplayed = findings.iter().filter(|finding| finding.is_unreplayed);
        Self {
            unreplayed: unreplayed.count(),
            maintained: false,
            missing_permission: None,
            work: 0,
            ran_out: false,
            findings,
        }
    }

    /// The worst level.
    pub fn outcome(&self) -> Outcome {
        match self.findings.iter().map(|finding| finding.level).min() {
            None | Some(Level::Audit | Level::Off) => Outcome::Allow,
            Some(Level::Warn) => Outcome::Warn,
            Some(Level::Deny) => Outcome::Deny,
        }
    }

    /// The codes of the findings that have a waiver, unique and sorted.
    pub(crate) fn waived(&self) -> Vec<Code> {
        let waived = self
            .findings
            .iter()
            .filter(|finding| finding.waiver.is_some());
        let codes: BTreeSet<Code> = waived.map(|finding| finding.code).collect();
        codes.into_iter().collect()
    }

    /// The codes of the findings, unique and sorted.
    pub(crate) fn codes(&self) -> Vec<Code> {
        let mut codes: Vec<Code> = self.findings.iter().map(|finding| finding.code).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    }
}

/// Escapes deceptive characters, which may come from keys and values of the object.
fn escape(finding: &mut Finding) {
    if let Cow::Owned(reason) = printable::line(&finding.reason) {
        *finding = finding.clone().because(reason);
    }
    for text in [&mut finding.path, &mut finding.help] {
        if let Cow::Owned(shown) = printable::lines(text) {
            *text = shown;
        }
    }
}

/// The order of two field paths. Indexes are compared as numbers, `[2]` before `[10]`.
fn by_path(a: &str, b: &str) -> Ordering {
    /// Numbers, each with the text after it. A number is given by its length and digits, so that it cannot
    /// overflow.
    fn pieces(path: &str) -> impl Iterator<Item = (usize, &str, &str)> {
        path.split('[').map(|piece| {
            let (number, text) = piece.split_once(']').unwrap_or(("", piece));
            (number.len(), number, text)
        })
    }
    pieces(a).cmp(pieces(b)).then_with(|| a.cmp(b))
}

/// One repair of a managed policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// The old `spec.podSelector`.
    PodSelector(Selector),
    /// A missing `policyTypes` entry.
    PolicyType {
        /// The entry.
        direction: Direction,
        /// Its index in the list, after the earlier repairs.
        at: usize,
    },
    /// A core rule.
    Rule {
        /// The list of the rule.
        direction: Direction,
        /// Its index in the list, after the earlier repairs.
        at: usize,
        /// The rule.
        rule: Rule,
    },
}

/// Result of the mutating webhook: repairs, and a warning for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// The repairs, in the order of the patch.
    pub repairs: Vec<Repair>,
    /// One line for the user per repair.
    pub warnings: Vec<String>,
    /// Permission that the user of a repaired maintenance write lacks.
    pub missing_permission: Option<MissingPermission>,
    /// Work of the proofs, as [`Verdict::work`].
    pub work: u64,
    /// True if a proof used up its budget, as [`Verdict::ran_out`].
    pub ran_out: bool,
}
