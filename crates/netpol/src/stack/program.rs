//! The steps of a walk: the clauses that may touch one area, in order.

use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use super::leaf::Origin;
use super::{EVERY_POD, Entry, Stack, space_of};
use crate::address::{all_v4, all_v6};
use crate::cover::{Budget, Cover, Exhausted};
use crate::label::{NAMESPACE_NAME, Values};
use crate::port::PortSet;
use crate::region::{PeerSet, Region, RegionRef};
use crate::tier::{Action, Addresses, Decider, Tier};
use crate::{Difference, Direction, LabelSet};

/// The decision of a match step.
#[derive(Clone, Copy, Debug)]
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
pub(super) enum Step<'a> {
    /// The regions of one rule.
    Match {
        covers: Rc<[Cover<'a>]>,
        effect: Effect,
        /// The step after the last rule of the policy.
        policy_end: usize,
    },
    /// The end of the policies of one priority.
    GroupEnd,
    /// The end of a tier.
    TierEnd,
}

/// The steps for the parts of one area.
#[derive(Debug)]
pub(super) struct Program<'a> {
    pub(super) steps: Vec<Step<'a>>,
    /// The first step of each layer, and the end.
    pub(super) layers: [usize; 4],
    /// Label keys of subjects on which steps differ.
    keys: Vec<&'a Arc<str>>,
    /// Label keys of peers' namespaces on which steps differ.
    namespace_keys: Vec<&'a Arc<str>>,
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
    steps: Vec<Step<'p>>,
}

impl<'p> Builder<'p, '_> {
    fn touches(&mut self, region: RegionRef<'p>) -> Result<bool, Exhausted> {
        if self.budget.spend(CLAUSE + self.ranges) {
            Ok(!self.area.is_disjoint(region))
        } else {
            Err(Exhausted::of([region]))
        }
    }

    fn push(&mut self, covers: Vec<Cover<'p>>, effect: Effect) {
        if !covers.is_empty() {
            self.steps.push(Step::Match {
                covers: covers.into(),
                effect,
                policy_end: usize::MAX,
            });
        }
    }

    /// Ends a policy that began at step `first`.
    fn end_policy(&mut self, first: usize) {
        let end = self.steps.len();
        for step in &mut self.steps[first..] {
            if let Step::Match { policy_end, .. } = step {
                *policy_end = (*policy_end).min(end);
            }
        }
    }

    fn end_group(&mut self, first: usize) {
        if self.steps.len() > first {
            self.steps.push(Step::GroupEnd);
        }
    }

    fn tier(&mut self, stack: &'p Stack<'_>, tier: Tier, at: Addresses) -> Result<(), Exhausted> {
        let entries = stack.of_tier(tier);
        for group in entries.chunk_by(|a, b| a.policy.position == b.policy.position) {
            let first = self.steps.len();
            for entry in group {
                let own = self.steps.len();
                self.policy(entry, stack.direction, at)?;
                self.end_policy(own);
            }
            self.end_group(first);
        }
        self.steps.push(Step::TierEnd);
        Ok(())
    }

    fn policy(
        &mut self,
        entry: &'p Entry<'_>,
        direction: Direction,
        at: Addresses,
    ) -> Result<(), Exhausted> {
        let mut last: Option<(Origin, Vec<Cover<'p>>)> = None;
        for (origin, region, is_about_pods) in entry.clauses(direction) {
            if (is_about_pods && at == Addresses::AreNoPods) || !self.touches(region)? {
                continue;
            }
            match &mut last {
                Some((known, covers)) if *known == origin => covers.push(Cover::of(region)),
                _ => {
                    if let Some((known, covers)) = last.replace((origin, vec![Cover::of(region)])) {
                        self.push(covers, known.into());
                    }
                }
            }
        }
        if let Some((known, covers)) = last {
            self.push(covers, known.into());
        }
        Ok(())
    }

    fn network_policies(&mut self, stack: &'p Stack<'_>) -> Result<(), Exhausted> {
        let own = &stack.network_policies;
        let first = self.steps.len();
        let peer = every_peer(self.area.peer);
        let isolated = own.isolated.iter().map(|part| RegionRef {
            subject: part,
            peer,
            ports: PortSet::every(),
        });
        let unreadable = own.has_unreadable.then_some(RegionRef {
            subject: &ANY,
            peer,
            ports: PortSet::every(),
        });
        let effect = |action, decider, is_certain| Effect {
            action,
            decider,
            is_certain,
            only_if: None,
        };
        let (accept, isolation) = (Decider::NetworkPolicies, Decider::Isolation);
        self.all(
            own.must.iter().copied(),
            effect(Action::Accept, accept, true),
        )?;
        self.all(
            own.may.iter().copied(),
            effect(Action::Accept, accept, false),
        )?;
        self.all(isolated, effect(Action::Deny, isolation, true))?;
        self.all(unreadable, effect(Action::Deny, isolation, false))?;
        self.end_policy(first);
        self.end_group(first);
        self.steps.push(Step::TierEnd);
        Ok(())
    }

    fn all(
        &mut self,
        regions: impl IntoIterator<Item = RegionRef<'p>>,
        effect: Effect,
    ) -> Result<(), Exhausted> {
        let mut covers = Vec::new();
        for region in regions {
            if self.touches(region)? {
                covers.push(Cover::of(region));
            }
        }
        self.push(covers, effect);
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
            steps: Vec::new(),
        };
        builder.tier(stack, Tier::Admin, at)?;
        let middle = builder.steps.len();
        builder.network_policies(stack)?;
        let last = builder.steps.len();
        builder.tier(stack, Tier::Baseline, at)?;
        let steps = builder.steps;
        let has_tiers = middle > 1 || steps.len() - last > 1;
        let (mut keys, mut namespace_keys) = (Vec::new(), Vec::new());
        for step in &steps {
            let Step::Match { covers, .. } = step else {
                continue;
            };
            for cover in &**covers {
                keys.extend(cover.region.subject.constrained().map(|(key, _)| key));
                if let PeerSet::Pods { namespaces, .. } = cover.region.peer {
                    namespace_keys.extend(namespaces.constrained().map(|(key, _)| key));
                }
            }
        }
        for keys in [&mut keys, &mut namespace_keys] {
            keys.sort_unstable();
            keys.dedup();
        }
        Ok(Self {
            keys,
            namespace_keys,
            has_tiers,
            layers: [0, middle, last, steps.len()],
            steps,
        })
    }

    /// Returns true if a clause of an ordered policy may touch the area.
    pub(super) const fn has_tiers(&self) -> bool {
        self.has_tiers
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
        let part = |name: &Arc<str>| {
            let mut labels = namespaces
                .clone()
                .and(NAMESPACE_NAME, Values::one_of([name.clone()]))?;
            if let Some(known) = stack.protected.labels_of(name) {
                let space = space_of(known);
                for key in &self.namespace_keys {
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
