//! Random ordered policies for small worlds, and one large world for benchmarks.

use std::sync::Arc;

use super::dice::Dice;
use super::domain::{HOME, World};
use crate::Direction;
use crate::label::{Labels, NAMESPACE_NAME};
use crate::pod_space::OtherKeys;
use crate::rule::{PortRange, Selector};
use crate::tier::{
    Action, NamespaceLabels, PolicyKind, Subject, Tier, TierPeer, TierPolicy, TierPort, TierRule,
    TierSelector,
};

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
