//! The files that were read, and the places of findings in them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::cli::check::edit::{self, TextEdit};
use crate::inventory::ObjectRef;
use crate::printable::is_deceptive;
use crate::rules::Finding;
use crate::rules::remedy::{Change, Verb, rule_path};
use crate::sources::files::place::{Place, Source};
use crate::sources::files::{Located, Manifests};

/// A part of a line of a file.
#[derive(Clone, Debug)]
pub(in crate::cli::check) struct Shown {
    pub(in crate::cli::check) place: Place,
    /// The line; `None` for one that is too long to be shown, as in a large JSON file.
    pub(in crate::cli::check) text: Option<String>,
}

/// A remedy as edits of files.
#[derive(Clone, Debug)]
pub(in crate::cli::check) struct Fix {
    pub(in crate::cli::check) heading: String,
    /// Files with their edits, of one document the last in the text first.
    pub(in crate::cli::check) edits: Vec<(String, TextEdit)>,
}

/// Characters of a line that is shown in part at most.
const MAX_LINE_LENGTH: usize = 10_000;

impl Shown {
    fn new(place: Place, line: &str) -> Self {
        let clean = |line: &str| {
            let plain = line.chars().map(|c| if is_deceptive(c) { ' ' } else { c });
            plain.collect()
        };
        Self {
            place,
            text: (line.len() <= MAX_LINE_LENGTH).then(|| clean(line)),
        }
    }
}

/// The files that were read, and where each object stands in them.
pub(super) struct Files<'a> {
    located: BTreeMap<ObjectRef, &'a Located>,
    manifests: Vec<&'a Manifests>,
}

impl<'a> Files<'a> {
    pub(super) fn new(manifests: impl Iterator<Item = &'a Manifests> + Clone) -> Self {
        let objects = manifests.clone().flat_map(|manifests| &manifests.objects);
        Self {
            located: objects
                .map(|located| (located.object.reference(), located))
                .collect(),
            manifests: manifests.collect(),
        }
    }

    fn text(&self, file: &Path) -> Option<Cow<'a, str>> {
        // Those of the state after are the last.
        let mut manifests = self.manifests.iter().rev();
        manifests.find_map(|manifests| manifests.texts.get(file))
    }

    pub(super) fn of(&self, object: &ObjectRef) -> Option<&'a Located> {
        self.located.get(object).copied()
    }

    pub(super) fn located(&self, finding: &Finding) -> Option<&'a Located> {
        self.of(&finding.object)
    }

    /// The first remedy of a finding that only edits these files.
    pub(super) fn fix(&self, finding: &Finding) -> Option<Fix> {
        finding.remedies.iter().find_map(|remedy| {
            let (path, verb, value) = remedy.lines();
            let target = match &remedy.change {
                Change::Policy(object, _)
                | Change::Cluster(object, _)
                | Change::Ordered(object, _) => object,
                Change::Setting(_) => return None,
            };
            let mut edits = self.edits(target, (&path, verb, &value))?;
            if let Some((direction, at)) = remedy.leaves_out {
                let path = rule_path(direction, at);
                edits.extend(self.edits(&finding.object, (&path, Verb::Remove, &Value::Null))?);
            }
            Some(Fix {
                heading: remedy.heading(&finding.object),
                edits,
            })
        })
    }

    fn edits(
        &self,
        object: &ObjectRef,
        (path, verb, value): (&str, Verb, &Value),
    ) -> Option<Vec<(String, TextEdit)>> {
        // What a build makes is in no file.
        let located = self.of(object).filter(|located| located.build.is_none())?;
        let file = &located.place()?.file;
        let text = self.text(file)?;
        let path = located.path(path);
        let edits = edit::edits(&text, located.origin.line, (&path, verb, value)).ok()?;
        let edits = edits
            .into_iter()
            .map(|edit| (file.display().to_string(), edit));
        Some(edits.collect())
    }

    /// The line that each finding is about. A document is looked through once for all its findings.
    pub(super) fn shown(&self, findings: &[&Finding]) -> Vec<Option<Shown>> {
        let mut files: BTreeMap<&Path, BTreeMap<usize, Vec<usize>>> = BTreeMap::new();
        for (number, finding) in findings.iter().enumerate() {
            if let Some(located) = self.located(finding) {
                let documents = files.entry(located.origin.file.as_path()).or_default();
                documents
                    .entry(located.origin.line)
                    .or_default()
                    .push(number);
            }
        }
        let mut shown = vec![None; findings.len()];
        for (file, documents) in files {
            let Some(text) = self.text(file) else {
                continue;
            };
            let source = Source::new(&text);
            for (line, numbers) in documents {
                let paths = numbers.iter().map(|number| self.path(findings[*number]));
                let paths: Vec<String> = paths.collect();
                for (number, place) in numbers.into_iter().zip(source.places(line, &paths)) {
                    shown[number] = place.and_then(|place| {
                        let line = source.line(place.line)?;
                        Some(Shown::new(place, line))
                    });
                }
            }
        }
        shown
    }

    /// Path of the field that a finding is about, in its document.
    fn path(&self, finding: &Finding) -> String {
        let field = if finding.path.is_empty() {
            "metadata.name"
        } else {
            &finding.path
        };
        let located = self.located(finding);
        located.map_or_else(|| field.to_owned(), |located| located.path(field))
    }
}
