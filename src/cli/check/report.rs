//! Report of `check`, for people and for machines.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::notes::Input;
use crate::cli::text::WIDTH;
use crate::inventory::ObjectRef;
use crate::review::CompiledSnapshot;
use crate::review::offline::{Judged, counted_as_rendered};
use crate::review::render::{self, Step};
use crate::rules::inside_ceiling::Proof;
use crate::rules::remedy::{Remedy, rule_path};
use crate::rules::{Finding, Level};
use crate::show::conditions::{self, Condition};
use crate::sources::files::place::{Place, Source, path_in};
use crate::sources::files::{Located, Manifests};
use netpol::Difference;

/// Everything that a run of `check` reports.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) findings: Vec<Reported>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) accepted: Vec<Accepted>,
    pub(super) counted_as_rendered: Vec<String>,
    /// Objects that could not be judged.
    pub(super) unjudged: Vec<NotJudged>,
    /// Notes about the input.
    pub(super) notes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) checkpoints: Vec<Checkpoints>,
    pub(super) summary: Summary,
}

/// An object that was not judged.
#[derive(Debug, Serialize)]
pub(super) struct NotJudged {
    pub(super) kind: &'static str,
    pub(super) namespace: String,
    pub(super) object: String,
    pub(super) reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
}

/// The status checkpoints of an object that was judged.
#[derive(Debug, Serialize)]
pub(super) struct Checkpoints {
    pub(super) object: String,
    pub(super) conditions: Vec<Condition>,
}

/// A rule that was accepted, and what it lies in.
#[derive(Debug, Serialize)]
pub(super) struct Accepted {
    pub(super) object: String,
    pub(super) field: String,
    pub(super) cluster: String,
    pub(super) entries: Vec<String>,
}

/// A finding, and where it stands.
#[derive(Debug, Serialize)]
pub(super) struct Reported {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) level: &'static str,
    pub(super) kind: &'static str,
    pub(super) namespace: String,
    pub(super) object: String,
    pub(super) field: String,
    pub(super) reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connection: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) only_if: Option<&'static str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) help: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) remedies: Vec<Change>,
    /// Remedies, for people.
    #[serde(skip)]
    pub(super) steps: Vec<Step>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
    /// Beginning of the object's document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<usize>,
    /// Place of the field, or of the deepest part of its path that exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    field_line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field_column: Option<usize>,
    #[serde(skip)]
    pub(super) shown: Option<Shown>,
    /// The connection, for people.
    #[serde(skip)]
    pub(super) example_label: &'static str,
}

/// A change after which nothing denies.
#[derive(Debug, Serialize)]
pub(super) struct Change {
    /// The changed object, or the settings.
    target: String,
    action: String,
    /// Field path in the target.
    path: String,
    /// `add` to the list at the path, `set` keys of the object, `replace` or `remove` the whole.
    operation: &'static str,
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    value: serde_json::Value,
    /// The value as YAML.
    #[serde(skip_serializing_if = "String::is_empty")]
    yaml: String,
    /// The rule of the written policy that is left out beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    leaves_out: Option<String>,
}

/// A part of a line of a file.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) place: Place,
    /// The line, or as much of it around the place as fits, with `…` where it is cut.
    pub(super) text: String,
    /// Characters of the line before that.
    pub(super) skipped: usize,
}

impl Shown {
    /// A file of JSON may be one line, so only what fits is kept.
    fn new(place: Place, line: &str) -> Self {
        const ROOM: usize = WIDTH - 10;
        let before = place.column - 1;
        // The mark stands for the character before the place.
        let skipped = if before + 20 > ROOM { before - 1 } else { 0 };
        let line = line.chars().skip(skipped).take(ROOM + 1);
        let mut text: Vec<char> = line.map(|c| if c.is_control() { ' ' } else { c }).collect();
        if let (1.., Some(first)) = (skipped, text.first_mut()) {
            *first = '…';
        }
        if text.len() > ROOM {
            text.truncate(ROOM - 1);
            text.push('…');
        }
        Self {
            place,
            text: text.into_iter().collect(),
            skipped,
        }
    }
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    pub(super) judged: usize,
    pub(super) denied: usize,
    pub(super) warned: usize,
    pub(super) skipped: usize,
    pub(super) unjudged: usize,
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
        let has = |level: Level| {
            let at = move |judged: &&Judged| {
                judged
                    .verdict
                    .findings
                    .iter()
                    .any(|finding| finding.level == level)
            };
            judged.iter().filter(at).count()
        };
        let summary = Summary {
            judged: judged.len() - unjudged.len(),
            denied: has(Level::Deny),
            warned: has(Level::Warn),
            skipped: after.skipped(),
            unjudged: unjudged.len(),
        };
        let all = judged.iter().flat_map(|judged| &judged.verdict.findings);
        let all: Vec<&Finding> = all.collect();
        let shown = files.shown(&all).into_iter();
        let findings = all.iter().zip(shown);
        Self {
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
            checkpoints: judged
                .iter()
                .filter_map(|judged| Checkpoints::of(world, &judged.object))
                .collect(),
            summary,
        }
    }

    pub(super) const fn is_denied(&self) -> bool {
        self.summary.denied > 0
    }

    pub(super) const fn is_unjudged(&self) -> bool {
        self.summary.unjudged > 0
    }

    pub(super) fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}

impl NotJudged {
    fn new(object: &ObjectRef, reason: String, files: &Files<'_>) -> Self {
        let origin = files.located.get(object).map(|located| &located.origin);
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
        format!("{} {}/{}", self.kind, self.namespace, self.object)
    }
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
    fn new(finding: &Finding, located: Option<&Located>, shown: Option<Shown>) -> Self {
        let origin = located.map(|located| &located.origin);
        let place = shown.as_ref().map(|shown| shown.place);
        Self {
            code: finding.code.as_str(),
            name: finding.code.name(),
            level: match finding.level {
                Level::Deny => "denied",
                Level::Warn => "warning",
                Level::Audit | Level::Off => "note",
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
            field_line: place.map(|place| place.line),
            field_column: place.map(|place| place.column),
            shown,
            example_label: render::example_label(finding.code),
        }
    }
}

/// The files that were read, and where each object stands in them.
struct Files<'a> {
    located: BTreeMap<ObjectRef, &'a Located>,
    texts: BTreeMap<&'a Path, &'a str>,
}

impl<'a> Files<'a> {
    fn new(manifests: impl Iterator<Item = &'a Manifests> + Clone) -> Self {
        let objects = manifests.clone().flat_map(|manifests| &manifests.objects);
        let texts = manifests.flat_map(|manifests| &manifests.texts);
        Self {
            located: objects
                .map(|located| (located.object.reference(), located))
                .collect(),
            texts: texts
                .map(|(file, text)| (file.as_path(), text.as_str()))
                .collect(),
        }
    }

    fn located(&self, finding: &Finding) -> Option<&'a Located> {
        self.located.get(&finding.object).copied()
    }

    /// The line that each finding is about. A document is looked through once for all its findings.
    fn shown(&self, findings: &[&Finding]) -> Vec<Option<Shown>> {
        let mut documents: BTreeMap<(&Path, usize), Vec<usize>> = BTreeMap::new();
        for (number, finding) in findings.iter().enumerate() {
            if let Some(located) = self.located(finding) {
                let document = (located.origin.file.as_path(), located.origin.line);
                documents.entry(document).or_default().push(number);
            }
        }
        let mut shown = vec![None; findings.len()];
        let mut open: Option<(&Path, Source<'_>)> = None;
        for ((file, line), numbers) in documents {
            if open.as_ref().is_none_or(|(known, _)| *known != file) {
                open = self.texts.get(file).map(|text| (file, Source::new(text)));
            }
            let Some((_, source)) = &open else { continue };
            let path = |number: &usize| {
                let finding = findings[*number];
                let item = self
                    .located(finding)
                    .map_or(&[][..], |located| &located.item);
                let field = if finding.path.is_empty() {
                    "metadata.name"
                } else {
                    &finding.path
                };
                path_in(item, field)
            };
            let paths: Vec<String> = numbers.iter().map(path).collect();
            for (number, place) in numbers.into_iter().zip(source.places(line, &paths)) {
                shown[number] = place.and_then(|place| {
                    let line = source.line(place.line)?;
                    Some(Shown::new(place, line))
                });
            }
        }
        shown
    }
}
