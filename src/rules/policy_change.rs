//! A write of a policy, for one zone of one cluster.

use std::cell::Cell;

use crate::baseline::{ClusterPerimeter, Selected, ZonePerimeter};
use crate::config::ReviewConfig;
use crate::inventory::{ObjectRef, Policy};
use netpol::cover::{Budget, Exhausted};
use netpol::port::PortSet;
use netpol::{Connection, Direction, LabelSet, PeerSet, Region, RegionRef};

use super::finding::witness;
use super::policy_owner::lasts;
use super::{Cause, Finding, Onset, proof, undecided};

/// A policy before or after the write, and its part in the zone.
#[derive(Clone, Debug, Default)]
pub struct Side<'a> {
    /// The policy; `None` if it does not exist or cannot be read.
    pub policy: Option<&'a Policy>,
    /// The policy as it applies to the zone; `None` if it selects no pod of it.
    pub selected: Option<Selected>,
}

/// Everything that rules about a policy write use.
#[derive(Debug)]
pub struct PolicyChange<'a> {
    /// The policy written.
    pub object: &'a ObjectRef,
    /// The cluster.
    pub cluster: &'a ClusterPerimeter,
    /// The zone.
    pub zone: &'a ZonePerimeter,
    /// The configuration.
    pub config: &'a ReviewConfig,
    /// All other policies that select pods of the zone.
    pub others: Vec<&'a Selected>,
    /// The policy before the write.
    pub before: Side<'a>,
    /// The policy after the write.
    pub after: Side<'a>,
    /// Remaining work of all proofs of the review.
    pub budget: &'a Cell<Budget>,
}

/// State before or after the write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteState {
    /// Before the write.
    Before,
    /// After the write.
    After,
}

impl PolicyChange<'_> {
    /// All policies of the zone, before or after the write. The written one is first.
    pub fn policies(&self, state: WriteState) -> impl Iterator<Item = &Selected> + Clone {
        let edited = match state {
            WriteState::Before => &self.before,
            WriteState::After => &self.after,
        };
        edited.selected.iter().chain(self.others.iter().copied())
    }

    /// The policies of the zone that will stay, before or after the write: the written one, and those that no
    /// owner takes along ([`lasts`]).
    pub fn lasting(&self, state: WriteState) -> impl Iterator<Item = &Selected> + Clone {
        let edited = match state {
            WriteState::Before => &self.before,
            WriteState::After => &self.after,
        };
        let others = self.others.iter().copied();
        let lasting = others.filter(|other| lasts(&other.policy.meta, self.cluster));
        edited.selected.iter().chain(lasting)
    }

    /// The deletion of the written policy by garbage collection, with only the policies that will stay.
    pub fn collected(&self) -> PolicyChange<'_> {
        let others = self.others.iter().copied();
        PolicyChange {
            object: self.object,
            cluster: self.cluster,
            zone: self.zone,
            config: self.config,
            others: others
                .filter(|other| lasts(&other.policy.meta, self.cluster))
                .collect(),
            before: self.after.clone(),
            after: Side::default(),
            budget: self.budget,
        }
    }

    /// The parts of the zone that no policy isolates, open to and from everyone. There are none while a
    /// policy of the namespace cannot be read, since that one may isolate.
    pub fn open(&self, state: WriteState, direction: Direction) -> Result<Vec<Region>, Exhausted> {
        if !self.zone.unreadable.is_empty() {
            return Ok(Vec::new());
        }
        let any = LabelSet::any();
        let isolated = isolated(self.policies(state), direction);
        let free = self.all_outside(whole(&any), isolated)?;
        Ok(free
            .into_iter()
            .flat_map(|region| everything(&region.subject))
            .collect())
    }

    /// Takes comparisons from the budget. Returns false if too few are left.
    pub fn spend(&self, comparisons: usize) -> bool {
        self.count(|budget| budget.spend(comparisons))
    }

    fn count<T>(&self, work: impl FnOnce(&mut Budget) -> T) -> T {
        let mut budget = self.budget.get();
        let done = work(&mut budget);
        self.budget.set(budget);
        done
    }

    /// The permitted regions in one direction.
    pub fn ceiling(&self, direction: Direction) -> impl Iterator<Item = RegionRef<'_>> + Clone {
        self.zone.ceiling_regions(direction)
    }

    /// The first part of `area` in none of `covers`.
    pub fn outside<'c>(
        &self,
        area: RegionRef<'_>,
        covers: impl IntoIterator<Item = RegionRef<'c>>,
    ) -> Result<Option<Region>, Exhausted> {
        self.count(|budget| proof::outside(&self.zone.space, area, covers, budget))
    }

    /// All parts of `area` in none of `covers`.
    pub fn all_outside<'c>(
        &self,
        area: RegionRef<'_>,
        covers: impl IntoIterator<Item = RegionRef<'c>>,
    ) -> Result<Vec<Region>, Exhausted> {
        self.count(|budget| proof::all_outside(&self.zone.space, area, covers, budget))
    }

    /// An example connection in a region.
    pub fn witness(&self, direction: Direction, region: &Region) -> Option<Connection> {
        witness(direction, &self.zone.space, region)
    }

    /// A finding about this write.
    pub(crate) fn finding(&self, cause: Cause, onset: Onset, path: impl Into<String>) -> Finding {
        Finding {
            cluster: Some(self.cluster.object.clone()),
            pods: vec![self.zone.pods],
            ..Finding::of(cause, onset, self.object, path)
        }
    }

    /// The finding for a proof that ran out of budget.
    pub fn undecided(&self, what: &str, exhausted: &Exhausted) -> Finding {
        let cluster = &self.cluster.object;
        Finding {
            merges: true,
            reason: format!(
                "{what} of {cluster} could not be decided within {} steps",
                self.config.proof_budget
            ),
            help: undecided::simpler(exhausted),
            ..self.finding(Cause::Undecided, Onset::Introduced, "spec")
        }
    }
}

/// The parts of the zone that policies isolate in one direction, as regions of all connections.
pub fn isolated<'a>(
    policies: impl Iterator<Item = &'a Selected>,
    direction: Direction,
) -> impl Iterator<Item = RegionRef<'a>> {
    policies
        .filter(move |policy| policy.isolates(direction))
        .map(|policy| whole(&policy.part))
}

/// All connections of a part of the zone.
pub fn everything(part: &LabelSet) -> Vec<Region> {
    let region = |peer| Region {
        subject: part.clone(),
        peer,
        ports: PortSet::all(),
    };
    PeerSet::everyone().into_iter().map(region).collect()
}

static EVERY_POD: PeerSet = PeerSet::Pods {
    namespaces: LabelSet::any(),
    pods: LabelSet::any(),
};

/// A region of all connections of a part of the zone, for comparisons of subjects.
pub fn whole(part: &LabelSet) -> RegionRef<'_> {
    RegionRef {
        subject: part,
        peer: &EVERY_POD,
        ports: PortSet::every(),
    }
}
