//! Memory of the policies of guarded namespaces, shared fairly.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::policies::{MAX_LIMIT, TOGETHER, no_room, oversize, too_large_ones};
use crate::inventory::size::{TooLarge, weight};
use crate::inventory::{Fact, NamespaceFacts, Policy};

/// Memory limits of the guarded namespaces: of all together, and of each.
#[derive(Debug)]
pub(super) struct Rooms {
    /// Memory that the policies of a namespace would take, also those that were dropped.
    demands: BTreeMap<Arc<str>, usize>,
    /// The limit in force.
    limit: usize,
    /// Memory of the policies of each namespace in an incomplete list.
    pub(super) listed: BTreeMap<Arc<str>, usize>,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            demands: BTreeMap::new(),
            limit: MAX_LIMIT,
            listed: BTreeMap::new(),
        }
    }
}

impl Rooms {
    /// The part of a listed policy that is kept: the known one if it is equal or was dropped at the same size.
    pub(super) fn list(
        &mut self,
        fact: &Fact<Policy>,
        known: Option<&Fact<Policy>>,
    ) -> Fact<Policy> {
        let Fact::Read(policy) = fact else {
            let known = known.filter(|known| *known == fact);
            return known.unwrap_or(fact).clone();
        };
        let own = weight(policy);
        if let Some(Fact::Unreadable(broken)) = known
            && let Some(size) = &broken.too_large
            && (size.what, size.found) == (TOGETHER, own)
            && let dropped = oversize(fact, TooLarge::clone(size))
            && known == Some(&dropped)
        {
            return Fact::Unreadable(Arc::clone(broken));
        }
        let taken = self
            .listed
            .entry(policy.meta.namespace.clone())
            .or_default();
        if *taken + own > self.limit {
            return oversize(fact, no_room(own, self.limit.saturating_sub(*taken)));
        }
        *taken += own;
        known.filter(|known| *known == fact).unwrap_or(fact).clone()
    }

    /// Sets the memory that the policies of a namespace would take.
    pub(super) fn demand(&mut self, namespace: &Arc<str>, facts: &NamespaceFacts) {
        let read = facts.policies.values().filter_map(Fact::read);
        let read: usize = read.map(|policy| weight(policy)).sum();
        let dropped = too_large_ones(facts).filter(|(_, size)| size.what == TOGETHER);
        let dropped: usize = dropped.map(|(_, size)| size.found).sum();
        self.demands.insert(namespace.clone(), read + dropped);
    }

    /// Keeps the demands of guarded namespaces only.
    pub(super) fn retain(&mut self, guarded: &BTreeSet<Arc<str>>) {
        self.demands.retain(|name, _| guarded.contains(name));
    }

    /// The limit for the policies of one namespace.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// Sets the limit from the demands. Returns true if it changed.
    pub(super) fn share(&mut self, together: usize) -> bool {
        let limit = fair_share(self.demands.values().copied().collect(), together);
        std::mem::replace(&mut self.limit, limit) != limit
    }
}

/// The largest limit, at most [`MAX_LIMIT`], with which all demands take no more than `together`. A namespace
/// below it gets what it needs, so that the large ones share what the small ones leave.
fn fair_share(mut demands: Vec<usize>, together: usize) -> usize {
    demands.sort_unstable();
    let mut left = together;
    for (at, demand) in demands.iter().enumerate() {
        let share = left / (demands.len() - at);
        if demand.min(&MAX_LIMIT) > &share {
            return share;
        }
        left -= demand.min(&MAX_LIMIT);
    }
    MAX_LIMIT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_namespaces_share_what_small_ones_leave() {
        for (demands, together, share) in [
            (vec![], 10, MAX_LIMIT),
            (vec![1, 2, 3], 10, MAX_LIMIT),
            (vec![1, 2, 30], 10, 7),
            (vec![30, 1, 20], 10, 4),
            (vec![30, 30, 30], 10, 3),
            (vec![2 * MAX_LIMIT, 3], MAX_LIMIT + 3, MAX_LIMIT),
            (vec![2 * MAX_LIMIT, 3], MAX_LIMIT + 2, MAX_LIMIT - 1),
        ] {
            assert_eq!(
                fair_share(demands.clone(), together),
                share,
                "{demands:?} in {together}"
            );
        }
    }
}
