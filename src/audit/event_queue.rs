//! Queue of Kubernetes Events to record.
//!
//! Senders never wait. Rate limits, one per namespace and one for all, prevent a namespace with many denials
//! from displacing the Events of others. Denials have their own limits, so they do not displace findings of
//! the audit. Events above a limit, and Events for which the queue is full, are counted and dropped. The log
//! and the metrics still contain everything.

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

/// Capacity of the queue.
const CAPACITY: usize = 256;
/// Capacity that denials cannot use, so that it is free for findings of the audit.
const RESERVED: usize = CAPACITY / 4;
/// Rate limit of one namespace: burst, and time after which one more Event is accepted.
const OF_NAMESPACE: (u32, Duration) = (10, Duration::from_secs(10));
/// Rate limit of all namespaces. It also bounds the memory of the recorder, which keeps each Event for six
/// minutes.
const OVERALL: (u32, Duration) = (200, Duration::from_millis(500));
/// Maximum number of Events for one denial. The response contains all findings.
const OF_ONE_DENIAL: usize = 3;
/// Number of namespaces whose rate is stored.
const NAMESPACES: usize = 1_000;

/// Object that an Event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Regarding {
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
pub(crate) enum Action {
    /// A review denied a write.
    Deny,
    /// A review would have denied a write, but denials are not enforced.
    WouldDeny,
    /// The audit has a finding about a stored object.
    Audit,
    /// A webhook configuration differs from the manifest.
    WatchRegistration,
}

impl Action {
    /// The name in the Event.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "Deny",
            Self::WouldDeny => "WouldDeny",
            Self::Audit => "Audit",
            Self::WatchRegistration => "WatchRegistration",
        }
    }
}

/// An Event to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Object that the Event is about.
    pub(crate) regarding: Regarding,
    /// The object that causes the finding, if it is another one.
    pub(crate) related: Option<ObjectRef>,
    /// The action.
    pub(crate) action: Action,
    /// The code of a rule, or a name for the difference.
    pub(crate) reason: String,
    /// Text for people, truncated to the length that the API server accepts.
    pub(crate) note: String,
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

    /// Returns true if the limits allow one more Event of the namespace.
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
    /// Creates a queue and its receiver.
    pub(crate) fn new(metrics: Arc<Metrics>) -> (Self, mpsc::Receiver<Event>) {
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

    /// Enables or disables the queue.
    pub(crate) fn enable(&self, is_enabled: bool) {
        self.0.is_enabled.store(is_enabled, Ordering::Relaxed);
    }

    fn is_enabled(&self) -> bool {
        self.0.is_enabled.load(Ordering::Relaxed)
    }

    /// Adds Events for the findings that denied a write, or would have if denials were enforced.
    pub(crate) fn denied(&self, verdict: &Verdict, is_enforced: bool) {
        if self.is_enabled() {
            let findings = verdict.findings.iter();
            let denials = findings.filter(|found| found.level == Level::Deny);
            for finding in denials.take(OF_ONE_DENIAL) {
                let event = if is_enforced {
                    Event::of(finding, Action::Deny)
                } else {
                    let event = Event::of(finding, Action::WouldDeny);
                    let note = format!("{}{}", render::WOULD_DENY, event.note);
                    Event { note, ..event }
                };
                self.send(event);
            }
        }
    }

    /// Adds an Event for a finding of the audit, at the object that causes it. Findings below the level
    /// `warn` have none. Missing policies of the operator have none either: every new cluster lacks them for
    /// a moment, and an alert reports those that stay missing.
    pub(crate) fn found(&self, finding: &Finding) {
        let is_passing = finding.code == Code::Obp105 && finding.level == Level::Warn;
        // An Event is about an object, not about a kind.
        let is_of_kind = finding.object.name.is_empty();
        if finding.level <= Level::Warn && !is_passing && !is_of_kind {
            let cluster = finding.cluster.clone();
            self.send(Event {
                regarding: Regarding::Object(finding.object.clone()),
                related: cluster.filter(|cluster| *cluster != finding.object),
                ..Event::of(finding, Action::Audit)
            });
        }
    }

    /// Adds an Event, within the limits.
    pub(crate) fn send(&self, event: Event) {
        if !self.is_enabled() {
            return;
        }
        let queue = &*self.0;
        let (limits, reserved) = match event.action {
            Action::Deny | Action::WouldDeny => (&queue.denials, RESERVED),
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
