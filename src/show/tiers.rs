//! Ordered policies of a zone: their list, and their effect on each row.

use netpol::cover::{Budget, Exhausted};
use netpol::port::{PortSet, Protocol};
use netpol::stack::{Leaf, Stack};
use netpol::tier::{Addresses, Decider, Tier, TierPolicy};
use netpol::{Connection, Direction};

use super::view::{State, TierEffect, TierView};
use crate::baseline::Entry;
use crate::inventory::{Fact, ObjectRef};
use crate::review::CompiledSnapshot;
use crate::rules::layers::Layers;
use crate::rules::witness;

/// The policies that select pods of the zone, in their order, and those whose kind is not enforced.
pub(super) fn listed(
    compiled: &CompiledSnapshot,
    layers: &Layers<'_>,
    budget: &mut Budget,
) -> Vec<TierView> {
    let mut found: Vec<(&TierPolicy, TierView)> = Vec::new();
    let mut add = |policy, object: &ObjectRef, enforced| {
        let view = view(policy, object, enforced);
        if found.iter().all(|(_, known)| *known != view) {
            found.push((policy, view));
        }
    };
    for direction in Direction::ALL {
        if let Ok(stack) = layers.stack(direction, budget) {
            for own in stack.policies().map(|at| layers.ordered[at]) {
                add(&own.policy, &own.object, true);
            }
        }
    }
    let labels = compiled.snapshot.namespace_labels(layers.home);
    let all: Vec<_> = compiled.snapshot.cluster_scoped.others().collect();
    for (object, policy) in &all {
        let policy = Fact::read(policy);
        let written = policy.and_then(|policy| Some((policy, policy.ordered.as_ref()?)));
        if let Some((policy, written)) = written
            && !compiled.config.dataplane.enforces(written.kind)
            && policy.subject.selects(labels, layers.space).is_some()
        {
            add(written, object, false);
        }
    }
    found.sort_by_key(|(policy, _)| {
        let priority = policy.priority.map_or(u32::MAX, u32::from);
        (policy.tier, priority, policy.name.clone())
    });
    found.into_iter().map(|(_, view)| view).collect()
}

fn view(policy: &TierPolicy, object: &ObjectRef, enforced: bool) -> TierView {
    TierView {
        policy: object.to_string(),
        tier: match policy.tier {
            Tier::Admin => "Admin",
            Tier::Baseline => "Baseline",
        },
        priority: policy.priority,
        ingress: policy.ingress.len(),
        egress: policy.egress.len(),
        enforced,
    }
}

/// The verdict of all layers about a row of which ordered policies decide a part.
pub(super) struct Effective {
    pub(super) state: State,
    pub(super) tiers: Vec<TierEffect>,
    /// A connection that is denied.
    pub(super) missing: Option<Connection>,
}

/// The effective state of a row; `None` if no ordered policy decides a part of it.
///
/// # Errors
/// The proof is out of budget.
pub(super) fn of_row(
    layers: &Layers<'_>,
    (stack, direction): (&Stack<'_>, Direction),
    (entries, is_floor): (&[&Entry], bool),
    budget: &mut Budget,
) -> Result<Option<Effective>, Exhausted> {
    if stack.is_empty() {
        return Ok(None);
    }
    let at = if is_floor {
        Addresses::AreNoPods
    } else {
        Addresses::MayBePods
    };
    let mut leaves: Vec<Leaf> = Vec::new();
    for entry in entries {
        let found = stack.leaves(&entry.region, at, budget)?;
        // A port name means one of the numbers.
        let is_meant =
            |leaf: &Leaf| has_numbers(&leaf.region.ports) || !has_numbers(&entry.region.ports);
        leaves.extend(found.into_iter().filter(is_meant));
    }
    let tiers = effects(layers, direction, &leaves);
    if tiers.is_empty() {
        return Ok(None);
    }
    let decided = leaves.iter().filter(|leaf| is_by_rule(leaf));
    let is_replayed = decided
        .into_iter()
        .all(|leaf| layers.confirms(direction, leaf, at));
    let shown = |leaf: &Leaf| witness(direction, layers.space, &leaf.region);
    let is_denied = |leaf: &&Leaf| {
        let is_certain = leaf.is_certain() || !is_by_rule(leaf);
        leaf.deny.is_some() && is_certain
    };
    let is_open = |leaf: &Leaf| leaf.allow.is_some();
    let denied = leaves.iter().find(is_denied);
    let (state, missing) = if !is_replayed {
        (State::Undecided, None)
    } else if is_floor {
        match denied {
            Some(leaf) => (State::Broken, shown(leaf)),
            None if leaves.iter().any(|leaf| leaf.deny.is_some()) => (State::Undecided, None),
            None => (State::Held, None),
        }
    } else if leaves.iter().all(is_open) {
        (State::Open, None)
    } else if leaves.iter().any(is_open) {
        let closed = leaves.iter().find(|leaf| !is_open(leaf));
        (State::PartlyOpen, closed.and_then(shown))
    } else {
        (State::Closed, None)
    };
    Ok(Some(Effective {
        state,
        tiers,
        missing,
    }))
}

/// The rules of ordered policies that decide leaves, each once.
fn effects(layers: &Layers<'_>, direction: Direction, leaves: &[Leaf]) -> Vec<TierEffect> {
    let mut found: Vec<TierEffect> = Vec::new();
    let mut add = |effect, decider, uncertain| {
        let Some((own, rule)) = layers.rule(decider) else {
            return;
        };
        let policy = own.object.to_string();
        let rule = format!("spec.{}[{rule}]", direction.field());
        let is_same = |known: &&mut TierEffect| {
            (known.effect, &known.policy, &known.rule) == (effect, &policy, &rule)
        };
        match found.iter_mut().find(is_same) {
            Some(known) => known.uncertain &= uncertain,
            None => found.push(TierEffect {
                effect,
                policy,
                rule,
                uncertain,
            }),
        }
    };
    for leaf in leaves {
        let uncertain = !leaf.is_certain();
        if let Some(decision) = leaf.deny {
            add("stops", decision.decider, uncertain);
        }
        if let Some(decision) = leaf.allow {
            add("opens", decision.decider, uncertain);
        }
    }
    found
}

fn is_by_rule(leaf: &Leaf) -> bool {
    let mut decisions = [leaf.allow, leaf.deny].into_iter().flatten();
    decisions.any(|decision| matches!(decision.decider, Decider::Rule { .. }))
}

fn has_numbers(ports: &PortSet) -> bool {
    let mut all = Protocol::ALL.into_iter();
    all.any(|protocol| !ports.ports(protocol).numbers().is_empty())
}
