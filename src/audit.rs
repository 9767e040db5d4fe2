//! What is noted of each review: the only place where a decision is logged or counted.
//!
//! Of the contents of an object, only what the reason of a denial names.

pub mod background;
pub mod event_queue;
pub mod finding_store;
pub mod log;
pub mod metrics;

use std::time::Duration;

use crate::inventory::Kind;
use crate::review::{Outcome, Verdict, WebhookKind, render};
use crate::rules::{Code, Level};
pub use event_queue::EventQueue;
pub use metrics::Metrics;

/// How a review ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// Judged, nothing found.
    Allow,
    /// Judged, allowed with warnings.
    Warn,
    /// Judged, refused.
    Deny,
    /// Patched.
    Repair,
    /// Not judged: another kind, a subresource, another operation.
    Untouched,
    /// The body was no review, or none of a known shape.
    Malformed,
    /// A limit was reached before there was a verdict.
    NotJudged,
}

impl Resolution {
    /// All, in order.
    pub const ALL: [Self; 7] = [
        Self::Allow,
        Self::Warn,
        Self::Deny,
        Self::Repair,
        Self::Untouched,
        Self::Malformed,
        Self::NotJudged,
    ];

    /// The word in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Deny => "deny",
            Self::Repair => "repair",
            Self::Untouched => "untouched",
            Self::Malformed => "malformed",
            Self::NotJudged => "unjudged",
        }
    }

    /// How a review of this outcome ended.
    pub const fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Allow => Self::Allow,
            Outcome::Warn => Self::Warn,
            Outcome::Deny => Self::Deny,
        }
    }

    /// Whether the write was refused.
    pub const fn is_refusal(self) -> bool {
        matches!(self, Self::Deny | Self::Malformed | Self::NotJudged)
    }
}

/// The operation asked about, from a closed set, because it becomes a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// `CREATE`.
    Create,
    /// `UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
    /// `CONNECT`.
    Connect,
    /// Anything else, or not known.
    Other,
}

impl Operation {
    /// The operation of an AdmissionReview.
    pub fn from_api(text: &str) -> Self {
        match text {
            "CREATE" => Self::Create,
            "UPDATE" => Self::Update,
            "DELETE" => Self::Delete,
            "CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }

    /// The word in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Other => "other",
        }
    }
}

/// What is noted of one review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The review's uid; empty where none could be read.
    pub uid: String,
    /// The webhook that was asked.
    pub webhook: WebhookKind,
    /// The object's kind, where it is one that is judged.
    pub kind: Option<Kind>,
    /// The object's namespace, as far as known.
    pub namespace: String,
    /// The object's name, as far as known.
    pub name: String,
    /// Operation.
    pub operation: Operation,
    /// Username of the writer.
    pub user: String,
    /// Whether nothing will be stored.
    pub dry_run: bool,
    /// How it ended.
    pub resolution: Resolution,
    /// Code and level of each finding.
    pub findings: Vec<(Code, Level)>,
    /// Findings whose connection did not replay: bugs of ours.
    pub unreplayed: usize,
    /// Whether a refusal became a warning because the write is maintenance by somebody who may.
    pub maintained: bool,
    /// Reason of a denial.
    pub denial: Option<Denial>,
}

/// The first finding that denies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Field path; empty where it is about the whole object.
    pub field: String,
    /// Reason, in one sentence.
    pub reason: String,
    /// Example connection, where it is about connections.
    pub connection: Option<String>,
}

impl Denial {
    /// The first finding of a verdict that denies.
    pub fn of(verdict: &Verdict) -> Option<Self> {
        let mut findings = verdict.findings.iter();
        let first = findings.find(|finding| finding.level == Level::Deny)?;
        Some(Self {
            field: first.path.clone(),
            reason: first.reason.clone(),
            connection: render::example(first),
        })
    }
}

impl Record {
    /// A record of which no more is known than the webhook and the end.
    pub const fn of(webhook: WebhookKind, resolution: Resolution) -> Self {
        Self {
            uid: String::new(),
            webhook,
            kind: None,
            namespace: String::new(),
            name: String::new(),
            operation: Operation::Other,
            user: String::new(),
            dry_run: false,
            resolution,
            findings: Vec::new(),
            unreplayed: 0,
            maintained: false,
            denial: None,
        }
    }

    /// The kind in logs and metrics: one that is judged, or `other`.
    pub const fn kind(&self) -> &'static str {
        match self.kind {
            Some(kind) => kind.as_str(),
            None => "other",
        }
    }

    /// The codes found, each once, in order, joined by commas.
    pub fn codes(&self) -> String {
        let mut codes: Vec<&str> = self
            .findings
            .iter()
            .map(|(code, _)| code.as_str())
            .collect();
        codes.sort_unstable();
        codes.dedup();
        codes.join(",")
    }
}

/// Logs and counts a request that got no verdict within `duration`; `why` names the reason.
pub fn turned_away(metrics: &Metrics, record: &Record, why: &'static str, duration: Duration) {
    metrics.turned_away(record.webhook, why, duration);
    log::turned_away(record, why);
}

/// Logs and counts one review that took `duration`, from the whole body to the whole answer.
pub fn record(metrics: &Metrics, record: &Record, duration: Duration) {
    metrics.reviewed(record, duration);
    log::reviewed(record, duration);
}
