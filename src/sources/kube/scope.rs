//! Namespaces of which more is kept: those with an OpenBaoCluster, and that of the operator. Labels of a Namespace and
//! policies of other kinds matter only there.
//!
//! Other objects are dropped when they are decoded. When another namespace becomes guarded, the kind is listed again.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::watch;

use super::decoder;
use super::follower::Decode;
use super::policies::{Guarded, VersionedObject};
use crate::inventory::{Change, Fact, Kind, KindUse, Namespace, NamespaceFacts, Object};

/// Scope of a watch.
pub(super) struct Scope {
    guarded: watch::Receiver<Guarded>,
    /// The guarded namespaces of which everything is listed.
    listed: Guarded,
}

/// Returns true if only objects of guarded namespaces are kept as a whole.
pub(super) fn is_scoped(kind: Kind) -> bool {
    kind == Kind::Namespace || kind.used_for() == KindUse::Seen && !kind.is_cluster_scoped()
}

/// The conversion of such a kind's objects into facts.
pub(super) fn scoped_decoder(kind: Kind, guarded: watch::Receiver<Guarded>) -> Decode {
    let decode = decoder(kind);
    Box::new(move |outline, json| {
        let found = decode(outline, json)?;
        let reference = found.object.reference();
        let guarded = guarded.borrow();
        let is_guarded = guarded
            .as_ref()
            .is_some_and(|guarded| guarded.contains(reference.home()));
        match found.object {
            object if is_guarded => Some(VersionedObject { object, ..found }),
            Object::Namespace(fact) => Some(VersionedObject {
                object: Object::Namespace(unlabelled(fact)),
                version: found.version,
            }),
            _ => None,
        }
    })
}

/// Changes that drop what is not kept of a namespace that is not guarded.
pub(super) fn dropped(facts: &NamespaceFacts) -> Vec<Change> {
    let policies = facts
        .others()
        .map(|(reference, _)| Change::Remove(reference));
    let labelled = facts.namespace.iter().filter(|namespace| {
        let namespace = namespace.read();
        namespace.is_some_and(|namespace| namespace.labels.is_some())
    });
    let namespaces = labelled.map(|fact| Object::Namespace(unlabelled(fact.clone())));
    policies.chain(namespaces.map(Change::Set)).collect()
}

fn unlabelled(fact: Fact<Namespace>) -> Fact<Namespace> {
    match fact {
        Fact::Read(namespace) => Fact::Read(Arc::new(Namespace {
            name: namespace.name.clone(),
            terminating: namespace.terminating,
            labels: None,
        })),
        Fact::Unreadable(_) => fact,
    }
}

impl Scope {
    pub(super) const fn new(guarded: watch::Receiver<Guarded>) -> Self {
        Self {
            guarded,
            listed: None,
        }
    }

    /// Records that a list begins.
    pub(super) fn begin(&mut self) {
        self.listed.clone_from(&self.guarded.borrow_and_update());
    }

    /// Waits until another namespace is guarded.
    pub(super) async fn grown(&mut self) {
        loop {
            let now = self.guarded.borrow_and_update().clone();
            let is_grown = match (&now, &self.listed) {
                (None, _) => false,
                (Some(_), None) => true,
                // One that was not guarded for a moment has another list.
                (Some(now), Some(listed)) => {
                    !now.is_subset(listed) || now == listed && !Arc::ptr_eq(now, listed)
                }
            };
            if is_grown {
                return;
            }
            self.listed = now;
            if self.guarded.changed().await.is_err() {
                pending::<()>().await;
            }
        }
    }
}

/// Waits until a scope has grown, or forever without a scope.
pub(super) async fn grown(scope: Option<&mut Scope>) {
    match scope {
        Some(scope) => scope.grown().await,
        None => pending().await,
    }
}
