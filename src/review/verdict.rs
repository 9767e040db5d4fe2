//! What a review answers.

use std::cmp::Ordering;

use super::maintenance::Lacking;
use crate::rules::{Code, Finding, Level};
use netpol::Direction;
use netpol::rule::{Rule, Selector};

/// The outcome of a review: the worst level among its findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Nothing was found.
    Allow,
    /// Allowed, with warnings.
    Warn,
    /// Refused.
    Deny,
}

impl Outcome {
    /// The word in logs, metrics and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Deny => "deny",
        }
    }
}

/// All findings of a review, the most important first and in a stable order: level, weight, code,
/// object, path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Findings.
    pub findings: Vec<Finding>,
    /// Findings whose connection the second evaluator did not confirm: each is a bug of ours, to be
    /// counted and logged.
    pub unreplayed: usize,
    /// Whether a refusal became a warning because the write is maintenance by somebody who may.
    pub maintained: bool,
    /// Right that the writer needs, where a maintenance write is denied.
    pub lacking: Option<Lacking>,
    /// What the proofs took, in steps ([`Budget::work`](netpol::cover::Budget::work)).
    pub work: u64,
    /// Whether a proof used all of its budget, so that a larger one may change the verdict.
    pub ran_out: bool,
}

impl Verdict {
    /// A verdict with its findings in order, each once.
    pub fn new(mut findings: Vec<Finding>) -> Self {
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
            lacking: None,
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

    /// The codes found, each once, in order.
    pub fn codes(&self) -> Vec<Code> {
        let mut codes: Vec<Code> = self.findings.iter().map(|finding| finding.code).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    }
}

/// The order of two field paths: what stands between brackets by its number, `[2]` before `[10]`.
fn by_path(a: &str, b: &str) -> Ordering {
    /// Numbers, each with the text behind it. A number is its length and its digits, so that none is
    /// too large.
    fn pieces(path: &str) -> impl Iterator<Item = (usize, &str, &str)> {
        path.split('[').map(|piece| {
            let (number, text) = piece.split_once(']').unwrap_or(("", piece));
            (number.len(), number, text)
        })
    }
    pieces(a).cmp(pieces(b)).then_with(|| a.cmp(b))
}

/// One thing that the mutating webhook puts back into a managed policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// `spec.podSelector` as it was.
    PodSelector(Selector),
    /// A missing `policyTypes` entry.
    PolicyType {
        /// The entry.
        direction: Direction,
        /// Its place in the list, after the repairs before it.
        at: usize,
    },
    /// A core rule.
    Rule {
        /// The list that it belongs to.
        direction: Direction,
        /// Its place in that list, after the repairs before it.
        at: usize,
        /// The rule.
        rule: Rule,
    },
}

/// What the mutating webhook answers: what it restores, and a warning for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// What is put back, in the order of the patch.
    pub repairs: Vec<Repair>,
    /// One line for the writer per repair.
    pub warnings: Vec<String>,
    /// Right that the writer needs, where a maintenance write is repaired.
    pub lacking: Option<Lacking>,
    /// What the proofs took, as [`Verdict::work`].
    pub work: u64,
    /// Whether a proof used all of its budget, as [`Verdict::ran_out`].
    pub ran_out: bool,
}
