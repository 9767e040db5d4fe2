//! Connections between two ends that all sides allow.

use std::net::IpAddr;

use super::side::Side;
use super::tiers::has_numbers;
use super::{Part, Question, Resolved};
use netpol::cover::{Budget, Exhausted};
use netpol::names::Names;
use netpol::port::{PortSet, Protocol};
use netpol::stack::Leaf;
use netpol::{Direction, LabelSet, PeerSet, Reading, Region};

/// A product of sources, destinations and ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) from: PeerSet,
    pub(super) to: PeerSet,
    pub(super) ports: PortSet,
    /// True if a leaf of a side may be denied.
    may_be_denied: bool,
}

/// Flows that are compared for one answer at most.
const FLOWS: usize = 4_096;

/// The peers at an address.
pub(super) fn address(address: IpAddr) -> Vec<PeerSet> {
    let set = match address {
        IpAddr::V4(address) => PeerSet::v4([address..=address].into_iter().collect()),
        IpAddr::V6(address) => PeerSet::v6([address..=address].into_iter().collect()),
    };
    set.into_iter().collect()
}

impl Flow {
    /// A region of a side, whose subject are pods of the side.
    fn of(side: &Side<'_>, direction: Direction, region: &Region) -> Vec<Self> {
        let peers = side.as_peers(&keys(&region.subject)).into_iter();
        let own = peers.filter_map(|own| match own {
            PeerSet::Pods { namespaces, pods } => Some(PeerSet::Pods {
                namespaces,
                pods: pods.intersect(&region.subject)?,
            }),
            PeerSet::V4(_) | PeerSet::V6(_) => None,
        });
        own.map(|own| {
            let peer = region.peer.clone();
            let (from, to) = match direction {
                Direction::Ingress => (peer, own),
                Direction::Egress => (own, peer),
            };
            Self {
                from,
                to,
                ports: region.ports.clone(),
                may_be_denied: false,
            }
        })
        .collect()
    }

    /// A leaf of a side.
    fn of_leaf(side: &Side<'_>, direction: Direction, leaf: &Leaf) -> Vec<Self> {
        let mut flows = Self::of(side, direction, &leaf.region);
        for flow in &mut flows {
            flow.may_be_denied = leaf.deny.is_some();
        }
        flows
    }

    /// Returns true if it may be denied too, and is about numbers or listed names.
    pub(super) fn is_uncertain(&self) -> bool {
        let is_listed = |protocol| matches!(self.ports.ports(protocol).names(), Names::Only(names) if names.count() > 0);
        self.may_be_denied && (has_numbers(&self.ports) || Protocol::ALL.into_iter().any(is_listed))
    }

    fn intersect(&self, other: &Self) -> Option<Self> {
        let ports = self.ports.intersect(&other.ports);
        let from = self.from.intersect(&other.from)?;
        let to = self.to.intersect(&other.to)?;
        (!ports.is_empty()).then_some(Self {
            from,
            to,
            ports,
            may_be_denied: self.may_be_denied || other.may_be_denied,
        })
    }
}

fn keys(set: &LabelSet) -> std::collections::BTreeSet<std::sync::Arc<str>> {
    set.constrained().map(|(key, _)| key.clone()).collect()
}

/// The connections of the question that all sides allow. Those of one flow may be in another too.
pub(super) fn allowed(
    question: &Question<'_>,
    sides: &[Part<'_>],
    reading: Reading,
    budget: &mut Budget,
) -> Result<Vec<Flow>, Exhausted> {
    let mut both: Option<Vec<Flow>> = None;
    for part in sides {
        let parts = of_side(question, part, reading, budget)?;
        if !budget.spend(parts.len() * both.as_ref().map_or(1, Vec::len)) {
            return Err(Exhausted::default());
        }
        let flows = match &both {
            None => parts,
            Some(known) => known
                .iter()
                .flat_map(|one| parts.iter().filter_map(|other| one.intersect(other)))
                .take(FLOWS)
                .collect(),
        };
        // One that is left out might be the uncertain one.
        if part.leaves.is_some() && flows.len() == FLOWS {
            return Err(Exhausted::default());
        }
        both = Some(flows);
    }
    Ok(both.unwrap_or_default())
}

/// The connections of the question that one side allows.
fn of_side(
    question: &Question<'_>,
    part: &Part<'_>,
    reading: Reading,
    budget: &mut Budget,
) -> Result<Vec<Flow>, Exhausted> {
    let (side, direction) = (part.side, part.direction);
    if let Some(leaves) = &part.leaves {
        let is_allowed =
            |leaf: &&Leaf| leaf.allow.is_some() && (reading != Reading::Must || leaf.is_certain());
        let leaves = leaves.iter().filter(is_allowed);
        return Ok(leaves
            .flat_map(|leaf| Flow::of_leaf(side, direction, leaf))
            .collect());
    }
    let covers = side.covers(direction, reading, budget)?;
    let areas = Side::areas(part.other, &question.ports, &covers);
    let parts = covers.iter().flat_map(|cover| {
        let parts = areas.iter().filter_map(|area| area.intersect(cover));
        parts.flat_map(|part| Flow::of(side, direction, &part))
    });
    Ok(parts.collect())
}

/// All connections of the question.
pub(super) fn whole(question: &Question<'_>) -> Vec<Flow> {
    let peers = |end: &Resolved<'_>| match end {
        Resolved::Peers(peers) => peers.clone(),
        Resolved::Side(side) => side.as_peers(&std::collections::BTreeSet::new()),
    };
    let (from, to) = (peers(&question.from), peers(&question.to));
    let flows = from.iter().flat_map(|from| {
        to.iter().map(|to| Flow {
            from: from.clone(),
            to: to.clone(),
            ports: question.ports.clone(),
            may_be_denied: false,
        })
    });
    flows.collect()
}
