//! Comparisons of interval lists in one pass, without a list in between.

use range_set_blaze::{Integer, RangeSetBlaze};

/// Returns true if `wide` contains all of `few`.
pub(crate) fn is_subset<T: Integer>(few: &RangeSetBlaze<T>, wide: &RangeSetBlaze<T>) -> bool {
    let mut wide = wide.ranges();
    let mut known = wide.next();
    few.ranges().all(|own| {
        while known.as_ref().is_some_and(|range| range.end() < own.end()) {
            known = wide.next();
        }
        let around = known.as_ref();
        around.is_some_and(|range| range.start() <= own.start())
    })
}

/// Returns true if no value is in both.
pub(crate) fn is_disjoint<T: Integer>(a: &RangeSetBlaze<T>, b: &RangeSetBlaze<T>) -> bool {
    let (mut ours, mut theirs) = (a.ranges(), b.ranges());
    let mut next = (ours.next(), theirs.next());
    while let (Some(own), Some(their)) = &next {
        if own.end() < their.start() {
            next.0 = ours.next();
        } else if their.end() < own.start() {
            next.1 = theirs.next();
        } else {
            return false;
        }
    }
    true
}

/// Values in both lists.
pub(crate) fn intersect<T: Integer>(
    a: &RangeSetBlaze<T>,
    b: &RangeSetBlaze<T>,
) -> RangeSetBlaze<T> {
    if is_subset(a, b) {
        a.clone()
    } else if is_disjoint(a, b) {
        RangeSetBlaze::new()
    } else {
        a & b
    }
}

/// Values in `a` that are not in `b`.
pub(crate) fn minus<T: Integer>(a: &RangeSetBlaze<T>, b: &RangeSetBlaze<T>) -> RangeSetBlaze<T> {
    if is_disjoint(a, b) {
        a.clone()
    } else if is_subset(a, b) {
        RangeSetBlaze::new()
    } else {
        a - b
    }
}
