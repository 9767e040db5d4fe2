//! What `check` found, for people and for machines.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::inventory::ObjectRef;
use crate::perimeter::Difference;
use crate::review::World;
use crate::review::offline::{Judged, counted_as_rendered};
use crate::review::render;
use crate::rules::certificate::Certificate;
use crate::rules::{Finding, Level};
use crate::sources::files::{Manifests, Origin};

/// Everything that a run of `check` has to say.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    findings: Vec<Reported>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    accepted: Vec<Accepted>,
    counted_as_rendered: Vec<String>,
    summary: Summary,
}

/// A rule that was accepted, and what it lies in.
#[derive(Debug, Serialize)]
struct Accepted {
    object: String,
    field: String,
    cluster: String,
    entries: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Reported {
    code: &'static str,
    name: &'static str,
    level: &'static str,
    kind: &'static str,
    namespace: String,
    object: String,
    field: String,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    only_if: Option<&'static str>,
    help: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip)]
    text: String,
}

#[derive(Debug, Default, Serialize)]
struct Summary {
    judged: usize,
    refused: usize,
    warned: usize,
    skipped: usize,
}

impl Report {
    pub(super) fn new(
        world: &World,
        judged: &[Judged],
        explained: &[Certificate],
        after: &Manifests,
        before: Option<&Manifests>,
    ) -> Self {
        let located = before
            .into_iter()
            .chain([after])
            .flat_map(|manifests| &manifests.objects);
        let origins: BTreeMap<ObjectRef, &Origin> = located
            .map(|located| (located.object.reference(), &located.origin))
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
            judged: judged.len(),
            refused: has(Level::Deny),
            warned: has(Level::Warn),
            skipped: after.skipped,
        };
        let all = judged.iter().flat_map(|judged| &judged.verdict.findings);
        Self {
            findings: all
                .map(|finding| Reported::new(finding, &origins))
                .collect(),
            accepted: explained.iter().map(Accepted::new).collect(),
            counted_as_rendered: counted_as_rendered(world)
                .iter()
                .filter(|policy| !is_deleted(policy))
                .map(ToString::to_string)
                .collect(),
            summary,
        }
    }

    pub(super) const fn is_refused(&self) -> bool {
        self.summary.refused > 0
    }

    pub(super) fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let place = match (&finding.file, finding.line) {
                (Some(file), Some(line)) => format!("{file}:{line}: "),
                _ => String::new(),
            };
            let _ = writeln!(text, "{place}{}\n{}\n", finding.level, finding.text);
        }
        for Accepted {
            object,
            field,
            cluster,
            entries,
        } in &self.accepted
        {
            let entries = entries.join(" and ");
            let _ = writeln!(text, "{object}, {field} lies in {entries} of {cluster}");
        }
        for policy in &self.counted_as_rendered {
            let _ = writeln!(
                text,
                "note: {policy} is in no file and counts as the operator renders it"
            );
        }
        let Summary {
            judged,
            refused,
            warned,
            skipped,
        } = self.summary;
        let _ = writeln!(
            text,
            "judged {judged}: {refused} refused, {warned} with warnings; {skipped} of other kinds passed over"
        );
        text
    }
}

impl Accepted {
    fn new(certificate: &Certificate) -> Self {
        Self {
            object: certificate.object.to_string(),
            field: certificate.path.clone(),
            cluster: certificate.cluster.to_string(),
            entries: certificate.entries.clone(),
        }
    }
}

impl Reported {
    fn new(finding: &Finding, origins: &BTreeMap<ObjectRef, &Origin>) -> Self {
        let origin = origins.get(&finding.object);
        Self {
            code: finding.code.as_str(),
            name: finding.code.name(),
            level: match finding.level {
                Level::Deny => "refused",
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
            help: finding.help.clone(),
            file: origin.map(|origin| origin.file.display().to_string()),
            line: origin.map(|origin| origin.line),
            text: render::long(finding),
        }
    }
}
