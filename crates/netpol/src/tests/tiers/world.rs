//! Written configurations of a small world, as the engine and the naive evaluator see them.

use std::collections::BTreeSet;

use ipnet::IpNet;

use crate::connection::Endpoint;
use crate::cover::Budget;
use crate::label::NAMESPACE_NAME;
use crate::pod_space::{OtherKeys, PodSpace};
use crate::point::PolicyView;
use crate::point::tiers::{StackView, outcomes};
use crate::port::PortSet;
use crate::rule::{Rule, Selector};
use crate::stack::{CompiledPolicy, NetworkPolicies, Protected, Stack};
use crate::testing::dice::Dice;
use crate::testing::domain::{HOME, World};
use crate::testing::tiers;
use crate::tier::{Addresses, Decider, NamespaceLabels, TierPolicy, TierSettings, Verdict};
use crate::{At, Connection, Direction, LabelSet, PeerSet, Reading, Region, RegionRef};

/// A NetworkPolicy as written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) pods: Selector,
    pub(super) isolates: [bool; 2],
    pub(super) rules: [Vec<Rule>; 2],
}

impl Written {
    pub(super) fn random(world: &World, dice: &mut Dice<'_>) -> Self {
        Self {
            pods: world.subject_selector(dice),
            isolates: [true, dice.roll(3) > 0],
            rules: [0, 1].map(|_| dice.some(2, |dice| world.rule(dice))),
        }
    }
}

/// Everything that decides connections of the zone of a world.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) namespace: NamespaceLabels,
    pub(super) other_namespaces: Vec<NamespaceLabels>,
    pub(super) settings: TierSettings,
    pub(super) policies: Vec<TierPolicy>,
    pub(super) network_policies: Vec<Written>,
    pub(super) has_unreadable: bool,
}

/// Ports that a mesh forwards to all other ports.
const TUNNELS: &[u16] = &[15008];

pub(super) fn net(text: &str) -> IpNet {
    text.parse().expect("a block")
}

impl Config {
    pub(super) fn random(world: &World, dice: &mut Dice<'_>) -> Self {
        let blocks: [&[&str]; 4] = [
            &["10.0.0.0/8"],
            &["10.0.0.0/9", "fd00::/8"],
            &["fd00::/8"],
            &[],
        ];
        let pod_addresses = dice.pick(&blocks);
        let mut number = 0;
        let mut policy = |dice: &mut Dice<'_>| {
            number += 1;
            tiers::policy(world, number, dice)
        };
        Self {
            namespace: tiers::home(dice),
            other_namespaces: Vec::new(),
            settings: TierSettings {
                pod_addresses: pod_addresses.iter().map(|text| net(text)).collect(),
                tunnels: TUNNELS.to_vec(),
            },
            policies: dice.some(3, &mut policy),
            network_policies: dice.some(2, |dice| Written::random(world, dice)),
            has_unreadable: dice.once_in(15),
        }
    }

    /// The same after one policy was written, changed or deleted.
    pub(super) fn changed(&self, world: &World, dice: &mut Dice<'_>) -> Self {
        let mut changed = self.clone();
        let count = changed.policies.len();
        let new = tiers::policy(world, 9, dice);
        match dice.roll(3) {
            0 if count > 0 => drop(changed.policies.remove(dice.roll(count))),
            1 if count > 0 => changed.policies[dice.roll(count)] = new,
            _ => changed.policies.push(new),
        }
        changed
    }

    pub(super) fn compiled(&self) -> Vec<CompiledPolicy> {
        let policies = self.policies.iter();
        policies
            .map(|policy| CompiledPolicy::of(policy, &self.settings))
            .collect()
    }

    /// The parts of the zone that NetworkPolicies isolate, and the regions that they must and may allow.
    pub(super) fn layer(&self, zone: &PodSpace, direction: Direction) -> Layer {
        let mut layer = Layer::default();
        for policy in &self.network_policies {
            let part = policy.pods.label_set().and_then(|set| zone.select(&set));
            let Some(part) = part.filter(|_| policy.isolates[direction as usize]) else {
                continue;
            };
            for rule in &policy.rules[direction as usize] {
                let regions = |reading| rule.regions(at(reading), direction, &part);
                layer.must.extend(regions(Reading::Must));
                layer.may.extend(regions(Reading::May));
            }
            layer.isolated.push(part);
        }
        layer
    }

    /// Returns true if the peer's namespace can have its labels.
    pub(super) fn is_possible(&self, connection: &Connection) -> bool {
        let Endpoint::Pod { namespace, .. } = &connection.peer else {
            return true;
        };
        let value = |key: &str| {
            namespace
                .iter()
                .find(|(own, _)| &**own == key)
                .map(|(_, value)| value)
        };
        if value(NAMESPACE_NAME) != self.namespace.known.get(NAMESPACE_NAME) {
            return true;
        }
        let mut known = self.namespace.known.iter();
        let mut written = namespace.iter();
        known.all(|(key, own)| value(key) == Some(own))
            && (self.namespace.others == OtherKeys::Free
                || written.all(|(key, _)| self.namespace.known.get(key).is_some()))
    }

    /// Every possible outcome, by the naive evaluator.
    pub(super) fn outcomes(
        &self,
        connection: &Connection,
        addresses: Addresses,
    ) -> BTreeSet<(Verdict, Decider)> {
        let policies: Vec<&TierPolicy> = self.policies.iter().collect();
        let views = self.network_policies.iter().map(|policy| PolicyView {
            pods: &policy.pods,
            isolates: policy.isolates,
            rules: [&policy.rules[0], &policy.rules[1]],
        });
        let views: Vec<PolicyView<'_>> = views.collect();
        let view = StackView {
            policies: &policies,
            namespace: &self.namespace,
            network_policies: &views,
            has_unreadable: self.has_unreadable,
            at: at(Reading::May),
            settings: &self.settings,
            addresses,
        };
        outcomes(&view, connection)
    }
}

pub(super) const fn at(reading: Reading) -> At<'static> {
    At {
        namespace: HOME,
        reading,
        tunnels: TUNNELS,
    }
}

/// The NetworkPolicies as regions.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) must: Vec<Region>,
    pub(super) may: Vec<Region>,
    pub(super) isolated: Vec<LabelSet>,
}

impl Layer {
    pub(super) fn borrowed(&self, has_unreadable: bool) -> NetworkPolicies<'_> {
        NetworkPolicies {
            must: self.must.iter().map(RegionRef::from).collect(),
            may: self.may.iter().map(RegionRef::from).collect(),
            isolated: self.isolated.iter().collect(),
            has_unreadable,
        }
    }
}

/// All connections of any pods, one region for each kind of peer.
pub(super) fn everything() -> Vec<Region> {
    let whole = |peer| Region {
        subject: LabelSet::any(),
        peer,
        ports: PortSet::all(),
    };
    PeerSet::everyone().into_iter().map(whole).collect()
}

/// The compiled parts of a configuration, from which stacks borrow.
pub(super) struct Parts {
    pub(super) policies: Vec<CompiledPolicy>,
    pub(super) layer: Layer,
    has_unreadable: bool,
}

impl Parts {
    pub(super) fn of(config: &Config, zone: &PodSpace, direction: Direction) -> Self {
        Self {
            policies: config.compiled(),
            layer: config.layer(zone, direction),
            has_unreadable: config.has_unreadable,
        }
    }

    pub(super) fn stack<'a>(
        &'a self,
        config: &'a Config,
        zone: &'a PodSpace,
        direction: Direction,
    ) -> Stack<'a> {
        let policies: Vec<&CompiledPolicy> = self.policies.iter().collect();
        let layer = self.layer.borrowed(self.has_unreadable);
        let protected = Protected {
            space: zone,
            namespace: &config.namespace,
            other_namespaces: &config.other_namespaces,
        };
        Stack::new(
            direction,
            protected,
            &policies,
            layer,
            &mut Budget::new(10_000),
        )
        .expect("decided")
    }
}
