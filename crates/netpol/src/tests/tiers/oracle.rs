//! Exhaustive oracle of stacks: leaves, cuts and openings equal an enumeration of all connections of a small
//! world by the naive evaluator, and every witness replays.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::world::{Config, Parts, at, everything};
use crate::connection::Endpoint;
use crate::cover::Budget;
use crate::port::{Port, Protocol};
use crate::rule::{PortEntry, PortRange, Rule};
use crate::stack::{Leaf, Stack};
use crate::testing::dice::{Dice, hold, instances};
use crate::testing::domain::{HOME, Vocabulary, World};
use crate::tier::Verdict::{Allow, Deny};
use crate::tier::{Addresses, Decider, Verdict};
use crate::{Connection, Direction, LabelSet, Reading, Region, RegionRef, witness};

/// A configuration before and after a write, a required and a permitted rule.
#[derive(Debug)]
struct Question {
    direction: Direction,
    before: Config,
    after: Config,
    required: Rule,
    permitted: Vec<Rule>,
}

type Outcomes = BTreeSet<(Verdict, Decider)>;

/// The outcomes of all connections of a world.
struct Table {
    may_be_pods: Vec<Outcomes>,
    are_no_pods: Vec<Outcomes>,
}

fn verdicts(outcomes: &Outcomes) -> [bool; 2] {
    [Allow, Deny].map(|verdict| outcomes.iter().any(|(own, _)| *own == verdict))
}

impl Table {
    fn of(config: &Config, connections: &[&Connection]) -> Self {
        let one =
            |addresses| move |connection: &&Connection| config.outcomes(connection, addresses);
        let may_be_pods: Vec<Outcomes> =
            connections.iter().map(one(Addresses::MayBePods)).collect();
        let no_pods = one(Addresses::AreNoPods);
        let other = |(at, connection): (usize, &&Connection)| match connection.peer {
            Endpoint::Pod { .. } => may_be_pods[at].clone(),
            Endpoint::Address(_) => no_pods(connection),
        };
        Self {
            are_no_pods: connections.iter().enumerate().map(other).collect(),
            may_be_pods,
        }
    }

    fn get(&self, addresses: Addresses) -> &[Outcomes] {
        match addresses {
            Addresses::MayBePods => &self.may_be_pods,
            Addresses::AreNoPods => &self.are_no_pods,
        }
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
        let tables = [&self.before, &self.after].map(|config| Table::of(config, &connections));
        let case = Case {
            world,
            connections,
            after: &after,
            tables: &tables,
            question: self,
        };
        case.leaves(Addresses::MayBePods)?;
        case.leaves(Addresses::AreNoPods)?;
        case.denied(None)?;
        case.denied(Some(&before))?;
        case.allowed(None)?;
        case.allowed(Some(&before))?;
        case.tied()
    }

    fn regions(&self, rule: &Rule, reading: Reading) -> Vec<Region> {
        rule.regions(at(reading), self.direction, &LabelSet::any())
    }
}

/// A question with both answers.
struct Case<'a> {
    world: &'a World,
    connections: Vec<&'a Connection>,
    after: &'a Stack<'a>,
    tables: &'a [Table; 2],
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
        let found = [leaf.allow, leaf.deny];
        let same = found.map(|own| own.is_some()) == verdicts(expected);
        let deciders = found
            .into_iter()
            .zip([Allow, Deny])
            .all(|(decision, verdict)| {
                decision.is_none_or(|own| expected.contains(&(verdict, own.decider)))
            });
        if same && deciders {
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
            let certain = cut.iter().any(|at| verdicts(&new[*at]) == [false, true]);
            let found = self
                .after
                .denied(&area, before, &mut Budget::new(1_000_000));
            let found = found.map_err(|_| NO_BUDGET)?;
            let answer = found.as_ref().map(Leaf::is_certain);
            if answer != (!cut.is_empty()).then_some(certain) {
                let shown = cut.first().map(|at| (self.connections[*at], &new[*at]));
                return Err(format!(
                    "{area:?} cut: {found:?}, expected {certain} {shown:?}"
                ));
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
            let answer = (!found.is_empty()).then(|| found.iter().any(Leaf::is_certain));
            if answer != (!opened.is_empty()).then_some(certain) {
                let shown = opened.first().map(|at| (self.connections[*at], &new[*at]));
                return Err(format!("opened: {found:?}, expected {certain} {shown:?}"));
            }
            let deciders: BTreeSet<_> = found
                .iter()
                .map(|leaf| leaf.allow.map(|own| own.decider))
                .collect();
            if deciders.len() < found.len() {
                return Err(format!("two for one decider: {found:?}"));
            }
            for leaf in &found {
                self.replay(leaf, Addresses::MayBePods)?;
                let held = self.world.inside(&leaf.region);
                let mut held = held.iter().filter(|at| !is_fresh(**at));
                if let Some(wrong) = held.find(|at| !opened.contains(at)) {
                    return Err(format!(
                        "not opened: {} in {leaf:?}",
                        self.connections[*wrong]
                    ));
                }
            }
        }
        Ok(())
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

/// Ports of the contract: two numbers of OpenBao, another one, a name, a range and a tunnel port.
fn ports() -> Vec<PortEntry> {
    let tcp = |ports| PortEntry {
        protocol: Protocol::Tcp,
        ports,
    };
    let web = |protocol| PortEntry {
        protocol,
        ports: PortRange::Named("web".into()),
    };
    vec![
        web(Protocol::Udp),
        web(Protocol::Sctp),
        PortEntry::tcp(8200),
        tcp(PortRange::Numbers(8200, 8201)),
        web(Protocol::Tcp),
        tcp(PortRange::All),
        PortEntry::tcp(9000),
        PortEntry::tcp(15008),
        tcp(PortRange::Numbers(8201, u16::MAX)),
    ]
}

fn few_ports() -> Vec<PortEntry> {
    ports().into_iter().take(5).collect()
}

/// Labels of namespaces, of peers and of protected pods.
pub(super) const LABELS: Vocabulary = Vocabulary {
    known: &[("role", &["a"])],
    free: &[],
    namespaces: &[HOME],
    namespace_labels: &[("team", &["t"])],
    pod_labels: &[("tier", &["p"])],
    blocks: &[],
    ports: few_ports,
};

/// Blocks and ports: pod addresses and others, whole families, and text that parsers read differently.
pub(super) const BLOCKS: Vocabulary = Vocabulary {
    known: &[],
    free: &[],
    namespaces: &[HOME],
    namespace_labels: &[],
    pod_labels: &[],
    blocks: &[
        "10.0.0.0/8",
        "10.0.0.0/9",
        "10.128.0.0/9",
        "0.0.0.0/0",
        "fd00::/8",
        "::/0",
        "010.0.0.0/8",
    ],
    ports,
};

/// All dimensions at once.
const EVERYTHING: Vocabulary = Vocabulary {
    known: &[("role", &["a"])],
    free: &[],
    namespaces: &[HOME, "n1"],
    namespace_labels: &[("team", &["t"])],
    pod_labels: &[("tier", &["p", "q"])],
    blocks: &["10.0.0.0/8", "10.0.0.0/9", "0.0.0.0/0", "fd00::/8"],
    ports,
};

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
    agree("stacks over labels", 10, LABELS);
}

#[test]
fn stacks_agree_with_the_enumeration_over_blocks_and_ports() {
    agree("stacks over blocks", 10, BLOCKS);
}

#[test]
fn stacks_agree_with_the_enumeration_over_all_dimensions() {
    agree("stacks over all dimensions", 1, EVERYTHING);
}
