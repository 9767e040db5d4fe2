//! Containment in a pod space: the parts of an area outside of covers.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cover::{Budget, Exhausted, all_uncovered, uncovered};
use crate::pod_space::PodSpace;
use crate::region::{Region, RegionRef};

/// The first part of `area` in none of `covers`.
pub(super) fn outside(
    space: &PodSpace,
    area: &Region,
    covers: &[RegionRef<'_>],
    budget: &mut Budget,
) -> Result<Option<Region>, Exhausted> {
    match touching(space, area, covers, budget)? {
        Some((area, covers)) => uncovered(&area, &covers, budget),
        None => Ok(None),
    }
}

/// All parts of `area` in none of `covers`.
pub(super) fn all_outside(
    space: &PodSpace,
    area: &Region,
    covers: &[RegionRef<'_>],
    budget: &mut Budget,
) -> Result<Vec<Region>, Exhausted> {
    match touching(space, area, covers, budget)? {
        Some((area, covers)) => all_uncovered(&area, &covers, budget),
        None => Ok(Vec::new()),
    }
}

/// The covers that may overlap the area, and the area with the space's values of the keys on which they
/// differ. `None` if one of them contains the whole area.
fn touching<'c>(
    space: &PodSpace,
    area: &Region,
    covers: &[RegionRef<'c>],
    budget: &mut Budget,
) -> Result<Option<(Region, Vec<RegionRef<'c>>)>, Exhausted> {
    let own = RegionRef::from(area);
    let ranges = own.ranges();
    let mut live = Vec::new();
    for cover in covers {
        if !budget.spend(cover.weight() + ranges) {
            return Err(Exhausted::of(covers.iter().copied()));
        }
        if own.is_disjoint_beyond_subject(*cover) {
            continue;
        }
        if own.is_subset(*cover) {
            return Ok(None);
        }
        live.push(*cover);
    }
    let keys = live.iter().flat_map(|cover| cover.subject.constrained());
    let keys: BTreeSet<&Arc<str>> = keys.map(|(key, _)| key).collect();
    let area = Region {
        subject: space.written_out(&area.subject, keys),
        ..area.clone()
    };
    Ok(Some((area, live)))
}
