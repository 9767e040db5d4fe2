//! Exhaustive oracle of stacks: leaves, cuts and openings equal an enumeration of all connections of a small
//! world by the naive evaluator, and every witness replays.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::vocabulary::{BLOCKS, EVERYTHING, LABELS};
use super::world::{Config, Parts, at, everything};
use crate::cover::Budget;
use crate::port::Port;
use crate::rule::Rule;
use crate::stack::{Leaf, Stack};
use crate::testing::dice::{Dice, hold, instances};
use crate::testing::domain::{Vocabulary, World};
use crate::tier::Verdict::{Allow, Deny};
use crate::tier::{Addresses, Decider, Verdict};
use crate::{Connection, Direction, LabelSet, PeerSet, Reading, Region, RegionRef, witness};

/// A configuration before and after a write, a required and a permitted rule.
#[derive(Debug)]
struct Question {
    direction: Direction,
    before: Config,
    after: Config,
    required: Rule,
    permitted: Vec<Rule>,
    /// Which of the checks is made.
    asked: usize,
}

type Outcomes = BTreeSet<(Verdict, Decider)>;

/// The outcomes of all connections of a world.
struct Table<'a> {
    config: &'a Config,
    connections: &'a [&'a Connection],
    /// By treatment of addresses, each computed when first needed.
    outcomes: [OnceCell<Vec<Outcomes>>; 2],
}

fn verdicts(outcomes: &Outcomes) -> [bool; 2] {
    [Allow, Deny].map(|verdict| outcomes.iter().any(|(own, _)| *own == verdict))
}

impl Table<'_> {
    fn get(&self, addresses: Addresses) -> &[Outcomes] {
        let one = |connection: &&Connection| self.config.outcomes(connection, addresses);
        let all = || self.connections.iter().map(one).collect();
        self.outcomes[addresses as usize].get_or_init(all)
    }
}

const NO_BUDGET: &str = "out of budget";

impl Question {
    fn random(world: &World, dice: &mut Dice<'_>) -> Self {
        let after = Config::random(world, dice);
        Self {
            direction: dice.pick(&Direction::ALL),
            before: after.changed(world, dice),
            after,
            required: world.rule(dice),
            permitted: dice.some(2, |dice| world.rule(dice)),
            asked: dice.roll(6),
        }
    }

    fn check(&self, world: &World) -> Result<(), String> {
        let connections: Vec<&Connection> = world.connections[self.direction as usize]
            .iter()
            .flatten()
            .collect();
        let parts = [&self.before, &self.after]
            .map(|config| Parts::of(config, &world.zone, self.direction));
        let before = parts[0].stack(&self.before, &world.zone, self.direction);
        let after = parts[1].stack(&self.after, &world.zone, self.direction);
        let tables = [&self.before, &self.after].map(|config| Table {
            config,
            connections: &connections,
            outcomes: [OnceCell::new(), OnceCell::new()],
        });
        let case = Case {
            world,
            connections: &connections,
            after: &after,
            tables: &tables,
            question: self,
        };
        match self.asked {
            0 => case.leaves(Addresses::MayBePods).and_then(|()| case.tied()),
            1 => case.leaves(Addresses::AreNoPods),
            2 => case.denied(None).and_then(|()| case.denied(Some(&before))),
            3 => case.allowed(None),
            4 => case.allowed(Some(&before)),
            _ => case.newly_allowed(&before),
        }
    }

    fn regions(&self, rule: &Rule, reading: Reading) -> Vec<Region> {
        rule.regions(at(reading), self.direction, &LabelSet::any())
    }
}

/// A question with both answers.
struct Case<'a> {
    world: &'a World,
    connections: &'a [&'a Connection],
    after: &'a Stack<'a>,
    tables: &'a [Table<'a>; 2],
    question: &'a Question,
}

impl Case<'_> {
    /// Every connection is in exactly one leaf, which has its verdicts.
    fn leaves(&self, addresses: Addresses) -> Result<(), String> {
        let expected = self.tables[1].get(addresses);
        let mut times = vec![0; expected.len()];
        for area in everything() {
            let leaves = self
                .after
                .leaves(&area, addresses, &mut Budget::new(1_000_000));
            for leaf in leaves.map_err(|_| NO_BUDGET)? {
                for number in self.world.inside(&leaf.region) {
                    times[number] += 1;
                    Self::agree(&leaf, &expected[number], self.connections[number])?;
                }
            }
        }
        let wrong = times.iter().position(|times| *times != 1);
        wrong.map_or(Ok(()), |at| {
            Err(format!("in {} leaves: {}", times[at], self.connections[at]))
        })
    }

    fn agree(leaf: &Leaf, expected: &Outcomes, shown: &Connection) -> Result<(), String> {
        if leaf.agrees_with(expected) {
            Ok(())
        } else {
            Err(format!("{shown}: found {leaf:?}, expected {expected:?}"))
        }
    }

    /// The example of a leaf has its verdicts too.
    fn replay(&self, leaf: &Leaf, addresses: Addresses) -> Result<(), String> {
        let zone = &self.world.zone;
        let shown = witness::connection(self.question.direction, zone, &leaf.region, &[]);
        let shown = shown.ok_or_else(|| format!("no witness of {leaf:?}"))?;
        let expected = self.question.after.outcomes(&shown, addresses);
        Self::agree(leaf, &expected, &shown)
    }

    fn denied(&self, before: Option<&Stack<'_>>) -> Result<(), String> {
        let addresses = Addresses::AreNoPods;
        let [old, new] = [0, 1].map(|at| self.tables[at].get(addresses));
        for area in self
            .question
            .regions(&self.question.required, Reading::Must)
        {
            let area = Region {
                ports: area.ports.without_implied_names(),
                ..area
            };
            let inside = self.world.inside(&area);
            let cut = inside.into_iter().filter(|at| {
                let was_allowed = before.is_none() || verdicts(&old[*at]) == [true, false];
                was_allowed && verdicts(&new[*at])[1]
            });
            let cut: Vec<usize> = cut.collect();
            let found = self
                .after
                .denied(&area, before, &mut Budget::new(1_000_000));
            let found = found.map_err(|_| NO_BUDGET)?;
            // Of a namespace that is listed by name, connections of pods that cannot exist do not count.
            let possible = |at: &&usize| self.question.after.is_possible(self.connections[**at]);
            let is_certain = |at: &usize| verdicts(&new[*at]) == [false, true];
            let answer = |cut: &[usize]| (!cut.is_empty()).then(|| cut.iter().any(is_certain));
            let least: Vec<usize> = cut.iter().filter(possible).copied().collect();
            let seen = found.as_ref().map(Leaf::is_certain);
            let is_listed = matches!(&area.peer, PeerSet::Pods { namespaces, .. }
                if namespaces.namespace_names().is_some());
            if seen != answer(&cut) && !(is_listed && seen == answer(&least)) {
                let shown = cut.first().map(|at| (self.connections[*at], &new[*at]));
                return Err(format!("{area:?} cut: {found:?}, expected {shown:?}"));
            }
            if let Some(leaf) = found {
                self.replay(&leaf, addresses)?;
                let held = self.world.inside(&leaf.region);
                if let Some(wrong) = held.iter().find(|at| !cut.contains(at)) {
                    return Err(format!("not cut: {} in {leaf:?}", self.connections[*wrong]));
                }
            }
        }
        Ok(())
    }

    /// The connections that the permitted rules contain, and names that numbers imply.
    fn permitted(&self, regions: &[Region]) -> BTreeSet<usize> {
        let held: BTreeSet<usize> = regions
            .iter()
            .flat_map(|region| self.world.inside(region))
            .collect();
        let is_number = |at: &usize| matches!(self.connections[*at].port, Port::Number(_));
        let mut lacking = BTreeSet::new();
        let all = 0..self.connections.len();
        let key = |at: usize| {
            let own = self.connections[at];
            (&own.subject, &own.peer, own.protocol)
        };
        for at in all
            .clone()
            .filter(is_number)
            .filter(|at| !held.contains(at))
        {
            lacking.insert(key(at));
        }
        all.filter(|at| held.contains(at) || (!is_number(at) && !lacking.contains(&key(*at))))
            .collect()
    }

    fn allowed(&self, before: Option<&Stack<'_>>) -> Result<(), String> {
        let [old, new] = [0, 1].map(|at| self.tables[at].get(Addresses::MayBePods));
        let rules = self.question.permitted.iter();
        let permitted = rules.flat_map(|rule| self.question.regions(rule, Reading::Permitted));
        let permitted: Vec<Region> = permitted.collect();
        let refs: Vec<RegionRef<'_>> = permitted.iter().map(RegionRef::from).collect();
        let inside = self.permitted(&permitted);
        let is_fresh = |at: usize| matches!(&self.connections[at].port, Port::Named(name) if &**name == "fresh");
        let mut all = BTreeSet::new();
        for area in everything() {
            let opened = self.world.inside(&area).into_iter().filter(|at| {
                let is_new = before.is_none() || !verdicts(&old[*at])[0];
                is_new && verdicts(&new[*at])[0] && !inside.contains(at) && !is_fresh(*at)
            });
            let opened: BTreeSet<usize> = opened.collect();
            let certain = opened.iter().any(|at| verdicts(&new[*at]) == [true, false]);
            let found = self
                .after
                .allowed(&area, &refs, before, &mut Budget::new(1_000_000));
            let found = found.map_err(|_| NO_BUDGET)?;
            if found.as_ref().map(Leaf::is_certain) != (!opened.is_empty()).then_some(certain) {
                let shown = opened.first().map(|at| (self.connections[*at], &new[*at]));
                return Err(format!("opened: {found:?}, expected {certain} {shown:?}"));
            }
            found.map_or(Ok(()), |leaf| self.is_opened(&leaf, &opened, is_fresh))?;
            all.extend(opened);
        }
        for policy in 0..self.question.after.policies.len() {
            let found = self
                .after
                .accepted(policy, &refs, before, &mut Budget::new(1_000_000));
            let found = found.map_err(|_| NO_BUDGET)?;
            for leaf in &found {
                self.is_opened(leaf, &all, is_fresh)?;
            }
            for rule in 0..2 {
                let by_rule = (Allow, Decider::Rule { policy, rule });
                let mut alone = all.iter().filter(|at| {
                    let allows = new[**at].iter().filter(|(verdict, _)| *verdict == Allow);
                    allows.eq([&by_rule])
                });
                let decider = Some(by_rule.1);
                let is_found = found
                    .iter()
                    .any(|leaf| leaf.allow.map(|own| own.decider) == decider);
                if let Some(at) = alone.next().filter(|_| !is_found) {
                    return Err(format!(
                        "{by_rule:?}: {} is not in {found:?}",
                        self.connections[*at]
                    ));
                }
            }
        }
        Ok(())
    }

    /// The connections with numbers that one state may allow and the other certainly denies, each once.
    fn newly_allowed(&self, before: &Stack<'_>) -> Result<(), String> {
        let [old, new] = [0, 1].map(|at| self.tables[at].get(Addresses::MayBePods));
        let mut times = vec![0; new.len()];
        for area in everything() {
            let found = self
                .after
                .newly_allowed(&area, Some(before), &mut Budget::new(1_000_000));
            for newly in found.map_err(|_| NO_BUDGET)? {
                self.replay(&newly.leaf, Addresses::MayBePods)?;
                let denied = newly.denied.map(|decision| (Deny, decision.decider));
                for at in self.world.inside(&newly.leaf.region) {
                    times[at] += 1;
                    let is_denied = denied.is_some_and(|denied| old[at].contains(&denied));
                    if !is_denied || verdicts(&old[at])[0] {
                        let shown = (self.connections[at], &old[at]);
                        return Err(format!("not denied before: {newly:?}, {shown:?}"));
                    }
                }
            }
        }
        let is_number = |at: usize| matches!(self.connections[at].port, Port::Number(_));
        let wrong = (0..new.len()).filter(|at| is_number(*at)).find(|at| {
            let is_new = verdicts(&new[*at])[0] && !verdicts(&old[*at])[0];
            let possible = self.question.before.is_possible(self.connections[*at]);
            times[*at] != usize::from(is_new) && (possible || times[*at] > 1)
        });
        wrong.map_or(Ok(()), |at| {
            Err(format!(
                "{} times: {}, {:?} before, {:?} after",
                times[at], self.connections[at], old[at], new[at]
            ))
        })
    }

    fn is_opened(
        &self,
        leaf: &Leaf,
        opened: &BTreeSet<usize>,
        is_fresh: impl Fn(usize) -> bool,
    ) -> Result<(), String> {
        self.replay(leaf, Addresses::MayBePods)?;
        let held = self.world.inside(&leaf.region);
        let mut held = held.iter().filter(|at| !is_fresh(**at));
        held.find(|at| !opened.contains(at))
            .map_or(Ok(()), |wrong| {
                Err(format!(
                    "not opened: {} in {leaf:?}",
                    self.connections[*wrong]
                ))
            })
    }

    fn tied(&self) -> Result<(), String> {
        for area in everything() {
            let found = self
                .after
                .tied(&area, &mut Budget::new(1_000_000))
                .map_err(|_| NO_BUDGET)?;
            if let Some(leaf) = found {
                self.replay(&leaf, Addresses::MayBePods)?;
                let policies = leaf.tie.expect("a tie").map(|decider| match decider {
                    Decider::Rule { policy, .. } => self.question.after.policies[policy].position(),
                    _ => panic!("no rule: {decider:?}"),
                });
                if policies[0] != policies[1] {
                    return Err(format!("no tie: {leaf:?}"));
                }
            }
        }
        Ok(())
    }
}

fn agree(name: &str, share: u32, words: Vocabulary) {
    let world = LazyLock::new(|| World::new(words));
    hold(
        name,
        instances(share),
        |dice| Question::random(&world, dice),
        |question| question.check(&world),
    );
}

#[test]
fn stacks_agree_with_the_enumeration_over_labels() {
    agree("stacks over labels", 45, LABELS);
}

#[test]
fn stacks_agree_with_the_enumeration_over_blocks_and_ports() {
    agree("stacks over blocks", 38, BLOCKS);
}

#[test]
fn stacks_agree_with_the_enumeration_over_all_dimensions() {
    agree("stacks over all dimensions", 1, EVERYTHING);
}
