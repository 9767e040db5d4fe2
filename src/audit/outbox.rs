//! What is to be told where the objects are: Kubernetes Events, before they are written.
//!
//! Nobody waits here. A namespace that has much to be told is told a part of it, of each occasion
//! for itself: who is refused often does not hide what was found. When too much waits the rest is
//! dropped; both are counted, and logs and metrics have everything.

use std::collections::BTreeMap;
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
use crate::rules::{Finding, Level};

/// Notices that wait to be written.
const BACKLOG: usize = 256;
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

/// Where notices are handed in.
#[derive(Clone, Debug)]
pub struct Outbox {
    sender: mpsc::Sender<Notice>,
    buckets: Arc<Mutex<BTreeMap<Occasion, BTreeMap<String, Bucket>>>>,
    closed: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
}

impl Outbox {
    /// An outbox, and the end at which notices come out.
    pub fn new(metrics: Arc<Metrics>) -> (Self, mpsc::Receiver<Notice>) {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let outbox = Self {
            sender,
            buckets: Arc::default(),
            closed: Arc::default(),
            metrics,
        };
        (outbox, receiver)
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
    /// are passed over.
    pub fn found(&self, finding: &Finding) {
        if finding.level <= Level::Warn {
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

    /// Hands in a notice, unless its namespace has had too many of its occasion of late or too many
    /// wait.
    pub fn post(&self, notice: Notice) {
        if self.is_closed() {
            return;
        }
        if !self.may_post(notice.occasion, notice.namespace()) {
            self.metrics.cluster.event(EventEnd::Limited);
        } else if self.sender.try_send(notice).is_err() {
            self.metrics.cluster.event(EventEnd::Dropped);
        }
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
mod tests {
    use super::*;
    use crate::inventory::Kind;
    use crate::rules::Code;

    fn verdict(namespace: &str, level: Level) -> Verdict {
        let object = ObjectRef {
            kind: Kind::NetworkPolicy,
            namespace: namespace.into(),
            name: "p".into(),
        };
        Verdict::new(vec![Finding::new(Code::Obp201, level, &object, "spec")])
    }

    fn counted(metrics: &Metrics, outcome: &str) -> Option<u64> {
        let text = metrics.text().expect("text");
        let line = format!("openbao_perimeter_events_total{{outcome=\"{outcome}\"}} ");
        text.lines()
            .find_map(|found| found.strip_prefix(&line)?.parse().ok())
    }

    #[tokio::test(start_paused = true)]
    async fn one_namespace_that_floods_leaves_the_others_alone() {
        let metrics = Arc::new(Metrics::new());
        let (outbox, mut notices) = Outbox::new(Arc::clone(&metrics));
        for _ in 0..1_000 {
            outbox.refused(&verdict("loud", Level::Deny));
        }
        outbox.refused(&verdict("quiet", Level::Deny));
        let burst = usize::try_from(BURST).expect("small");
        assert_eq!(notices.len(), burst + 1);
        assert_eq!(counted(&metrics, "limited"), Some(1_000 - u64::from(BURST)));
        for _ in 0..=burst {
            notices.recv().await.expect("a notice");
        }
        tokio::time::advance(PERIOD).await;
        outbox.refused(&verdict("loud", Level::Deny));
        assert_eq!(notices.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_refusals_does_not_hide_what_the_audit_found_there() {
        let (outbox, mut notices) = Outbox::new(Arc::new(Metrics::new()));
        for _ in 0..=BURST {
            outbox.refused(&verdict("bao", Level::Deny));
        }
        outbox.found(&verdict("bao", Level::Deny).findings[0]);
        outbox.close();
        drop(outbox);
        let mut last = None;
        while let Some(notice) = notices.recv().await {
            last = Some(notice.occasion);
        }
        assert_eq!(last, Some(Occasion::Found));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_fit_is_dropped_and_counted() {
        let metrics = Arc::new(Metrics::new());
        let (outbox, notices) = Outbox::new(Arc::clone(&metrics));
        for at in 0..BACKLOG + 5 {
            outbox.refused(&verdict(&format!("n{at}"), Level::Deny));
        }
        assert_eq!(notices.len(), BACKLOG);
        assert_eq!(counted(&metrics, "dropped"), Some(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_outbox_takes_and_counts_nothing_until_it_is_open_again() {
        let metrics = Arc::new(Metrics::new());
        let (outbox, notices) = Outbox::new(Arc::clone(&metrics));
        let other = outbox.clone();
        outbox.close();
        for _ in 0..=BURST {
            other.refused(&verdict("bao", Level::Deny));
            other.found(&verdict("bao", Level::Deny).findings[0]);
        }
        assert_eq!(notices.len(), 0);
        assert_eq!(counted(&metrics, "limited").unwrap_or(0), 0);
        outbox.open();
        other.refused(&verdict("bao", Level::Deny));
        assert_eq!(notices.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_told_of_what_is_only_audited_or_did_not_refuse() {
        let (outbox, notices) = Outbox::new(Arc::new(Metrics::new()));
        outbox.refused(&verdict("bao", Level::Warn));
        outbox.found(&verdict("bao", Level::Audit).findings[0]);
        assert_eq!(notices.len(), 0);
        outbox.found(&verdict("bao", Level::Warn).findings[0]);
        assert_eq!(notices.len(), 1);
    }
}
