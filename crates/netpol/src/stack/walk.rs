//! The first-match walk over the layers.
//!
//! The clauses that may touch an area become a list of steps. A match step splits a region into the parts
//! inside and outside of one rule. A part inside a certain clause is decided, unless another policy of
//! equal priority or a possible Pass before has a say too. All other parts go on to the next step.

use std::ops::ControlFlow;
use std::rc::Rc;

use super::leaf::{Decision, Leaf};
use super::program::{CLAUSE, Effect, Program, Step};
use crate::cover::{Budget, Cover, Exhausted, partition};
use crate::region::{Region, RegionRef};
use crate::tier::{Action, Decider, Verdict};

/// State of a region on its way.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    at: usize,
    allow: Option<Decision>,
    deny: Option<Decision>,
    /// True if the next tier may decide after a rule that may match.
    passes: bool,
    /// True if a certain clause of the group has matched.
    is_matched: bool,
    /// First decider of the group, by action.
    group: [Option<Decider>; 3],
    tie: Option<[Decider; 2]>,
}

impl State {
    fn add(&mut self, effect: Effect) {
        let decision = Decision {
            decider: effect.decider,
            is_certain: effect.is_certain,
            only_if: effect.only_if,
        };
        match effect.action {
            Action::Accept => keep(&mut self.allow, decision),
            Action::Deny => keep(&mut self.deny, decision),
            Action::Pass => self.passes = true,
        }
        let own = effect.action as usize;
        let policy = |decider: Decider| match decider {
            Decider::Rule { policy, .. } => Some(policy),
            Decider::NetworkPolicies | Decider::Isolation | Decider::Default => None,
        };
        for (action, first) in self.group.iter().enumerate() {
            if let Some(first) = first
                && action != own
                && policy(*first) != policy(effect.decider)
                && policy(*first).is_some()
            {
                self.tie = self.tie.or(Some([*first, effect.decider]));
            }
        }
        self.group[own] = self.group[own].or(Some(effect.decider));
    }

    /// Returns true if a later step changes nothing.
    const fn is_settled(&self) -> bool {
        self.allow.is_some() && self.deny.is_some()
    }
}

/// Keeps the first certain decision, or else the first.
fn keep(known: &mut Option<Decision>, new: Decision) {
    if known.is_none_or(|known| new.is_certain && !known.is_certain) {
        *known = Some(new);
    }
}

/// The leaves to visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    /// Those where this verdict is possible.
    Only(Verdict),
}

impl Wanted {
    const fn includes(self, state: &State) -> bool {
        match self {
            Self::All => true,
            Self::Only(Verdict::Allow) => state.allow.is_some(),
            Self::Only(Verdict::Deny) => state.deny.is_some(),
        }
    }
}

/// The visitor of leaves.
pub(super) type Visit<'v> =
    &'v mut dyn FnMut(Leaf, &mut Budget) -> Result<ControlFlow<()>, Exhausted>;

impl<'p> Program<'p> {
    /// Visits the leaves of a part of the area, until `visit` breaks.
    pub(super) fn walk(
        &self,
        area: Region,
        wanted: Wanted,
        budget: &mut Budget,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, Exhausted> {
        let mut open = vec![(area, State::default())];
        while let Some((region, mut state)) = open.pop() {
            match self.next(&mut state) {
                Some((covers, effect, policy_end)) => {
                    let next = self.split(
                        (region, state),
                        covers,
                        (effect, policy_end),
                        wanted,
                        budget,
                    )?;
                    open.extend(next);
                }
                None if wanted.includes(&state) => {
                    let leaf = Leaf {
                        region,
                        allow: state.allow,
                        deny: state.deny,
                        tie: state.tie,
                    };
                    if visit(leaf, budget)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                None => {}
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Moves to the next match step; `None` if the verdicts are complete.
    fn next(&self, state: &mut State) -> Option<(&Rc<[Cover<'p>]>, Effect, usize)> {
        while !state.is_settled() {
            let is_tier_end = match self.steps.get(state.at) {
                Some(Step::Match {
                    covers,
                    effect,
                    policy_end,
                }) => return Some((covers, *effect, *policy_end)),
                Some(Step::GroupEnd) if state.is_matched && !state.passes => return None,
                Some(Step::GroupEnd) => state.is_matched,
                Some(Step::TierEnd) => true,
                None => {
                    keep(&mut state.allow, Decision::certain(Decider::Default));
                    return None;
                }
            };
            state.group = [None; 3];
            if is_tier_end {
                let mut layers = self.layers.into_iter();
                state.at = layers.find(|first| *first > state.at).unwrap_or(usize::MAX);
                (state.passes, state.is_matched) = (false, false);
            } else {
                state.at += 1;
            }
        }
        None
    }

    /// Splits a region into the parts outside and inside of one rule.
    fn split(
        &self,
        (region, state): (Region, State),
        covers: &Rc<[Cover<'p>]>,
        (effect, policy_end): (Effect, usize),
        wanted: Wanted,
        budget: &mut Budget,
    ) -> Result<Vec<(Region, State)>, Exhausted> {
        let outside = State {
            at: state.at + 1,
            ..state
        };
        let mut inside = outside;
        inside.add(effect);
        if effect.is_certain {
            inside.is_matched = true;
            inside.at = policy_end;
        }
        let is_final = effect.is_certain
            && !inside.passes
            && matches!(self.steps.get(policy_end), Some(Step::GroupEnd));
        let is_dropped = is_final && !wanted.includes(&inside);
        let ranges = RegionRef::from(&region).ranges();
        let own = RegionRef::from(&region);
        for cover in &**covers {
            if !budget.spend(CLAUSE + ranges) {
                return Err(Exhausted::of(covers.iter().map(|cover| cover.region)));
            }
            if own.is_subset(cover.region) {
                return Ok(if is_dropped {
                    Vec::new()
                } else {
                    vec![(region, inside)]
                });
            }
        }
        let mut parts = Vec::new();
        let kept = (!is_dropped).then_some(&mut parts);
        let rest = partition(region, covers.clone(), budget, kept)?;
        let rest = rest.into_iter().map(|piece| (piece, outside)).rev();
        let parts = parts.into_iter().map(|piece| (piece, inside)).rev();
        // What is denied is decided early, what is allowed late: the last one is the next.
        Ok(if wanted == Wanted::Only(Verdict::Allow) {
            parts.chain(rest).collect()
        } else {
            rest.chain(parts).collect()
        })
    }
}
