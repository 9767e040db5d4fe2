//! One owner of the cluster's facts: takes steps of all watches, publishes snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::KINDS;
use crate::inventory::{Change, Extent, Kind, Object, ObjectRef, Snapshot};
use crate::sources::Updates;

/// Snapshots are no closer together than this while events keep coming.
const PAUSE: Duration = Duration::from_millis(20);

/// What happened in one watch.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// An object of a list.
    Listed(Object),
    /// The list is whole: what it does not have is gone.
    Done,
    /// An object is there, in this state.
    Set(Object),
    /// An object is gone.
    Remove(ObjectRef),
    /// The watch is lost; a list that was not whole begins anew.
    Interrupted,
    /// It is proved that the API server serves the kind in no version, so there is no object of it.
    Absent,
    /// The kind may not be listed, or is served in a version that is not read: nothing more is known of it.
    Withheld,
}

/// Gathers steps into snapshots.
pub(super) struct Gatherer {
    updates: Updates,
    /// What was worked out last; published once every kind is complete.
    known: Arc<Snapshot>,
    /// Objects of lists that are not whole yet.
    lists: BTreeMap<Kind, Vec<Object>>,
    complete: BTreeSet<Kind>,
    published: bool,
}

impl Gatherer {
    pub(super) fn new(updates: Updates) -> Self {
        Self {
            updates,
            known: Arc::default(),
            lists: BTreeMap::new(),
            complete: BTreeSet::new(),
            published: false,
        }
    }

    /// Runs until all watches have ended.
    pub(super) async fn run(mut self, mut steps: mpsc::Receiver<(Kind, Step)>) {
        let mut earliest = Instant::now();
        while let Some(first) = steps.recv().await {
            let mut changes = Vec::new();
            self.take(first, &mut changes);
            let latest = earliest.max(Instant::now()) + PAUSE;
            // Idle: this returns at once with what is there. Busy: it waits out the pause.
            while let Some(next) = next(&mut steps, earliest, latest).await {
                self.take(next, &mut changes);
            }
            self.publish(changes);
            earliest = Instant::now() + PAUSE;
        }
    }

    fn take(&mut self, (kind, step): (Kind, Step), changes: &mut Vec<Change>) {
        match step {
            Step::Listed(object) => self.lists.entry(kind).or_default().push(object),
            Step::Done => {
                let listed = self.lists.remove(&kind).unwrap_or_default();
                self.replace(kind, Extent::Whole, listed, changes);
            }
            Step::Set(object) => changes.push(Change::Set(object)),
            Step::Remove(reference) => changes.push(Change::Remove(reference)),
            Step::Interrupted => {
                self.lists.remove(&kind);
            }
            Step::Absent => {
                self.lists.remove(&kind);
                self.replace(kind, Extent::Unserved, Vec::new(), changes);
            }
            Step::Withheld => {
                self.lists.remove(&kind);
                changes.push(Change::Extent(kind, Extent::Part));
                self.complete.insert(kind);
            }
        }
    }

    /// All objects of a kind at once. What is known and not listed goes, and so does what a change
    /// of this very round would set: the list is newer.
    fn replace(
        &mut self,
        kind: Kind,
        extent: Extent,
        listed: Vec<Object>,
        changes: &mut Vec<Change>,
    ) {
        let is_other = |change: &Change| match change {
            Change::Set(object) => object.reference().kind != kind,
            Change::Remove(reference) => reference.kind != kind,
            Change::Extent(other, _) => *other != kind,
        };
        changes.retain(is_other);
        let still: BTreeSet<ObjectRef> = listed.iter().map(Object::reference).collect();
        let gone = self.known.references(kind);
        let gone = gone
            .into_iter()
            .filter(|reference| !still.contains(reference));
        changes.extend(gone.map(Change::Remove));
        changes.extend(listed.into_iter().map(Change::Set));
        changes.push(Change::Extent(kind, extent));
        self.complete.insert(kind);
    }

    fn publish(&mut self, changes: Vec<Change>) {
        let next = self.known.apply(changes);
        let is_new = next != *self.known;
        self.known = Arc::new(next);
        let is_complete = KINDS.iter().all(|kind| self.complete.contains(kind));
        if is_complete && (is_new || !self.published) {
            self.published = true;
            self.updates.send_replace(Some(self.known.clone()));
        }
    }
}

/// The next step that belongs to this round: one that comes before `earliest`, or is there already;
/// none after `latest`, however many are there.
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
