//! The answer to one body, with the parts that the server still needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{MaintenanceRequest, respond};
use crate::audit::Record;
use crate::config::Baseline;
use crate::inventory::{NamespaceFacts, ObjectRef};
use crate::review::maintenance::MissingPermission;
use crate::review::{NeedsLiveRead, Verdict};

/// Form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// An AdmissionReview with the uid of the request.
    Review,
    /// Plain text with an error, because no uid could be read.
    NotAReview,
}

/// An answer and its audit record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Form of `body`.
    pub protocol: Protocol,
    /// The response: an AdmissionReview as JSON, or text.
    pub body: Vec<u8>,
    /// Record for log and metrics.
    pub record: Record,
    /// A permission that can be checked before this answer is sent. If it is granted, the review is repeated.
    pub(crate) maintenance: Option<MaintenanceRequest>,
    /// Findings, if the object was reviewed.
    pub evidence: Option<Evidence>,
    /// True if a proof used up its budget, so that a larger one may change the answer.
    pub(crate) ran_out: bool,
}

impl Answer {
    /// The answer for a user who may not maintain this OpenBaoCluster.
    #[must_use]
    pub(crate) fn without_permission(self, cluster: ObjectRef) -> Self {
        let Some(mut evidence) = self.evidence else {
            return self;
        };
        evidence.verdict.missing_permission = Some(MissingPermission::Verb([cluster].into()));
        let baseline = evidence.baseline.map(Baseline::as_str);
        Self {
            body: respond::reviewed(
                &self.record.uid,
                &evidence.verdict,
                baseline,
                self.record.enforcement,
            ),
            evidence: Some(evidence),
            ..self
        }
    }
}

/// Findings about the object under review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The object.
    pub(crate) object: ObjectRef,
    /// All findings.
    pub(crate) verdict: Verdict,
    /// Set if newer facts could change the answer.
    pub(crate) live_read: Option<UnsureAnswer>,
    /// The baseline, if there were facts.
    pub(super) baseline: Option<Baseline>,
}

/// An answer that newer facts could change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnsureAnswer {
    /// The reason.
    pub(crate) live_read: NeedsLiveRead,
    /// Facts about each [namespace](review::namespaces) that the answer depends on.
    pub(crate) known: BTreeMap<Arc<str>, Option<Arc<NamespaceFacts>>>,
}
