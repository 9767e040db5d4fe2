//! Collects the steps of all watches and publishes snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use super::policies::{self, Guarded, Policies, VersionedObject};
use super::reads::Reads;
use super::rooms::Rooms;
use super::{KINDS, ReviewConfigs};
use crate::config::ReviewConfig;
use crate::inventory::{Change, Completeness, Kind, Object, ObjectRef, Services, Snapshot, Unread};
use crate::sources::Updates;

/// Minimum time between snapshots during a series of events.
const PAUSE: Duration = Duration::from_millis(20);

/// A step of one watch.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// An object of a list.
    Listed(Object),
    /// The list is complete: objects that are not in it were deleted.
    Done,
    /// An object exists with this content.
    Set(VersionedObject),
    /// An object was deleted, at a resource version.
    Remove(ObjectRef, u64),
    /// The policies of a namespace were read; `None` after a failure.
    Read(Arc<str>, Option<Policies>),
    /// The watch is lost. A partial list starts again.
    Interrupted,
    /// The API server is proved to serve the kind in no version, so there are no objects.
    Absent,
    /// The kind is not listed. Nothing more is known of it.
    Unread(Unread),
    /// The ports of Services were read.
    Services(Arc<Services>),
}

/// Builds snapshots from steps.
pub(super) struct SnapshotBuilder {
    updates: Updates,
    /// The latest facts. They are published once every kind is complete.
    known: Arc<Snapshot>,
    /// Objects of incomplete lists.
    lists: BTreeMap<Kind, Vec<Object>>,
    complete: BTreeSet<Kind>,
    published: bool,
    configs: ReviewConfigs,
    /// Configuration in force.
    config: Arc<ReviewConfig>,
    /// Channel for the guarded namespaces.
    guarded: watch::Sender<Guarded>,
    reads: Reads,
    rooms: Rooms,
    /// Policies that were read and not merged yet.
    read: Vec<(Arc<str>, Policies)>,
    /// Resource versions of policies that were read and that their watch has not reached yet.
    ahead: BTreeMap<ObjectRef, u64>,
}

impl SnapshotBuilder {
    pub(super) fn new(
        updates: Updates,
        guarded: watch::Sender<Guarded>,
        mut configs: ReviewConfigs,
        reads: Reads,
    ) -> Self {
        let config = Arc::clone(&configs.borrow_and_update());
        Self {
            updates,
            known: Arc::default(),
            lists: BTreeMap::new(),
            complete: BTreeSet::new(),
            published: false,
            configs,
            config,
            guarded,
            reads,
            rooms: Rooms::default(),
            read: Vec::new(),
            ahead: BTreeMap::new(),
        }
    }

    /// Runs until all watches have ended.
    pub(super) async fn run(mut self, mut steps: mpsc::Receiver<(Kind, Step)>) {
        let mut earliest = Instant::now();
        loop {
            let mut changes = Vec::new();
            tokio::select! {
                first = steps.recv() => match first {
                    Some(first) => self.take(first, &mut changes),
                    None => return,
                },
                config = next_config(&mut self.configs) => self.decide(config, &mut changes),
            }
            let latest = earliest.max(Instant::now()) + PAUSE;
            // Idle: returns at once with what is there. Busy: waits for the pause.
            while let Some(next) = next(&mut steps, earliest, latest).await {
                self.take(next, &mut changes);
            }
            self.publish(changes);
            earliest = Instant::now() + PAUSE;
        }
    }

    fn take(&mut self, (kind, step): (Kind, Step), changes: &mut Vec<Change>) {
        match step {
            Step::Listed(object) => {
                let object = self.listed(object);
                self.lists.entry(kind).or_default().push(object);
            }
            Step::Done => {
                let listed = self.finish(kind);
                self.ahead.retain(|reference, _| reference.kind != kind);
                self.replace(kind, Completeness::Whole, listed, changes);
            }
            Step::Set(VersionedObject { object, version }) => {
                if self.is_news(&object.reference(), version) {
                    changes.push(Change::Set(object));
                }
            }
            Step::Remove(reference, version) => {
                if self.is_news(&reference, version) {
                    changes.push(Change::Remove(reference));
                }
            }
            Step::Read(namespace, policies) => {
                self.reads.ended(&namespace, policies.as_ref());
                self.read.extend(policies.map(|read| (namespace, read)));
            }
            Step::Interrupted => drop(self.finish(kind)),
            Step::Absent => {
                self.finish(kind);
                self.replace(kind, Completeness::Unserved, Vec::new(), changes);
            }
            Step::Services(services) => changes.push(Change::Services(services)),
            Step::Unread(reason) => {
                self.finish(kind);
                changes.push(Change::Completeness(kind, Completeness::Unread(reason)));
                self.complete.insert(kind);
            }
        }
    }

    /// Replaces all objects of a kind. Objects that are not listed are removed, even if a change in this
    /// round would set them: the list is newer.
    fn replace(
        &mut self,
        kind: Kind,
        extent: Completeness,
        listed: Vec<Object>,
        changes: &mut Vec<Change>,
    ) {
        let is_other = |change: &Change| match change {
            Change::Set(object) => object.reference().kind != kind,
            Change::Remove(reference) => reference.kind != kind,
            Change::Completeness(other, _) => *other != kind,
            Change::Services(_) => true,
        };
        changes.retain(is_other);
        let still: BTreeSet<ObjectRef> = listed.iter().map(Object::reference).collect();
        let gone = self.known.references(kind);
        let gone = gone
            .into_iter()
            .filter(|reference| !still.contains(reference));
        changes.extend(gone.map(Change::Remove));
        changes.extend(listed.into_iter().map(Change::Set));
        changes.push(Change::Completeness(kind, extent));
        self.complete.insert(kind);
    }

    /// Returns true if a version of an object is not older than one that was read.
    fn is_news(&mut self, reference: &ObjectRef, version: u64) -> bool {
        if self
            .ahead
            .get(reference)
            .is_some_and(|read| version < *read)
        {
            return false;
        }
        self.ahead.remove(reference);
        true
    }

    /// Ends a list, and returns its objects.
    fn finish(&mut self, kind: Kind) -> Vec<Object> {
        if kind == Kind::NetworkPolicy {
            self.rooms.listed.clear();
        }
        self.lists.remove(&kind).unwrap_or_default()
    }

    /// The part of a listed object that is kept. It is the known one if that is equal, so that a new list takes
    /// no memory.
    fn listed(&mut self, object: Object) -> Object {
        let namespace = object.reference().namespace;
        let known = || self.known.namespace(&namespace);
        match &object {
            Object::Policy(fact) => {
                let known = known().and_then(|facts| facts.policies.get(&fact.meta().name));
                Object::Policy(self.rooms.list(fact, known))
            }
            Object::Stub(_, stub) => {
                let known = known().and_then(|facts| facts.stubs.get_key_value(&stub.name));
                match known.filter(|(_, known)| *known == stub) {
                    Some((_, known)) => Object::Stub(namespace, Arc::clone(known)),
                    None => object,
                }
            }
            _ => object,
        }
    }

    /// Applies a new configuration, which may guard another namespace or allow larger policies.
    fn decide(&mut self, config: Arc<ReviewConfig>, changes: &mut Vec<Change>) {
        if config.caps != self.config.caps {
            changes.extend(policies::reconsidered(&self.known));
        }
        self.config = config;
    }

    /// Replaces stubs by policies that were read.
    fn merge(&mut self, mut facts: Snapshot) -> Snapshot {
        for (namespace, read) in mem::take(&mut self.read) {
            let Some(known) = facts.namespace(&namespace).cloned() else {
                continue;
            };
            let (newer, gone) = policies::merged(&known.stubs, &read);
            for (stub, found) in &newer {
                if found.version > stub.version {
                    self.ahead.insert(found.object.reference(), found.version);
                }
            }
            let gone = gone.into_iter().map(|name| ObjectRef {
                kind: Kind::NetworkPolicy,
                namespace: namespace.clone(),
                name,
            });
            let newer = newer.into_iter().map(|(_, found)| found.object.clone());
            let changes = newer.map(Change::Set).chain(gone.map(Change::Remove));
            facts = facts.apply(changes);
        }
        facts
    }

    /// Keeps guarded policies as they are and all others as stubs. Starts reads of missing ones.
    fn keep(&mut self, facts: Snapshot) -> Snapshot {
        if !self.complete.contains(&Kind::OpenBaoCluster) {
            return facts;
        }
        let guarded = policies::guarded(&facts, &self.config.operator_namespace);
        let mut changes = policies::shrunk(&facts, &guarded);
        let is_changed = |namespace: &Arc<str>| match facts.namespace(namespace) {
            None => false,
            Some(facts) => {
                let known = self.known.namespace(namespace);
                known.is_none_or(|known| !Arc::ptr_eq(known, facts))
            }
        };
        self.rooms.retain(&guarded);
        for namespace in guarded.iter().filter(|name| is_changed(name)) {
            if let Some(facts) = facts.namespace(namespace) {
                self.rooms.demand(namespace, facts);
            }
        }
        let others = self.rooms.share(self.config.policy_memory);
        for namespace in guarded.iter().filter(|name| others || is_changed(name)) {
            if let Some(facts) = facts.namespace(namespace) {
                changes.extend(policies::fitted(namespace, facts, self.rooms.limit()));
            }
        }
        let facts = facts.apply(changes);
        let limit = self.rooms.limit();
        self.reads.begin(&facts, &guarded, self.config.caps, limit);
        self.guarded.send_if_modified(|known| {
            let is_new = known.as_deref() != Some(&guarded);
            if is_new {
                *known = Some(Arc::new(guarded));
            }
            is_new
        });
        facts
    }

    fn publish(&mut self, changes: Vec<Change>) {
        let next = self.known.apply(changes);
        let next = self.merge(next);
        let next = self.keep(next);
        let is_new = next != *self.known;
        self.known = Arc::new(next);
        let is_complete = KINDS.iter().all(|kind| self.complete.contains(kind));
        if is_complete && (is_new || !self.published) {
            self.published = true;
            self.updates.send_replace(Some(self.known.clone()));
        }
    }
}

/// The next configuration. Waits forever if there will be none.
async fn next_config(configs: &mut ReviewConfigs) -> Arc<ReviewConfig> {
    if configs.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    Arc::clone(&configs.borrow_and_update())
}

/// The next step of this round: one that arrives before `earliest`, or is already there; none after `latest`.
async fn next(
    steps: &mut mpsc::Receiver<(Kind, Step)>,
    earliest: Instant,
    latest: Instant,
) -> Option<(Kind, Step)> {
    let now = Instant::now();
    if now < earliest {
        return timeout_at(earliest, steps.recv()).await.ok().flatten();
    }
    (now < latest).then(|| steps.try_recv().ok()).flatten()
}
