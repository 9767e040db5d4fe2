//! Storage of NetworkPolicies: those in a guarded namespace are kept as far as proofs can use them, all
//! others as stubs.
//!
//! A namespace is guarded if it has an OpenBaoCluster, readable or not, or the operator. No proof uses a
//! policy that is larger than the limits. If such a policy takes much memory, only its names and selector are
//! kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ::kube::Error;
use tokio::sync::watch;

use super::ReviewConfigs;
use super::follower::Decode;
use super::responses::{Gate, Listing};
use super::scope;
use crate::config::SizeLimits;
use crate::inventory::read::outline::{Outline, outline};
use crate::inventory::size::{TooLarge, parts, too_large, weight};
use crate::inventory::{
    Change, Fact, Kind, Meta, NamespaceFacts, Object, Policy, Snapshot, Stub, Unreadable, read,
};

/// Memory limit for the policies of one namespace, in bytes. It is lower where all guarded namespaces
/// together reach `review.policyMemory`.
pub(super) const MAX_LIMIT: usize = 24 * 1024 * 1024;
/// Memory limit for one policy that is larger than the limits for proofs, in bytes. Below it the policy is
/// kept.
const HEAVY: usize = 1024 * 1024;
/// Maximum number of labels, owners and selector parts that are kept of a policy that is too large.
const FEW: usize = 64;
/// Unit of the memory limit in messages.
pub(super) const TOGETHER: &str = "bytes of memory next to the other policies of the namespace";

/// The guarded namespaces; `None` until the clusters are known.
pub(super) type Guarded = Option<Arc<BTreeSet<Arc<str>>>>;

/// An object and its resource version.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct VersionedObject {
    pub(super) object: Object,
    pub(super) version: u64,
}

/// Policies of a namespace at one point in time: all, or the requested ones.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Policies {
    pub(super) version: u64,
    pub(super) wanted: Wanted,
    pub(super) found: Vec<VersionedObject>,
}

/// The policies of a namespace that are to be read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    /// Their names; `None` for all.
    names: Option<BTreeSet<Arc<str>>>,
    /// Memory of the other policies.
    taken: usize,
    /// Memory limit for the policies of the namespace.
    limit: usize,
}

impl Wanted {
    /// All policies.
    pub(super) const fn all() -> Self {
        Self {
            names: None,
            taken: 0,
            limit: MAX_LIMIT,
        }
    }

    /// Policies that were not read yet.
    pub(super) fn missing(facts: &NamespaceFacts, limit: usize) -> Self {
        let read = facts.policies.values().filter_map(Fact::read);
        Self {
            names: Some(facts.stubs.keys().cloned().collect()),
            taken: read.map(|policy| weight(policy)).sum(),
            limit,
        }
    }

    fn holds(&self, name: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.contains(name))
    }
}

/// Converts policies into facts, and drops what is not kept.
pub(super) fn decoder(guarded: watch::Receiver<Guarded>, configs: ReviewConfigs) -> Decode {
    Box::new(move |outline, json| {
        let caps = configs.borrow().caps;
        Some(kept(outline, json, &guarded.borrow(), &caps))
    })
}

/// The part of a policy that is kept.
fn kept(outline: &Outline, json: &[u8], guarded: &Guarded, caps: &SizeLimits) -> VersionedObject {
    let is_guarded = |guarded: &Arc<BTreeSet<_>>| guarded.contains(&outline.namespace);
    let object = if guarded.as_ref().is_some_and(is_guarded) {
        Object::Policy(whole(outline, json, caps))
    } else {
        let stub = Stub::read(outline, json);
        Object::Stub(outline.namespace.clone(), Arc::new(stub))
    };
    VersionedObject {
        object,
        version: outline.number(),
    }
}

/// A policy, as far as proofs can use it.
fn whole(outline: &Outline, json: &[u8], caps: &SizeLimits) -> Fact<Policy> {
    let fact = read::policy(json, &outline.of_kind(Kind::NetworkPolicy));
    let heavy = fact.read().filter(|policy| weight(policy) > HEAVY);
    let size = heavy.and_then(|policy| too_large(policy, caps).into_iter().next());
    match (size, &fact) {
        (Some(size), _) => oversize(&fact, size),
        (None, Fact::Unreadable(broken)) if broken.too_large.is_some() => {
            let meta = few(&broken.meta);
            let broken = Unreadable::clone(broken);
            Fact::Unreadable(Arc::new(Unreadable { meta, ..broken }))
        }
        (None, _) => fact,
    }
}

/// The metadata that is kept of a policy that is too large: the names if there is much more.
fn few(meta: &Meta) -> Meta {
    if meta.labels.len() + meta.annotations.len() + meta.owners.len() <= FEW {
        return meta.clone();
    }
    Meta {
        namespace: meta.namespace.clone(),
        name: meta.name.clone(),
        ..Meta::default()
    }
}

/// The part of a policy that is too large that is kept.
pub(super) fn oversize(fact: &Fact<Policy>, size: TooLarge) -> Fact<Policy> {
    let Fact::Read(policy) = fact else {
        return fact.clone();
    };
    let meta = few(&policy.meta);
    let pods = Some(&policy.pods)
        .filter(|pods| parts(pods) <= FEW)
        .cloned();
    Fact::Unreadable(Arc::new(Unreadable::too_large(meta, size, pods)))
}

/// The size error of a policy that does not fit next to the others of its namespace.
pub(super) fn no_room(found: usize, room: usize) -> TooLarge {
    TooLarge {
        path: String::new(),
        what: TOGETHER,
        found,
        cap: room,
    }
}

/// Reads the policies of a namespace, within the memory limit of the namespace.
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
        if taken + own > wanted.limit {
            fact = oversize(&fact, no_room(own, wanted.limit.saturating_sub(taken)));
        } else {
            taken += own;
        }
        Some(VersionedObject {
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

/// The guarded namespaces.
pub(super) fn guarded(facts: &Snapshot, operator: &Arc<str>) -> BTreeSet<Arc<str>> {
    let namespaces = facts.namespaces.iter();
    let clusters = namespaces.filter(|(_, facts)| !facts.clusters.is_empty());
    let clusters = clusters.map(|(name, _)| name.clone());
    clusters.chain([operator.clone()]).collect()
}

/// Changes that turn policies of namespaces that are not guarded into stubs, and drop what is kept of guarded
/// namespaces only.
pub(super) fn shrunk(facts: &Snapshot, guarded: &BTreeSet<Arc<str>>) -> Vec<Change> {
    let namespaces = facts.namespaces.iter();
    let others = namespaces.filter(|(name, _)| !guarded.contains(*name));
    let changes = others.flat_map(|(name, facts)| {
        let policies = facts.policies.values();
        let stubs = policies.map(move |policy| unread(name, policy));
        stubs.chain(scope::dropped(facts))
    });
    changes.collect()
}

/// Changes that bring the policies of a guarded namespace within its memory limit. The largest are dropped
/// first. They are read again when there is room.
pub(super) fn fitted(namespace: &Arc<str>, facts: &NamespaceFacts, limit: usize) -> Vec<Change> {
    let read = facts.policies.values().filter_map(|fact| {
        let policy = fact.read()?;
        Some((weight(policy), fact))
    });
    let mut read: Vec<(usize, &Fact<Policy>)> = read.collect();
    read.sort_by_key(|(weight, _)| *weight);
    let mut total: usize = read.iter().map(|(weight, _)| weight).sum();
    let mut changes = Vec::new();
    while total > limit
        && let Some((weight, fact)) = read.pop()
    {
        total -= weight;
        let fact = oversize(fact, no_room(weight, limit.saturating_sub(total)));
        changes.push(Change::Set(Object::Policy(fact)));
    }
    if changes.is_empty() {
        for (fact, size) in too_large_ones(facts) {
            if size.what == TOGETHER && total + size.found <= limit {
                total += size.found;
                changes.push(unread(namespace, fact));
            }
        }
    }
    changes
}

/// The policies that are too large, with their sizes.
pub(super) fn too_large_ones(
    facts: &NamespaceFacts,
) -> impl Iterator<Item = (&Fact<Policy>, &TooLarge)> {
    facts.policies.values().filter_map(|fact| match fact {
        Fact::Read(_) => None,
        Fact::Unreadable(broken) => Some((fact, broken.too_large.as_deref()?)),
    })
}

fn unread(namespace: &Arc<str>, policy: &Fact<Policy>) -> Change {
    let stub = Arc::new(Stub::of(policy));
    Change::Set(Object::Stub(namespace.clone(), stub))
}

/// Changes that turn policies that are too large into stubs, so that they are read again with other limits.
pub(super) fn reconsidered(facts: &Snapshot) -> Vec<Change> {
    let of_namespace = |(name, facts): (_, &Arc<NamespaceFacts>)| -> Vec<Change> {
        let large = too_large_ones(facts);
        large.map(|(fact, _)| unread(name, fact)).collect()
    };
    facts.namespaces.iter().flat_map(of_namespace).collect()
}

/// Policies that were read and replace stubs that are not newer, and stubs whose policies no longer exist.
pub(super) fn merged<'a>(
    stubs: &'a BTreeMap<Arc<str>, Arc<Stub>>,
    read: &'a Policies,
) -> (Vec<(&'a Stub, &'a VersionedObject)>, Vec<Arc<str>>) {
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
            // It was written after the read started, and is read again.
            _ => {}
        }
    }
    (newer, gone)
}
