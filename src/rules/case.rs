//! One write of a policy, held against one zone of one cluster.

use std::cell::Cell;

use crate::baseline::{ClusterPerimeter, Selected, ZonePerimeter};
use crate::inventory::{ObjectRef, Policy};
use crate::perimeter::cover::{Budget, Exhausted, all_uncovered, uncovered};
use crate::perimeter::port::PortSet;
use crate::perimeter::{Connection, Direction, LabelSet, PeerSet, Region, witness};
use crate::posture::{Edition, Posture};

use super::{Code, Finding, Level, undecided};

/// A policy before or after the write, with its part in the zone.
#[derive(Clone, Debug, Default)]
pub struct State<'a> {
    /// The policy; `None` where it does not exist or cannot be read.
    pub policy: Option<&'a Policy>,
    /// What it does in the zone; `None` where it selects nothing of it.
    pub selected: Option<Selected>,
}

/// Everything that the rules about one policy write look at.
#[derive(Debug)]
pub struct Case<'a> {
    /// The policy written.
    pub object: &'a ObjectRef,
    /// The cluster.
    pub cluster: &'a ClusterPerimeter,
    /// The zone.
    pub zone: &'a ZonePerimeter,
    /// The settings.
    pub posture: &'a Posture,
    /// Every other policy that selects part of the zone.
    pub others: Vec<&'a Selected>,
    /// The policy before the write.
    pub before: State<'a>,
    /// The policy after the write.
    pub after: State<'a>,
    /// A stored managed policy as the operator renders it under each other baseline.
    pub elsewhere: Vec<(Edition, Selected)>,
    /// Work that the proofs of the review may still do, all together.
    pub budget: &'a Cell<Budget>,
}

/// Which moment is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before the write.
    Before,
    /// After the write.
    After,
}

impl Case<'_> {
    /// All policies of the zone at one moment.
    pub fn policies(&self, moment: Moment) -> impl Iterator<Item = &Selected> {
        let edited = match moment {
            Moment::Before => &self.before,
            Moment::After => &self.after,
        };
        self.others.iter().copied().chain(&edited.selected)
    }

    /// The parts of the zone that policies isolate in one direction, as regions of all connections.
    pub fn isolated(&self, moment: Moment, direction: Direction) -> Vec<Region> {
        let isolating = self
            .policies(moment)
            .filter(|policy| policy.isolates(direction));
        isolating
            .map(|policy| subject_only(policy.part.clone()))
            .collect()
    }

    /// The parts of the zone that no policy isolates, open to and from everyone. None are counted
    /// while a policy of the namespace cannot be read, since that one may isolate.
    pub fn open(&self, moment: Moment, direction: Direction) -> Result<Vec<Region>, Exhausted> {
        if !self.zone.unreadable.is_empty() {
            return Ok(Vec::new());
        }
        let isolated = self.isolated(moment, direction);
        let free = self.all_outside(
            &subject_only(LabelSet::any()),
            &isolated.iter().collect::<Vec<_>>(),
        )?;
        Ok(free
            .into_iter()
            .flat_map(|region| everything(&region.subject))
            .collect())
    }

    /// Counts covers that are compared with an area; false where that is too much.
    pub fn look(&self, covers: usize) -> bool {
        let mut budget = self.budget.get();
        let enough = budget.look(covers);
        self.budget.set(budget);
        enough
    }

    /// The regions that may be open in one direction.
    pub fn ceiling(&self, direction: Direction) -> Vec<&Region> {
        let entries = self.zone.ceiling(direction).iter();
        entries.map(|entry| &entry.region).collect()
    }

    /// The first part of `area` that none of `covers` holds.
    pub fn outside(&self, area: &Region, covers: &[&Region]) -> Result<Option<Region>, Exhausted> {
        if !self.look(weight(covers)) {
            return Err(Exhausted::of(covers));
        }
        // Nearly always one cover holds it all, and nothing has to be written out.
        if covers.iter().any(|cover| area.is_subset(cover)) {
            return Ok(None);
        }
        let mut budget = self.budget.get();
        let found = uncovered(&self.written_out(area, covers), covers, &mut budget);
        self.budget.set(budget);
        found
    }

    /// All parts of `area` that none of `covers` holds.
    pub fn all_outside(&self, area: &Region, covers: &[&Region]) -> Result<Vec<Region>, Exhausted> {
        if !self.look(weight(covers)) {
            return Err(Exhausted::of(covers));
        }
        let mut budget = self.budget.get();
        let found = all_uncovered(&self.written_out(area, covers), covers, &mut budget);
        self.budget.set(budget);
        found
    }

    /// What the zone knows of the keys on which the covers differ has to stand in the area itself.
    fn written_out(&self, area: &Region, covers: &[&Region]) -> Region {
        let keys = covers
            .iter()
            .flat_map(|cover| cover.subject.constrained().map(|(key, _)| key));
        Region {
            subject: self.zone.zone.written_out(&area.subject, keys),
            ..area.clone()
        }
    }

    /// A connection in a region.
    pub fn witness(&self, direction: Direction, region: &Region) -> Option<Connection> {
        witness::connection(direction, &self.zone.zone, region)
    }

    /// A finding about this write.
    pub fn finding(&self, code: Code, level: Level, path: impl Into<String>) -> Finding {
        Finding {
            cluster: Some(self.cluster.object.clone()),
            ..Finding::new(code, level, self.object, path)
        }
    }

    /// The finding that a proof ran out of budget.
    pub fn undecided(&self, what: &str, exhausted: &Exhausted) -> Finding {
        let cluster = &self.cluster.object;
        Finding {
            reason: format!(
                "{what} of {cluster} could not be decided within {} steps",
                self.posture.proof_budget
            ),
            help: undecided::simpler(exhausted),
            ..self.finding(Code::Obp402, Level::Deny, "spec")
        }
    }
}

/// What it takes to compare an area with covers: each by each of its subject's keys.
pub(super) fn weight(covers: &[&Region]) -> usize {
    let keys = |cover: &&Region| 1 + cover.subject.constrained().count();
    covers.iter().map(keys).sum()
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

/// A region that differs from others of its kind in its subject only.
pub fn subject_only(part: LabelSet) -> Region {
    let pods = PeerSet::Pods {
        namespaces: LabelSet::any(),
        pods: LabelSet::any(),
    };
    Region {
        subject: part,
        peer: pods,
        ports: PortSet::all(),
    }
}
