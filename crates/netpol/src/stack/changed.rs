//! The part of a walk that a change cannot affect.

use super::Stack;
use super::program::{Program, Step};
use super::walk::Wanted;
use crate::region::RegionRef;
use crate::tier::Verdict;

/// The leaves that may be new; `None` if nothing changed.
pub(super) fn wanted(
    verdict: Verdict,
    program: &Program<'_>,
    before: Option<&(&Stack<'_>, Program<'_>)>,
) -> Option<Wanted> {
    let Some((_, before)) = before else {
        return Some(Wanted::Possible(verdict));
    };
    let changed = program.first_difference(before);
    changed.map(|first| Wanted::New(verdict, first))
}

impl Program<'_> {
    /// The first step that is not the same in another program of the area; `None` if all are the same. What
    /// is decided before this step is decided in both.
    fn first_difference(&self, other: &Program<'_>) -> Option<usize> {
        let is_same = |(own, their): (&RegionRef<'_>, &RegionRef<'_>)| {
            std::ptr::eq(own.peer, their.peer)
                && std::ptr::eq(own.ports, their.ports)
                && own.subject == their.subject
        };
        let is_same_step = |own: &Step, their: &Step| match (own, their) {
            (Step::GroupEnd, Step::GroupEnd) | (Step::TierEnd, Step::TierEnd) => true,
            (
                Step::Match { covers, effect, .. },
                Step::Match {
                    covers: their_covers,
                    effect: their_effect,
                    ..
                },
            ) => {
                let own = &self.covers[covers.clone()];
                let their = &other.covers[their_covers.clone()];
                effect == their_effect
                    && own.len() == their.len()
                    && own.iter().zip(their).all(is_same)
            }
            _ => false,
        };
        let pairs = self.steps.iter().zip(&other.steps);
        let same = pairs.take_while(|(own, their)| is_same_step(own, their));
        let same = same.count();
        (same < self.steps.len().max(other.steps.len())).then_some(same)
    }
}
