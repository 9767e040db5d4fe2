//! The ceiling of one direction, indexed so that the entry that holds a rule is found without
//! looking at all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Entry;
use crate::perimeter::{PeerSet, Region};

/// The entries of the ceiling in one direction.
#[derive(Clone, Debug, Default)]
pub struct Ceiling {
    entries: Vec<Entry>,
    /// Entries for pods of listed namespaces, by each name.
    by_namespace: BTreeMap<Arc<str>, Vec<usize>>,
    /// All others.
    rest: Vec<usize>,
}

impl Ceiling {
    /// A ceiling of these entries.
    pub fn new(entries: Vec<Entry>) -> Self {
        let mut ceiling = Self::default();
        for (at, entry) in entries.iter().enumerate() {
            let listed = match &entry.region.peer {
                PeerSet::Pods { namespaces, .. } => namespaces.namespace_names(),
                PeerSet::V4(_) | PeerSet::V6(_) => None,
            };
            match listed {
                Some(names) => {
                    for name in names {
                        ceiling
                            .by_namespace
                            .entry(name.clone())
                            .or_default()
                            .push(at);
                    }
                }
                None => ceiling.rest.push(at),
            }
        }
        Self { entries, ..ceiling }
    }

    /// The entries, in the order of the table.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// An entry that holds all of the region by itself. An entry for listed namespaces can only
    /// hold pods of namespaces that it lists, so those of one of them are all to look at.
    pub fn holder(&self, region: &Region) -> Option<&Entry> {
        let candidates = self.listed(region).iter().chain(&self.rest);
        let mut entries = candidates.filter_map(|at| self.entries.get(*at));
        entries.find(|entry| region.is_subset(&entry.region))
    }

    /// How many entries [`holder`](Self::holder) may have to look at.
    pub fn candidates(&self, region: &Region) -> usize {
        self.listed(region).len() + self.rest.len()
    }

    fn listed(&self, region: &Region) -> &[usize] {
        let names = match &region.peer {
            PeerSet::Pods { namespaces, .. } => namespaces.namespace_names(),
            PeerSet::V4(_) | PeerSet::V6(_) => None,
        };
        let first = names.and_then(|names| self.by_namespace.get(names.first()?));
        first.map_or(&[], Vec::as_slice)
    }
}
