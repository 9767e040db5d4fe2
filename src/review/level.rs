//! Who writes, and what that makes of a finding's level.

use super::request::{Operation, Request, Subject, Writer};
use crate::posture::Posture;
use crate::rules::{Code, Finding, Level};

/// The classes of writers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriterClass {
    /// The operator: nothing denies, and nothing is mutated.
    Operator,
    /// Garbage collection, namespace deletion, and Kubernetes' own controllers: they may delete, and
    /// update metadata.
    System,
    /// Everyone else.
    Everyone,
}

/// Usernames of the system's writers, beside all that begin with `system:controller:`. The
/// registrations list the same.
pub const SYSTEM_WRITERS: &[&str] = &[
    "system:kube-controller-manager",
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:serviceaccount:kube-system:namespace-controller",
];

impl WriterClass {
    /// The class of a writer.
    pub fn of(writer: &Writer, posture: &Posture) -> Self {
        if posture.operator_accounts.contains(&writer.name) {
            Self::Operator
        } else if SYSTEM_WRITERS.contains(&writer.name.as_str())
            || writer.name.starts_with("system:controller:")
        {
            Self::System
        } else {
            Self::Everyone
        }
    }
}

/// Findings with the level that they have for this writer and this write.
pub(super) fn settle(
    request: &Request,
    class: WriterClass,
    findings: Vec<Finding>,
) -> Vec<Finding> {
    let unchanged = match &request.subject {
        Subject::Policy(edit) => !edit.spec_changed,
        Subject::Cluster(edit) => !edit.spec_changed,
    };
    let exempt =
        class == WriterClass::System && (unchanged || request.operation == Operation::Delete);
    if exempt {
        return Vec::new();
    }
    let settle = |finding: Finding| {
        // Managed labels and the owner reference are no part of the spec.
        let about_metadata = matches!(finding.code, Code::Obp104 | Code::Obp403)
            && finding.path.starts_with("metadata");
        let old_harm = unchanged && !about_metadata;
        let level = if class == WriterClass::Operator || old_harm {
            Level::Warn
        } else {
            finding.level
        };
        Finding { level, ..finding }
    };
    findings.into_iter().map(settle).collect()
}
