//! NetworkPolicy as a fact.

use super::Meta;
use crate::perimeter::Direction;
use crate::perimeter::rule::{Rule, Selector};

/// A NetworkPolicy, well-formed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Metadata.
    pub meta: Meta,
    /// `spec.podSelector`; empty selects every pod of the namespace.
    pub pods: Selector,
    /// `spec.policyTypes` as written; `None` where absent or empty.
    pub policy_types: Option<Vec<Direction>>,
    /// `spec.ingress`.
    pub ingress: Vec<Rule>,
    /// `spec.egress`.
    pub egress: Vec<Rule>,
}

impl Policy {
    /// Whether the policy isolates its pods in this direction: as `policyTypes` says, or as the API
    /// server would default it (semantics B1 to B4).
    pub fn isolates(&self, direction: Direction) -> bool {
        match &self.policy_types {
            Some(types) => types.contains(&direction),
            None => direction == Direction::Ingress || !self.egress.is_empty(),
        }
    }

    /// The rules of one direction as written, also where they are inert.
    pub fn rules(&self, direction: Direction) -> &[Rule] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    /// The rules that have an effect: none where the policy does not isolate in that direction.
    pub fn effective_rules(&self, direction: Direction) -> &[Rule] {
        if self.isolates(direction) {
            self.rules(direction)
        } else {
            &[]
        }
    }
}
