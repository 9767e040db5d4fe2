//! The first-match walk over the layers.
//!
//! The clauses that may touch an area become a list of steps. A match step splits a region into the parts
//! inside and outside of one rule. A part inside a certain clause is decided, unless another policy of
//! equal priority or a possible Pass before has a say too. All other parts go on to the next step.

use std::ops::ControlFlow;

use smallvec::SmallVec;

use super::leaf::{Decision, Leaf};
use super::program::{CLAUSE, Effect, Program, Step};
use crate::cover::{self, Budget, Cover, Exhausted, cuts, partition, rest};
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

    const fn has(&self, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Allow => self.allow.is_some(),
            Verdict::Deny => self.deny.is_some(),
        }
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
    /// Those with two rules of equal priority that decide differently.
    Tied,
    /// Those where this verdict is possible, first those where it is the only one.
    Possible(Verdict),
    /// The same, without those where a step before this one makes the verdict possible.
    New(Verdict, usize),
    /// Those where this verdict is the only one.
    Certain(Verdict),
}

impl Wanted {
    /// Returns true if a leaf with this state is visited.
    const fn includes(self, state: &State) -> bool {
        match self {
            Self::All => true,
            Self::Tied => state.tie.is_some(),
            Self::Possible(verdict) | Self::New(verdict, _) => state.has(verdict),
            Self::Certain(verdict) => state.has(verdict) && !state.has(verdict.other()),
        }
    }

    /// Returns true if a region with this state may have a leaf that is visited.
    fn is_possible(self, program: &Program<'_>, state: &State) -> bool {
        match self {
            Self::All => true,
            Self::Tied => state.tie.is_some() || program.may_tie(state.at),
            Self::Possible(verdict) | Self::New(verdict, _) => {
                state.has(verdict) || program.may_give(verdict, state.at)
            }
            Self::Certain(verdict) => {
                !state.has(verdict.other()) && Self::Possible(verdict).is_possible(program, state)
            }
        }
    }

    const fn is_of(self, wanted: Verdict) -> bool {
        match self {
            Self::All | Self::Tied => false,
            Self::Possible(verdict) | Self::New(verdict, _) | Self::Certain(verdict) => {
                matches!(
                    (verdict, wanted),
                    (Verdict::Allow, Verdict::Allow) | (Verdict::Deny, Verdict::Deny)
                )
            }
        }
    }

    /// Returns true if a region with this state is visited after others.
    const fn is_late(self, state: &State) -> bool {
        matches!(self, Self::Possible(verdict) | Self::New(verdict, _) if state.has(verdict.other()))
    }

    /// Returns true if a region with this state after a step is not visited, since the step is too early.
    fn is_early(self, state: &State, step: usize) -> bool {
        matches!(self, Self::New(verdict, first) if step < first && state.has(verdict))
    }
}

/// The visitor of leaves.
pub(super) type Visit<'v> =
    &'v mut dyn FnMut(Leaf, &mut Budget) -> Result<ControlFlow<()>, Exhausted>;

/// A match step that touches a region.
struct Touched<'p> {
    effect: Effect,
    policy_end: usize,
    /// The regions of the step that touch it; `None` if one of them contains it.
    covers: Option<Cutting<'p>>,
}

/// Covers, and the number of dimensions on which each cuts a region.
type Cutting<'p> = SmallVec<[(RegionRef<'p>, usize); 1]>;

impl<'p> Program<'p> {
    /// Visits the leaves of disjoint parts of the area, until `visit` breaks.
    pub(super) fn walk(
        &self,
        mut parts: Vec<Region>,
        wanted: Wanted,
        budget: &mut Budget,
        visit: Visit<'_>,
    ) -> Result<(), Exhausted> {
        parts.reverse();
        let mut open: Vec<_> = parts
            .into_iter()
            .map(|part| (part, State::default()))
            .collect();
        let mut late = Vec::new();
        let mut is_late = false;
        loop {
            let Some((region, mut state)) = open.pop() else {
                if late.is_empty() {
                    return Ok(());
                }
                is_late = true;
                open.extend(late.drain(..).rev());
                continue;
            };
            if !is_late && wanted.is_late(&state) {
                late.push((region, state));
                continue;
            }
            match self.next(&region, &mut state, wanted, budget)? {
                Some(step) => self.split((region, state), &step, wanted, budget, &mut open)?,
                None if !is_late && wanted.is_late(&state) => late.push((region, state)),
                None if wanted.includes(&state) => {
                    let leaf = Leaf {
                        region,
                        allow: state.allow,
                        deny: state.deny,
                        tie: state.tie,
                    };
                    if visit(leaf, budget)?.is_break() {
                        return Ok(());
                    }
                }
                None => {}
            }
        }
    }

    /// The first of these leaves.
    pub(super) fn first(
        &self,
        parts: Vec<Region>,
        wanted: Wanted,
        budget: &mut Budget,
    ) -> Result<Option<Leaf>, Exhausted> {
        let mut found = None;
        self.walk(parts, wanted, budget, &mut |leaf, _| {
            found = Some(leaf);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// Moves to the next match step that touches the region; `None` if the verdicts are complete, or the
    /// wanted one is not possible.
    fn next(
        &self,
        region: &Region,
        state: &mut State,
        wanted: Wanted,
        budget: &mut Budget,
    ) -> Result<Option<Touched<'p>>, Exhausted> {
        while !state.is_settled() && wanted.is_possible(self, state) {
            let is_tier_end = match self.steps.get(state.at) {
                Some(Step::Match {
                    covers,
                    effect,
                    policy_end,
                }) => {
                    let covers = touching(region, &self.covers[covers.clone()], budget)?;
                    if covers.as_ref().is_none_or(|covers| !covers.is_empty()) {
                        return Ok(Some(Touched {
                            effect: *effect,
                            policy_end: *policy_end,
                            covers,
                        }));
                    }
                    state.at += 1;
                    continue;
                }
                Some(Step::GroupEnd) if state.is_matched && !state.passes => return Ok(None),
                Some(Step::GroupEnd) => state.is_matched,
                Some(Step::TierEnd) => true,
                None => {
                    keep(&mut state.allow, Decision::certain(Decider::Default));
                    return Ok(None);
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
        Ok(None)
    }

    /// Splits a region into the parts outside and inside of one step, which are added to `open`.
    fn split(
        &self,
        (region, state): (Region, State),
        step: &Touched<'p>,
        wanted: Wanted,
        budget: &mut Budget,
        open: &mut Vec<(Region, State)>,
    ) -> Result<(), Exhausted> {
        let outside = State {
            at: state.at + 1,
            ..state
        };
        let mut inside = outside;
        inside.add(step.effect);
        if step.effect.is_certain {
            inside.is_matched = true;
            inside.at = step.policy_end;
        }
        let is_final = step.effect.is_certain
            && !inside.passes
            && matches!(self.steps.get(step.policy_end), Some(Step::GroupEnd));
        let is_dropped = wanted.is_early(&inside, state.at)
            || !wanted.is_possible(self, &inside)
            || (is_final && !wanted.includes(&inside));
        let Some(covers) = &step.covers else {
            open.extend((!is_dropped).then_some((region, inside)));
            return Ok(());
        };
        let mut parts = Vec::new();
        let pieces = match &covers[..] {
            [(cover, cuts)] => {
                if !budget.spend((*cuts + 1) * RegionRef::from(&region).weight()) {
                    return Err(Exhausted::of([*cover]));
                }
                if *cuts == 1 && is_dropped {
                    open.extend(rest(region, *cover).map(|rest| (rest, outside)));
                    return Ok(());
                }
                let mut pieces = Vec::new();
                parts.push(cover::outside(region, *cover, &mut pieces));
                pieces
            }
            covers => {
                let covers = covers.iter().map(|(cover, _)| Cover::of(*cover)).collect();
                partition(region, covers, budget, Some(&mut parts))?
            }
        };
        if is_dropped {
            parts.clear();
        }
        let rest = pieces.into_iter().map(|piece| (piece, outside)).rev();
        let parts = parts.into_iter().map(|piece| (piece, inside)).rev();
        // What is denied is decided early, what is allowed late: the last one is the next.
        if wanted.is_of(Verdict::Allow) {
            open.extend(parts.chain(rest));
        } else {
            open.extend(rest.chain(parts));
        }
        Ok(())
    }
}

/// The covers that touch a region; `None` if one of them contains it.
fn touching<'p>(
    region: &Region,
    covers: &[RegionRef<'p>],
    budget: &mut Budget,
) -> Result<Option<Cutting<'p>>, Exhausted> {
    let own = RegionRef::from(region);
    let ranges = own.ranges();
    let mut live = SmallVec::new();
    for cover in covers {
        if !budget.spend(CLAUSE + ranges) {
            return Err(Exhausted::of(covers.iter().copied()));
        }
        match cuts(own, *cover) {
            None => {}
            Some(0) => return Ok(None),
            Some(cuts) => live.push((*cover, cuts)),
        }
    }
    Ok(Some(live))
}
