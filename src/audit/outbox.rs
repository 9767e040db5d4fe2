//! What is to be told where the objects are: Kubernetes Events, before they are written.
//!
//! Nobody waits here. A namespace that has much to be told is told a part of it, of each occasion
//! for itself: who is refused often does not hide what was found. When too much waits the rest is
//! dropped; both are counted, and logs and metrics have everything.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Metrics;
use super::metrics::cluster::EventEnd;
use crate::inventory::ObjectRef;
use crate::rate::Bucket;
use crate::review::{Verdict, render};
use crate::rules::{Code, Finding, Level};

/// Notices that wait to be written.
const BACKLOG: usize = 256;
/// Of them, notices of one namespace and one occasion: who is refused in a loop leaves room for
/// the others, also while the API server takes nothing.
const SHARE: usize = 10;
/// Notices of one namespace at once after a quiet time, and how often one more is taken.
const BURST: u32 = 10;
const PERIOD: Duration = Duration::from_secs(10);
/// Notices of one refusal: the first says what is wrong, the caller was told everything.
const OF_ONE_REFUSAL: usize = 3;
/// Namespaces that are remembered for their rate, for each occasion.
const NAMESPACES: usize = 1_000;

/// What a notice hangs on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Regarding {
    /// An object of the inventory.
    Object(ObjectRef),
    /// One of our webhook configurations.
    Configuration {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
    },
}

/// Why a notice is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Occasion {
    /// A write was refused: it can happen again.
    Refused,
    /// The audit found something: it stands until it is gone.
    Found,
    /// A registration is not as it should be.
    Drifted,
}

/// One thing to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Where it is told.
    pub regarding: Regarding,
    /// The object at fault, where that is another one.
    pub related: Option<ObjectRef>,
    /// Why.
    pub occasion: Occasion,
    /// A word for it: the code of a rule, or what drifted.
    pub reason: String,
    /// What tells it from others of the same object and reason.
    pub path: String,
    /// For people; one line is enough, and what is too long is cut.
    pub note: String,
}

impl Notice {
    fn of(finding: &Finding, occasion: Occasion) -> Self {
        let regarding = finding.cluster.as_ref().unwrap_or(&finding.object);
        Self {
            regarding: Regarding::Object(regarding.clone()),
            related: Some(finding.object.clone()).filter(|object| object != regarding),
            occasion,
            reason: finding.code.as_str().to_owned(),
            path: format!("{}/{}", finding.object, finding.path),
            note: render::long(finding),
        }
    }

    fn namespace(&self) -> &str {
        match &self.regarding {
            Regarding::Object(object) => &object.namespace,
            Regarding::Configuration { .. } => "",
        }
    }
}

/// How many notices wait, of each occasion and namespace; those of which none does are not there.
#[derive(Clone, Debug, Default)]
struct Waiting(Arc<Mutex<BTreeMap<(Occasion, String), usize>>>);

impl Waiting {
    /// Counts one more, where the namespace has room.
    fn enter(&self, notice: &Notice) -> Option<()> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (notice.occasion, notice.namespace().to_owned());
        let count = waiting.entry(key).or_default();
        (*count < SHARE).then(|| *count += 1)
    }

    fn leave(&self, notice: &Notice) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (notice.occasion, notice.namespace().to_owned());
        if let Entry::Occupied(mut count) = waiting.entry(key) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// Where notices come out, in the order in which they were handed in.
#[derive(Debug)]
pub struct Notices {
    receiver: mpsc::Receiver<Notice>,
    waiting: Waiting,
}

impl Notices {
    /// The next one; `None` once no more can come.
    pub async fn recv(&mut self) -> Option<Notice> {
        let notice = self.receiver.recv().await?;
        self.waiting.leave(&notice);
        Some(notice)
    }
}

/// Where notices are handed in.
#[derive(Clone, Debug)]
pub struct Outbox {
    sender: mpsc::Sender<Notice>,
    waiting: Waiting,
    buckets: Arc<Mutex<BTreeMap<Occasion, BTreeMap<String, Bucket>>>>,
    closed: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
}

impl Outbox {
    /// An outbox, and the end at which notices come out.
    pub fn new(metrics: Arc<Metrics>) -> (Self, Notices) {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let waiting = Waiting::default();
        let outbox = Self {
            sender,
            waiting: waiting.clone(),
            buckets: Arc::default(),
            closed: Arc::default(),
            metrics,
        };
        (outbox, Notices { receiver, waiting })
    }

    /// From now on nothing is taken in.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// From now on what is handed in is taken. What was not is not told later.
    pub fn open(&self) {
        self.closed.store(false, Ordering::Relaxed);
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Tells of a refusal.
    pub fn refused(&self, verdict: &Verdict) {
        if self.is_closed() {
            return;
        }
        let refusals = verdict
            .findings
            .iter()
            .filter(|finding| finding.level == Level::Deny);
        for finding in refusals.take(OF_ONE_REFUSAL) {
            self.post(Notice::of(finding, Occasion::Refused));
        }
    }

    /// Tells of what the audit found, at the object at fault. Findings that nobody is to be told of
    /// are passed over, and so are policies that the operator has yet to write: each new cluster is
    /// without them for a moment, and an alert tells of those that stay away.
    pub fn found(&self, finding: &Finding) {
        let is_passing = finding.code == Code::Obp105 && finding.level == Level::Warn;
        if finding.level <= Level::Warn && !is_passing {
            self.post(Notice {
                regarding: Regarding::Object(finding.object.clone()),
                related: finding
                    .cluster
                    .clone()
                    .filter(|cluster| *cluster != finding.object),
                ..Notice::of(finding, Occasion::Found)
            });
        }
    }

    /// Hands in a notice, unless its namespace has had too many of its occasion of late, or too many
    /// wait, of it or of all.
    pub fn post(&self, notice: Notice) {
        if self.is_closed() {
            return;
        }
        if !self.may_post(notice.occasion, notice.namespace()) {
            self.metrics.cluster.event(EventEnd::Limited);
        } else if self.enqueue(notice).is_none() {
            self.metrics.cluster.event(EventEnd::Dropped);
        }
    }

    fn enqueue(&self, notice: Notice) -> Option<()> {
        self.waiting.enter(&notice)?;
        let sent = self.sender.try_send(notice);
        sent.map_err(|full| self.waiting.leave(&full.into_inner()))
            .ok()
    }

    fn may_post(&self, occasion: Occasion, namespace: &str) -> bool {
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let buckets = buckets.entry(occasion).or_default();
        if buckets.len() >= NAMESPACES {
            buckets.retain(|_, bucket| !bucket.is_full(now));
        }
        if let Some(bucket) = buckets.get_mut(namespace) {
            return bucket.take(now).is_some();
        }
        // So many namespaces at once are a flood of their own.
        buckets.len() < NAMESPACES && {
            let bucket = Bucket::new(BURST, PERIOD, now);
            let bucket = buckets.entry(namespace.to_owned()).or_insert(bucket);
            bucket.take(now).is_some()
        }
    }
}

#[cfg(test)]
mod tests;
