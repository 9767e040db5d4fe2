//! Containment: is one region inside a union of regions, and if not, which part is outside.
//!
//! Exact, by splitting: a cover that holds the whole area ends a branch; otherwise the cover that
//! cuts the fewest dimensions splits the area into disjoint pieces outside of it, each of which the
//! remaining covers have to hold. A piece that no cover touches is the answer. The question is
//! coNP-complete in the number of label keys, so the work is counted against a [`Budget`] and a
//! proof that runs out of it is undecided, never accepted.
//!
//! An area of all ports of a protocol is proved by their numbers: a port name means one of them,
//! whichever, so covers whose ranges only together hold all numbers hold it. An area of a name alone
//! needs a cover that holds the name, or all ports, by itself.
//!
//! ```
//! use openbao_perimeter::perimeter::cover::{Budget, uncovered};
//! use openbao_perimeter::perimeter::port::{PortSet, Protocol};
//! use openbao_perimeter::perimeter::{LabelSet, PeerSet, Region, address};
//!
//! let at = |first, last| Region {
//!     subject: LabelSet::any(),
//!     peer: PeerSet::V4(address::all_v4()),
//!     ports: PortSet::range(Protocol::Tcp, first, last),
//! };
//! let (low, high) = (at(1, 8200), at(8201, 9000));
//! assert_eq!(uncovered(&at(8000, 9000), &[&low, &high], &mut Budget::new(100)), Ok(None));
//! assert_eq!(uncovered(&at(8000, 9001), &[&low, &high], &mut Budget::new(100)), Ok(Some(at(9001, 9001))));
//! ```

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

use super::label::LabelSet;
use super::region::{PeerSet, Region};

/// Work that proofs may still do, in split nodes and in covers looked at. All proofs of one review
/// share it, so that many of them cost no more than one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    limit: u32,
    used: u32,
    most_looks: u64,
    looks: u64,
    beside: u64,
}

/// Covers that may be looked at for each split node of the limit: a node costs what its covers do.
const LOOKS: u64 = 20;

impl Budget {
    /// A budget of `limit` split nodes.
    pub const fn new(limit: u32) -> Self {
        Self {
            limit,
            used: 0,
            most_looks: LOOKS * limit as u64,
            looks: 0,
            beside: 0,
        }
    }

    /// Split nodes used so far.
    pub const fn used(&self) -> u32 {
        self.used
    }

    /// All work done so far, in split nodes, that beside it too.
    pub const fn work(&self) -> u64 {
        self.used as u64 + self.looks / LOOKS + self.beside
    }

    /// Counts the work of a proof that had a budget of its own; what is left here stays.
    pub const fn beside(&mut self, other: &Self) {
        self.beside = self.beside.saturating_add(other.work());
    }

    /// Whether no split node is left.
    pub const fn is_spent(&self) -> bool {
        self.used >= self.limit
    }

    /// Counts `covers` that are compared with an area; false where that is too much.
    pub const fn look(&mut self, covers: usize) -> bool {
        self.looks = self.looks.saturating_add(covers as u64);
        self.looks <= self.most_looks
    }

    /// Does work that may take no more than `nodes` of what is left, so that something is left for
    /// the rest.
    pub fn within<T>(&mut self, nodes: u32, work: impl FnOnce(&mut Self) -> T) -> T {
        let whole = *self;
        self.limit = self.limit.min(self.used.saturating_add(nodes));
        let looks = self.looks.saturating_add(LOOKS * u64::from(nodes));
        self.most_looks = self.most_looks.min(looks);
        let done = work(self);
        self.limit = whole.limit;
        self.most_looks = whole.most_looks;
        done
    }

    fn spend(&mut self, covers: &[&Region]) -> Result<(), Exhausted> {
        if self.is_spent() || !self.look(covers.len()) {
            return Err(Exhausted::of(covers));
        }
        self.used += 1;
        Ok(())
    }
}

/// The proof ran out of budget. It names the label keys that made it hard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exhausted {
    /// Label keys on which the covers differ.
    pub keys: BTreeSet<Arc<str>>,
}

impl Exhausted {
    /// A proof against these covers that could not go on.
    pub fn of(covers: &[&Region]) -> Self {
        let mut keys = BTreeSet::new();
        let mut add = |set: &LabelSet| keys.extend(set.constrained().map(|(key, _)| key.clone()));
        for cover in covers {
            add(&cover.subject);
            if let PeerSet::Pods { namespaces, pods } = &cover.peer {
                add(namespaces);
                add(pods);
            }
        }
        Self { keys }
    }
}

/// A part of `area` that is in none of `covers`; `None` when there is none.
pub fn uncovered(
    area: &Region,
    covers: &[&Region],
    budget: &mut Budget,
) -> Result<Option<Region>, Exhausted> {
    let mut found = None;
    search(area, covers, budget, &mut |piece| {
        found = Some(piece);
        Flow::Break(())
    })?;
    Ok(found)
}

/// All parts of `area` that are in none of `covers`, as disjoint regions.
pub fn all_uncovered(
    area: &Region,
    covers: &[&Region],
    budget: &mut Budget,
) -> Result<Vec<Region>, Exhausted> {
    let mut found = Vec::new();
    search(area, covers, budget, &mut |piece| {
        found.push(piece);
        Flow::Continue(())
    })?;
    Ok(found)
}

type Flow = ControlFlow<()>;

/// Depth first, on a stack of our own: the depth is bounded by the number of covers only.
fn search(
    area: &Region,
    covers: &[&Region],
    budget: &mut Budget,
    found: &mut dyn FnMut(Region) -> Flow,
) -> Result<(), Exhausted> {
    let area = Region {
        ports: area.ports.without_implied_names(),
        ..area.clone()
    };
    let mut open: Vec<(Region, Rc<[&Region]>)> = vec![(area, covers.into())];
    while let Some((area, covers)) = open.pop() {
        budget.spend(&covers)?;
        if covers.iter().any(|cover| area.is_subset(cover)) {
            continue;
        }
        let Some((area, live)) = shrink(area, &covers) else {
            continue;
        };
        let fewest_cuts = live
            .iter()
            .enumerate()
            .min_by_key(|(_, cover)| cuts(&area, cover));
        let Some((at, splitter)) = fewest_cuts else {
            if found(area).is_break() {
                return Ok(());
            }
            continue;
        };
        let rest: Rc<[&Region]> = live
            .iter()
            .enumerate()
            .filter(|(i, _)| *i != at)
            .map(|(_, cover)| *cover)
            .collect();
        open.extend(
            outside(&area, splitter)
                .into_iter()
                .rev()
                .map(|piece| (piece, rest.clone())),
        );
    }
    Ok(())
}

/// Drops covers that do not touch the area, and takes off at once every cover that cuts it on one
/// dimension only, since what is left is one piece again. `None` when nothing is left.
fn shrink<'a>(mut area: Region, covers: &[&'a Region]) -> Option<(Region, Vec<&'a Region>)> {
    let mut live = covers.to_vec();
    loop {
        let before = live.len();
        let mut wider = Vec::with_capacity(before);
        for cover in live {
            if area.is_disjoint(cover) {
                continue;
            }
            match cuts(&area, cover) {
                0 | 1 => area = outside(&area, cover).pop()?,
                _ => wider.push(cover),
            }
        }
        live = wider;
        if live.len() == before {
            return Some((area, live));
        }
    }
}

/// On how many dimensions `cover` does not hold all of `area`.
fn cuts(area: &Region, cover: &Region) -> usize {
    let peer = match (&area.peer, &cover.peer) {
        (
            PeerSet::Pods { namespaces, pods },
            PeerSet::Pods {
                namespaces: theirs,
                pods: their_pods,
            },
        ) => namespaces.cut_by(theirs).count() + pods.cut_by(their_pods).count(),
        (ours, theirs) => usize::from(!ours.is_subset(theirs)),
    };
    let ports = usize::from(!area.ports.is_subset(&cover.ports));
    peer + ports + area.subject.cut_by(&cover.subject).count()
}

/// `area` without `cover`, as disjoint pieces. The two overlap.
fn outside(area: &Region, cover: &Region) -> Vec<Region> {
    let mut pieces = Vec::new();
    let mut rest = area.clone();
    outside_ports(&mut rest, cover, &mut pieces);
    outside_peer(&mut rest, cover, &mut pieces);
    outside_labels(
        &rest.subject.clone(),
        &cover.subject,
        |part, side| match side {
            Side::Outside => pieces.push(Region {
                subject: part,
                ..rest.clone()
            }),
            Side::Inside => rest.subject = part,
        },
    );
    pieces
}

fn outside_ports(rest: &mut Region, cover: &Region, pieces: &mut Vec<Region>) {
    let ports = rest.ports.minus(&cover.ports);
    if !ports.is_empty() {
        pieces.push(Region {
            ports,
            ..rest.clone()
        });
        rest.ports = rest.ports.intersect(&cover.ports);
    }
}

fn outside_peer(rest: &mut Region, cover: &Region, pieces: &mut Vec<Region>) {
    match (rest.peer.clone(), &cover.peer) {
        (PeerSet::V4(ours), PeerSet::V4(theirs)) => {
            pieces.extend(PeerSet::v4(&ours - theirs).map(|peer| Region {
                peer,
                ..rest.clone()
            }));
            rest.peer = PeerSet::V4(&ours & theirs);
        }
        (PeerSet::V6(ours), PeerSet::V6(theirs)) => {
            pieces.extend(PeerSet::v6(&ours - theirs).map(|peer| Region {
                peer,
                ..rest.clone()
            }));
            rest.peer = PeerSet::V6(&ours & theirs);
        }
        (
            PeerSet::Pods { namespaces, pods },
            PeerSet::Pods {
                namespaces: theirs,
                pods: their_pods,
            },
        ) => {
            let mut inside = namespaces.clone();
            outside_labels(&namespaces, theirs, |part, side| match side {
                Side::Outside => {
                    pieces.extend(PeerSet::pods(part, pods.clone()).map(|peer| Region {
                        peer,
                        ..rest.clone()
                    }));
                }
                Side::Inside => inside = part,
            });
            let mut kept = pods.clone();
            outside_labels(&pods, their_pods, |part, side| match side {
                Side::Outside => {
                    pieces.extend(PeerSet::pods(inside.clone(), part).map(|peer| Region {
                        peer,
                        ..rest.clone()
                    }));
                }
                Side::Inside => kept = part,
            });
            rest.peer = PeerSet::Pods {
                namespaces: inside,
                pods: kept,
            };
        }
        _ => {}
    }
}

enum Side {
    Outside,
    Inside,
}

/// Splits `area` on each key that `cover` cuts: hands over the disjoint parts outside, and after
/// each the part that is still inside.
fn outside_labels(area: &LabelSet, cover: &LabelSet, mut part: impl FnMut(LabelSet, Side)) {
    let mut rest = area.clone();
    for (key, theirs) in area.cut_by(cover) {
        let ours = rest.values(key);
        if let Some(outside) = rest.with(key, ours.minus(theirs)) {
            part(outside, Side::Outside);
        }
        if let Some(inside) = rest.with(key, ours.intersect(theirs)) {
            rest = inside;
            part(rest.clone(), Side::Inside);
        }
    }
}
