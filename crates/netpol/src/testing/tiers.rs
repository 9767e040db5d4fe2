//! Random ordered policies for small worlds, and one large world for benchmarks.

use std::sync::Arc;

use super::dice::Dice;
use super::domain::{HOME, World};
use crate::label::{Labels, NAMESPACE_NAME, Values};
use crate::pod_space::{OtherKeys, PodSpace};
use crate::rule::{Operator, Peer, PortEntry, PortRange, Rule, Selector};
use crate::tier::{
    Action, NamespaceLabels, PolicyKind, Subject, Tier, TierPeer, TierPolicy, TierPort, TierRule,
    TierSelector,
};
use crate::{At, Direction, LabelSet, Reading, Region};

/// The labels of the protected pods' namespace. One that is not known may have any label.
pub fn home(dice: &mut Dice<'_>) -> NamespaceLabels {
    let mut known = Labels::new();
    known.insert(NAMESPACE_NAME.into(), HOME.into());
    if dice.roll(2) == 1 {
        known.insert("team".into(), "t".into());
    }
    NamespaceLabels {
        known,
        others: dice.pick(&[OtherKeys::Absent, OtherKeys::Absent, OtherKeys::Free]),
    }
}

/// A policy of up to two rules a direction. Invalid selectors and unknown fields are rare.
pub fn policy(world: &World, number: usize, dice: &mut Dice<'_>) -> TierPolicy {
    use PolicyKind::{AdminNetworkPolicy, BaselineAdminNetworkPolicy, ClusterNetworkPolicy};
    let (kind, tier) = match dice.roll(8) {
        0..4 => (ClusterNetworkPolicy, Tier::Admin),
        4 | 5 => (ClusterNetworkPolicy, Tier::Baseline),
        6 => (AdminNetworkPolicy, Tier::Admin),
        _ => (BaselineAdminNetworkPolicy, Tier::Baseline),
    };
    let priority = dice.pick(&[1, 1, 2]);
    let priority = (kind != BaselineAdminNetworkPolicy).then_some(priority);
    let namespaces = tier_selector(dice, |dice| world.namespace_selector(dice));
    let subject = match dice.roll(3) {
        0 => Subject::Namespaces(Selector::default().into()),
        1 => Subject::Namespaces(namespaces),
        _ => Subject::Pods {
            namespaces: Selector::default().into(),
            pods: tier_selector(dice, |dice| world.subject_selector(dice)),
        },
    };
    let mut rules = |direction| dice.some(2, |dice| rule(world, kind, direction, dice));
    TierPolicy {
        name: format!("policy-{number}").into(),
        kind,
        tier,
        priority,
        subject,
        ingress: rules(Direction::Ingress),
        egress: rules(Direction::Egress),
    }
}

fn tier_selector(
    dice: &mut Dice<'_>,
    mut selector: impl FnMut(&mut Dice<'_>) -> Selector,
) -> TierSelector {
    let selector = selector(dice);
    if dice.once_in(12) {
        TierSelector::Invalid(selector)
    } else {
        TierSelector::Valid(selector)
    }
}

/// A rule of up to two peers and two port entries.
pub fn rule(
    world: &World,
    kind: PolicyKind,
    direction: Direction,
    dice: &mut Dice<'_>,
) -> TierRule {
    let action = dice.pick(&[Action::Accept, Action::Deny, Action::Pass]);
    let is_baseline = kind == PolicyKind::BaselineAdminNetworkPolicy;
    TierRule {
        name: Arc::from(""),
        action: if is_baseline && action == Action::Pass {
            Action::Deny
        } else {
            action
        },
        peers: (0..=dice.roll(2))
            .map(|_| peer(world, direction, dice))
            .collect(),
        ports: dice.some(2, |dice| port(world, dice)),
    }
}

fn peer(world: &World, direction: Direction, dice: &mut Dice<'_>) -> TierPeer {
    if dice.once_in(20) {
        return TierPeer::Unknown;
    }
    if direction == Direction::Egress && world.has_blocks() && dice.roll(2) == 1 {
        return match dice.roll(8) {
            6 => TierPeer::Nodes(tier_selector(dice, |dice| world.pod_selector(dice))),
            7 => TierPeer::DomainNames(vec!["*.example.com".into()]),
            _ => TierPeer::Networks((0..=dice.roll(2)).map(|_| world.block(dice)).collect()),
        };
    }
    let namespaces = tier_selector(dice, |dice| world.namespace_selector(dice));
    if dice.roll(2) == 0 {
        TierPeer::Namespaces(namespaces)
    } else {
        TierPeer::Pods {
            namespaces,
            pods: tier_selector(dice, |dice| world.pod_selector(dice)),
        }
    }
}

fn port(world: &World, dice: &mut Dice<'_>) -> TierPort {
    if dice.once_in(20) {
        return TierPort::Unknown;
    }
    let entry = world.port(dice);
    let numbers = |first, last| TierPort::Numbers {
        protocol: entry.protocol,
        first,
        last,
    };
    match entry.ports {
        PortRange::All => numbers(1, u16::MAX),
        PortRange::Numbers(first, last) if dice.once_in(20) => numbers(last, first),
        PortRange::Numbers(first, last) => numbers(first, last),
        PortRange::Named(name) => TierPort::Named(name),
    }
}

/// A pod space under ordered policies like those of a large cluster, for benchmarks.
#[derive(Debug)]
pub struct LargeWorld {
    /// The protected pods.
    pub space: PodSpace,
    /// Labels of their namespace.
    pub namespace: NamespaceLabels,
    /// Labels of the other namespaces of entries.
    pub other_namespaces: Vec<NamespaceLabels>,
    /// Policies. One of six selects the pods.
    pub policies: Vec<TierPolicy>,
    /// Required and permitted regions, by direction.
    pub entries: [Vec<Region>; 2],
}

impl LargeWorld {
    /// A world of `policies` with `rules` rules a direction, and `entries` regions a direction.
    pub fn new(policies: usize, rules: usize, entries: usize) -> Self {
        let known = [
            ("app", Values::one_of(["bao"])),
            ("role", Values::one_of(["active", "standby"]).or_absent()),
        ];
        Self {
            space: PodSpace::new(known, vec!["run".into()], OtherKeys::Absent),
            namespace: namespace(HOME, "home"),
            other_namespaces: (0..entries)
                .map(|at| namespace(&numbered("ns", at), "other"))
                .collect(),
            policies: (0..policies)
                .map(|number| large_policy(number, rules))
                .collect(),
            entries: Direction::ALL
                .map(|direction| (0..entries).flat_map(|at| entry(at, direction)).collect()),
        }
    }
}

fn namespace(name: &str, team: &str) -> NamespaceLabels {
    let pairs = [(NAMESPACE_NAME, name), ("team", team)];
    let pairs = pairs.map(|(key, value)| (Arc::from(key), Arc::from(value)));
    NamespaceLabels {
        known: pairs.into_iter().collect(),
        others: OtherKeys::Absent,
    }
}

fn numbered(word: &str, number: usize) -> String {
    format!("{word}-{number}")
}

fn large_policy(number: usize, rules: usize) -> TierPolicy {
    let rules = |direction| {
        (0..rules)
            .map(|at| large_rule(number, at, direction))
            .collect()
    };
    let subject = if number.is_multiple_of(6) {
        Selector::default()
    } else {
        Selector::labels([("team", &*numbered("team", number))])
    };
    TierPolicy {
        name: numbered("policy", number).into(),
        kind: PolicyKind::ClusterNetworkPolicy,
        tier: if number.is_multiple_of(4) {
            Tier::Baseline
        } else {
            Tier::Admin
        },
        priority: u16::try_from(number).ok(),
        subject: Subject::Namespaces(subject.into()),
        ingress: rules(Direction::Ingress),
        egress: rules(Direction::Egress),
    }
}

/// Rules for namespaces by name or team, for pods by label, and for blocks; for one port or all.
fn large_rule(policy: usize, at: usize, direction: Direction) -> TierRule {
    let number = 25 * policy + at;
    let names = [number, number + 1].map(|name| numbered("web", name));
    let names = || Selector::default().and(NAMESPACE_NAME, Operator::In, &[&names[0], &names[1]]);
    let peer = match at % 8 {
        0 | 1 if direction == Direction::Egress => {
            let block = format!("198.51.100.{number}/32", number = number % 256);
            TierPeer::Networks(vec![block.parse().expect("a block")])
        }
        2 => TierPeer::Pods {
            namespaces: Selector::default().into(),
            pods: Selector::labels([("app", &*numbered("app", number))]).into(),
        },
        3 | 4 => {
            TierPeer::Namespaces(Selector::labels([("team", &*numbered("team", number))]).into())
        }
        _ => TierPeer::Namespaces(names().into()),
    };
    TierRule {
        name: numbered("rule", at).into(),
        action: [Action::Deny, Action::Accept, Action::Pass][number % 3],
        peers: vec![peer],
        ports: if at.is_multiple_of(2) {
            vec![TierPort::tcp(443), TierPort::tcp(8200)]
        } else {
            Vec::new()
        },
    }
}

/// Pods of the cluster, pods of another namespace, or one address.
fn entry(at: usize, direction: Direction) -> Vec<Region> {
    let own = |namespaces, app: &str| Peer::Pods {
        namespaces,
        pods: Some(Selector::labels([("app", app)])),
    };
    let peer = match at % 3 {
        0 => own(None, "bao"),
        1 => own(Some(Selector::namespace(&numbered("ns", at))), "client"),
        _ => Peer::Block {
            cidr: format!("192.0.2.{at}/32").parse().expect("a block"),
            except: Vec::new(),
        },
    };
    let rule = Rule {
        peers: vec![peer],
        ports: vec![PortEntry::tcp(8200), PortEntry::tcp(8201)],
    };
    let reading = At {
        namespace: HOME,
        reading: Reading::Must,
        tunnels: &[],
    };
    rule.regions(reading, direction, &LabelSet::any())
}
