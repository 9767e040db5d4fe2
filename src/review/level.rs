//! Classes of users, and their effect on the level of a finding.

use super::maintenance::Allowance;
use super::request::{Operation, Request, Subject, Writer};
use super::rules::About;
use super::verdict::Verdict;
use super::waivers;
use crate::code::EnforcementPoint;
use crate::config::ReviewConfig;
use crate::rules::{Finding, Level, Onset, Place};

/// The classes of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriterClass {
    /// The operator: nothing is denied or mutated.
    Operator,
    /// No user: a stored managed policy. A difference from the operator's policy is a finding, since a tenant
    /// may have written it while no webhook was called.
    Stored,
    /// Garbage collection, namespace deletion and Kubernetes controllers. They may delete objects and update
    /// metadata.
    System,
    /// Everyone else.
    Everyone,
}

/// Usernames of system users, in addition to all that start with `system:controller:`. The registrations have
/// the same list.
pub const SYSTEM_WRITERS: &[&str] = &[
    "system:kube-controller-manager",
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:serviceaccount:kube-system:namespace-controller",
];

impl WriterClass {
    /// The class of a user.
    pub fn of(writer: &Writer, config: &ReviewConfig) -> Self {
        if config.operator_accounts.contains(&writer.name) {
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

/// The verdict: findings with the level for this user and this write, without those that are off.
pub(super) fn apply_levels(
    config: &ReviewConfig,
    request: &Request,
    class: WriterClass,
    allowance: Allowance<'_>,
    findings: Vec<Finding>,
) -> Verdict {
    let unchanged = !request.spec_changed();
    let exempt =
        class == WriterClass::System && (unchanged || request.operation == Operation::Delete);
    if exempt {
        return Verdict::default();
    }
    let is_platform = matches!(request.subject, Subject::Ordered(_))
        && config.platform_accounts.contains(&request.writer.name);
    let mut maintained = false;
    let settle = |finding: Finding| {
        let breaks_glass = allowance.covers(&finding);
        let old_harm =
            finding.onset == Onset::PreExisting || (unchanged && finding.place != Place::Metadata);
        let about = finding.code.rule().about;
        let most = match class {
            _ if old_harm => Level::Warn,
            WriterClass::Operator if about == About::Allowlist => config.operator_level,
            WriterClass::Stored if about != About::Other => Level::Deny,
            WriterClass::Operator | WriterClass::Stored => Level::Warn,
            WriterClass::Everyone if breaks_glass || is_platform => Level::Warn,
            WriterClass::System | WriterClass::Everyone => Level::Deny,
        };
        let set = config.levels.of(finding.code, request.point);
        // Levels are ordered, the strictest first.
        let own = set.unwrap_or(finding.level);
        maintained |= breaks_glass && !old_harm && own == Level::Deny;
        let level = own.max(most);
        waivers::apply(config, Finding { level, ..finding })
    };
    // The operator cannot fix an unchanged spec when it only removes a finalizer.
    let is_reported = |finding: &Finding| {
        class != WriterClass::Operator || !unchanged || finding.place == Place::Metadata
    };
    let settled = findings.into_iter().filter(is_reported).map(settle);
    let findings = settled
        .filter(|finding| finding.level != Level::Off)
        .collect();
    Verdict {
        maintained,
        ..Verdict::new(findings)
    }
}

/// Findings about a state, with the level at an enforcement point.
pub(super) fn of_state(
    config: &ReviewConfig,
    point: EnforcementPoint,
    findings: Vec<Finding>,
) -> Vec<Finding> {
    let settled = findings.into_iter().map(|finding| Finding {
        level: config
            .levels
            .of(finding.code, point)
            .unwrap_or(finding.level),
        ..finding
    });
    let settled = settled.map(|finding| waivers::apply(config, finding));
    settled
        .filter(|finding| finding.level != Level::Off)
        .collect()
}
