//! Queue of Kubernetes Events that wait to be recorded.
//!
//! Senders never wait. A rate limit for each namespace, and one for all of them, keep a namespace
//! with many denials from displacing the Events of others. Denials have limits of their own, so
//! that they do not hide what the audit finds. Events above a limit and Events that find the queue
//! full are counted and dropped; the log and the metrics still have everything.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota};
use tokio::sync::mpsc;

use super::Metrics;
use super::metrics::cluster::EventEnd;
use crate::inventory::ObjectRef;
use crate::review::{Verdict, render};
use crate::rules::{Code, Finding, Level};

/// Events that can wait.
const CAPACITY: usize = 256;
/// Places that denials leave free for what the audit finds.
const RESERVED: usize = CAPACITY / 4;
/// Events of one namespace: a burst, and the time after which one more is accepted.
const OF_NAMESPACE: (u32, Duration) = (10, Duration::from_secs(10));
/// Events of all namespaces. This also bounds the memory of the recorder, which keeps each Event
/// for six minutes.
const OVERALL: (u32, Duration) = (200, Duration::from_millis(500));
/// Events of one denial. The writer sees all findings in the answer.
const OF_ONE_DENIAL: usize = 3;
/// Namespaces whose rate is remembered.
const NAMESPACES: usize = 1_000;

/// Object that an Event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Regarding {
    /// An object of the inventory.
    Object(ObjectRef),
    /// A webhook configuration of this product.
    Configuration {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
    },
}

/// The `action` of an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A review denied a write.
    Deny,
    /// The audit found something in what is stored.
    Audit,
    /// A webhook configuration differs from the manifest.
    WatchRegistration,
}

impl Action {
    /// The word in the Event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "Deny",
            Self::Audit => "Audit",
            Self::WatchRegistration => "WatchRegistration",
        }
    }
}

/// An Event to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Object that the Event is about.
    pub regarding: Regarding,
    /// The object at fault, where that is another one.
    pub related: Option<ObjectRef>,
    /// The action.
    pub action: Action,
    /// The code of a rule, or a word for what differs.
    pub reason: String,
    /// Text for people. It is cut at the length that the API server accepts.
    pub note: String,
}

impl Event {
    fn of(finding: &Finding, action: Action) -> Self {
        let regarding = finding.cluster.as_ref().unwrap_or(&finding.object);
        Self {
            regarding: Regarding::Object(regarding.clone()),
            related: Some(finding.object.clone()).filter(|object| object != regarding),
            action,
            reason: finding.code.as_str().to_owned(),
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

/// Rate limits of Events.
#[derive(Debug)]
struct Limits {
    of_namespace: DefaultKeyedRateLimiter<String>,
    overall: DefaultDirectRateLimiter,
}

impl Limits {
    fn new() -> Self {
        Self {
            of_namespace: DefaultKeyedRateLimiter::keyed(quota(OF_NAMESPACE)),
            overall: DefaultDirectRateLimiter::direct(quota(OVERALL)),
        }
    }

    /// Whether one more Event of the namespace is within the limits.
    fn permits(&self, namespace: &str) -> bool {
        if self.of_namespace.len() >= NAMESPACES {
            self.of_namespace.retain_recent();
        }
        self.of_namespace.len() < NAMESPACES
            && self.of_namespace.check_key(&namespace.to_owned()).is_ok()
            && self.overall.check().is_ok()
    }
}

fn quota((burst, period): (u32, Duration)) -> Quota {
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    let quota = Quota::with_period(period).unwrap_or(Quota::per_second(NonZeroU32::MIN));
    quota.allow_burst(burst)
}

/// Sending end of the queue.
#[derive(Clone, Debug)]
pub struct EventQueue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    sender: mpsc::Sender<Event>,
    denials: Limits,
    others: Limits,
    is_enabled: AtomicBool,
    metrics: Arc<Metrics>,
}

impl EventQueue {
    /// Creates a queue, and the end at which Events come out in their order.
    pub fn new(metrics: Arc<Metrics>) -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let queue = Self(Arc::new(Shared {
            sender,
            denials: Limits::new(),
            others: Limits::new(),
            is_enabled: AtomicBool::new(true),
            metrics,
        }));
        (queue, receiver)
    }

    /// Sets whether Events are accepted from now on.
    pub fn enable(&self, is_enabled: bool) {
        self.0.is_enabled.store(is_enabled, Ordering::Relaxed);
    }

    fn is_enabled(&self) -> bool {
        self.0.is_enabled.load(Ordering::Relaxed)
    }

    /// Adds Events for the findings that denied a write.
    pub fn denied(&self, verdict: &Verdict) {
        if self.is_enabled() {
            let findings = verdict.findings.iter();
            let denials = findings.filter(|found| found.level == Level::Deny);
            for finding in denials.take(OF_ONE_DENIAL) {
                self.send(Event::of(finding, Action::Deny));
            }
        }
    }

    /// Adds an Event for a finding of the audit, at the object at fault. Findings below the level
    /// `warn` have none. Policies that the operator has yet to write have none either: each new
    /// cluster is without them for a moment, and an alert reports those that stay away.
    pub fn found(&self, finding: &Finding) {
        let is_passing = finding.code == Code::Obp105 && finding.level == Level::Warn;
        if finding.level <= Level::Warn && !is_passing {
            let cluster = finding.cluster.clone();
            self.send(Event {
                regarding: Regarding::Object(finding.object.clone()),
                related: cluster.filter(|cluster| *cluster != finding.object),
                ..Event::of(finding, Action::Audit)
            });
        }
    }

    /// Adds an Event, within the limits.
    pub fn send(&self, event: Event) {
        if !self.is_enabled() {
            return;
        }
        let queue = &*self.0;
        let (limits, reserved) = match event.action {
            Action::Deny => (&queue.denials, RESERVED),
            Action::Audit | Action::WatchRegistration => (&queue.others, 0),
        };
        if !limits.permits(event.namespace()) {
            queue.metrics.cluster.event(EventEnd::Limited);
        } else if queue.sender.capacity() <= reserved || queue.sender.try_send(event).is_err() {
            queue.metrics.cluster.event(EventEnd::Dropped);
        }
    }
}

#[cfg(test)]
mod tests;
