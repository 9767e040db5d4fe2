//! How much is kept of a NetworkPolicy: of one in a guarded namespace what a proof can bear, of any other a stub.
//!
//! A namespace is guarded where an OpenBaoCluster is, readable or not, and where the operator is. No proof is tried with a
//! policy that is larger than the caps, so of one that takes much memory no more than the names and the selector are
//! kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ::kube::Error;
use tokio::sync::watch;

use super::ReviewConfigs;
use super::answers::{Gate, Listing};
use super::follower::Decode;
use crate::config::SizeLimits;
use crate::inventory::read::outline::{Outline, outline};
use crate::inventory::size::{TooLarge, parts, too_large, weight};
use crate::inventory::{
    Change, Fact, Kind, Meta, NamespaceFacts, Object, Policy, Snapshot, Stub, Unreadable, read,
};

/// Memory that the policies of one namespace may take together, in bytes.
const MOST: usize = 24 * 1024 * 1024;
/// Memory that a policy that is larger than the caps may take and is still kept whole.
const HEAVY: usize = 1024 * 1024;
/// Labels and owners that are kept of a policy that is too large, and parts of its selector.
const FEW: usize = 64;
/// What is counted against [`MOST`].
const TOGETHER: &str = "bytes of memory beside the other policies of the namespace";

/// The namespaces whose policies are kept whole; `None` until the clusters are known.
pub(super) type Guarded = Option<Arc<BTreeSet<Arc<str>>>>;

/// An object and its version.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) object: Object,
    pub(super) version: u64,
}

/// The policies of a namespace at one moment, or those of them that were asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Policies {
    pub(super) version: u64,
    pub(super) wanted: Wanted,
    pub(super) found: Vec<Found>,
}

/// Which policies of a namespace are read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Wanted {
    /// Their names; `None` for all.
    names: Option<BTreeSet<Arc<str>>>,
    /// Memory that the others take.
    taken: usize,
}

impl Wanted {
    /// Those that were not read.
    pub(super) fn missing(facts: &NamespaceFacts) -> Self {
        let read = facts.policies.values().filter_map(Fact::read);
        Self {
            names: Some(facts.stubs.keys().cloned().collect()),
            taken: read.map(|policy| weight(policy)).sum(),
        }
    }

    fn holds(&self, name: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.contains(name))
    }
}

/// Makes facts of policies, as much of each as is kept.
pub(super) fn decoder(guarded: watch::Receiver<Guarded>, configs: ReviewConfigs) -> Decode {
    Box::new(move |outline, json| {
        let caps = configs.borrow().caps;
        Some(kept(outline, json, &guarded.borrow(), &caps))
    })
}

/// A policy, as much of it as is kept.
fn kept(outline: &Outline, json: &[u8], guarded: &Guarded, caps: &SizeLimits) -> Found {
    let is_guarded = |guarded: &Arc<BTreeSet<_>>| guarded.contains(&outline.namespace);
    let object = if guarded.as_ref().is_some_and(is_guarded) {
        Object::Policy(whole(outline, json, caps))
    } else {
        let stub = Stub::read(outline, json);
        Object::Stub(outline.namespace.clone(), Arc::new(stub))
    };
    Found {
        object,
        version: outline.number(),
    }
}

/// A policy as far as a proof can bear it.
fn whole(outline: &Outline, json: &[u8], caps: &SizeLimits) -> Fact<Policy> {
    let fact = read::policy(json, &outline.of_kind(Kind::NetworkPolicy));
    let heavy = fact.read().filter(|policy| weight(policy) > HEAVY);
    let size = heavy.and_then(|policy| too_large(policy, caps).into_iter().next());
    match size {
        Some(size) => oversize(&fact, size),
        None => fact,
    }
}

/// What is kept of a policy that is too large.
fn oversize(fact: &Fact<Policy>, size: TooLarge) -> Fact<Policy> {
    let Fact::Read(policy) = fact else {
        return fact.clone();
    };
    let meta = if policy.meta.labels.len() + policy.meta.owners.len() <= FEW {
        policy.meta.clone()
    } else {
        Meta {
            namespace: policy.meta.namespace.clone(),
            name: policy.meta.name.clone(),
            ..Meta::default()
        }
    };
    let pods = Some(&policy.pods)
        .filter(|pods| parts(pods) <= FEW)
        .cloned();
    Fact::Unreadable(Arc::new(Unreadable::too_large(meta, size, pods)))
}

/// The size of a policy for which there is only so much room beside the others of its namespace.
fn beside_others(found: usize, room: usize) -> TooLarge {
    TooLarge {
        path: String::new(),
        what: TOGETHER,
        found,
        cap: room,
    }
}

/// Reads the policies of a namespace, each as far as a proof can bear it, and no more of all than fits.
pub(super) async fn read(
    listing: &Listing,
    wanted: Wanted,
    caps: &SizeLimits,
    gate: &mut Gate,
) -> Result<Policies, Error> {
    let mut taken = wanted.taken;
    let mut take = |json: &[u8]| {
        let outline = outline(json).filter(|outline| wanted.holds(&outline.name))?;
        let mut fact = whole(&outline, json, caps);
        let own = fact.read().map_or(0, |policy| weight(policy));
        if taken + own > MOST {
            fact = oversize(&fact, beside_others(own, MOST.saturating_sub(taken)));
        } else {
            taken += own;
        }
        Some(Found {
            version: outline.number(),
            object: Object::Policy(fact),
        })
    };
    let (found, version) = listing.all(gate, &mut take).await?;
    Ok(Policies {
        version,
        wanted,
        found,
    })
}

/// The namespaces that are guarded.
pub(super) fn guarded(facts: &Snapshot, operator: &Arc<str>) -> BTreeSet<Arc<str>> {
    let namespaces = facts.namespaces.iter();
    let clusters = namespaces.filter(|(_, facts)| !facts.clusters.is_empty());
    let clusters = clusters.map(|(name, _)| name.clone());
    clusters.chain([operator.clone()]).collect()
}

/// What makes stubs of the policies where nothing is guarded any more.
pub(super) fn shrunk(facts: &Snapshot, guarded: &BTreeSet<Arc<str>>) -> Vec<Change> {
    let namespaces = facts.namespaces.iter();
    let others = namespaces.filter(|(name, _)| !guarded.contains(*name));
    others
        .flat_map(|(name, facts)| {
            facts
                .policies
                .values()
                .map(move |policy| unread(name, policy))
        })
        .collect()
}

/// What keeps the policies of a guarded namespace within what they may take together: the largest go first, and are read
/// again once there is room.
pub(super) fn fitted(namespace: &Arc<str>, facts: &NamespaceFacts) -> Vec<Change> {
    let read = facts.policies.values().filter_map(|fact| {
        let policy = fact.read()?;
        Some((weight(policy), fact))
    });
    let mut read: Vec<(usize, &Fact<Policy>)> = read.collect();
    read.sort_by_key(|(weight, _)| *weight);
    let mut total: usize = read.iter().map(|(weight, _)| weight).sum();
    let mut changes = Vec::new();
    while total > MOST
        && let Some((weight, fact)) = read.pop()
    {
        total -= weight;
        let fact = oversize(fact, beside_others(weight, MOST.saturating_sub(total)));
        changes.push(Change::Set(Object::Policy(fact)));
    }
    if changes.is_empty() {
        for (fact, size) in too_large_ones(facts) {
            if size.what == TOGETHER && total + size.found <= MOST {
                total += size.found;
                changes.push(unread(namespace, fact));
            }
        }
    }
    changes
}

/// The policies that are too large, and what is.
fn too_large_ones(facts: &NamespaceFacts) -> impl Iterator<Item = (&Fact<Policy>, &TooLarge)> {
    facts.policies.values().filter_map(|fact| match fact {
        Fact::Read(_) => None,
        Fact::Unreadable(broken) => Some((fact, &broken.too_large.as_ref()?.size)),
    })
}

fn unread(namespace: &Arc<str>, policy: &Fact<Policy>) -> Change {
    let stub = Arc::new(Stub::of(policy));
    Change::Set(Object::Stub(namespace.clone(), stub))
}

/// What makes stubs of the policies that are too large, so that they are read again under other caps.
pub(super) fn reconsidered(facts: &Snapshot) -> Vec<Change> {
    let of_namespace = |(name, facts): (_, &Arc<NamespaceFacts>)| -> Vec<Change> {
        let large = too_large_ones(facts);
        large.map(|(fact, _)| unread(name, fact)).collect()
    };
    facts.namespaces.iter().flat_map(of_namespace).collect()
}

/// The policies that were read and take the place of stubs that are no newer, and the stubs whose policies are gone.
pub(super) fn merged<'a>(
    stubs: &'a BTreeMap<Arc<str>, Arc<Stub>>,
    read: &'a Policies,
) -> (Vec<(&'a Stub, &'a Found)>, Vec<Arc<str>>) {
    let by_name = read.found.iter();
    let by_name: BTreeMap<_, _> = by_name
        .map(|found| (found.object.reference().name, found))
        .collect();
    let (mut newer, mut gone) = (Vec::new(), Vec::new());
    for stub in stubs.values() {
        match by_name.get(&stub.name) {
            Some(found) if found.version >= stub.version => newer.push((&**stub, *found)),
            None if stub.version <= read.version && read.wanted.holds(&stub.name) => {
                gone.push(stub.name.clone());
            }
            // It was written after the read began, and is read again.
            _ => {}
        }
    }
    (newer, gone)
}
