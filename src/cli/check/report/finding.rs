//! A finding of a report.

use netpol::Difference;
use schemars::JsonSchema;
use serde::Serialize;

use super::files::{Fix, Shown};
use super::{DENIED, NOTE, WARNING};
use crate::review::render::{self, Step};
use crate::rules::remedy::{Remedy, rule_path};
use crate::rules::{Finding, Level};
use crate::sources::files::Located;

/// A finding, and where it stands.
#[derive(Debug, JsonSchema, Serialize)]
pub(in crate::cli::check) struct Reported {
    /// Code of the rule.
    pub(in crate::cli::check) code: &'static str,
    /// Name of the rule.
    pub(in crate::cli::check) name: &'static str,
    /// `denied`, `warning` or `note`.
    pub(in crate::cli::check) level: &'static str,
    /// Kind of the object.
    pub(in crate::cli::check) kind: &'static str,
    /// Namespace of the object.
    pub(in crate::cli::check) namespace: String,
    /// Name of the object.
    pub(in crate::cli::check) object: String,
    /// Field path; empty for the object as a whole.
    pub(in crate::cli::check) field: String,
    /// The problem.
    pub(in crate::cli::check) reason: String,
    /// One connection as evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli::check) connection: Option<String>,
    /// Condition of the connection, if it does not exist under every reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli::check) only_if: Option<&'static str>,
    /// The same in words.
    #[serde(skip)]
    condition: Option<String>,
    /// The ordered policy that decides the connection at the moment, whatever this NetworkPolicy says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli::check) effective: Option<String>,
    /// Advice, if no remedy is known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(in crate::cli::check) help: String,
    /// Changes after which nothing denies the write, the best first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::cli::check) remedies: Vec<Change>,
    /// Remedies, for people.
    #[serde(skip)]
    pub(in crate::cli::check) steps: Vec<Step>,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli::check) file: Option<String>,
    /// Beginning of the object's document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli::check) line: Option<usize>,
    /// File that the build `file` made the object from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli::check) source: Option<String>,
    /// Place of the field, or of the deepest part of its path that exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli::check) field_line: Option<usize>,
    /// Its column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli::check) field_column: Option<usize>,
    #[serde(skip)]
    pub(in crate::cli::check) shown: Option<Shown>,
    /// The connection, for people.
    #[serde(skip)]
    pub(in crate::cli::check) example_label: &'static str,
    /// A remedy as edits, where an output asks for it.
    #[serde(skip)]
    pub(in crate::cli::check) fix: Option<Fix>,
}

/// A change after which nothing denies.
#[derive(Debug, JsonSchema, Serialize)]
pub(in crate::cli::check) struct Change {
    /// The changed object, or the settings.
    target: String,
    /// Its effect.
    action: String,
    /// Field path in the target.
    path: String,
    /// `add` to the list at the path, `insert` before the element, `set` keys of the object, `replace` or `remove` the
    /// whole.
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
    pub(in crate::cli::check) fn target(&self) -> String {
        super::named(self.kind, &self.namespace, &self.object)
    }

    /// The file of the repository: the source of a build, where the line is none of it, or else the file.
    pub(in crate::cli::check) fn artifact(&self) -> Option<&String> {
        self.source.as_ref().or(self.file.as_ref())
    }

    /// The connection with its condition.
    pub(in crate::cli::check) fn example(&self) -> Option<String> {
        let connection = self.connection.as_ref()?;
        let only_where = self
            .condition
            .as_ref()
            .map(|difference| format!(", only where {difference}"));
        Some(format!(
            "{}: {connection}{}",
            self.example_label,
            only_where.unwrap_or_default()
        ))
    }

    pub(super) fn new(finding: &Finding, located: Option<&Located>, shown: Option<Shown>) -> Self {
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
            kind: finding.object.kind.label(),
            namespace: finding.object.namespace.to_string(),
            object: finding.object.name.to_string(),
            field: finding.path.clone(),
            reason: render::reason(finding),
            connection: finding.witness.as_ref().map(render::connection),
            only_if: finding.only_if.map(Difference::as_str),
            condition: finding.only_if.map(|difference| difference.to_string()),
            effective: finding.effective.clone(),
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
            fix: None,
        }
    }
}
