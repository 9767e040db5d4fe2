//! Laws of stacks, for random configurations.

use std::sync::LazyLock;

use super::vocabulary::{BLOCKS, LABELS};
use super::world::{Config, Parts, at, everything};
use crate::address::Cidr;
use crate::cover::{Budget, all_uncovered};
use crate::rule::{Rule, Selector};
use crate::stack::{Leaf, NetworkPolicies};
use crate::testing::dice::{Dice, hold, instances};
use crate::testing::domain::{Vocabulary, World};
use crate::testing::tiers::{policy, rule};
use crate::tier::{Action, Addresses, PolicyKind, Subject, Tier, TierPeer, TierPort, TierRule};
use crate::{Direction, Reading, Region, RegionRef};

/// The possible verdicts about each connection of the world.
fn verdicts(config: &Config, world: &World, direction: Direction) -> Vec<[bool; 2]> {
    let parts = Parts::of(config, &world.zone, direction);
    let stack = parts.stack(config, &world.zone, direction);
    let count = world.connections[direction as usize]
        .iter()
        .flatten()
        .count();
    let mut verdicts = vec![[false; 2]; count];
    for area in everything() {
        let budget = &mut Budget::new(1_000_000);
        for leaf in stack
            .leaves(&area, Addresses::MayBePods, budget)
            .expect("decided")
        {
            for at in world.inside(&leaf.region) {
                verdicts[at] = [leaf.allow.is_some(), leaf.deny.is_some()];
            }
        }
    }
    verdicts
}

/// A configuration before and after a change that a law is about.
#[derive(Debug)]
struct Change {
    direction: Direction,
    before: Config,
    after: Config,
}

impl Change {
    fn random(
        world: &World,
        dice: &mut Dice<'_>,
        change: fn(&World, &mut Config, &mut Dice<'_>),
    ) -> Self {
        let before = Config::random(world, dice);
        let mut after = before.clone();
        change(world, &mut after, dice);
        Self {
            direction: dice.pick(&Direction::ALL),
            before,
            after,
        }
    }
}

fn law(
    name: &str,
    words: Vocabulary,
    change: fn(&World, &mut Config, &mut Dice<'_>),
    holds: fn([bool; 2], [bool; 2]) -> bool,
) {
    let world = LazyLock::new(|| World::new(words));
    let cases = instances(1);
    hold(
        name,
        cases,
        |dice| Change::random(&world, dice, change),
        |case| {
            let of = |config| verdicts(config, &world, case.direction);
            let pairs = of(&case.before).into_iter().zip(of(&case.after));
            let mut all = world.connections[case.direction as usize].iter().flatten();
            let wrong = pairs
                .enumerate()
                .find(|(_, (before, after))| !holds(*before, *after));
            wrong.map_or(Ok(()), |(at, seen)| {
                Err(format!("{:?}: {seen:?}", all.nth(at)))
            })
        },
    );
}

/// A new policy whose rules all have this action, with this priority.
fn add(
    world: &World,
    config: &mut Config,
    dice: &mut Dice<'_>,
    action: Action,
    priority: Option<u16>,
) {
    let mut new = policy(world, 9, dice);
    new.priority = priority.or(new.priority);
    for rule in new.ingress.iter_mut().chain(&mut new.egress) {
        rule.action = action;
    }
    config.policies.push(new);
}

#[test]
fn a_deny_never_opens() {
    let change = |world: &World, config: &mut Config, dice: &mut Dice<'_>| {
        add(world, config, dice, Action::Deny, None);
    };
    for words in [LABELS, BLOCKS] {
        law("Deny", words, change, |before, after| {
            before[0] || !after[0]
        });
    }
}

#[test]
fn an_accept_never_cuts() {
    let change = |world: &World, config: &mut Config, dice: &mut Dice<'_>| {
        add(world, config, dice, Action::Accept, None);
    };
    for words in [LABELS, BLOCKS] {
        law("Accept", words, change, |before, after| {
            before[1] || !after[1]
        });
    }
}

#[test]
fn a_pass_after_everything_else_of_its_tier_changes_nothing() {
    let change = |world: &World, config: &mut Config, dice: &mut Dice<'_>| {
        add(world, config, dice, Action::Pass, Some(1000));
        // A field that is not known turns a Pass into a Deny.
        let last = config.policies.last_mut().expect("a policy");
        for rule in last.ingress.iter_mut().chain(&mut last.egress) {
            rule.peers.retain(|peer| *peer != TierPeer::Unknown);
            rule.ports.retain(|port| *port != TierPort::Unknown);
        }
        last.tier = Tier::Admin;
        last.kind = PolicyKind::ClusterNetworkPolicy;
    };
    law("Pass", LABELS, change, |before, after| before == after);
}

#[test]
fn a_later_rule_changes_nothing_that_an_earlier_one_decides() {
    let change = |world: &World, config: &mut Config, dice: &mut Dice<'_>| {
        let all = |action| TierRule {
            name: "".into(),
            action,
            peers: vec![TierPeer::Namespaces(Selector::default().into())],
            ports: vec![],
        };
        for policy in &mut config.policies {
            policy.subject = Subject::Namespaces(Selector::default().into());
            let last = dice.pick(&[Action::Accept, Action::Deny, Action::Pass]);
            for rules in [&mut policy.ingress, &mut policy.egress] {
                rules.push(all(last));
            }
        }
        let mut later = config.clone();
        for policy in &mut later.policies {
            let kind = policy.kind;
            policy
                .ingress
                .push(rule(world, kind, Direction::Ingress, dice));
            policy
                .egress
                .push(rule(world, kind, Direction::Egress, dice));
        }
        *config = later;
    };
    // The last rule of every policy matches every pod, so a rule after it changes nothing about pods.
    let world = LazyLock::new(|| World::new(LABELS));
    hold(
        "later rule",
        instances(1),
        |dice| Change::random(&world, dice, change),
        |case| {
            let mut shorter = case.after.clone();
            for policy in &mut shorter.policies {
                policy.ingress.pop();
                policy.egress.pop();
            }
            let of = |config| verdicts(config, &world, case.direction);
            let pairs = of(&shorter).into_iter().zip(of(&case.after));
            let all = world.connections[case.direction as usize].iter().flatten();
            let mut seen = pairs.zip(all);
            let wrong = seen.find(|((shorter, longer), connection)| {
                let is_pod = matches!(connection.peer, crate::connection::Endpoint::Pod { .. });
                is_pod && shorter != longer
            });
            wrong.map_or(Ok(()), |wrong| Err(format!("{wrong:?}")))
        },
    );
}

#[test]
fn policies_of_equal_priority_have_no_order() {
    let change = |_: &World, config: &mut Config, _: &mut Dice<'_>| config.policies.reverse();
    law("order", LABELS, change, |before, after| before == after);
}

#[test]
fn blocks_and_ranges_may_be_split() {
    let change = |_: &World, config: &mut Config, _: &mut Dice<'_>| {
        let policies = config.policies.iter_mut();
        let rules = policies.flat_map(|policy| policy.ingress.iter_mut().chain(&mut policy.egress));
        for rule in rules {
            rule.peers = rule.peers.iter().flat_map(split_blocks).collect();
            rule.ports = rule.ports.iter().flat_map(split_range).collect();
        }
    };
    law("split", BLOCKS, change, |before, after| before == after);
}

/// One peer for each half of each block.
fn split_blocks(peer: &TierPeer) -> Vec<TierPeer> {
    let TierPeer::Networks(blocks) = peer else {
        return vec![peer.clone()];
    };
    let halves = |cidr: &Cidr| match cidr
        .canonical()
        .map(|net| net.subnets(net.prefix_len() + 1))
    {
        Some(Ok(halves)) => halves.map(Cidr::from_net).collect(),
        _ => vec![cidr.clone()],
    };
    let halves = blocks.iter().flat_map(halves);
    halves.map(|half| TierPeer::Networks(vec![half])).collect()
}

fn split_range(port: &TierPort) -> Vec<TierPort> {
    match port {
        TierPort::Numbers {
            protocol,
            first,
            last,
        } if first < last => {
            let numbers = |first, last| TierPort::Numbers {
                protocol: *protocol,
                first,
                last,
            };
            vec![numbers(*first, *first), numbers(first + 1, *last)]
        }
        _ => vec![port.clone()],
    }
}

/// NetworkPolicies alone, and a region that is required, or opened.
#[derive(Debug)]
struct Plain {
    direction: Direction,
    config: Config,
    before: Config,
    area: Rule,
    permitted: Vec<Rule>,
}

impl Plain {
    fn random(world: &World, dice: &mut Dice<'_>) -> Self {
        let plain = |dice: &mut Dice<'_>| Config {
            policies: Vec::new(),
            ..Config::random(world, dice)
        };
        Self {
            direction: dice.pick(&Direction::ALL),
            config: plain(dice),
            before: plain(dice),
            area: world.rule(dice),
            permitted: dice.some(2, |dice| world.rule(dice)),
        }
    }

    fn regions(&self, rule: &Rule, reading: Reading) -> Vec<Region> {
        rule.regions(at(reading), self.direction, &crate::LabelSet::any())
    }
}

/// The covers of a plain stack: everything of the open parts, then what all implementations allow.
fn covers<'a>(open: &'a [Region], layer: &NetworkPolicies<'a>) -> Vec<RegionRef<'a>> {
    let open = open.iter().map(RegionRef::from);
    open.chain(layer.must.iter().copied()).collect()
}

/// All parts of the area outside of covers, as rules of the product compute it.
fn all_outside(world: &World, area: &Region, covers: &[RegionRef<'_>]) -> Vec<Region> {
    let whole = RegionRef::from(area);
    if covers.iter().any(|cover| whole.is_subset(*cover)) {
        return Vec::new();
    }
    let touches = |cover: &&RegionRef<'_>| !whole.is_disjoint_beyond_subject(**cover);
    let live: Vec<RegionRef<'_>> = covers.iter().filter(touches).copied().collect();
    let keys = live.iter().flat_map(|cover| cover.subject.constrained());
    let area = Region {
        subject: world
            .zone
            .written_out(&area.subject, keys.map(|(key, _)| key)),
        ..area.clone()
    };
    all_uncovered(&area, &live, &mut Budget::new(100_000)).expect("decided")
}

/// The parts that no policy isolates, as rules of the product compute them.
fn open(world: &World, layer: &NetworkPolicies<'_>) -> Vec<Region> {
    if layer.has_unreadable {
        return Vec::new();
    }
    let [pods, v4, v6] = &everything()[..] else {
        panic!("three kinds of peers");
    };
    let isolated = layer.isolated.iter().map(|part| RegionRef {
        subject: part,
        ..pods.into()
    });
    let parts = all_outside(world, pods, &isolated.collect::<Vec<_>>());
    let of = |part: &Region| {
        [pods, v4, v6].map(|whole| Region {
            subject: part.subject.clone(),
            ..whole.clone()
        })
    };
    parts.iter().flat_map(of).collect()
}

impl Plain {
    fn check(&self, world: &World) -> Result<(), String> {
        let configs = [&self.before, &self.config];
        let parts = configs.map(|config| Parts::of(config, &world.zone, self.direction));
        let [before, stack] =
            [0, 1].map(|at| parts[at].stack(configs[at], &world.zone, self.direction));
        let layers = [0, 1].map(|at| parts[at].layer.borrowed(configs[at].has_unreadable));
        let opens = [0, 1].map(|at| open(world, &layers[at]));
        let budget = &mut Budget::new(100_000);
        for area in self.regions(&self.area, Reading::Must) {
            let covers = [0, 1].map(|at| covers(&opens[at], &layers[at]));
            let lacking = all_outside(world, &area, &covers[0]);
            for (before, lacking) in [(None, Vec::new()), (Some(&before), lacking)] {
                let must = covers[1].iter().copied();
                let must: Vec<_> = must.chain(lacking.iter().map(RegionRef::from)).collect();
                let may: Vec<_> = must.iter().chain(&layers[1].may).copied().collect();
                let cut = all_outside(world, &area, &must);
                let sure = all_outside(world, &area, &may);
                let found = stack.denied(&area, before, budget).expect("decided");
                let certain = found.as_ref().filter(|leaf| leaf.is_certain());
                let is_same =
                    configs[1].has_unreadable || certain.map(|leaf| &leaf.region) == sure.first();
                if found.is_some() == cut.is_empty() || !is_same {
                    return Err(format!("{area:?}: {found:?}, expected {cut:?}, {sure:?}"));
                }
            }
        }
        let rules = self.permitted.iter();
        let permitted = rules.flat_map(|rule| self.regions(rule, Reading::Permitted));
        let permitted: Vec<Region> = permitted.collect();
        let permitted: Vec<RegionRef<'_>> = permitted.iter().map(RegionRef::from).collect();
        for area in &parts[1].layer.may {
            let pieces = all_outside(world, area, &permitted);
            let found = stack
                .allowed(area, &permitted, None, budget)
                .expect("decided");
            let is_inside = |leaf: &Leaf| {
                // A name counts if some number is outside, since it means one of them.
                let numbers = Region {
                    ports: leaf.region.ports.names_as_all(),
                    ..leaf.region.clone()
                };
                pieces.iter().any(|piece| leaf.region.is_subset(piece))
                    || (!leaf.region.ports.has_numbers()
                        && !all_outside(world, &numbers, &permitted).is_empty())
            };
            if found.is_none() != pieces.is_empty() || !found.iter().all(is_inside) {
                return Err(format!("{area:?}: {found:?}, expected {pieces:?}"));
            }
        }
        Ok(())
    }
}

#[test]
fn without_ordered_policies_the_answers_are_those_of_covers() {
    for words in [LABELS, BLOCKS] {
        let world = LazyLock::new(|| World::new(words));
        let random = |dice: &mut Dice<'_>| Plain::random(&world, dice);
        hold("plain", instances(2), random, |case| case.check(&world));
    }
}
