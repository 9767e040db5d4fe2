//! Leaves of the walk: disjoint regions with their possible verdicts.

use std::collections::BTreeSet;

use crate::pod_space::PodSpace;
use crate::tier::{Action, Decider, Verdict};
use crate::{Connection, Difference, Direction, Region, witness};

/// A rule, and the reason that it may not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) action: Action,
    pub(super) policy: usize,
    pub(super) rule: usize,
    pub(super) only_if: Option<Difference>,
}

/// The part that decides a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The rule or layer.
    pub decider: Decider,
    /// True if it decides whenever nothing before it does.
    pub is_certain: bool,
    /// The reading on which it depends. `None` if it is certain, and for NetworkPolicies, for which
    /// [`Difference::of`] knows the reading.
    pub only_if: Option<Difference>,
}

impl Decision {
    pub(super) const fn certain(decider: Decider) -> Self {
        Self {
            decider,
            is_certain: true,
            only_if: None,
        }
    }
}

/// A region whose connections all have the same possible verdicts. At least one verdict is possible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The connections.
    pub region: Region,
    /// The part that may allow them: the first certain one, or else the first.
    pub allow: Option<Decision>,
    /// The part that may deny them, likewise.
    pub deny: Option<Decision>,
    /// Two rules of policies with equal priority that decide differently.
    pub tie: Option<[Decider; 2]>,
}

impl Leaf {
    /// Returns true if only one verdict is possible.
    pub const fn is_certain(&self) -> bool {
        !(self.allow.is_some() && self.deny.is_some())
    }

    /// The part that may decide so.
    pub const fn decision(&self, verdict: Verdict) -> Option<Decision> {
        match verdict {
            Verdict::Allow => self.allow,
            Verdict::Deny => self.deny,
        }
    }

    /// The reading on which the verdict depends. `None` if the leaf is certain, or depends on the reading of
    /// NetworkPolicies alone ([`Difference::of`]).
    pub fn only_if(&self, verdict: Verdict) -> Option<Difference> {
        if self.is_certain() {
            return None;
        }
        let of = |verdict| self.decision(verdict).and_then(|decision| decision.only_if);
        let tie = self.tie.map(|_| Difference::TieOrder);
        of(verdict).or(tie).or_else(|| of(verdict.other()))
    }

    /// Returns true if the naive evaluator agrees about a connection of the leaf: the same verdicts are
    /// possible, and the deciders are among its own.
    pub fn agrees_with(&self, outcomes: &BTreeSet<(Verdict, Decider)>) -> bool {
        [Verdict::Allow, Verdict::Deny].into_iter().all(|verdict| {
            let mut own = outcomes.iter().filter(|(other, _)| *other == verdict);
            match self.decision(verdict) {
                Some(decision) => own.any(|(_, decider)| *decider == decision.decider),
                None => own.next().is_none(),
            }
        })
    }

    /// One connection of the leaf, as [`witness::connection`] chooses it.
    pub fn connection(
        &self,
        direction: Direction,
        space: &PodSpace,
        preferred: &[u16],
    ) -> Option<Connection> {
        witness::connection(direction, space, &self.region, preferred)
    }
}
