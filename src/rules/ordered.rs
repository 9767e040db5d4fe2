//! OBP111, OBP113, OBP204, OBP211 and OBP212: ordered policies (ClusterNetworkPolicy, AdminNetworkPolicy,
//! BaselineAdminNetworkPolicy) that deny core connections, allow more than the ceiling, or whose order is not
//! determined.
//!
//! They are compared by the effective verdict of all layers, before the write and after it. A NetworkPolicy is
//! compared in its own layer, see docs/decisions.md.

use std::sync::Arc;

use netpol::cover::{Budget, Exhausted};
use netpol::stack::{CompiledPolicy, Leaf, Protected, Stack};
use netpol::tier::{Decider, NamespaceLabels, TierPolicy, Verdict};
use netpol::{Direction, Region, RegionRef};

use super::layers::network_policies;
use crate::baseline::{ClusterPerimeter, Entry, ZonePerimeter};
use crate::config::ReviewConfig;
use crate::inventory::{NamespaceFacts, ObjectRef, OtherPolicy};

/// An ordered policy that can be read.
#[derive(Clone, Debug)]
pub(crate) struct Ordered {
    /// Reference to it.
    pub(crate) object: ObjectRef,
    /// Its rules.
    pub(crate) policy: Arc<TierPolicy>,
    /// The same as regions.
    pub(crate) compiled: Arc<CompiledPolicy>,
}

impl Ordered {
    /// An ordered policy; `None` if it cannot be decided, or its kind is not enforced.
    pub(crate) fn of(
        object: &ObjectRef,
        policy: &OtherPolicy,
        config: &ReviewConfig,
    ) -> Option<Self> {
        let policy = policy.ordered.as_ref()?;
        config.dataplane.enforces(policy.kind).then(|| Self {
            object: object.clone(),
            compiled: Arc::new(CompiledPolicy::of(policy, &config.tiers())),
            policy: Arc::clone(policy),
        })
    }

    /// All of those among the cluster-scoped objects, by reference.
    pub(crate) fn all(cluster_scoped: &NamespaceFacts, config: &ReviewConfig) -> Vec<Self> {
        let policies = cluster_scoped.others();
        policies
            .filter_map(|(object, policy)| Self::of(&object, policy.read()?, config))
            .collect()
    }
}

/// The ordered policies at one point in time.
#[derive(Debug, Default)]
pub(crate) struct Side<'a> {
    /// All of them.
    pub(crate) policies: Vec<&'a Ordered>,
    /// Index of the written one; `None` if it does not exist.
    pub(crate) written: Option<usize>,
    /// True if all of them count as written, as in a stored state.
    pub(crate) is_state: bool,
}

impl<'a> Side<'a> {
    /// The written policy if there is one, or else all that are in a stack.
    fn concerned(&self, stack: &Stack<'_>) -> Vec<usize> {
        match self.written {
            Some(own) => vec![own],
            None if self.is_state => stack.policies().collect(),
            None => Vec::new(),
        }
    }

    /// The same without one policy.
    pub(crate) fn without(mut self, object: &ObjectRef) -> Self {
        self.policies.retain(|own| own.object != *object);
        self
    }

    /// The same with the written policy.
    pub(crate) fn with<'w>(&self, written: Option<&'w Ordered>) -> Side<'w>
    where
        'a: 'w,
    {
        let others = self.policies.iter().copied();
        Side {
            policies: others.chain(written).collect(),
            written: written.map(|_| self.policies.len()),
            is_state: false,
        }
    }

    fn stack<'s>(
        &'s self,
        zone: &'s ZonePerimeter,
        (namespace, other_namespaces): (&'s NamespaceLabels, &'s [NamespaceLabels]),
        direction: Direction,
        budget: &mut Budget,
    ) -> Result<Stack<'s>, Exhausted> {
        let policies: Vec<&CompiledPolicy> =
            self.policies.iter().map(|own| &*own.compiled).collect();
        let layer = network_policies(&zone.selected, !zone.unreadable.is_empty(), direction);
        Stack::new(
            direction,
            Protected {
                space: &zone.space,
                namespace,
                other_namespaces,
            },
            &policies,
            layer,
            budget,
        )
    }
}

/// A write of an ordered policy, or of a cluster that comes under ordered policies, as it applies to one zone.
pub(crate) struct OrderedChange<'a, 'n> {
    /// The cluster.
    pub(crate) cluster: &'a ClusterPerimeter,
    /// The zone.
    pub(crate) zone: &'a ZonePerimeter,
    /// Labels of the cluster's namespace.
    pub(crate) namespace: &'n NamespaceLabels,
    /// Labels of other namespaces, as far as they are known.
    pub(crate) other_namespaces: &'n [NamespaceLabels],
    /// The ordered policies before the write.
    pub(crate) before: &'a Side<'a>,
    /// The ordered policies after the write.
    pub(crate) after: &'a Side<'a>,
}

/// A problem that ordered policies cause.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Problem<'a> {
    /// They deny a core connection.
    Cuts(&'a Entry),
    /// They allow a connection outside of the ceiling.
    Opens,
    /// Two policies of equal priority decide differently.
    Tie,
}

/// A problem, with the connections.
#[derive(Clone, Debug)]
pub(crate) struct Found<'a> {
    pub(crate) problem: Problem<'a>,
    pub(crate) direction: Direction,
    pub(crate) leaf: Leaf,
}

impl Found<'_> {
    /// The verdict that is the problem.
    pub(crate) const fn verdict(&self) -> Verdict {
        match self.problem {
            Problem::Cuts(_) => Verdict::Deny,
            Problem::Opens | Problem::Tie => Verdict::Allow,
        }
    }

    /// Returns true if connections of this direction are opened.
    pub(crate) fn opens(&self, direction: Direction) -> bool {
        matches!(self.problem, Problem::Opens) && self.direction == direction
    }

    /// The rule or layer that decides so.
    pub(crate) fn decider(&self) -> Option<Decider> {
        let decision = self.leaf.decision(self.verdict());
        decision.map(|decision| decision.decider)
    }
}

impl<'a> OrderedChange<'a, '_> {
    /// All problems that the write causes in the zone, by direction.
    ///
    /// # Errors
    ///
    /// The budget was not enough for all of them.
    pub(crate) fn check(&self, budget: &mut Budget) -> Result<Vec<Found<'a>>, Exhausted> {
        let mut found = Vec::new();
        for direction in Direction::ALL {
            self.check_direction(direction, budget, &mut found)?;
        }
        Ok(found)
    }

    fn check_direction(
        &self,
        direction: Direction,
        budget: &mut Budget,
        found: &mut Vec<Found<'a>>,
    ) -> Result<(), Exhausted> {
        let labels = (self.namespace, self.other_namespaces);
        let before = self.before.stack(self.zone, labels, direction, budget)?;
        let after = self.after.stack(self.zone, labels, direction, budget)?;
        let areas = areas(&before, self.before, &after, self.after);
        if areas.is_empty() {
            return Ok(());
        }
        let mut add = |problem, leaf| {
            found.push(Found {
                problem,
                direction,
                leaf,
            });
        };
        for entry in self.zone.floor(direction) {
            let area = RegionRef::from(&entry.region);
            if areas
                .iter()
                .all(|own| area.is_disjoint_beyond_subject(own.into()))
                && areas.iter().all(|own| !may_be_pods(own))
            {
                continue;
            }
            if let Some(leaf) = after.denied(&entry.region, Some(&before), budget)? {
                add(Problem::Cuts(entry), leaf);
            }
        }
        let permitted = self.zone.ceiling(direction).iter();
        let permitted: Vec<RegionRef<'_>> = permitted.map(|entry| (&entry.region).into()).collect();
        let mut opened: Vec<Leaf> = Vec::new();
        for own in self.after.concerned(&after) {
            opened.extend(after.accepted(own, &permitted, Some(&before), budget)?);
        }
        for area in &areas {
            let other = after.allowed(area, &permitted, Some(&before), budget)?;
            let decider = |leaf: &Leaf| leaf.allow.map(|decision| decision.decider);
            let is_new = |leaf: &Leaf| !opened.iter().any(|known| decider(known) == decider(leaf));
            opened.extend(other.filter(is_new));
        }
        for leaf in opened {
            add(Problem::Opens, leaf);
        }
        for area in &areas {
            if let Some(leaf) = after.tied(area, budget)?
                && before.tied(&leaf.region, budget)?.is_none()
            {
                add(Problem::Tie, leaf);
                break;
            }
        }
        Ok(())
    }
}

/// Returns true if a rule about these peers may be about pods or about addresses of pods.
fn may_be_pods(area: &Region) -> bool {
    !matches!(area.peer, netpol::PeerSet::Pods { .. })
}

/// The connections that the written policy decides before or after the write. For a state, those that any policy
/// decides.
fn areas(before: &Stack<'_>, old: &Side<'_>, after: &Stack<'_>, new: &Side<'_>) -> Vec<Region> {
    let after = new.concerned(after).into_iter().map(|own| after.reach(own));
    let before = old
        .concerned(before)
        .into_iter()
        .map(|own| before.reach(own));
    after.chain(before).flatten().collect()
}
