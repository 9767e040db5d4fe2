//! The clauses of a policy that no other clause of it contains.

use std::collections::BTreeMap;

use super::compiled::Clause;
use crate::PeerSet;
use crate::names::{Listed, Names};

/// The indexes of the clauses that no other one contains. Of equal clauses the first is kept.
pub(super) fn widest(clauses: &[Clause]) -> Vec<usize> {
    let mut index = Index::default();
    for (at, clause) in clauses.iter().enumerate() {
        index.add(at, &clause.peer);
    }
    let is_within = |at: usize, other: usize| {
        let [own, wider] = [at, other].map(|at| &clauses[at]);
        own.peer.is_subset(&wider.peer) && own.ports.is_subset(&wider.ports)
    };
    let is_kept = |at: &usize| {
        let mut wider = index.candidates(&clauses[*at].peer);
        !wider.any(|other| {
            other != *at && is_within(*at, other) && (other < *at || !is_within(other, *at))
        })
    };
    (0..clauses.len()).filter(is_kept).collect()
}

/// A listed value of a label: whether of the namespace, the key and the value.
type Value<'a> = (bool, &'a str, &'a str);

/// Clauses by what they have in common with those that they contain. A comparison of each clause with all
/// others would take quadratic time.
#[derive(Default)]
struct Index<'a> {
    /// By the values of the first label that must have one of them.
    listed: BTreeMap<Value<'a>, Vec<usize>>,
    /// All others: of pods, IPv4 and IPv6 addresses.
    others: [Vec<usize>; 3],
}

impl<'a> Index<'a> {
    fn add(&mut self, at: usize, peer: &'a PeerSet) {
        match labels(peer).next() {
            Some((is_namespace, key, values)) => {
                for value in values {
                    let value = (is_namespace, key, &**value);
                    self.listed.entry(value).or_default().push(at);
                }
            }
            None => self.others[kind(peer)].push(at),
        }
    }

    /// Clauses that may contain this peer.
    fn candidates(&self, peer: &'a PeerSet) -> impl Iterator<Item = usize> {
        let values = labels(peer).filter_map(|(is_namespace, key, values)| {
            let value = (is_namespace, key, &**values.first()?);
            self.listed.get(&value)
        });
        let others = &self.others[kind(peer)];
        others.iter().chain(values.flatten()).copied()
    }
}

const fn kind(peer: &PeerSet) -> usize {
    match peer {
        PeerSet::Pods { .. } => 0,
        PeerSet::V4(_) => 1,
        PeerSet::V6(_) => 2,
    }
}

/// The labels that must have one of some values: whether of the namespace, the key and the values.
fn labels(peer: &PeerSet) -> impl Iterator<Item = (bool, &str, &Listed)> {
    let sets = match peer {
        PeerSet::Pods { namespaces, pods } => vec![(true, namespaces), (false, pods)],
        PeerSet::V4(_) | PeerSet::V6(_) => Vec::new(),
    };
    sets.into_iter().flat_map(|(is_namespace, set)| {
        set.constrained()
            .filter_map(move |(key, values)| match values.values() {
                Names::Only(listed) if !values.allows_absent() => {
                    Some((is_namespace, &**key, listed))
                }
                Names::Only(_) | Names::AllBut(_) => None,
            })
    })
}
