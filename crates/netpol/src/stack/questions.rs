//! Questions about a stack: what it decides about an area, which part of a required area it cuts, and which
//! part of an area it opens beyond what is permitted.

use std::ops::ControlFlow;

use super::changed::wanted;
use super::leaf::{Decision, Leaf};
use super::outside::{all_outside, outside};
use super::program::Program;
use super::walk::Wanted;
use super::{Stack, everything};
use crate::LabelSet;
use crate::cover::{Budget, Exhausted};
use crate::region::{Region, RegionRef};
use crate::tier::{Action, Addresses, Decider, Verdict};

impl Stack<'_> {
    /// The disjoint leaves of an area. Pods of a namespace that the area lists by name have its known labels.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] if the walk needs more than the budget. The question is then undecided.
    pub fn leaves(
        &self,
        area: &Region,
        addresses: Addresses,
        budget: &mut Budget,
    ) -> Result<Vec<Leaf>, Exhausted> {
        let program = Program::new(self, area.into(), addresses, budget)?;
        let mut leaves = Vec::new();
        let parts = program.possible(self, area.into());
        program.walk(parts, Wanted::All, budget, &mut |leaf, _| {
            leaves.push(leaf);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(leaves)
    }

    /// A leaf of a required area that may be denied, and that `before` certainly allowed. One that is
    /// certainly denied is preferred. Addresses of required areas are no pods, and pods of a namespace whose
    /// labels are known have these labels.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] if the search needs more than the budget. The question is then undecided.
    pub fn denied(
        &self,
        area: &Region,
        before: Option<&Self>,
        budget: &mut Budget,
    ) -> Result<Option<Leaf>, Exhausted> {
        let at = Addresses::AreNoPods;
        // A name means one of the numbers, and denials by name count for numbers too.
        let numbers = Region {
            ports: area.ports.without_implied_names(),
            ..area.clone()
        };
        let own = RegionRef::from(&numbers);
        let program = Program::new(self, own, at, budget)?;
        let known = before.map(|before| Ok((before, Program::new(before, own, at, budget)?)));
        let known = known.transpose()?;
        let is_plain = known.as_ref().is_none_or(|(_, known)| !known.has_tiers());
        if is_plain && !program.has_tiers() {
            return self.cut_by_isolation(area, before, &program, budget);
        }
        let mut found: Option<Leaf> = None;
        let parts = program.possible(self, own);
        let Some(wanted) = wanted(Verdict::Deny, &program, known.as_ref()) else {
            return Ok(None);
        };
        program.walk(parts, wanted, budget, &mut |leaf, budget| {
            found = match &known {
                None => Some(leaf),
                Some((before, known)) => {
                    let part = known.written_out(before, (&leaf.region).into());
                    only(known, part, Verdict::Allow, budget)?.map(|region| Leaf { region, ..leaf })
                }
            };
            Ok(stop_if(found.is_some()))
        })?;
        Ok(found)
    }

    /// The same where no ordered policy decides: the union of all NetworkPolicies, as ever.
    fn cut_by_isolation(
        &self,
        area: &Region,
        before: Option<&Self>,
        program: &Program<'_>,
        budget: &mut Budget,
    ) -> Result<Option<Leaf>, Exhausted> {
        let mut covers = self.certainly_allowed();
        let space = self.protected.space;
        let Some(mut piece) = outside(space, area, &covers, budget)? else {
            return Ok(None);
        };
        let lacking = match before {
            Some(before) => all_outside(space, area, &before.certainly_allowed(), budget)?,
            None => Vec::new(),
        };
        covers.extend(lacking.iter().map(RegionRef::from));
        if before.is_some() {
            match outside(space, area, &covers, budget)? {
                Some(new) => piece = new,
                None => return Ok(None),
            }
        }
        covers.extend(self.network_policies.may.iter().copied());
        if self.network_policies.has_unreadable {
            covers.extend(self.free.iter().map(RegionRef::from));
        }
        if let Some(region) = outside(space, area, &covers, budget)? {
            return Ok(Some(Leaf {
                region,
                allow: None,
                deny: Some(Decision::certain(Decider::Isolation)),
                tie: None,
            }));
        }
        let piece = program.written_out(self, (&piece).into());
        program.first(vec![piece], Wanted::Possible(Verdict::Deny), budget)
    }

    /// Connections that NetworkPolicies certainly allow or leave open.
    fn certainly_allowed(&self) -> Vec<RegionRef<'_>> {
        let open: &[Region] = if self.network_policies.has_unreadable {
            &[]
        } else {
            &self.free
        };
        let must = self.network_policies.must.iter().copied();
        open.iter().map(RegionRef::from).chain(must).collect()
    }

    /// A leaf of an area that may be allowed, is in none of `permitted`, and could not be allowed `before`.
    /// One that is certainly allowed is preferred.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] if the search needs more than the budget. The question is then undecided.
    pub fn allowed(
        &self,
        area: &Region,
        permitted: &[RegionRef<'_>],
        before: Option<&Self>,
        budget: &mut Budget,
    ) -> Result<Option<Leaf>, Exhausted> {
        self.opened(area, (permitted, before), &|_| true, budget)
    }

    /// The same for everything that rules of one policy accept: at most one leaf for each rule, decided by
    /// this rule.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] if the search needs more than the budget. The question is then undecided.
    pub fn accepted(
        &self,
        policy: usize,
        permitted: &[RegionRef<'_>],
        before: Option<&Self>,
        budget: &mut Budget,
    ) -> Result<Vec<Leaf>, Exhausted> {
        let mut own = self.entries.iter().filter(|entry| entry.index == policy);
        let clauses = own
            .next()
            .into_iter()
            .flat_map(|own| own.clauses(self.direction));
        let mut found: Vec<(usize, Leaf)> = Vec::new();
        for (origin, region, _) in clauses.filter(|(origin, ..)| origin.action == Action::Accept) {
            let rule = origin.rule;
            let known = found.iter().position(|(known, _)| *known == rule);
            if known.is_some_and(|at| found[at].1.is_certain()) {
                continue;
            }
            let by_rule = |decider| decider == Decider::Rule { policy, rule };
            let question = (permitted, before);
            match (
                self.opened(&region.into(), question, &by_rule, budget)?,
                known,
            ) {
                (Some(leaf), None) => found.push((rule, leaf)),
                (Some(leaf), Some(at)) if leaf.is_certain() => found[at].1 = leaf,
                _ => {}
            }
        }
        Ok(found.into_iter().map(|(_, leaf)| leaf).collect())
    }

    fn opened(
        &self,
        area: &Region,
        (permitted, before): (&[RegionRef<'_>], Option<&Self>),
        is_meant: &dyn Fn(Decider) -> bool,
        budget: &mut Budget,
    ) -> Result<Option<Leaf>, Exhausted> {
        let at = Addresses::MayBePods;
        let space = self.protected.space;
        let program = Program::new(self, area.into(), at, budget)?;
        if !program.may_give(Verdict::Allow, 0) {
            return Ok(None);
        }
        let mut pieces = all_outside(space, area, permitted, budget)?;
        if area.ports != area.ports.without_implied_names() {
            // A rule for a name opens a number that is not known.
            let names = Region {
                ports: area.ports.names_alone(),
                ..area.clone()
            };
            pieces.extend(all_outside(space, &names, permitted, budget)?);
        }
        if pieces.is_empty() {
            return Ok(None);
        }
        let known =
            before.map(|before| Ok((before, Program::new(before, area.into(), at, budget)?)));
        let known = known.transpose()?;
        let mut found: Option<Leaf> = None;
        let pieces = pieces.iter();
        let pieces = pieces.map(|piece| program.written_out(self, piece.into()));
        let Some(wanted) = wanted(Verdict::Allow, &program, known.as_ref()) else {
            return Ok(None);
        };
        program.walk(pieces.collect(), wanted, budget, &mut |leaf, budget| {
            if !leaf.allow.is_some_and(|own| is_meant(own.decider)) {
                return Ok(ControlFlow::Continue(()));
            }
            let new = match &known {
                None => Some(leaf),
                Some((before, known)) => {
                    let part = known.written_out(before, (&leaf.region).into());
                    only(known, part, Verdict::Deny, budget)?.map(|region| Leaf { region, ..leaf })
                }
            };
            if let Some(new) = new
                && self.is_beyond(&new.region, permitted, budget)?
            {
                found = Some(new);
            }
            Ok(stop_if(found.is_some()))
        })?;
        Ok(found)
    }

    /// Returns true if a region outside of `permitted` is one of its own: it has a number, or a name that
    /// some rule mentions and for which not all numbers are permitted.
    fn is_beyond(
        &self,
        region: &Region,
        permitted: &[RegionRef<'_>],
        budget: &mut Budget,
    ) -> Result<bool, Exhausted> {
        if region.ports.has_numbers() {
            return Ok(true);
        }
        if !region.ports.lists_names() {
            return Ok(false);
        }
        let numbers = Region {
            ports: region.ports.names_as_all(),
            ..region.clone()
        };
        Ok(outside(self.protected.space, &numbers, permitted, budget)?.is_some())
    }

    /// A leaf about which two policies of equal priority decide differently. One about which both decide
    /// certainly is preferred.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] if the search needs more than the budget. The question is then undecided.
    pub fn tied(&self, area: &Region, budget: &mut Budget) -> Result<Option<Leaf>, Exhausted> {
        let at = Addresses::MayBePods;
        let program = Program::new(self, area.into(), at, budget)?;
        let mut found: Option<Leaf> = None;
        let area = program.written_out(self, area.into());
        program.walk(vec![area], Wanted::Tied, budget, &mut |leaf, _| {
            let certain = |decision: Option<Decision>| decision.is_some_and(|own| own.is_certain);
            let is_certain = certain(leaf.allow) && certain(leaf.deny);
            if leaf.is_certain() || (found.is_some() && !is_certain) {
                return Ok(ControlFlow::Continue(()));
            }
            found = Some(leaf);
            Ok(stop_if(is_certain))
        })?;
        Ok(found)
    }

    /// The connections that nothing decides, so that they are allowed.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] if the walk needs more than the budget. The question is then undecided.
    pub fn open(&self, budget: &mut Budget) -> Result<Vec<Region>, Exhausted> {
        let mut regions = Vec::new();
        for area in everything(&LabelSet::any()) {
            let leaves = self.leaves(&area, Addresses::MayBePods, budget)?;
            let open = leaves
                .into_iter()
                .filter(|leaf| decider(leaf) == Some(Decider::Default));
            regions.extend(open.map(|leaf| leaf.region));
        }
        Ok(regions)
    }
}

fn decider(leaf: &Leaf) -> Option<Decider> {
    leaf.allow.map(|decision| decision.decider)
}

const fn stop_if(done: bool) -> ControlFlow<()> {
    if done {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

/// A part of `area` for which only this verdict is possible.
fn only(
    program: &Program<'_>,
    area: Region,
    verdict: Verdict,
    budget: &mut Budget,
) -> Result<Option<Region>, Exhausted> {
    let leaf = program.first(vec![area], Wanted::Certain(verdict), budget)?;
    Ok(leaf.map(|leaf| leaf.region))
}
