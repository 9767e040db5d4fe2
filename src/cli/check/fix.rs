//! `check --fix`: denials ended by edits of the NetworkPolicies in the files.
//!
//! The best remedies that narrow are made, all in memory. After each step the whole input is reviewed again: an edit
//! stays if it ends a denial, opens no connection and adds no finding. Nothing is written before the last step.

mod compare;
mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use super::edit::{self, TextEdit, Unfit};
use crate::inventory::ObjectRef;
use crate::printable;
use crate::review::CompiledSnapshot;
use crate::review::offline::ReviewedObject;
use crate::rules::remedy::{Change, Lines, Rank, Remedy};
use crate::rules::{Code, Finding, Level};
use crate::sources::files::{Located, Manifests, Origin, ReadOptions};
use compare::{Counts, opens};

pub(super) use files::{FixError, Texts};

/// Most reviews of the whole input.
const REVIEWS: usize = 256;

/// A set of objects that may exist together, and the verdicts on them.
pub(super) struct ReviewedSet {
    pub(super) manifests: Manifests,
    pub(super) compiled: CompiledSnapshot,
    pub(super) reviewed: Vec<ReviewedObject>,
}

/// Reviews all object sets of the manifests.
pub(super) type Review<'a> = &'a dyn Fn(&Manifests) -> Vec<ReviewedSet>;

/// A NetworkPolicy that was edited.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(super) struct Fixed {
    /// The policy.
    object: String,
    /// The file.
    file: String,
    /// Beginning of the policy's document, before the edit.
    line: usize,
    /// Code of the rule that denied.
    code: &'static str,
    /// Effect of the edit.
    change: String,
}

impl Fixed {
    /// The edit in one line.
    pub(super) fn text(&self) -> String {
        let Self {
            object,
            file,
            line,
            code,
            change,
        } = self;
        format!("{file}:{line}: {object}: {change} ({code})")
    }
}

/// The manifests after all edits.
pub(super) struct Outcome {
    pub(super) manifests: Manifests,
    pub(super) texts: Texts,
    pub(super) fixed: Vec<Fixed>,
    /// Reasons for policies that stay denied.
    pub(super) notes: Vec<String>,
}

/// Reason for which a remedy is not made.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("built by `{command}`; edit {source_file}")]
    Built {
        command: String,
        source_file: String,
    },
    #[error(
        "the document at {0} has YAML aliases, which stand for more than one place; edit it by hand"
    )]
    Alias(Origin),
    #[error("no edit of the document at {0} is sure to change only this; edit it by hand")]
    Unsure(Origin),
    #[error("it has a field that Kubernetes does not know (OBP316); correct it first")]
    UnknownField,
    #[error("the best remedy would open a connection or add a finding")]
    Worse,
    #[error(transparent)]
    File(#[from] FixError),
}

/// A remedy to try.
#[derive(Clone)]
struct Candidate {
    /// The object and the rule that the remedy is for.
    about: (ObjectRef, Code),
    /// The policy.
    target: ObjectRef,
    written: Located,
    lines: Lines,
    rank: Rank,
    action: String,
}

/// A remedy that was tried: the policy, and the edit.
type Tried = (ObjectRef, String);

impl Candidate {
    fn tried(&self) -> Tried {
        tried(&self.target, &self.lines)
    }
}

fn tried(target: &ObjectRef, (path, verb, value): &Lines) -> Tried {
    (target.clone(), format!("{} {path} {value}", verb.as_str()))
}

/// Makes the best remedies that narrow, until none is left that can be made.
pub(super) fn fix(
    manifests: Manifests,
    texts: Texts,
    options: &ReadOptions,
    review: Review<'_>,
) -> Outcome {
    let sets = review(&manifests);
    let mut fixer = Fixer {
        options,
        review,
        manifests,
        texts,
        sets,
        refused: BTreeMap::new(),
        rejected: BTreeSet::new(),
        fixed: Vec::new(),
        reviews: 0,
    };
    loop {
        let candidates = fixer.candidates();
        if candidates.is_empty() || fixer.reviews == REVIEWS {
            break;
        }
        fixer.attempt(candidates);
    }
    let notes = fixer.notes();
    Outcome {
        manifests: fixer.manifests,
        texts: fixer.texts,
        fixed: fixer.fixed,
        notes,
    }
}

struct Fixer<'a> {
    options: &'a ReadOptions,
    review: Review<'a>,
    manifests: Manifests,
    texts: Texts,
    sets: Vec<ReviewedSet>,
    /// The first reason of each policy.
    refused: BTreeMap<ObjectRef, Refusal>,
    rejected: BTreeSet<Tried>,
    fixed: Vec<Fixed>,
    reviews: usize,
}

impl Fixer<'_> {
    /// The best remedy of each policy. Where findings have different ones, that which removes most goes first: the others
    /// may not be needed after it.
    fn candidates(&self) -> Vec<Candidate> {
        let mut best: BTreeMap<(ObjectRef, Origin), Candidate> = BTreeMap::new();
        for set in &self.sets {
            let objects = set.manifests.objects.iter();
            let located: BTreeMap<ObjectRef, &Located> = objects
                .map(|located| (located.object.reference(), located))
                .collect();
            for finding in denials(set) {
                let mut known = narrowing(finding).filter_map(|(target, remedy)| {
                    let lines = remedy.lines();
                    let written = located.get(target)?;
                    let is_new = !self.rejected.contains(&tried(target, &lines));
                    is_new.then(|| Candidate {
                        about: (finding.object.clone(), finding.code),
                        target: target.clone(),
                        written: (*written).clone(),
                        lines,
                        rank: remedy.rank,
                        action: remedy.action.clone(),
                    })
                });
                if let Some(candidate) = known.next() {
                    let place = (candidate.target.clone(), candidate.written.origin.clone());
                    let known = best.entry(place).or_insert_with(|| candidate.clone());
                    if candidate.rank > known.rank {
                        *known = candidate;
                    }
                }
            }
        }
        best.into_values().collect()
    }

    /// Makes these remedies if all are good together, and else those that are.
    fn attempt(&mut self, candidates: Vec<Candidate>) {
        let mut edits = Vec::new();
        let mut left = Vec::new();
        for candidate in candidates {
            match self.edits(&candidate) {
                Ok(own) => {
                    edits.extend(own);
                    left.push(candidate);
                }
                Err(refusal) => self.reject(&candidate, refusal),
            }
        }
        if left.is_empty() || self.reviews == REVIEWS {
            return;
        }
        self.reviews += 1;
        if self.accept(&left, edits).is_some() {
            return;
        }
        if let [only] = &left[..] {
            self.reject(only, Refusal::Worse);
            return;
        }
        let others = left.split_off(left.len() / 2);
        self.attempt(left);
        self.attempt(others);
    }

    fn reject(&mut self, candidate: &Candidate, refusal: Refusal) {
        self.rejected.insert(candidate.tried());
        let target = candidate.target.clone();
        self.refused.entry(target).or_insert(refusal);
    }

    /// Returns true if a misspelt field may be what makes the object denied.
    fn has_unknown_field(&self, object: &ObjectRef) -> bool {
        let reviewed = self.sets.iter().flat_map(|set| &set.reviewed);
        let mut findings = reviewed.flat_map(|reviewed| &reviewed.verdict.findings);
        findings.any(|finding| finding.code == Code::Obp316 && finding.object == *object)
    }

    /// The edits of a remedy, in all files that have the policy.
    fn edits(&mut self, candidate: &Candidate) -> Result<Vec<(PathBuf, TextEdit)>, Refusal> {
        let (path, verb, value) = &candidate.lines;
        if self.has_unknown_field(&candidate.target) {
            return Err(Refusal::UnknownField);
        }
        let objects = self.manifests.objects.iter();
        let written = objects.filter(|located| {
            located.object.reference() == candidate.target && located.is_same(&candidate.written)
        });
        let mut all = Vec::new();
        for located in written {
            let origin = &located.origin;
            if located.build.is_some() {
                let source = located.source.as_ref();
                let source = source.map(|source| format!("`{}`", source.display()));
                return Err(Refusal::Built {
                    command: origin.file.display().to_string(),
                    source_file: source.unwrap_or_else(|| "what it is built from".to_owned()),
                });
            }
            self.texts.open(&origin.file, &self.manifests)?;
            let text = self.manifests.texts.get(&origin.file).unwrap_or_default();
            let path = located.path(path);
            let edits = edit::edits(&text, origin.line, (&path, *verb, value));
            let edits = edits.map_err(|unfit| match unfit {
                Unfit::Alias => Refusal::Alias(origin.clone()),
                Unfit::Unsure => Refusal::Unsure(origin.clone()),
            })?;
            all.extend(edits.into_iter().map(|edit| (origin.file.clone(), edit)));
        }
        Ok(all)
    }

    /// Makes the edits if they end a denial of each candidate, open nothing and add no finding.
    fn accept(&mut self, candidates: &[Candidate], edits: Vec<(PathBuf, TextEdit)>) -> Option<()> {
        let mut by_file: BTreeMap<PathBuf, Vec<TextEdit>> = BTreeMap::new();
        for (file, edit) in edits {
            by_file.entry(file).or_default().push(edit);
        }
        let mut texts = self.texts.clone();
        let mut manifests = self.manifests.clone();
        for (file, mut edits) in by_file {
            edits.sort_by_key(|edit| std::cmp::Reverse(edit.start));
            let text = texts.edit(&file, &edits)?;
            manifests = manifests.with_text(&file, text, self.options)?;
        }
        let sets = (self.review)(&manifests);
        let (old, new) = (Counts::of(&self.sets), Counts::of(&sets));
        let mut about = candidates.iter().map(|candidate| &candidate.about);
        let is_better = about.all(|about| old.has_more_denials(&new, about));
        if !is_better || !new.is_within(&old) || opens(&self.sets, &sets) {
            return None;
        }
        let fixed = candidates.iter().map(|candidate| Fixed {
            object: candidate.target.to_string(),
            file: candidate.written.origin.file.display().to_string(),
            line: candidate.written.origin.line,
            code: candidate.about.1.as_str(),
            change: candidate.action.clone(),
        });
        self.fixed.extend(fixed);
        (self.texts, self.manifests, self.sets) = (texts, manifests, sets);
        Some(())
    }

    /// The reasons for which policies stay denied that have a remedy.
    fn notes(&self) -> Vec<String> {
        let denials: Vec<&Finding> = self.sets.iter().flat_map(denials).collect();
        let left: BTreeSet<&ObjectRef> = denials
            .iter()
            .flat_map(|finding| narrowing(finding).map(|(target, _)| target))
            .collect();
        let refused = left.iter().filter_map(|target| {
            let refusal = self.refused.get(*target)?;
            Some(format!("{target} was not fixed: {refusal}"))
        });
        let stopped = (self.reviews == REVIEWS)
            .then(|| format!("stopped after {REVIEWS} reviews; run it again to fix more"));
        let others = denials.iter();
        let others = others.filter(|finding| narrowing(finding).next().is_none());
        let others: BTreeSet<&ObjectRef> = others.map(|finding| &finding.object).collect();
        let others = others.into_iter().map(|object| {
            format!(
                "{object} has a denial that no narrower policy ends; `check` alone says what does"
            )
        });
        let notes = refused.chain(others).chain(stopped);
        notes
            .map(|note| printable::line(&note).into_owned())
            .collect()
    }
}

/// The findings that deny.
fn denials(set: &ReviewedSet) -> impl Iterator<Item = &Finding> {
    let findings = set
        .reviewed
        .iter()
        .flat_map(|reviewed| &reviewed.verdict.findings);
    findings.filter(|finding| finding.level == Level::Deny)
}

/// The remedies of a finding that only narrow a policy, the best first. Without its denial, an ordered policy opens more.
fn narrowing(finding: &Finding) -> impl Iterator<Item = (&ObjectRef, &Remedy)> {
    finding.remedies.iter().filter_map(|remedy| {
        let narrows = matches!(
            remedy.rank,
            Rank::NarrowPorts
                | Rank::NarrowPeers
                | Rank::Exclude
                | Rank::NarrowShared
                | Rank::LeaveOut
        );
        let is_opened = matches!(finding.code, Code::Obp211 | Code::Obp212);
        match &remedy.change {
            Change::Policy(target, _) if narrows => Some((target, remedy)),
            Change::Ordered(target, _) if narrows && is_opened => Some((target, remedy)),
            _ => None,
        }
    })
}
