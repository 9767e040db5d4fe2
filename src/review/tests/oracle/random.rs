//! Random policies, and random edits of them.

use crate::inventory::{Meta, Policy};
use netpol::Direction;
use netpol::rule::{PortEntry, PortRange};
use netpol::testing::dice::Dice;
use netpol::testing::domain::{HOME, Vocabulary, World};

pub(in crate::review::tests) const SMALL: Vocabulary = Vocabulary {
    known: &[("role", &["a"])],
    free: &["v"],
    namespaces: &[HOME, "n1"],
    namespace_labels: &[],
    pod_labels: &[("tier", &["p"])],
    blocks: &["10.0.0.0/8", "010.0.0.0/8"],
    ports: some_ports,
};

fn some_ports() -> Vec<PortEntry> {
    let range = |ports| PortEntry {
        ports,
        ..PortEntry::tcp(1)
    };
    vec![
        PortEntry::tcp(8200),
        PortEntry::tcp(8201),
        range(PortRange::Numbers(8200, 8201)),
        range(PortRange::Named("web".into())),
        // A tunnel port.
        PortEntry::tcp(15008),
    ]
}

pub(in crate::review::tests) fn random_policy(world: &World, dice: &mut Dice<'_>) -> Policy {
    use Direction::{Egress, Ingress};
    let types = [
        None,
        Some(vec![Ingress]),
        Some(vec![Egress]),
        Some(vec![Ingress, Egress]),
    ];
    Policy {
        meta: Meta {
            namespace: HOME.into(),
            ..Meta::default()
        },
        pods: world.subject_selector(dice),
        policy_types: dice.pick(&types),
        ingress: dice.some(2, |dice| world.rule(dice)),
        egress: dice.some(2, |dice| world.rule(dice)),
    }
}

/// The policy with a few changes.
pub(in crate::review::tests) fn edited(
    world: &World,
    dice: &mut Dice<'_>,
    before: &Policy,
) -> Policy {
    let other = random_policy(world, dice);
    let mut after = before.clone();
    match dice.roll(7) {
        0 => after.ingress.clear(),
        1 => after.egress = other.egress,
        2 => after.ingress.extend(other.ingress),
        3 => after.egress.insert(0, world.rule(dice)),
        4 => after.pods = other.pods,
        5 => after.policy_types = other.policy_types,
        _ => after.pods.expressions.clear(),
    }
    after
}
