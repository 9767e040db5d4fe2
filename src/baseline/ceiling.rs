//! The ceiling of one direction, with an index that finds the entry for a rule without a full scan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Entry;
use netpol::{PeerSet, RegionRef};

/// Maximum number of namespace names that are looked up one by one.
const FEW: usize = 16;

/// The entries of the ceiling in one direction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ceiling {
    entries: Vec<Entry>,
    /// Entries for pods of listed namespaces, by namespace name.
    by_namespace: BTreeMap<Arc<str>, Group>,
    /// All other entries.
    rest: Group,
    /// Comparisons needed to look at all entries.
    weight: usize,
}

/// Indexes of some entries.
#[derive(Clone, Debug, Default)]
struct Group {
    entries: Vec<usize>,
    weight: usize,
}

impl Group {
    fn push(&mut self, at: usize, entry: &Entry) {
        self.entries.push(at);
        self.weight += RegionRef::from(&entry.region).weight();
    }
}

impl Ceiling {
    /// A ceiling of these entries.
    pub(crate) fn new(entries: Vec<Entry>) -> Self {
        let mut ceiling = Self::default();
        for (at, entry) in entries.iter().enumerate() {
            let listed = match &entry.region.peer {
                PeerSet::Pods { namespaces, .. } => namespaces.namespace_names(),
                PeerSet::V4(_) | PeerSet::V6(_) => None,
            };
            match listed {
                Some(names) => {
                    for name in names {
                        let of_name = ceiling.by_namespace.entry(name.clone()).or_default();
                        of_name.push(at, entry);
                    }
                }
                None => ceiling.rest.push(at, entry),
            }
            ceiling.weight += RegionRef::from(&entry.region).weight();
        }
        Self { entries, ..ceiling }
    }

    /// The entries, in the order of the table.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Comparisons needed to look at all entries.
    pub(crate) const fn weight(&self) -> usize {
        self.weight
    }

    /// An entry that contains the whole region. An entry for listed namespaces can only contain pods of these
    /// namespaces, so only the entries of one listed namespace are compared.
    pub(crate) fn holder(&self, region: RegionRef<'_>) -> Option<&Entry> {
        let listed = self.listed(region.peer).into_iter();
        let candidates = listed.chain([&self.rest]).flat_map(|group| &group.entries);
        let mut entries = candidates.filter_map(|at| self.entries.get(*at));
        entries.find(|entry| region.is_subset((&entry.region).into()))
    }

    /// The regions that may overlap the region, in the order of the table.
    pub(crate) fn touching(&self, region: RegionRef<'_>) -> Vec<RegionRef<'_>> {
        let names = match region.peer {
            PeerSet::Pods { namespaces, .. } => namespaces.namespace_names(),
            PeerSet::V4(_) | PeerSet::V6(_) => None,
        };
        let Some(names) = names.filter(|names| names.count() <= FEW) else {
            let all = self.entries.iter();
            return all.map(|entry| (&entry.region).into()).collect();
        };
        let listed = names.iter().filter_map(|name| self.by_namespace.get(name));
        let groups = listed.chain([&self.rest]);
        let numbers: BTreeSet<&usize> = groups.flat_map(|group| &group.entries).collect();
        let entries = numbers.into_iter().filter_map(|at| self.entries.get(*at));
        entries.map(|entry| (&entry.region).into()).collect()
    }

    /// Comparisons that [`holder`](Self::holder) may need.
    pub(crate) fn to_look_at(&self, region: RegionRef<'_>) -> usize {
        let listed = self.listed(region.peer).into_iter();
        let groups = listed.chain([&self.rest]);
        groups
            .map(|group| group.weight + group.entries.len() * region.ranges())
            .sum()
    }

    fn listed(&self, peer: &PeerSet) -> Option<&Group> {
        let names = match peer {
            PeerSet::Pods { namespaces, .. } => namespaces.namespace_names(),
            PeerSet::V4(_) | PeerSet::V6(_) => None,
        };
        self.by_namespace.get(names?.first()?)
    }
}
