//! The record of each review. Decisions are logged and counted only here.
//!
//! The contents of an object are not recorded, except those in the reason of a denial.

pub(crate) mod background;
pub(crate) mod event_queue;
pub(crate) mod finding_store;
pub(crate) mod identity;
pub(crate) mod log;
pub mod metrics;
pub(crate) mod report;
pub(crate) mod report_store;
mod shapes;

use std::time::Duration;

use crate::config::EnforcementMode;
use crate::inventory::Kind;
use crate::review::{Outcome, Verdict, WebhookKind, render};
use crate::rules::{Code, Level};
pub use event_queue::EventQueue;
pub use metrics::Metrics;
pub(crate) use report_store::ReportStore;

/// Outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// Reviewed, without findings.
    Allow,
    /// Reviewed, allowed with warnings.
    Warn,
    /// Reviewed, denied.
    Deny,
    /// Patched.
    Repair,
    /// Not reviewed: another kind, a subresource, another operation.
    Untouched,
    /// The body was no AdmissionReview, or a malformed one.
    Malformed,
    /// A limit was reached before there was a verdict.
    Unreviewed,
}

impl Resolution {
    /// All outcomes, in order.
    pub const ALL: [Self; 7] = [
        Self::Allow,
        Self::Warn,
        Self::Deny,
        Self::Repair,
        Self::Untouched,
        Self::Malformed,
        Self::Unreviewed,
    ];

    /// The name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Deny => "deny",
            Self::Repair => "repair",
            Self::Untouched => "untouched",
            Self::Malformed => "malformed",
            Self::Unreviewed => "unjudged",
        }
    }

    /// The outcome of a review with this verdict.
    pub(crate) const fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Allow => Self::Allow,
            Outcome::Warn => Self::Warn,
            Outcome::Deny => Self::Deny,
        }
    }

    /// Returns true if it denies the write, where denials are enforced.
    pub(crate) const fn is_denial(self) -> bool {
        matches!(self, Self::Deny | Self::Malformed | Self::Unreviewed)
    }
}

/// Outcome of a review whose denial was not enforced.
pub const WOULD_DENY: &str = "would-deny";
/// Outcome of a review whose repair was not made, since denials are not enforced.
pub const WOULD_REPAIR: &str = "would-repair";

/// Operation of a request. The set is closed, because it is a label.
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
    /// Another operation, or unknown.
    Other,
}

impl Operation {
    /// The operation of an AdmissionReview.
    pub(crate) fn from_api(text: &str) -> Self {
        match text {
            "CREATE" => Self::Create,
            "UPDATE" => Self::Update,
            "DELETE" => Self::Delete,
            "CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }

    /// The name in logs and metrics.
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

/// Record of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The uid; empty if none could be read.
    pub uid: String,
    /// The webhook that was called.
    pub webhook: WebhookKind,
    /// The object's kind, if it is reviewed.
    pub kind: Option<Kind>,
    /// The object's namespace, if known.
    pub namespace: String,
    /// The object's name, if known.
    pub name: String,
    /// Operation.
    pub operation: Operation,
    /// Username.
    pub user: String,
    /// True if nothing will be stored.
    pub dry_run: bool,
    /// Decision.
    pub resolution: Resolution,
    /// The strictest answer that was permitted: the decision may not have been enforced.
    pub enforcement: EnforcementMode,
    /// Code and level of each finding.
    pub findings: Vec<(Code, Level)>,
    /// Codes of findings that a waiver kept from denying.
    pub waived: Vec<Code>,
    /// Number of findings whose example connection was not confirmed. These are bugs.
    pub unreplayed: usize,
    /// True if a denial became a warning, because the write is permitted maintenance.
    pub maintained: bool,
    /// Reason of a denial.
    pub denial: Option<Denial>,
}

/// The first finding that denies the write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Field path; empty if it is about the whole object.
    pub(crate) field: String,
    /// Reason, in one sentence.
    pub(crate) reason: String,
    /// Example connection, if the finding is about connections.
    pub(crate) connection: Option<String>,
}

impl Denial {
    /// The first finding of a verdict that denies the write.
    pub(crate) fn of(verdict: &Verdict) -> Option<Self> {
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
    /// A record with only webhook and outcome.
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
            enforcement: EnforcementMode::Deny,
            findings: Vec::new(),
            waived: Vec::new(),
            unreplayed: 0,
            maintained: false,
            denial: None,
        }
    }

    /// Returns true if the write was denied.
    pub const fn is_denial(&self) -> bool {
        self.resolution.is_denial() && matches!(self.enforcement, EnforcementMode::Deny)
    }

    /// Returns true if the write was allowed only because denials are not enforced.
    pub(crate) const fn would_deny(&self) -> bool {
        self.resolution.is_denial() && !matches!(self.enforcement, EnforcementMode::Deny)
    }

    /// The outcome in logs and metrics.
    pub(crate) const fn outcome(&self) -> &'static str {
        match (self.resolution, self.enforcement) {
            (Resolution::Deny, EnforcementMode::Warn | EnforcementMode::Audit) => WOULD_DENY,
            (Resolution::Repair, EnforcementMode::Warn | EnforcementMode::Audit) => WOULD_REPAIR,
            (resolution, _) => resolution.as_str(),
        }
    }

    /// The kind in logs and metrics. It is `other` for kinds that are not reviewed.
    pub(crate) const fn kind(&self) -> &'static str {
        match self.kind {
            Some(kind) => kind.as_str(),
            None => "other",
        }
    }

    /// The codes of the findings, unique and sorted, separated by commas.
    pub(crate) fn codes(&self) -> String {
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

/// Logs and counts a request that got no verdict within `duration`. `why` is the reason.
pub fn rejected_request(metrics: &Metrics, record: &Record, why: &'static str, duration: Duration) {
    metrics.rejected_request(record.webhook, why, duration);
    if record.would_deny() && record.webhook == WebhookKind::Validate {
        metrics.would_deny(why);
    }
    log::rejected_request(record, why);
}

/// Logs and counts one review. `duration` starts after the body was read and ends before the response.
pub(crate) fn record(metrics: &Metrics, record: &Record, duration: Duration) {
    metrics.reviewed(record, duration);
    log::reviewed(record, duration);
}
