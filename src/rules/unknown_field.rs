//! OBP316: a field that the API does not have, so that it has no effect.

use std::fmt::Write as _;

use super::{Cause, Finding, Level, Onset, beyond_ceiling};
use crate::inventory::unknown::UnknownField;
use crate::inventory::{Meta, ObjectRef};

/// Maximum number of unknown fields named in one denial.
const NAMED: usize = 3;

/// One finding for each unknown field of an object as it is written.
pub(crate) fn check(object: &ObjectRef, after: &Meta, before: Option<&Meta>) -> Vec<Finding> {
    let was_there = |field: &UnknownField| before.is_some_and(|old| old.unknown.contains(field));
    let finding = |field: &UnknownField| Finding {
        reason: format!(
            "unknown field `{}`, which an API server drops; the nearest known field is `{}`",
            field.name, field.nearest
        ),
        help: format!(
            "write `{}` if that was meant, or remove `{}`",
            field.nearest, field.name
        ),
        ..Finding::of(
            Cause::UnknownField,
            Onset::of(was_there(field)),
            object,
            &field.path,
        )
    };
    after.unknown.iter().map(finding).collect()
}

/// Adds to each denial the unknown fields of the same part of the object, since a misspelt field may be the
/// cause.
pub(crate) fn name_in(findings: &mut [Finding], object: &ObjectRef, unknown: &[UnknownField]) {
    if unknown.is_empty() {
        return;
    }
    let denials = findings.iter_mut();
    let denials = denials.filter(|finding| finding.level == Level::Deny);
    for finding in denials.filter(|finding| finding.object == *object) {
        let beside = unknown.iter().filter(|field| belongs(finding, field));
        let mut named = String::new();
        for field in beside.take(NAMED) {
            let _ = write!(
                named,
                "; the unknown field `{}` is dropped with its value ({}); did you mean `{}`?",
                field.path, field.value, field.nearest
            );
        }
        finding.reason.push_str(&named);
    }
}

/// Returns true if the field is in the part that a finding is about, or should have selected the pods of its
/// rule.
fn belongs(finding: &Finding, field: &UnknownField) -> bool {
    let inside = |part: &str| {
        let rest = field.path.strip_prefix(part);
        rest.is_some_and(|rest| rest.starts_with(['.', '[']))
    };
    let nearest = field.nearest.trim_start_matches("spec.");
    let selects = inside("spec.podSelector")
        || (nearest.starts_with("podSelector") && !field.path.contains('['));
    let is_about_pods = beyond_ceiling::CODES.contains(&finding.code);
    (is_about_pods && selects) || (!finding.path.is_empty() && inside(&finding.path))
}
