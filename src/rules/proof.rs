//! Proofs about regions of a zone. Every comparison is counted.

use std::collections::BTreeSet;
use std::sync::Arc;

use netpol::cover::{Budget, Exhausted, all_uncovered, uncovered};
use netpol::pod_space::PodSpace;
use netpol::{Region, RegionRef};

/// A part of `area` in none of `covers`. Its subject is a part of the zone.
///
/// # Errors
/// The proof is out of budget.
pub(crate) fn outside<'c>(
    zone: &PodSpace,
    area: RegionRef<'_>,
    covers: impl IntoIterator<Item = RegionRef<'c>>,
    budget: &mut Budget,
) -> Result<Option<Region>, Exhausted> {
    match touching(zone, area, covers, budget)? {
        Some((area, covers)) => uncovered(&area, &covers, budget),
        None => Ok(None),
    }
}

/// All parts of `area` in none of `covers`.
///
/// # Errors
/// The proof is out of budget.
pub(crate) fn all_outside<'c>(
    zone: &PodSpace,
    area: RegionRef<'_>,
    covers: impl IntoIterator<Item = RegionRef<'c>>,
    budget: &mut Budget,
) -> Result<Vec<Region>, Exhausted> {
    match touching(zone, area, covers, budget)? {
        Some((area, covers)) => all_uncovered(&area, &covers, budget),
        None => Ok(Vec::new()),
    }
}

/// Comparisons that take as long as creating a finding.
pub(super) const SHOWN: usize = 200;

/// Number of covers whose label keys are named after a proof ran out of budget.
const NAMED: usize = 1_000;

/// Comparisons that a lookup of a key in a zone takes.
const KEY: usize = 8;

/// The covers that may overlap the area, and the area with the zone's values of the keys on which they
/// differ. `None` if one of them contains the whole area, which is the usual change.
fn touching<'c>(
    zone: &PodSpace,
    area: RegionRef<'_>,
    covers: impl IntoIterator<Item = RegionRef<'c>>,
    budget: &mut Budget,
) -> Result<Option<(Region, Vec<RegionRef<'c>>)>, Exhausted> {
    let ranges = area.ranges();
    let mut live = Vec::new();
    let mut covers = covers.into_iter();
    while let Some(cover) = covers.next() {
        if !budget.spend(cover.weight() + ranges) {
            let rest = covers.take(NAMED);
            return Err(Exhausted::of(live.into_iter().chain([cover]).chain(rest)));
        }
        if area.is_subset(cover) {
            return Ok(None);
        }
        if !area.is_disjoint_beyond_subject(cover) {
            live.push(cover);
        }
    }
    let keys = live.iter().flat_map(|cover| cover.subject.constrained());
    let keys: BTreeSet<&Arc<str>> = keys.map(|(key, _)| key).collect();
    if budget.is_spent() || !budget.spend(KEY * keys.len()) {
        return Err(Exhausted::of(live));
    }
    let area = Region {
        subject: zone.written_out(area.subject, keys),
        peer: area.peer.clone(),
        ports: area.ports.clone(),
    };
    Ok(Some((area, live)))
}
