//! Words for what ordered policies decide.

use crate::baseline::Zone;
use crate::inventory::ObjectRef;
use crate::rules::layers::describe;
use crate::rules::ordered::{Found, Problem, Side};
use crate::rules::policy_not_judged::few;
use crate::rules::text::pods_named;

/// The rule or layer that decides, in words.
pub(super) fn decided(found: &Found<'_>, after: &Side<'_>) -> String {
    let describe = |decider| describe(&after.policies, found.direction, decider);
    if let (Problem::Tie, Some([one, other])) = (found.problem, found.leaf.tie) {
        return format!("{} or {}", describe(one), describe(other));
    }
    found.decider().map_or_else(String::new, describe)
}

/// The pods of several clusters, in words.
pub(super) fn pods(owners: &[(&ObjectRef, Vec<Zone>)]) -> String {
    if let [(owner, zones)] = owners {
        return pods_named(owner, zones);
    }
    let names: Vec<String> = owners.iter().map(|(owner, _)| owner.to_string()).collect();
    format!("the pods of {}", few(&names))
}
