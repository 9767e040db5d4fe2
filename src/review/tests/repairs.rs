//! Damage to a managed policy, in every baseline and for both policies: it is repaired to a state without
//! findings, or denied with a connection. Rules that a user added inside the ceiling stay.

use std::cell::Cell;
use std::sync::Arc;

use serde_json::{Value, json};

use super::properties::network;
use super::support::{cluster, compiled_in, managed_in, policy_request, tenant};
use crate::baseline::Zone;
use crate::config::{Baseline, ReviewConfig};
use crate::inventory::{Fact, Policy};
use crate::review::{CompiledSnapshot, Outcome, Repair, repair, review};
use netpol::Direction;
use netpol::rule::{Peer, PortEntry, Rule, Selector};
use netpol::testing::dice::{Dice, hold};

/// A managed policy, before and after a tenant's write.
#[derive(Debug)]
struct Damage {
    config: ReviewConfig,
    network: Value,
    pods: Zone,
    before: Policy,
    after: Policy,
}

impl Damage {
    fn compiled(&self) -> CompiledSnapshot {
        let own = Fact::Read(Arc::new(self.before.clone()));
        compiled_in(&self.config, &[cluster(&self.network)], &[own])
    }

    fn roll(dice: &mut Dice<'_>) -> Self {
        let config = ReviewConfig {
            baseline: dice.pick(&Baseline::ALL),
            ..ReviewConfig::default()
        };
        let network = network(dice);
        let pods = dice.pick(Zone::of_cluster(config.baseline));
        let before = managed_in(&config, &cluster(&network), pods);
        let mut damage = Self {
            after: before.clone(),
            config,
            network,
            pods,
            before,
        };
        let compiled = damage.compiled();
        for _ in 0..=dice.roll(4) {
            damage.once(dice, &compiled);
        }
        damage
    }

    fn once(&mut self, dice: &mut Dice<'_>, compiled: &CompiledSnapshot) {
        let direction = dice.pick(&Direction::ALL);
        let kind = dice.roll(8);
        let added = match kind {
            5 => self.permitted(dice, compiled, direction),
            6 => Some(stranger()),
            _ => None,
        };
        let after = &mut self.after;
        let rules = match direction {
            Direction::Ingress => &mut after.ingress,
            Direction::Egress => &mut after.egress,
        };
        let at = dice.roll(rules.len().max(1));
        match kind {
            0 if at < rules.len() => drop(rules.remove(at)),
            1 => rules.clear(),
            // One port less.
            2 => drop(rules.get_mut(at).and_then(|rule| {
                let many = rule.ports.len() > 1;
                many.then(|| rule.ports.remove(0))
            })),
            // All rules are present in another order.
            3 => rules.reverse(),
            4 => after.policy_types = Some(vec![direction]),
            7 => after.pods = dice.pick(&other_pods()),
            _ => rules.extend(added),
        }
    }

    /// A rule that the ceiling permits, possibly with only one of its ports.
    fn permitted(
        &self,
        dice: &mut Dice<'_>,
        compiled: &CompiledSnapshot,
        direction: Direction,
    ) -> Option<Rule> {
        let perimeter = compiled.perimeters("bao").first().expect("a cluster");
        let zone = perimeter.zones.iter().find(|zone| zone.pods == self.pods);
        let entries = zone.expect("a zone").ceiling(direction);
        let mut rule = (!entries.is_empty()).then(|| Rule::clone(&dice.pick(entries).rule))?;
        if dice.once_in(2) {
            rule.ports.truncate(1);
        }
        Some(rule)
    }
}

/// Returns true if all rules are among others, in their order.
fn is_kept(rules: &[Rule], among: &[Rule]) -> bool {
    let mut among = among.iter();
    rules.iter().all(|rule| among.any(|other| other == rule))
}

/// A managed policy from which a tenant only removes something.
fn loss(dice: &mut Dice<'_>) -> Damage {
    let mut damage = Damage::roll(dice);
    damage.after = damage.before.clone();
    for direction in Direction::ALL {
        let rules = match direction {
            Direction::Ingress => &mut damage.after.ingress,
            Direction::Egress => &mut damage.after.egress,
        };
        rules.retain(|_| !dice.once_in(3));
        if dice.once_in(4) {
            let types = damage.after.policy_types.as_mut().expect("rendered");
            types.retain(|kept| *kept != direction);
        }
    }
    damage
}

/// A policy with repairs made.
pub(super) fn repaired(policy: &Policy, repairs: &[Repair]) -> Policy {
    let mut fixed = policy.clone();
    for repair in repairs {
        match repair {
            Repair::PodSelector(pods) => fixed.pods = pods.clone(),
            Repair::PolicyType { direction, at } => {
                let types = || {
                    Direction::ALL
                        .into_iter()
                        .filter(|side| policy.isolates(*side))
                        .collect()
                };
                fixed
                    .policy_types
                    .get_or_insert_with(types)
                    .insert(*at, *direction);
            }
            Repair::Rule {
                direction,
                at,
                rule,
            } => {
                let rules = match direction {
                    Direction::Ingress => &mut fixed.ingress,
                    Direction::Egress => &mut fixed.egress,
                };
                rules.insert(*at, rule.clone());
            }
        }
    }
    fixed
}

#[test]
fn what_is_taken_away_comes_back_in_its_old_place() {
    let whole = Cell::new(0);
    hold("losses", 600, loss, |damage| {
        let compiled = damage.compiled();
        let name = damage.before.meta.name.clone();
        let fact = |policy: &Policy| Some(Fact::Read(Arc::new(policy.clone())));
        let request =
            |after: &Policy| policy_request(tenant(), &name, fact(&damage.before), fact(after));
        let repairs = repair(&compiled, &request(&damage.after)).repairs;
        let fixed = repaired(&damage.after, &repairs);
        if fixed.policy_types != damage.before.policy_types {
            return Err(format!("other types after {repairs:?}"));
        }
        for direction in Direction::ALL {
            let old = damage.before.rules(direction);
            if !is_kept(fixed.rules(direction), old) {
                return Err(format!("a rule is in another place after {repairs:?}"));
            }
        }
        let again = repair(&compiled, &request(&fixed)).repairs;
        whole.set(whole.get() + u32::from(!repairs.is_empty() && fixed == damage.before));
        if again.is_empty() {
            Ok(())
        } else {
            Err(format!("after {repairs:?} still {again:?}"))
        }
    });
    // Permitted rules that are not needed are not restored. The operator then writes the policy again.
    assert!(whole.get() > 100, "{} policies whole again", whole.get());
}

/// A rule that no row permits, in either direction.
fn stranger() -> Rule {
    Rule {
        peers: vec![Peer::Pods {
            namespaces: Some(Selector::namespace("stranger")),
            pods: None,
        }],
        ports: vec![PortEntry::tcp(9999)],
    }
}

fn other_pods() -> [Selector; 4] {
    [
        Selector::default(),
        Selector::labels([("app", "web")]),
        Selector::labels([("openbao-active", "true")]),
        Selector::labels([("openbao.org/cluster", "bao")]),
    ]
}

#[test]
fn damage_is_repaired_to_a_state_without_findings_or_denied_with_a_connection() {
    hold("damage", 1200, Damage::roll, |damage| {
        let compiled = damage.compiled();
        let name = damage.before.meta.name.clone();
        let request = |after: &Policy| {
            let fact = |policy: &Policy| Some(Fact::Read(Arc::new(policy.clone())));
            policy_request(tenant(), &name, fact(&damage.before), fact(after))
        };
        let repairs = repair(&compiled, &request(&damage.after)).repairs;
        let fixed = repaired(&damage.after, &repairs);
        for direction in Direction::ALL {
            let kept = damage.after.rules(direction);
            if !is_kept(kept, fixed.rules(direction)) {
                return Err(format!("a rule is gone or moved after {repairs:?}"));
            }
        }
        let verdict = review(&compiled, &request(&fixed));
        let shown = verdict
            .findings
            .iter()
            .all(|finding| finding.witness.is_some());
        let rules = Direction::ALL.map(|direction| damage.after.rules(direction));
        let is_beyond = rules.concat().contains(&stranger());
        let is_right = match (verdict.outcome(), is_beyond) {
            (Outcome::Allow, false) => verdict.findings.is_empty(),
            (Outcome::Deny, true) => shown && verdict.unreplayed == 0,
            _ => false,
        };
        if is_right {
            Ok(())
        } else {
            Err(format!("after {repairs:?}: {verdict:?}"))
        }
    });
}

#[test]
fn a_policy_that_was_left_whole_is_not_touched() {
    for baseline in Baseline::ALL {
        for pods in Zone::of_cluster(baseline) {
            let config = ReviewConfig {
                baseline,
                ..ReviewConfig::default()
            };
            let cluster = cluster(&json!({}));
            let whole = Fact::Read(Arc::new(managed_in(&config, &cluster, *pods)));
            let compiled = compiled_in(&config, &[cluster], std::slice::from_ref(&whole));
            let name = pods.policy_name("bao").expect("a zone of a cluster");
            let request = policy_request(tenant(), &name, Some(whole.clone()), Some(whole));
            assert_eq!(
                repair(&compiled, &request).repairs,
                [],
                "{baseline} {pods:?}"
            );
        }
    }
}
