//! Report of `check`, from which every output is made.

mod files;
mod finding;
mod unique;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::Value;

use super::connectivity::Diff;
use super::fix::Fixed;
use super::joined::Summary;
use super::notes::Input;
use super::unchecked::{Unchecked, named};
use crate::cli::output::OutputArgs;
use crate::inventory::ObjectRef;
use crate::review::CompiledSnapshot;
use crate::review::offline::{ReviewedObject, counted_as_rendered};
use crate::rules::inside_ceiling::Proof;
use crate::rules::{Finding, Level};
use crate::show::conditions::{self, Condition};
use crate::sources::files::Located;

use files::Files;
pub(super) use files::{Fix, Shown};
pub(super) use finding::Reported;

/// Version of the JSON. It changes with every field that is removed or gets another meaning.
const VERSION: u32 = 1;

/// Everything that a run of `check` reports.
#[derive(Debug, Default, JsonSchema, Serialize)]
#[schemars(title = "Report of `openbao-perimeter check -o json`")]
pub(super) struct Report {
    /// Version of this format. It changes with every field that is removed or gets another meaning.
    version: u32,
    /// Baseline of the operator.
    pub(super) baseline: &'static str,
    /// Reason for which it is in force.
    pub(super) baseline_reason: String,
    /// Findings, each once.
    pub(super) findings: Vec<Reported>,
    /// With `--fix`: the policies that were edited.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) fixed: Vec<Fixed>,
    /// With `--explain`: the rules that were accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) accepted: Vec<Accepted>,
    /// Connections that the change opens and closes; absent for a final state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connectivity: Option<Diff>,
    /// Managed policies that are in no file and count as the operator renders them.
    pub(super) counted_as_rendered: Vec<String>,
    /// Objects that could not be checked.
    pub(super) unjudged: Vec<Unchecked>,
    /// Notes about the input.
    pub(super) notes: Vec<String>,
    /// Errors of files, documents and builds that could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) unreadable: Vec<String>,
    /// Status checkpoints of the objects that were reviewed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) checkpoints: Vec<Checkpoints>,
    /// Numbers of objects.
    pub(super) summary: Summary,
    /// Objects that were reviewed.
    #[serde(skip)]
    pub(super) judged: Vec<Name>,
    /// True if no object is of a reviewed kind.
    #[serde(skip)]
    pub(super) is_of_other_kinds: bool,
}

/// An object, and the file it is in.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) kind: &'static str,
    pub(super) namespace: String,
    pub(super) object: String,
    pub(super) file: Option<String>,
}

/// The status checkpoints of an object that was checked.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct Checkpoints {
    /// The object.
    pub(super) object: String,
    /// The checkpoints.
    pub(super) conditions: Vec<Condition>,
}

/// A rule that was accepted, and what it lies in.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct Accepted {
    /// The policy.
    pub(super) object: String,
    /// The rule.
    pub(super) field: String,
    /// The cluster.
    pub(super) cluster: String,
    /// The entries of the ceiling that permit it.
    pub(super) entries: Vec<String>,
}

impl Report {
    pub(super) fn new(
        compiled: &CompiledSnapshot,
        reviewed: &[ReviewedObject],
        explained: &[Proof],
        input: &Input<'_>,
        connectivity: Option<Diff>,
    ) -> Self {
        let (before, after) = (input.before, input.after);
        let files = Files::new(before.into_iter().chain([after]));
        let unjudged = input.omissions(compiled, reviewed).into_iter();
        let unjudged: Vec<Unchecked> = unjudged
            .map(|omission| {
                let located = files.of(&omission.object);
                Unchecked::new(omission, located.and_then(Located::place))
            })
            .collect();
        let is_deleted = |policy: &ObjectRef| {
            let mut old = before.into_iter().flat_map(|before| &before.objects);
            old.any(|located| located.object.reference() == *policy)
        };
        let once = unique::findings(reviewed);
        let has = |level: Level| {
            let has = |findings: &&Vec<&Finding>| findings.iter().any(|found| found.level == level);
            once.iter().filter(has).count()
        };
        let counted = reviewed.iter().filter(|one| one.object.kind.is_checked());
        let summary = Summary {
            judged: counted.count() - unjudged.iter().filter(|one| one.row.is_none()).count(),
            denied: has(Level::Deny),
            warned: has(Level::Warn),
            skipped: after.skipped(),
            unjudged: unjudged.len(),
        };
        let all: Vec<&Finding> = once.into_iter().flatten().collect();
        let shown = files.shown(&all).into_iter();
        let findings = all.iter().zip(shown);
        Self {
            version: VERSION,
            baseline: compiled.config.baseline.as_str(),
            baseline_reason: String::new(),
            findings: findings
                .map(|(finding, shown)| Reported::new(finding, files.located(finding), shown))
                .collect(),
            fixed: Vec::new(),
            accepted: explained.iter().map(Accepted::new).collect(),
            connectivity,
            counted_as_rendered: counted_as_rendered(compiled)
                .iter()
                .filter(|policy| !is_deleted(policy))
                .map(ToString::to_string)
                .collect(),
            unjudged,
            notes: input.notes(),
            unreadable: Vec::new(),
            checkpoints: reviewed
                .iter()
                .filter_map(|reviewed| Checkpoints::of(compiled, &reviewed.object))
                .collect(),
            summary,
            judged: reviewed
                .iter()
                .map(|reviewed| Name::new(&reviewed.object, &files))
                .collect(),
            is_of_other_kinds: input.is_of_other_kinds(),
        }
    }

    /// Adds remedies as edits of the files.
    pub(super) fn with_edits(mut self, reviewed: &[ReviewedObject], input: &Input<'_>) -> Self {
        let files = Files::new(input.before.into_iter().chain([input.after]));
        let findings = unique::findings(reviewed).into_iter().flatten();
        for (reported, finding) in self.findings.iter_mut().zip(findings) {
            reported.fix = files.fix(finding);
        }
        self
    }

    /// Returns true if the run fails.
    pub(super) fn fails(&self, args: &OutputArgs) -> bool {
        let diff = self.connectivity.as_ref();
        let is_unjudged = self.summary.unjudged > 0
            || self.is_of_other_kinds
            || diff.is_some_and(Diff::is_incomplete);
        self.failing(args).next().is_some() || args.is_strict() && is_unjudged
    }

    /// The findings that fail the run.
    pub(super) fn failing<'a>(
        &'a self,
        args: &'a OutputArgs,
    ) -> impl Iterator<Item = &'a Reported> {
        let findings = self.findings.iter();
        findings.filter(|found| args.fails(found.level))
    }

    /// The findings, the worst level first.
    pub(super) fn worst_first(&self) -> Vec<&Reported> {
        let mut findings: Vec<&Reported> = self.findings.iter().collect();
        findings.sort_by_key(|found| {
            [DENIED, WARNING]
                .iter()
                .position(|level| found.level == *level)
                .unwrap_or(2)
        });
        findings
    }

    pub(super) fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

/// The JSON schema of a report.
pub fn schema() -> Value {
    // Of the fields that are written, those that may be left out are not required.
    let settings = SchemaSettings::default().for_serialize();
    settings
        .into_generator()
        .into_root_schema_for::<Report>()
        .to_value()
}

/// Levels of findings.
pub(super) const DENIED: &str = "denied";
pub(super) const WARNING: &str = "warning";
pub(super) const NOTE: &str = "note";

impl Name {
    /// Kind, namespace and name.
    pub(super) fn name(&self) -> String {
        named(self.kind, &self.namespace, &self.object)
    }

    fn new(object: &ObjectRef, files: &Files<'_>) -> Self {
        let origin = files.of(object).and_then(Located::place);
        Self {
            kind: object.kind.label(),
            namespace: object.namespace.to_string(),
            object: object.name.to_string(),
            file: origin.map(|origin| origin.file.display().to_string()),
        }
    }
}

impl Checkpoints {
    /// `None` for an object that has none.
    fn of(compiled: &CompiledSnapshot, object: &ObjectRef) -> Option<Self> {
        let conditions = conditions::own(compiled, object);
        (!conditions.is_empty()).then(|| Self {
            object: object.to_string(),
            conditions,
        })
    }
}

impl Accepted {
    fn new(certificate: &Proof) -> Self {
        Self {
            object: certificate.object.to_string(),
            field: certificate.path.clone(),
            cluster: certificate.cluster.to_string(),
            entries: certificate.entries.clone(),
        }
    }
}
