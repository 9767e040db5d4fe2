//! Report of `check`, from which every output is made.

mod files;
mod unique;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::Value;

use super::joined::Summary;
use super::notes::Input;
use crate::cli::output::OutputArgs;
use crate::inventory::ObjectRef;
use crate::review::CompiledSnapshot;
use crate::review::offline::{Judged, counted_as_rendered};
use crate::review::render::{self, Step};
use crate::rules::inside_ceiling::Proof;
use crate::rules::remedy::{Remedy, rule_path};
use crate::rules::{Finding, Level};
use crate::show::conditions::{self, Condition};
use crate::sources::files::Located;
use netpol::Difference;

use files::Files;
pub(super) use files::Shown;

/// Version of the JSON. It changes with every field that is removed or gets another meaning.
const VERSION: u32 = 1;

/// Everything that a run of `check` reports.
#[derive(Debug, Default, JsonSchema, Serialize)]
#[schemars(title = "Report of `openbao-perimeter check -o json`")]
pub(super) struct Report {
    /// Version of this format. It changes with every field that is removed or gets another meaning.
    version: u32,
    /// Findings, each once.
    pub(super) findings: Vec<Reported>,
    /// With `--explain`: the rules that were accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) accepted: Vec<Accepted>,
    /// Managed policies that are in no file and count as the operator renders them.
    pub(super) counted_as_rendered: Vec<String>,
    /// Objects that could not be judged.
    pub(super) unjudged: Vec<NotJudged>,
    /// Notes about the input.
    pub(super) notes: Vec<String>,
    /// Errors of files, documents and builds that could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) unreadable: Vec<String>,
    /// Status checkpoints of the objects that were judged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) checkpoints: Vec<Checkpoints>,
    /// Numbers of objects.
    pub(super) summary: Summary,
    /// Objects that were judged.
    #[serde(skip)]
    pub(super) judged: Vec<Name>,
    /// True if no object is of a kind that is judged.
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

/// An object that was not judged.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct NotJudged {
    /// Its kind.
    pub(super) kind: &'static str,
    /// Its namespace.
    pub(super) namespace: String,
    /// Its name.
    pub(super) object: String,
    /// The reason.
    pub(super) reason: String,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// The first line of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
}

/// The status checkpoints of an object that was judged.
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

/// A finding, and where it stands.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct Reported {
    /// Code of the rule.
    pub(super) code: &'static str,
    /// Name of the rule.
    pub(super) name: &'static str,
    /// `denied`, `warning` or `note`.
    pub(super) level: &'static str,
    /// Kind of the object.
    pub(super) kind: &'static str,
    /// Namespace of the object.
    pub(super) namespace: String,
    /// Name of the object.
    pub(super) object: String,
    /// Field path; empty for the object as a whole.
    pub(super) field: String,
    /// The problem.
    pub(super) reason: String,
    /// One connection as evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connection: Option<String>,
    /// Condition of the connection, if it does not exist under every reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) only_if: Option<&'static str>,
    /// Advice, if no remedy is known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) help: String,
    /// Changes after which nothing denies the write, the best first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) remedies: Vec<Change>,
    /// Remedies, for people.
    #[serde(skip)]
    pub(super) steps: Vec<Step>,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
    /// Beginning of the object's document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<usize>,
    /// File that the build `file` made the object from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<String>,
    /// Place of the field, or of the deepest part of its path that exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) field_line: Option<usize>,
    /// Its column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) field_column: Option<usize>,
    #[serde(skip)]
    pub(super) shown: Option<Shown>,
    /// The connection, for people.
    #[serde(skip)]
    pub(super) example_label: &'static str,
}

/// A change after which nothing denies.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct Change {
    /// The changed object, or the settings.
    target: String,
    /// Its effect.
    action: String,
    /// Field path in the target.
    path: String,
    /// `add` to the list at the path, `set` keys of the object, `replace` or `remove` the whole.
    operation: &'static str,
    /// The value.
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    value: serde_json::Value,
    /// The value as YAML.
    #[serde(skip_serializing_if = "String::is_empty")]
    yaml: String,
    /// The rule of the written policy that is left out beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    leaves_out: Option<String>,
}

impl Report {
    pub(super) fn new(
        world: &CompiledSnapshot,
        judged: &[Judged],
        explained: &[Proof],
        input: &Input<'_>,
    ) -> Self {
        let (before, after) = (input.before, input.after);
        let files = Files::new(before.into_iter().chain([after]));
        let unjudged = input.unjudged(world, judged).into_iter();
        let unjudged: Vec<NotJudged> = unjudged
            .map(|(object, reason)| NotJudged::new(&object, reason, &files))
            .collect();
        let is_deleted = |policy: &ObjectRef| {
            let mut old = before.into_iter().flat_map(|before| &before.objects);
            old.any(|located| located.object.reference() == *policy)
        };
        let once = unique::findings(judged);
        let has = |level: Level| {
            let has = |findings: &&Vec<&Finding>| findings.iter().any(|found| found.level == level);
            once.iter().filter(has).count()
        };
        let summary = Summary {
            judged: judged.len() - unjudged.len(),
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
            findings: findings
                .map(|(finding, shown)| Reported::new(finding, files.located(finding), shown))
                .collect(),
            accepted: explained.iter().map(Accepted::new).collect(),
            counted_as_rendered: counted_as_rendered(world)
                .iter()
                .filter(|policy| !is_deleted(policy))
                .map(ToString::to_string)
                .collect(),
            unjudged,
            notes: input.notes(judged),
            unreadable: Vec::new(),
            checkpoints: judged
                .iter()
                .filter_map(|judged| Checkpoints::of(world, &judged.object))
                .collect(),
            summary,
            judged: judged
                .iter()
                .map(|judged| Name::new(&judged.object, &files))
                .collect(),
            is_of_other_kinds: input.is_of_other_kinds(),
        }
    }

    /// Returns true if the run fails.
    pub(super) fn fails(&self, args: &OutputArgs) -> bool {
        let is_unjudged = self.summary.unjudged > 0 || self.is_of_other_kinds;
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
            kind: object.kind.as_str(),
            namespace: object.namespace.to_string(),
            object: object.name.to_string(),
            file: origin.map(|origin| origin.file.display().to_string()),
        }
    }
}

impl NotJudged {
    fn new(object: &ObjectRef, reason: String, files: &Files<'_>) -> Self {
        let origin = files.of(object).and_then(Located::place);
        Self {
            kind: object.kind.as_str(),
            namespace: object.namespace.to_string(),
            object: object.name.to_string(),
            reason,
            file: origin.map(|origin| origin.file.display().to_string()),
            line: origin.map(|origin| origin.line),
        }
    }

    /// Kind, namespace and name.
    pub(super) fn name(&self) -> String {
        named(self.kind, &self.namespace, &self.object)
    }
}

/// Kind, namespace and name.
fn named(kind: &str, namespace: &str, name: &str) -> String {
    let separator = if namespace.is_empty() { "" } else { "/" };
    format!("{kind} {namespace}{separator}{name}")
}

impl Checkpoints {
    /// `None` for an object that has none.
    fn of(world: &CompiledSnapshot, object: &ObjectRef) -> Option<Self> {
        let conditions = conditions::own(world, object);
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

impl Change {
    fn of(remedy: &Remedy) -> Self {
        let (path, verb, value) = remedy.lines();
        let leaves_out = remedy.leaves_out;
        Self {
            target: remedy.target(),
            action: remedy.action.clone(),
            path,
            operation: verb.as_str(),
            value,
            yaml: remedy.yaml(),
            leaves_out: leaves_out.map(|(direction, at)| rule_path(direction, at)),
        }
    }
}

impl Reported {
    /// The object: kind, namespace and name.
    pub(super) fn target(&self) -> String {
        named(self.kind, &self.namespace, &self.object)
    }

    /// The file of the repository: the source of a build, where the line is none of it, or else the file.
    pub(super) fn artifact(&self) -> Option<&String> {
        self.source.as_ref().or(self.file.as_ref())
    }

    /// The connection with its condition.
    pub(super) fn example(&self) -> Option<String> {
        let connection = self.connection.as_ref()?;
        let only_where = self
            .only_if
            .map(|difference| format!(", only where {difference}"));
        Some(format!(
            "{}: {connection}{}",
            self.example_label,
            only_where.unwrap_or_default()
        ))
    }

    fn new(finding: &Finding, located: Option<&Located>, shown: Option<Shown>) -> Self {
        let origin = located.and_then(Located::place);
        let place = shown.as_ref().map(|shown| shown.place);
        Self {
            code: finding.code.as_str(),
            name: finding.code.name(),
            level: match finding.level {
                Level::Deny => DENIED,
                Level::Warn => WARNING,
                Level::Audit | Level::Off => NOTE,
            },
            kind: finding.object.kind.as_str(),
            namespace: finding.object.namespace.to_string(),
            object: finding.object.name.to_string(),
            field: finding.path.clone(),
            reason: finding.reason.clone(),
            connection: finding.witness.as_ref().map(render::connection),
            only_if: finding.only_if.map(Difference::as_str),
            help: if finding.remedies.is_empty() {
                finding.help.clone()
            } else {
                String::new()
            },
            remedies: finding.remedies.iter().map(Change::of).collect(),
            steps: render::steps(finding),
            file: origin.map(|origin| origin.file.display().to_string()),
            line: origin.map(|origin| origin.line),
            source: located
                .and_then(|located| located.source.as_ref())
                .map(|source| source.display().to_string()),
            field_line: place.map(|place| place.line),
            field_column: place.map(|place| place.column),
            shown,
            example_label: finding.example_label,
        }
    }
}
