//! OBP102: pods that were isolated in a direction no longer are, so everything is open to them.

use super::case::{Case, Moment, everything, subject_only};
use super::text::pods_of;
use super::{Code, Finding, Level};
use crate::perimeter::cover::Exhausted;
use crate::perimeter::{Direction, Region};

/// One finding for each direction in which the write lifts isolation.
pub fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for direction in Direction::ALL {
        match lost(case, direction) {
            Ok(Some(piece)) => findings.push(finding(case, direction, &piece)),
            Ok(None) => {}
            Err(exhausted) => findings.push(case.undecided("isolation", &exhausted)),
        }
    }
    findings
}

/// The part of the zone that only this policy isolated, and no longer does. Only what the edited
/// policy isolated can be lost, since all others stay as they are.
fn lost(case: &Case<'_>, direction: Direction) -> Result<Option<Region>, Exhausted> {
    let Some(before) = case
        .before
        .selected
        .as_ref()
        .filter(|before| before.isolates(direction))
    else {
        return Ok(None);
    };
    let after = case.isolated(Moment::After, direction);
    case.outside(
        &subject_only(before.part.clone()),
        &after.iter().collect::<Vec<_>>(),
    )
}

/// A connection that is open now and that the ceiling does not permit; `None` where it permits all.
fn newly_open(case: &Case<'_>, direction: Direction, piece: &Region) -> Option<Region> {
    let ceiling = case.ceiling(direction);
    let mut open = everything(&piece.subject).into_iter();
    open.find_map(|area| case.outside(&area, &ceiling).ok().flatten())
}

fn finding(case: &Case<'_>, direction: Direction, piece: &Region) -> Finding {
    let region = newly_open(case, direction, piece);
    let pods = pods_of(case.cluster, case.zone.pods);
    let policy_type = direction.policy_type();
    Finding {
        reason: format!(
            "no policy isolates {pods} for {policy_type} after this write, so every connection is open"
        ),
        witness: region.and_then(|region| case.witness(direction, &region)),
        help: format!(
            "keep `{policy_type}` in spec.policyTypes and the podSelector of {}, or isolate the pods by another \
             policy first",
            case.object
        ),
        // The operator can be uninstalled, policies and all; what guards its pods is not ours alone.
        level: if case.cluster.is_cluster() {
            Level::Deny
        } else {
            Level::Warn
        },
        ..case.finding(Code::Obp102, Level::Deny, "spec")
    }
}
