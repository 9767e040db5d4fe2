//! Connections that one stack may allow and another one certainly denies.

use std::ops::ControlFlow;

use super::Stack;
use super::leaf::{Decision, Leaf};
use super::program::Program;
use super::walk::Wanted;
use crate::cover::{Budget, Exhausted};
use crate::region::Region;
use crate::tier::{Addresses, Verdict};

/// Connections that a stack may allow and that were certainly denied before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newly {
    /// The connections, with the part that may allow them.
    pub leaf: Leaf,
    /// The part that denied them; `None` if there was no stack before.
    pub denied: Option<Decision>,
}

impl Stack<'_> {
    /// All connections of an area that this stack may allow, and that `before` certainly denied. Without
    /// `before`, all that it may allow. A port name counts only if its numbers count too, since it means one
    /// of them.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] if the walk needs more than the budget. The question is then undecided.
    pub fn newly_allowed(
        &self,
        area: &Region,
        before: Option<&Self>,
        budget: &mut Budget,
    ) -> Result<Vec<Newly>, Exhausted> {
        let at = Addresses::MayBePods;
        let program = Program::new(self, area.into(), at, budget)?;
        let known =
            before.map(|before| Ok((before, Program::new(before, area.into(), at, budget)?)));
        let known = known.transpose()?;
        let mut found = Vec::new();
        let (parts, wanted) = (
            program.possible(self, area.into()),
            Wanted::Possible(Verdict::Allow),
        );
        program.walk(parts, wanted, budget, &mut |leaf, budget| {
            let Some((before, known)) = &known else {
                let is_own = leaf.region.ports.has_numbers() || leaf.region.ports.lists_names();
                found.extend(is_own.then_some(Newly { leaf, denied: None }));
                return Ok(ControlFlow::Continue(()));
            };
            let parts = known.possible(before, (&leaf.region).into());
            for (region, denied) in denied(known, parts, budget)? {
                if before.denies_numbers(&region, budget)? {
                    let leaf = Leaf {
                        region,
                        ..leaf.clone()
                    };
                    found.push(Newly {
                        leaf,
                        denied: Some(denied),
                    });
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// Returns true if a region has a number, or a listed name for which some number is certainly denied.
    fn denies_numbers(&self, region: &Region, budget: &mut Budget) -> Result<bool, Exhausted> {
        if region.ports.has_numbers() {
            return Ok(true);
        }
        if !region.ports.lists_names() {
            return Ok(false);
        }
        let numbers = Region {
            ports: region.ports.names_as_all().without_implied_names(),
            ..region.clone()
        };
        let program = Program::new(self, (&numbers).into(), Addresses::MayBePods, budget)?;
        let numbers = program.written_out(self, (&numbers).into());
        Ok(!denied(&program, vec![numbers], budget)?.is_empty())
    }
}

/// The parts of disjoint regions that are certainly denied.
fn denied(
    program: &Program<'_>,
    parts: Vec<Region>,
    budget: &mut Budget,
) -> Result<Vec<(Region, Decision)>, Exhausted> {
    let mut found = Vec::new();
    let wanted = Wanted::Certain(Verdict::Deny);
    program.walk(parts, wanted, budget, &mut |leaf, _| {
        found.extend(leaf.deny.map(|decision| (leaf.region, decision)));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}
