//! Changes of the effective verdicts, where ordered policies select the pods.

use netpol::cover::{Budget, Exhausted};
use netpol::point::{rule_passes, selects};
use netpol::stack::Newly;
use netpol::tier::{Addresses, Decider, Verdict};
use netpol::{At, Connection, Direction, LabelSet, Reading};

use super::{Cause, Denied, Effect, Part};
use crate::rules::layers::Layers;
use crate::rules::policy_change::everything;
use crate::rules::witness;

/// The connections that the layers of one state may allow and those of the other deny, one part for each pair of
/// deciders. `None` if no ordered policy decides in either state.
///
/// # Errors
/// The comparison is out of budget.
pub(super) fn differing(
    effect: Effect,
    direction: Direction,
    (with, without): (&Layers<'_>, Option<&Layers<'_>>),
    budget: &mut Budget,
) -> Result<Option<Vec<Part>>, Exhausted> {
    if with.ordered.is_empty() && without.is_none_or(|other| other.ordered.is_empty()) {
        return Ok(None);
    }
    let stack = with.stack(direction, budget)?;
    let other = without.map(|other| other.stack(direction, budget));
    let other = other.transpose()?;
    if stack.is_empty() && other.as_ref().is_none_or(netpol::stack::Stack::is_empty) {
        return Ok(None);
    }
    let mut found: Vec<Newly> = Vec::new();
    for area in everything(&LabelSet::any()) {
        found.extend(stack.newly_allowed(&area, other.as_ref(), budget)?);
    }
    found.sort_by_key(|newly| !newly.leaf.is_certain());
    let mut parts: Vec<Part> = Vec::new();
    for newly in &found {
        let Some(part) = part(effect, direction, (with, without), newly) else {
            continue;
        };
        let is_known = |known: &Part| known.cause == part.cause && known.denied == part.denied;
        if !parts.iter().any(is_known) {
            parts.push(part);
        }
    }
    Ok(Some(parts))
}

fn part(
    effect: Effect,
    direction: Direction,
    (with, without): (&Layers<'_>, Option<&Layers<'_>>),
    newly: &Newly,
) -> Option<Part> {
    let example = witness(direction, with.space, &newly.leaf.region)?;
    let allows = newly.leaf.allow?.decider;
    let other = newly.denied.map(|decision| decision.decider);
    let path = |rule: usize| format!("spec.{}[{rule}]", direction.field());
    let rule = other.and_then(|decider| without?.rule(decider));
    let denied = rule.map(|(own, rule)| Denied {
        policy: own.object.clone(),
        path: path(rule),
    });
    Some(Part {
        effect,
        direction,
        cause: match with.rule(allows) {
            Some((own, rule)) => Cause::Rule {
                policy: own.object.clone(),
                path: path(rule),
                rendered: false,
            },
            None if allows == Decider::NetworkPolicies => of_network_policy(with, &example)?,
            None => Cause::NotIsolated,
        },
        denied,
        example,
        depends: newly.leaf.only_if(Verdict::Allow),
        deciders: Some((allows, other)),
    })
}

/// The first rule of a NetworkPolicy that may allow the connection.
fn of_network_policy(layers: &Layers<'_>, shown: &Connection) -> Option<Cause> {
    let at = At {
        namespace: layers.home,
        reading: Reading::May,
        tunnels: &layers.config.tunnel_ports,
    };
    let direction = shown.direction;
    let selected = layers.selected.iter();
    let mut selected = selected.filter(|policy| {
        policy.isolates(direction) && selects(&policy.policy.pods, &shown.subject)
    });
    selected.find_map(|policy| {
        let mut rules = policy.policy.effective_rules(direction).iter();
        let at = rules.position(|rule| rule_passes(rule, shown, at))?;
        Some(Cause::of(layers.home, policy, direction, at))
    })
}

/// Returns true if the second evaluator finds the same deciders. Where the pods have other labels in the other state, a
/// pod of the example is not there.
pub(super) fn is_confirmed(
    part: &Part,
    (allows, denies): (Decider, Option<Decider>),
    (before, after): (Option<&Layers<'_>>, Option<&Layers<'_>>),
) -> bool {
    let outcomes = |layers: &Layers<'_>| layers.outcomes(&part.example, Addresses::MayBePods);
    let (with, without) = match part.effect {
        Effect::Opened => (after, before),
        Effect::Closed => (before, after),
    };
    let Some(with) = with else {
        return false;
    };
    let is_denied = |without: &Layers<'_>| {
        let found = outcomes(without);
        let is_same = denies.is_some_and(|decider| found.contains(&(Verdict::Deny, decider)));
        is_same && found.iter().all(|(verdict, _)| *verdict == Verdict::Deny)
    };
    let is_there = |without: &&Layers<'_>| with.space == without.space;
    outcomes(with).contains(&(Verdict::Allow, allows))
        && without.filter(is_there).is_none_or(is_denied)
}
