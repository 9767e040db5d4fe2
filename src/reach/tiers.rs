//! Ordered policies in an answer: what all layers of a side decide about the connections of the question.

use netpol::cover::{Budget, Exhausted};
use netpol::port::{PortSet, Protocol};
use netpol::stack::Leaf;
use netpol::tier::{Addresses, Decider, Verdict};
use netpol::{Connection, Difference, Direction, Reading, Region};

use super::side::{NAMED, Side};
use super::{Question, Resolved};
use crate::rules::layers::Layers;

impl Side<'_> {
    /// Returns true if ordered policies exist, so that all layers are asked.
    pub(super) const fn has_tiers(&self) -> bool {
        !self.tiers.ordered.is_empty()
    }

    pub(super) fn layers(&self) -> Layers<'_> {
        Layers {
            ordered: &self.tiers.ordered,
            home: &self.namespace,
            namespace: &self.labels_of_namespace,
            other_namespaces: &self.tiers.known,
            space: &self.zone,
            selected: &self.policies,
            has_unreadable: !self.is_open_known(),
            config: self.config,
        }
    }

    /// The leaves of all connections of the question; `None` if no ordered policy exists.
    pub(super) fn leaves(
        &self,
        direction: Direction,
        other: &Resolved<'_>,
        ports: &PortSet,
        budget: &mut Budget,
    ) -> Result<Option<Vec<Leaf>>, Exhausted> {
        if !self.has_tiers() {
            return Ok(None);
        }
        let layers = self.layers();
        let stack = layers.stack(direction, budget)?;
        let mut reached: Vec<Region> = stack.policies().flat_map(|own| stack.reach(own)).collect();
        reached.extend(self.covers(direction, Reading::May, budget)?);
        let mut leaves = Vec::new();
        for area in Self::areas(other, ports, &reached) {
            leaves.extend(stack.leaves(&area, Addresses::MayBePods, budget)?);
        }
        Ok(Some(leaves))
    }

    /// Returns true if the second evaluator agrees about a connection of each leaf.
    pub(super) fn confirms(&self, direction: Direction, leaves: &[Leaf]) -> bool {
        let layers = self.layers();
        let mut leaves = leaves.iter();
        leaves.all(|leaf| layers.confirms(direction, leaf, Addresses::MayBePods))
    }

    /// Returns true if all layers allow a connection, in every reading or in some.
    pub(super) fn all_layers_allow(&self, shown: &Connection, reading: Reading) -> bool {
        let found = self.layers().outcomes(shown, Addresses::MayBePods);
        let mut verdicts = found.iter().map(|(verdict, _)| *verdict);
        match reading {
            Reading::Must => !found.is_empty() && verdicts.all(|own| own == Verdict::Allow),
            Reading::May | Reading::Permitted => verdicts.any(|own| own == Verdict::Allow),
        }
    }

    /// The policies and rules that allow connections of the leaves, those of certain leaves first.
    pub(super) fn deciders(
        &self,
        direction: Direction,
        leaves: &[Leaf],
        question: &Question<'_>,
    ) -> Vec<String> {
        let certain = leaves.iter().filter(|leaf| leaf.is_certain());
        let others = leaves.iter().filter(|leaf| !leaf.is_certain());
        let mut known: Vec<Decider> = Vec::new();
        let mut named: Vec<String> = Vec::new();
        for decision in certain.chain(others).filter_map(|leaf| leaf.allow) {
            if known.contains(&decision.decider) {
                continue;
            }
            known.push(decision.decider);
            match decision.decider {
                Decider::NetworkPolicies => named.extend(self.openers(direction, question)),
                Decider::Default | Decider::Isolation => {
                    named.push("no policy isolates these pods".to_owned());
                }
                rule @ Decider::Rule { .. } => {
                    named.push(self.layers().describe(direction, rule));
                }
            }
        }
        named.dedup();
        let more = named.len().saturating_sub(NAMED);
        named.truncate(NAMED);
        if more > 0 {
            named.push(format!("and {more} more"));
        }
        named
    }
}

/// A part of the question that a side does not allow in every reading.
#[derive(Debug)]
pub(super) struct Missing {
    pub(super) region: Region,
    /// The leaf, where all layers are asked.
    leaf: Option<Leaf>,
}

impl Missing {
    /// A part that no NetworkPolicy allows.
    pub(super) const fn of(region: Region) -> Self {
        Self { region, leaf: None }
    }

    /// The first leaf that is certainly denied, or else the first that may be. Port names mean numbers, so they count
    /// alone only where the question is about them.
    pub(super) fn among(leaves: &[Leaf], ports: &PortSet) -> Option<Self> {
        let is_meant = |leaf: &&Leaf| !has_numbers(ports) || has_numbers(&leaf.region.ports);
        let denied = leaves
            .iter()
            .filter(|leaf| leaf.deny.is_some())
            .filter(is_meant);
        let leaf = denied.min_by_key(|leaf| !leaf.is_certain())?;
        Some(Self {
            region: leaf.region.clone(),
            leaf: Some(leaf.clone()),
        })
    }

    /// Returns true if the part may be allowed.
    pub(super) fn is_uncertain(&self) -> bool {
        self.leaf.as_ref().is_some_and(|leaf| !leaf.is_certain())
    }

    /// The rule or layer that denies it; `None` if it is the absence of a NetworkPolicy for it.
    pub(super) fn denied_by(&self, side: &Side<'_>, direction: Direction) -> Option<String> {
        let decider = self.leaf.as_ref()?.deny?.decider;
        let layers = side.layers();
        layers.rule(decider)?;
        Some(layers.describe(direction, decider))
    }

    /// The reading on which the verdict depends.
    pub(super) fn depends(&self) -> Option<Difference> {
        self.leaf.as_ref()?.only_if(Verdict::Deny)
    }
}

/// Returns true if a set of ports contains a number.
pub(super) fn has_numbers(ports: &PortSet) -> bool {
    let mut all = Protocol::ALL.into_iter();
    all.any(|protocol| !ports.ports(protocol).numbers().is_empty())
}
