//! All layers that decide connections of some pods: ordered policies before and after the NetworkPolicies.
//!
//! The engine decides sets of connections, and the second evaluator single ones.

use std::collections::BTreeSet;

use netpol::cover::{Budget, Exhausted};
use netpol::pod_space::PodSpace;
use netpol::point::tiers::{StackView, outcomes};
use netpol::point::{At, PolicyView};
use netpol::stack::{CompiledPolicy, Leaf, NetworkPolicies, Protected, Stack};
use netpol::tier::{Action, Addresses, Decider, NamespaceLabels, Tier, TierPolicy, Verdict};
use netpol::{Connection, Direction, Reading};

use super::ordered::Ordered;
use super::witness;
use crate::baseline::{Selected, SelectedRule, ZonePerimeter};
use crate::config::ReviewConfig;
use crate::inventory::{ObjectRef, Policy};

/// The layers of some pods, and what is known about namespaces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layers<'a> {
    /// The ordered policies. Deciders have their indexes.
    pub(crate) ordered: &'a [&'a Ordered],
    /// Namespace of the pods.
    pub(crate) home: &'a str,
    /// Labels of this namespace.
    pub(crate) namespace: &'a NamespaceLabels,
    /// Labels of other namespaces, as far as they are known.
    pub(crate) other_namespaces: &'a [NamespaceLabels],
    /// The labels that the pods can have.
    pub(crate) space: &'a PodSpace,
    /// The NetworkPolicies that select some of the pods.
    pub(crate) selected: &'a [Selected],
    /// True if a NetworkPolicy cannot be read, and may isolate the pods.
    pub(crate) has_unreadable: bool,
    /// The configuration.
    pub(crate) config: &'a ReviewConfig,
}

impl Layers<'_> {
    /// Everything that decides in one direction.
    ///
    /// # Errors
    ///
    /// The budget was not enough for the pods that no NetworkPolicy isolates.
    pub(crate) fn stack(
        &self,
        direction: Direction,
        budget: &mut Budget,
    ) -> Result<Stack<'_>, Exhausted> {
        let policies: Vec<&CompiledPolicy> =
            self.ordered.iter().map(|own| &*own.compiled).collect();
        let layer = network_policies(self.selected, self.has_unreadable, direction);
        let protected = Protected {
            space: self.space,
            namespace: self.namespace,
            other_namespaces: self.other_namespaces,
        };
        Stack::new(direction, protected, &policies, layer, budget)
    }

    /// Every possible verdict about one connection, by the second evaluator.
    pub(crate) fn outcomes(
        &self,
        shown: &Connection,
        addresses: Addresses,
    ) -> BTreeSet<(Verdict, Decider)> {
        let views: Vec<PolicyView<'_>> =
            self.selected.iter().map(|own| view(&own.policy)).collect();
        self.outcomes_beside(&views, shown, addresses)
    }

    /// The same, with other NetworkPolicies.
    pub(crate) fn outcomes_beside(
        &self,
        network_policies: &[PolicyView<'_>],
        shown: &Connection,
        addresses: Addresses,
    ) -> BTreeSet<(Verdict, Decider)> {
        let policies: Vec<&TierPolicy> = self.ordered.iter().map(|own| &*own.policy).collect();
        let view = StackView {
            policies: &policies,
            namespace: self.namespace,
            network_policies,
            has_unreadable: self.has_unreadable,
            at: At {
                namespace: self.home,
                reading: Reading::May,
                tunnels: &self.config.tunnel_ports,
            },
            settings: &self.config.tiers(),
            addresses,
        };
        outcomes(&view, shown)
    }

    /// Returns true if the second evaluator agrees about a connection of the leaf.
    pub(crate) fn confirms(&self, direction: Direction, leaf: &Leaf, at: Addresses) -> bool {
        witness(direction, self.space, &leaf.region)
            .is_some_and(|shown| leaf.agrees_with(&self.outcomes(&shown, at)))
    }

    /// The ordered policy that decides and the index of its rule; `None` if another layer decides.
    pub(crate) fn rule(&self, decider: Decider) -> Option<(&Ordered, usize)> {
        rule(self.ordered, decider)
    }

    /// The rule or layer that decides, in words.
    pub(crate) fn describe(&self, direction: Direction, decider: Decider) -> String {
        describe(self.ordered, direction, decider)
    }
}

/// A NetworkPolicy for the second evaluator.
pub(crate) fn view(policy: &Policy) -> PolicyView<'_> {
    PolicyView {
        pods: &policy.pods,
        isolates: Direction::ALL.map(|direction| policy.isolates(direction)),
        rules: Direction::ALL.map(|direction| policy.rules(direction)),
    }
}

/// NetworkPolicies as one layer.
pub(super) fn network_policies(
    selected: &[Selected],
    has_unreadable: bool,
    direction: Direction,
) -> NetworkPolicies<'_> {
    let rules = || {
        selected
            .iter()
            .flat_map(move |policy| policy.rules(direction))
    };
    let isolating = selected.iter().filter(|policy| policy.isolates(direction));
    NetworkPolicies {
        must: rules().flat_map(SelectedRule::must).collect(),
        may: rules()
            .filter(|rule| rule.is_read_differently())
            .flat_map(SelectedRule::may)
            .collect(),
        isolated: isolating.map(|policy| &policy.part).collect(),
        has_unreadable,
    }
}

impl<'a> Layers<'a> {
    /// The layers of a zone.
    pub(crate) fn of_zone(
        ordered: &'a [&'a Ordered],
        owner: &'a ObjectRef,
        zone: &'a ZonePerimeter,
        (namespace, other_namespaces): (&'a NamespaceLabels, &'a [NamespaceLabels]),
        config: &'a ReviewConfig,
    ) -> Self {
        Self {
            ordered,
            home: owner.home(),
            namespace,
            other_namespaces,
            space: &zone.space,
            selected: &zone.selected,
            has_unreadable: !zone.unreadable.is_empty(),
            config,
        }
    }
}

/// The ordered policy that decides and the index of its rule; `None` if another layer decides.
pub(crate) fn rule<'a>(ordered: &[&'a Ordered], decider: Decider) -> Option<(&'a Ordered, usize)> {
    match decider {
        Decider::Rule { policy, rule } => Some((*ordered.get(policy)?, rule)),
        Decider::NetworkPolicies | Decider::Isolation | Decider::Default => None,
    }
}

/// The rule or layer that decides, in words.
pub(crate) fn describe(ordered: &[&Ordered], direction: Direction, decider: Decider) -> String {
    if let Some((own, number)) = rule(ordered, decider) {
        let field = direction.field();
        let place = place(&own.policy, direction, number);
        return format!("{}, spec.{field}[{number}] ({place})", own.object);
    }
    let words = match decider {
        Decider::NetworkPolicies => "a NetworkPolicy",
        Decider::Isolation => "the NetworkPolicies that isolate the pods",
        Decider::Rule { .. } | Decider::Default => "no policy",
    };
    words.to_owned()
}

/// Action, tier and priority of a rule.
fn place(policy: &TierPolicy, direction: Direction, rule: usize) -> String {
    let action = match policy.rules(direction).get(rule).map(|rule| rule.action) {
        Some(Action::Accept) => "Accept",
        Some(Action::Deny) => "Deny",
        Some(Action::Pass) => "Pass",
        None => "no rule",
    };
    format!("{action} in {}", level(policy))
}

/// Tier and priority of a policy.
pub(crate) fn level(policy: &TierPolicy) -> String {
    let tier = match policy.tier {
        Tier::Admin => "Admin",
        Tier::Baseline => "Baseline",
    };
    match policy.priority {
        Some(priority) => format!("tier {tier}, priority {priority}"),
        None => format!("tier {tier}"),
    }
}
