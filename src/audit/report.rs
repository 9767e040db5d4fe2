//! Reports of the audit, as openreports.io defines them: the findings of a namespace as results.

use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::{Map, Value, json};

use crate::config::{ReviewConfig, Waiver};
use crate::inventory::ObjectRef;
use crate::review::render;
use crate::rules::{Code, Finding, Level};

/// Group and version of the reports.
pub(crate) const API: (&str, &str) = ("openreports.io", "v1alpha1");
/// Kind and plural of the reports.
pub(crate) const KIND: (&str, &str) = ("Report", "reports");
/// Name of each report, and the value of its label.
pub(crate) const NAME: &str = "openbao-perimeter";
/// Label of our reports. Others are never touched.
pub(crate) const LABEL: &str = "app.kubernetes.io/managed-by";
/// Annotation with a hash of the content.
pub(crate) const CONTENT: &str = "perimeter.openbao.org/content";
/// Annotation with the number of results that were left out.
const LEFT_OUT: &str = "perimeter.openbao.org/left-out";
/// Most results of a report.
pub(crate) const MAX_RESULTS: usize = 256;
/// Most characters of a message, and of a property.
const MESSAGE: usize = 512;
const PROPERTY: usize = 256;

/// Findings that prove nothing: the object could not be judged.
const UNPROVED: [Code; 3] = [Code::Obp401, Code::Obp402, Code::Obp403];

/// Result of a finding, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Fail,
    Error,
    Warn,
    Skip,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Fail, Self::Error, Self::Warn, Self::Skip];

    fn of(finding: &Finding) -> Self {
        match finding.level {
            _ if finding.waiver.is_some() => Self::Skip,
            _ if UNPROVED.contains(&finding.code) => Self::Error,
            Level::Deny => Self::Fail,
            Level::Warn | Level::Audit | Level::Off => Self::Warn,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Skip => "skip",
        }
    }
}

/// One result.
#[derive(Clone, Debug, PartialEq)]
struct ReportResult {
    outcome: Outcome,
    code: Code,
    object: ObjectRef,
    path: String,
    value: Value,
}

impl ReportResult {
    fn of(finding: &Finding, config: &ReviewConfig) -> Self {
        let outcome = Outcome::of(finding);
        let severity = match finding.level {
            Level::Deny => "high",
            Level::Warn => "medium",
            Level::Audit | Level::Off => "low",
        };
        let mut value = json!({
            "source": NAME,
            "policy": NAME,
            "rule": finding.code.as_str(),
            "category": finding.code.name(),
            "severity": severity,
            "result": outcome.as_str(),
            "message": cut(&finding.reason, MESSAGE),
            "properties": properties(finding, config),
        });
        if !finding.object.name.is_empty() {
            value["resources"] = json!([reference(&finding.object)]);
        }
        Self {
            outcome,
            code: finding.code,
            object: finding.object.clone(),
            path: finding.path.clone(),
            value,
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        let key = |own: &Self| (own.outcome, own.code);
        let by_object = || self.object.cmp(&other.object);
        let by_path = || self.path.cmp(&other.path);
        key(self)
            .cmp(&key(other))
            .then_with(by_object)
            .then_with(by_path)
    }
}

fn properties(finding: &Finding, config: &ReviewConfig) -> Map<String, Value> {
    let mut all = Map::new();
    let mut set = |key: &str, text: &str| {
        if !text.is_empty() {
            all.insert(key.to_owned(), cut(text, PROPERTY).into());
        }
    };
    set("baseline", config.baseline.as_str());
    set("level", finding.level.as_str());
    set("path", &finding.path);
    if let Some(cluster) = &finding.cluster {
        set(
            "cluster",
            &format!("{}/{}", cluster.namespace, cluster.name),
        );
    }
    if let Some(connection) = render::example(finding) {
        set("connection", &connection);
    }
    if let Some(waiver) = finding.waiver.as_deref() {
        let Waiver { until, reason, .. } = waiver;
        set("waivedUntil", &until.to_string());
        set("waiverReason", reason);
    }
    all
}

fn reference(object: &ObjectRef) -> Value {
    let (group, version) = (object.kind.group(), object.kind.first_version());
    let separator = if group.is_empty() { "" } else { "/" };
    let mut reference = json!({
        "apiVersion": format!("{group}{separator}{version}"),
        "kind": object.kind.as_str(),
        "name": &*object.name,
    });
    if !object.namespace.is_empty() {
        reference["namespace"] = (*object.namespace).into();
    }
    reference
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(most - 1).collect();
    cut.push('…');
    cut
}

/// The results of some findings: all are counted, and the worst are kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Results {
    counts: [usize; Outcome::ALL.len()],
    worst: Vec<ReportResult>,
}

impl Results {
    /// The results of findings.
    pub(crate) fn of(findings: &[Finding], config: &ReviewConfig) -> Self {
        let mut counts = [0; Outcome::ALL.len()];
        for finding in findings {
            counts[Outcome::of(finding) as usize] += 1;
        }
        // Only those that are kept become text.
        let mut worst: Vec<&Finding> = findings.iter().collect();
        worst.sort_by_key(|finding| (Outcome::of(finding), finding.code));
        let worst = worst.into_iter().take(MAX_RESULTS);
        Self {
            counts,
            worst: worst
                .map(|finding| ReportResult::of(finding, config))
                .collect(),
        }
        .ordered()
    }

    /// True if there is no finding.
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    /// The results of several audits.
    pub(crate) fn merged<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        let mut merged = Self::default();
        for own in all {
            for (count, own) in merged.counts.iter_mut().zip(own.counts) {
                *count += own;
            }
            merged.worst.extend(own.worst.iter().cloned());
        }
        merged.ordered()
    }

    fn ordered(mut self) -> Self {
        self.worst.sort_by(ReportResult::order);
        self.worst.truncate(MAX_RESULTS);
        self
    }
}

/// The report of a namespace.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Report {
    /// The object.
    pub(crate) value: Value,
    /// Hash of its content, which is in [`CONTENT`] too.
    pub(crate) content: String,
}

impl Report {
    /// The report with these results.
    pub(crate) fn new(namespace: &str, results: &Results) -> Self {
        let all: usize = results.counts.iter().sum();
        let left_out = all - results.worst.len();
        let mut summary = Map::new();
        summary.insert("pass".to_owned(), 0.into());
        for (outcome, count) in Outcome::ALL.into_iter().zip(results.counts) {
            summary.insert(outcome.as_str().to_owned(), count.into());
        }
        let values = results.worst.iter().map(|result| result.value.clone());
        let mut value = json!({
            "apiVersion": format!("{}/{}", API.0, API.1),
            "kind": KIND.0,
            "metadata": {
                "name": NAME,
                "namespace": namespace,
                "labels": {LABEL: NAME},
                "annotations": {LEFT_OUT: left_out.to_string()},
            },
            "source": NAME,
            "scope": {"apiVersion": "v1", "kind": "Namespace", "name": namespace},
            "configuration": {"limits": {"maxResults": MAX_RESULTS}},
            "summary": summary,
            "results": values.collect::<Vec<Value>>(),
        });
        let mut hasher = DefaultHasher::new();
        value.to_string().hash(&mut hasher);
        let content = format!("{:016x}", hasher.finish());
        value["metadata"]["annotations"][CONTENT] = content.as_str().into();
        Self { value, content }
    }
}

#[cfg(test)]
mod tests;
