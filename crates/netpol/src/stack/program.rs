//! The steps of a walk: the clauses that may touch one area, in order.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use super::leaf::Origin;
use super::{EVERY_POD, Entry, Stack, space_of};
use crate::address::{all_v4, all_v6};
use crate::cover::{Budget, Exhausted};
use crate::label::{NAMESPACE_NAME, Values};
use crate::port::PortSet;
use crate::region::{PeerSet, Region, RegionRef};
use crate::tier::{Action, Addresses, Decider, Tier, Verdict};
use crate::{Difference, Direction, LabelSet};

/// The decision of a match step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Effect {
    pub(super) action: Action,
    pub(super) decider: Decider,
    pub(super) is_certain: bool,
    pub(super) only_if: Option<Difference>,
}

impl From<Origin> for Effect {
    fn from(origin: Origin) -> Self {
        Self {
            action: origin.action,
            decider: Decider::Rule {
                policy: origin.policy,
                rule: origin.rule,
            },
            is_certain: origin.only_if.is_none(),
            only_if: origin.only_if,
        }
    }
}

/// One step of the walk.
#[derive(Debug)]
pub(super) enum Step {
    /// The regions of one rule, or of several rules of NetworkPolicies.
    Match {
        /// Range in [`Program::covers`].
        covers: Range<usize>,
        effect: Effect,
        /// The step after the last rule of the policy.
        policy_end: usize,
    },
    /// The end of the policies of one priority.
    GroupEnd,
    /// The end of a tier.
    TierEnd,
}

impl Step {
    fn has(&self, action: Action) -> bool {
        matches!(self, Self::Match { effect, .. } if effect.action == action)
    }

    fn passes(&self) -> bool {
        self.has(Action::Pass)
    }
}

/// The steps for the parts of one area.
#[derive(Debug)]
pub(super) struct Program<'a> {
    pub(super) steps: Vec<Step>,
    pub(super) covers: Vec<RegionRef<'a>>,
    /// The first step of each layer, and the end.
    pub(super) layers: [usize; 4],
    /// The last step after which a verdict is possible, by verdict; `None` if it is not possible.
    last_of: [Option<usize>; 2],
    /// The last step of a tie; `None` if no policies of equal priority touch the area.
    last_tie: Option<usize>,
    /// Label keys of subjects on which steps differ.
    keys: Vec<&'a Arc<str>>,
    has_tiers: bool,
}

static EVERY_V4: LazyLock<PeerSet> = LazyLock::new(|| PeerSet::V4(all_v4()));
static EVERY_V6: LazyLock<PeerSet> = LazyLock::new(|| PeerSet::V6(all_v6()));

/// Every peer of the same kind.
fn every_peer(peer: &PeerSet) -> &'static PeerSet {
    match peer {
        PeerSet::Pods { .. } => &EVERY_POD,
        PeerSet::V4(_) => &EVERY_V4,
        PeerSet::V6(_) => &EVERY_V6,
    }
}

/// Cost of a comparison of an area with a clause.
pub(super) const CLAUSE: usize = 2;

/// Collects the clauses that may touch an area.
struct Builder<'p, 'b> {
    area: RegionRef<'b>,
    ranges: usize,
    budget: &'b mut Budget,
    covers: Vec<RegionRef<'p>>,
    steps: Vec<Step>,
    /// The end of the last group of several policies.
    last_tie: Option<usize>,
    /// True if the steps decide the whole area, so that no later step is reached.
    is_closed: bool,
}

impl<'p> Builder<'p, '_> {
    /// Adds a clause that may touch the area to the step with the same effect. Returns true if it decides the
    /// whole area.
    fn add(&mut self, region: RegionRef<'p>, effect: Effect) -> Result<bool, Exhausted> {
        if !self.budget.spend(CLAUSE + self.ranges) {
            return Err(Exhausted::of([region]));
        }
        if self.area.is_disjoint(region) {
            return Ok(false);
        }
        let at = self.covers.len();
        self.covers.push(region);
        match self.steps.last_mut() {
            Some(Step::Match {
                covers,
                effect: known,
                ..
            }) if *known == effect => covers.end = at + 1,
            _ => self.steps.push(Step::Match {
                covers: at..at + 1,
                effect,
                policy_end: usize::MAX,
            }),
        }
        Ok(effect.is_certain && self.area.is_subset(region))
    }

    /// Ends a policy that began at step `first`.
    fn end_policy(&mut self, first: usize) {
        let end = self.steps.len();
        for step in &mut self.steps[first..] {
            if let Step::Match { policy_end, .. } = step {
                *policy_end = end;
            }
        }
    }

    fn end_group(&mut self, first: usize) {
        if self.steps.len() > first {
            self.steps.push(Step::GroupEnd);
        }
    }

    fn tier(&mut self, stack: &'p Stack<'_>, tier: Tier, at: Addresses) -> Result<(), Exhausted> {
        let tier_start = self.steps.len();
        let entries = stack.of_tier(tier);
        for group in entries.chunk_by(|a, b| a.policy.position == b.policy.position) {
            let first = self.steps.len();
            let (mut is_decided, mut touching) = (false, 0);
            for entry in group {
                let own = self.steps.len();
                is_decided |= self.policy(entry, stack.direction, at)?;
                self.end_policy(own);
                touching += usize::from(self.steps.len() > own);
            }
            self.end_group(first);
            if touching > 1 {
                self.last_tie = Some(self.steps.len());
            }
            if is_decided {
                let mut steps = self.steps[tier_start..].iter();
                self.is_closed = !steps.any(Step::passes);
                break;
            }
        }
        self.steps.push(Step::TierEnd);
        Ok(())
    }

    /// Adds the clauses of a policy that may touch the area, up to one that decides all of it. Returns true if
    /// there is one.
    fn policy(
        &mut self,
        entry: &'p Entry<'_>,
        direction: Direction,
        at: Addresses,
    ) -> Result<bool, Exhausted> {
        if self.area.subject.is_disjoint(&entry.part) {
            return Ok(false);
        }
        for (origin, region, is_about_pods) in entry.clauses(direction) {
            if is_about_pods && at == Addresses::AreNoPods {
                continue;
            }
            if self.add(region, origin.into())? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn network_policies(&mut self, stack: &'p Stack<'_>) -> Result<(), Exhausted> {
        let own = &stack.network_policies;
        let first = self.steps.len();
        let peer = every_peer(self.area.peer);
        let isolated = |subject| RegionRef {
            subject,
            peer,
            ports: PortSet::every(),
        };
        let effect = |action, decider, is_certain| Effect {
            action,
            decider,
            is_certain,
            only_if: None,
        };
        let (accept, isolation) = (Decider::NetworkPolicies, Decider::Isolation);
        let must = effect(Action::Accept, accept, true);
        let must = own.must.iter().map(|region| (*region, must));
        let may = effect(Action::Accept, accept, false);
        let may = own.may.iter().map(|region| (*region, may));
        let certain = effect(Action::Deny, isolation, true);
        let parts = own.isolated.iter();
        let parts = parts.map(|part| (isolated(part), certain));
        let possible = effect(Action::Deny, isolation, false);
        let unreadable = own.has_unreadable.then(|| (isolated(&ANY), possible));
        for (region, effect) in must.chain(may).chain(parts).chain(unreadable) {
            if self.add(region, effect)? {
                self.is_closed = true;
                break;
            }
        }
        self.end_policy(first);
        self.end_group(first);
        self.steps.push(Step::TierEnd);
        Ok(())
    }
}

static ANY: LabelSet = LabelSet::any();

impl<'p> Program<'p> {
    /// The steps for parts of `area`.
    pub(super) fn new(
        stack: &'p Stack<'_>,
        area: RegionRef<'_>,
        at: Addresses,
        budget: &mut Budget,
    ) -> Result<Self, Exhausted> {
        let mut builder = Builder {
            area,
            ranges: area.ranges(),
            budget,
            covers: Vec::new(),
            steps: Vec::new(),
            last_tie: None,
            is_closed: false,
        };
        builder.tier(stack, Tier::Admin, at)?;
        let middle = builder.steps.len();
        if !builder.is_closed {
            builder.network_policies(stack)?;
        }
        let last = builder.steps.len();
        if !builder.is_closed {
            builder.tier(stack, Tier::Baseline, at)?;
        }
        let Builder {
            covers,
            steps,
            last_tie,
            is_closed,
            ..
        } = builder;
        let has_tiers = middle > 1 || steps.len() > last + 1;
        let last_of = |action| steps.iter().rposition(|step| step.has(action));
        let last_of = [
            if is_closed {
                last_of(Action::Accept)
            } else {
                Some(usize::MAX)
            },
            last_of(Action::Deny),
        ];
        let mut keys: Vec<&Arc<str>> = Vec::new();
        let mut known: &LabelSet = &ANY;
        for cover in &covers {
            if !std::ptr::eq(known, cover.subject) {
                known = cover.subject;
                keys.extend(known.constrained().map(|(key, _)| key));
            }
        }
        keys.sort_unstable();
        keys.dedup();
        Ok(Self {
            keys,
            has_tiers,
            layers: [0, middle, last, steps.len()],
            last_of,
            last_tie,
            covers,
            steps,
        })
    }

    /// Returns true if a clause of an ordered policy may touch the area.
    pub(super) const fn has_tiers(&self) -> bool {
        self.has_tiers
    }

    /// Returns true if a step from `at` on may give a verdict.
    pub(super) fn may_give(&self, verdict: Verdict, at: usize) -> bool {
        self.last_of[verdict as usize].is_some_and(|last| at <= last)
    }

    /// Returns true if a step from `at` on may be one of two that decide differently.
    pub(super) fn may_tie(&self, at: usize) -> bool {
        self.last_tie.is_some_and(|last| at < last)
    }

    /// The area with the values of its space for each label key on which steps differ.
    pub(super) fn written_out(&self, stack: &Stack<'_>, area: RegionRef<'_>) -> Region {
        Region {
            subject: stack
                .protected
                .space
                .written_out(area.subject, self.keys.iter().copied()),
            peer: area.peer.clone(),
            ports: area.ports.clone(),
        }
    }

    /// The same in parts: one for each namespace that the area lists by name, with its known labels. Parts
    /// that no pod can be in are left out.
    pub(super) fn possible(&self, stack: &Stack<'_>, area: RegionRef<'_>) -> Vec<Region> {
        let whole = self.written_out(stack, area);
        let PeerSet::Pods { namespaces, pods } = area.peer else {
            return vec![whole];
        };
        let Some(names) = namespaces.namespace_names() else {
            return vec![whole];
        };
        let mut keys: BTreeSet<&Arc<str>> = self.covers.iter().flat_map(namespace_keys).collect();
        keys.extend(namespaces.constrained().map(|(key, _)| key));
        let part = |name: &Arc<str>| {
            let mut labels = namespaces
                .clone()
                .and(NAMESPACE_NAME, Values::one_of([name.clone()]))?;
            if let Some(known) = stack.protected.labels_of(name) {
                let space = space_of(known);
                for key in &keys {
                    labels = labels.and((*key).clone(), space.values(key))?;
                }
            }
            let peer = PeerSet::pods(labels, pods.clone())?;
            Some(Region {
                peer,
                ..whole.clone()
            })
        };
        names.iter().filter_map(part).collect()
    }
}

/// Label keys of the namespaces of a cover.
fn namespace_keys<'a>(cover: &RegionRef<'a>) -> impl Iterator<Item = &'a Arc<str>> + use<'a> {
    let namespaces = match cover.peer {
        PeerSet::Pods { namespaces, .. } => Some(namespaces),
        PeerSet::V4(_) | PeerSet::V6(_) => None,
    };
    namespaces
        .into_iter()
        .flat_map(LabelSet::constrained)
        .map(|(key, _)| key)
}
