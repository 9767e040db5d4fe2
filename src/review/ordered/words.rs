//! Words for what ordered policies decide.

use netpol::Direction;
use netpol::tier::{Action, Decider, Tier, TierPolicy};

use crate::baseline::Zone;
use crate::inventory::ObjectRef;
use crate::rules::ordered::{Found, Problem, Side};
use crate::rules::policy_not_judged::few;
use crate::rules::text::pods_named;

/// The rule or layer that decides, in words.
pub(super) fn decided(found: &Found<'_>, after: &Side<'_>) -> String {
    let describe = |decider: Decider| match decider {
        Decider::Rule { policy, rule } => {
            let own = after.policies[policy];
            let field = found.direction.field();
            format!(
                "{}, spec.{field}[{rule}] ({})",
                own.object,
                place(&own.policy, found.direction, rule)
            )
        }
        Decider::NetworkPolicies => "a NetworkPolicy".to_owned(),
        Decider::Isolation => "the NetworkPolicies that isolate the pods".to_owned(),
        Decider::Default => "no policy".to_owned(),
    };
    if let (Problem::Tie, Some([one, other])) = (found.problem, found.leaf.tie) {
        return format!("{} or {}", describe(one), describe(other));
    }
    found.decider().map_or_else(String::new, describe)
}

/// Action, tier and priority of a rule.
fn place(policy: &TierPolicy, direction: Direction, rule: usize) -> String {
    let action = match policy.rules(direction).get(rule).map(|rule| rule.action) {
        Some(Action::Accept) => "Accept",
        Some(Action::Deny) => "Deny",
        Some(Action::Pass) => "Pass",
        None => "no rule",
    };
    let tier = match policy.tier {
        Tier::Admin => "Admin",
        Tier::Baseline => "Baseline",
    };
    match policy.priority {
        Some(priority) => format!("{action} in tier {tier}, priority {priority}"),
        None => format!("{action} in tier {tier}"),
    }
}

/// The pods of several clusters, in words.
pub(super) fn pods(owners: &[(&ObjectRef, Vec<Zone>)]) -> String {
    if let [(owner, zones)] = owners {
        return pods_named(owner, zones);
    }
    let names: Vec<String> = owners.iter().map(|(owner, _)| owner.to_string()).collect();
    format!("the pods of {}", few(&names))
}
