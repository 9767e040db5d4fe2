//! Containment: is one region inside a union of regions? If not, which part is outside?
//!
//! The answer is exact. A cover that contains the whole area ends a branch. Otherwise the cover that cuts
//! the fewest dimensions splits the area into disjoint pieces outside of it, and the remaining covers must
//! contain each of these. A piece that no cover touches is the answer. The question is coNP-complete in the
//! number of label keys, so the work is counted against a [`Budget`]. A proof that uses it up is undecided,
//! never accepted.
//!
//! An area of all ports of a protocol is proved by numbers alone. A port name means one of these numbers,
//! so covers that together contain all numbers contain the name too. An area of a name alone needs a single
//! cover that contains the name or all ports.
//!
//! ```
//! use netpol::cover::{Budget, uncovered};
//! use netpol::port::{PortSet, Protocol};
//! use netpol::{LabelSet, PeerSet, Region, address};
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
use std::mem;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

pub use super::budget::Budget;
use super::label::{LabelSet, NAMESPACE_NAME};
use super::ranges;
use super::region::{PeerSet, Region, RegionRef};

/// Error for a proof that ran out of budget. It lists the label keys that made the proof hard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exhausted {
    /// Label keys on which the covers differ.
    pub keys: BTreeSet<Arc<str>>,
}

/// Maximum number of label keys in [`Exhausted`].
const NAMED: usize = 64;

impl Exhausted {
    /// The error of a proof against these covers.
    pub fn of<'a, C: Into<RegionRef<'a>>>(covers: impl IntoIterator<Item = C>) -> Self {
        let mut keys = BTreeSet::new();
        for cover in covers {
            let cover = cover.into();
            let mut add = |set: &LabelSet| {
                let room = NAMED.saturating_sub(keys.len());
                keys.extend(set.constrained().take(room).map(|(key, _)| key.clone()));
            };
            add(cover.subject);
            if let PeerSet::Pods { namespaces, pods } = cover.peer {
                add(namespaces);
                add(pods);
            }
            if keys.len() >= NAMED {
                break;
            }
        }
        Self { keys }
    }
}

/// Returns a part of `area` that is in none of `covers`, or `None` if there is no such part.
///
/// # Errors
///
/// [`Exhausted`] if the proof needs more than `budget`. The question is then undecided.
pub fn uncovered<'a, C: Into<RegionRef<'a>> + Copy>(
    area: &Region,
    covers: &[C],
    budget: &mut Budget,
) -> Result<Option<Region>, Exhausted> {
    let mut found = None;
    let covers = covers.iter().map(|cover| Cover::of((*cover).into()));
    search(proved(area), covers.collect(), budget, None, &mut |piece| {
        found = Some(piece);
        Flow::Break(())
    })?;
    Ok(found)
}

/// Returns all parts of `area` that are in none of `covers`, as disjoint regions.
///
/// # Errors
///
/// [`Exhausted`] if the proof needs more than `budget`. The question is then undecided.
pub fn all_uncovered<'a, C: Into<RegionRef<'a>> + Copy>(
    area: &Region,
    covers: &[C],
    budget: &mut Budget,
) -> Result<Vec<Region>, Exhausted> {
    let covers = covers.iter().map(|cover| Cover::of((*cover).into()));
    partition(proved(area), covers.collect(), budget, None)
}

/// The area that a proof has to split: names that numbers imply are left out.
fn proved(area: &Region) -> Region {
    Region {
        ports: area.ports.without_implied_names(),
        ..area.clone()
    }
}

/// Splits `area` into disjoint pieces: those in none of `covers`, which are returned, and those in one of
/// them, which are added to `inside` if asked for. Names stay apart from numbers.
pub(crate) fn partition(
    area: Region,
    covers: Rc<[Cover<'_>]>,
    budget: &mut Budget,
    inside: Option<&mut Vec<Region>>,
) -> Result<Vec<Region>, Exhausted> {
    let mut found = Vec::new();
    search(area, covers, budget, inside, &mut |piece| {
        found.push(piece);
        Flow::Continue(())
    })?;
    Ok(found)
}

type Flow = ControlFlow<()>;

/// A cover and the cost of comparing an area with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cover<'a> {
    pub(crate) region: RegionRef<'a>,
    weight: usize,
}

impl<'a> Cover<'a> {
    pub(crate) fn of(region: RegionRef<'a>) -> Self {
        Self {
            region,
            weight: region.weight(),
        }
    }
}

fn exhausted(covers: &[Cover<'_>]) -> Exhausted {
    Exhausted::of(covers.iter().map(|cover| cover.region))
}

/// Depth-first search on an explicit stack: the depth is bounded only by the number of covers.
fn search(
    area: Region,
    covers: Rc<[Cover<'_>]>,
    budget: &mut Budget,
    mut inside: Option<&mut Vec<Region>>,
    found: &mut dyn FnMut(Region) -> Flow,
) -> Result<(), Exhausted> {
    let mut open = vec![(area, covers)];
    while let Some((area, covers)) = open.pop() {
        let whole = RegionRef::from(&area).weight();
        if budget.is_spent() || !budget.spend(whole + NODE) {
            return Err(exhausted(&covers));
        }
        let Some((area, live)) = shrink(area, &covers, budget, inside.as_deref_mut())? else {
            continue;
        };
        let fewest_cuts = live.iter().enumerate().min_by_key(|(_, (_, cuts))| *cuts);
        let Some((at, (splitter, _))) = fewest_cuts else {
            if found(area).is_break() {
                return Ok(());
            }
            continue;
        };
        let rest: Rc<[Cover<'_>]> = live
            .iter()
            .enumerate()
            .filter(|(i, _)| *i != at)
            .map(|(_, (cover, _))| *cover)
            .collect();
        let mut pieces = Vec::new();
        let within = outside(area, splitter.region, &mut pieces);
        // Each piece is a copy of the area with one part changed.
        if !budget.spend(whole * pieces.len()) {
            return Err(exhausted(&rest));
        }
        if let Some(inside) = &mut inside {
            inside.push(within);
        }
        open.extend(pieces.into_iter().rev().map(|piece| (piece, rest.clone())));
    }
    Ok(())
}

/// Cost of a node, without its comparisons.
const NODE: usize = 4;

/// An area, and the covers that cut it on more than one dimension, with the number of dimensions.
type Shrunk<'a> = (Region, Vec<(Cover<'a>, usize)>);

/// Drops covers that do not touch the area, and subtracts every cover that cuts it on one dimension only,
/// since that leaves a single piece. `None` if nothing is left.
fn shrink<'a>(
    mut area: Region,
    covers: &[Cover<'a>],
    budget: &mut Budget,
    mut inside: Option<&mut Vec<Region>>,
) -> Result<Option<Shrunk<'a>>, Exhausted> {
    let mut live: Vec<(Cover<'a>, usize)> = Vec::with_capacity(covers.len());
    let mut todo: Vec<Cover<'a>> = covers.to_vec();
    loop {
        let before = todo.len();
        let mut ranges = RegionRef::from(&area).ranges();
        live.clear();
        for cover in todo {
            if !budget.spend(cover.weight + ranges) {
                return Err(exhausted(covers));
            }
            match cuts((&area).into(), cover.region) {
                None => {}
                Some(0) => {
                    if let Some(inside) = &mut inside {
                        inside.push(area);
                    }
                    return Ok(None);
                }
                Some(1) => {
                    let whole = RegionRef::from(&area).weight();
                    let left = if let Some(inside) = &mut inside {
                        let mut pieces = Vec::new();
                        inside.push(outside(area, cover.region, &mut pieces));
                        pieces.pop()
                    } else {
                        rest(area, cover.region)
                    };
                    let Some(left) = left else {
                        return Ok(None);
                    };
                    if !budget.spend(whole) {
                        return Err(exhausted(covers));
                    }
                    area = left;
                    ranges = RegionRef::from(&area).ranges();
                }
                Some(cuts) => live.push((cover, cuts)),
            }
        }
        if live.len() == before {
            return Ok(Some((area, live)));
        }
        todo = live.iter().map(|(cover, _)| *cover).collect();
    }
}

/// Number of dimensions on which `cover` does not contain all of `area`; `None` if they are disjoint.
pub(crate) fn cuts(area: RegionRef<'_>, cover: RegionRef<'_>) -> Option<usize> {
    let peer = match (area.peer, cover.peer) {
        (
            PeerSet::Pods { namespaces, pods },
            PeerSet::Pods {
                namespaces: theirs,
                pods: their_pods,
            },
        ) => namespaces.cuts(theirs)? + pods.cuts(their_pods)?,
        (ours, theirs) if ours.is_disjoint(theirs) => return None,
        (ours, theirs) => usize::from(!ours.is_subset(theirs)),
    };
    let ports = if area.ports.is_subset(cover.ports) {
        0
    } else if area.ports.is_disjoint(cover.ports) {
        return None;
    } else {
        1
    };
    Some(peer + ports + area.subject.cuts(cover.subject)?)
}

/// The part of `area` outside of `cover`, which must cut it on one dimension.
pub(crate) fn rest(mut area: Region, cover: RegionRef<'_>) -> Option<Region> {
    if !area.ports.is_subset(cover.ports) {
        area.ports = area.ports.minus(cover.ports);
        return Some(area);
    }
    match (&mut area.peer, cover.peer) {
        (PeerSet::V4(ours), PeerSet::V4(theirs)) if !ranges::is_subset(ours, theirs) => {
            *ours = ranges::minus(ours, theirs);
            return Some(area);
        }
        (PeerSet::V6(ours), PeerSet::V6(theirs)) if !ranges::is_subset(ours, theirs) => {
            *ours = ranges::minus(ours, theirs);
            return Some(area);
        }
        (
            PeerSet::Pods { namespaces, pods },
            PeerSet::Pods {
                namespaces: theirs,
                pods: their_pods,
            },
        ) => {
            let is_named = namespaces.constrains(NAMESPACE_NAME);
            if namespaces.subtract(theirs) {
                if !is_named {
                    *namespaces = mem::take(namespaces).on_namespaces()?;
                }
                return Some(area);
            }
            if pods.subtract(their_pods) {
                return Some(area);
            }
        }
        _ => {}
    }
    area.subject.subtract(cover.subject).then_some(area)
}

/// Splits `area` into disjoint pieces outside of `cover`, which are added to `pieces`, and the part inside,
/// which is returned. The two must overlap.
pub(crate) fn outside(area: Region, cover: RegionRef<'_>, pieces: &mut Vec<Region>) -> Region {
    let mut inside = area;
    if !inside.ports.is_subset(cover.ports) {
        pieces.push(Region {
            ports: inside.ports.minus(cover.ports),
            ..inside.clone()
        });
        inside.ports = inside.ports.intersect(cover.ports);
    }
    outside_peer(&mut inside, cover.peer, pieces);
    let Region {
        subject,
        peer,
        ports,
    } = &mut inside;
    subject.narrow(cover.subject, |subject| {
        pieces.push(Region {
            subject,
            peer: peer.clone(),
            ports: ports.clone(),
        });
    });
    inside
}

fn outside_peer(inside: &mut Region, cover: &PeerSet, pieces: &mut Vec<Region>) {
    let Region {
        subject,
        peer,
        ports,
    } = inside;
    let mut push = |peer: Option<PeerSet>| {
        pieces.extend(peer.map(|peer| Region {
            subject: subject.clone(),
            peer,
            ports: ports.clone(),
        }));
    };
    match (peer, cover) {
        (PeerSet::V4(ours), PeerSet::V4(theirs)) => {
            push(PeerSet::v4(ranges::minus(ours, theirs)));
            *ours = ranges::intersect(ours, theirs);
        }
        (PeerSet::V6(ours), PeerSet::V6(theirs)) => {
            push(PeerSet::v6(ranges::minus(ours, theirs)));
            *ours = ranges::intersect(ours, theirs);
        }
        (
            PeerSet::Pods { namespaces, pods },
            PeerSet::Pods {
                namespaces: theirs,
                pods: their_pods,
            },
        ) => {
            let is_named = namespaces.constrains(NAMESPACE_NAME);
            namespaces.narrow(theirs, |part| {
                // Names of namespaces are known to be valid, unless this is the first requirement on them.
                push(if is_named {
                    Some(PeerSet::Pods {
                        namespaces: part,
                        pods: pods.clone(),
                    })
                } else {
                    PeerSet::pods(part, pods.clone())
                });
            });
            let all = &*namespaces;
            pods.narrow(their_pods, |part| push(PeerSet::pods(all.clone(), part)));
        }
        _ => {}
    }
}
