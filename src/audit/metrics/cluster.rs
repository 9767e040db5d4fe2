//! Metrics other than reviews, for a server in a Kubernetes cluster: watches, live reads, audit, webhook
//! configurations, Events.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{FindingLabels, KindLabels, OutcomeLabels};
use crate::inventory::Kind;
use crate::rules::{Code, Level};

/// The rules about stored labels, which have an audit of their own.
const OF_LABELS: [Code; 2] = [Code::Obp503, Code::Obp504];

/// Outcome of a live read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FreshRead {
    /// The facts were up to date.
    Confirmed,
    /// The facts were outdated, and the verdict is the same.
    Same,
    /// The facts were outdated, and the verdict is another one.
    Changed,
    /// The API server did not answer, or not in time.
    Failed,
}

impl FreshRead {
    const ALL: [Self; 4] = [Self::Confirmed, Self::Same, Self::Changed, Self::Failed];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Same => "same-verdict",
            Self::Changed => "changed-verdict",
            Self::Failed => "failed",
        }
    }
}

/// Outcome of an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventEnd {
    /// Written, or counted in the series of an earlier one.
    Written,
    /// It was above a rate limit.
    Limited,
    /// The queue was full.
    Dropped,
    /// The object no longer exists.
    Gone,
    /// The API server did not accept it.
    Failed,
}

impl EventEnd {
    const ALL: [Self; 5] = [
        Self::Written,
        Self::Limited,
        Self::Dropped,
        Self::Gone,
        Self::Failed,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Limited => "limited",
            Self::Dropped => "dropped",
            Self::Gone => "gone",
            Self::Failed => "failed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WhatLabels {
    what: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VersionLabels {
    kind: &'static str,
    version: String,
}

/// Counters and gauges.
#[derive(Debug, Default)]
pub struct ClusterMetrics {
    served: Family<VersionLabels, Gauge>,
    /// The version recorded last, by kind.
    noted: Mutex<BTreeMap<Kind, String>>,
    last_event: Family<KindLabels, Gauge>,
    stale: Gauge,
    fresh_reads: Family<OutcomeLabels, Counter>,
    findings: Family<FindingLabels, Gauge>,
    drift: Family<WhatLabels, Gauge>,
    events: Family<OutcomeLabels, Counter>,
}

impl ClusterMetrics {
    /// Registers all metrics with the value zero.
    pub(super) fn register(&self, all: &mut Registry) {
        for outcome in FreshRead::ALL {
            self.fresh_reads
                .get_or_create(&labelled(outcome.as_str()))
                .inc_by(0);
        }
        for end in EventEnd::ALL {
            self.events.get_or_create(&labelled(end.as_str())).inc_by(0);
        }
        all.register(
            "watch_last_event_timestamp_seconds",
            "Unix time of the last watch event, bookmark or list of a kind",
            self.last_event.clone(),
        );
        all.register(
            "served_version",
            "Served version of a custom kind that is watched; `none` if no version is served",
            self.served.clone(),
        );
        all.register(
            "inventory_stale",
            "1 if a kind had no watch event, bookmark or list for too long, so that writes are denied",
            self.stale.clone(),
        );
        all.register(
            "fresh_reads",
            "Live reads of a namespace for a review that a lagging watch might get wrong",
            self.fresh_reads.clone(),
        );
        all.register(
            "audit_findings",
            "Current findings of the background audit about stored objects",
            self.findings.clone(),
        );
        all.register(
            "registration_drift",
            "Fields of our webhook configurations and of the identity guard that differ from the manifest, by field",
            self.drift.clone(),
        );
        all.register(
            "events",
            "Kubernetes Events about denials and findings",
            self.events.clone(),
        );
    }

    /// Sets the time of the last success of a watch, as Unix time in seconds.
    pub fn watch_succeeded(&self, kind: Kind, at: u64) {
        let labels = KindLabels { kind: kind.label() };
        self.last_event
            .get_or_create(&labels)
            .set(i64::try_from(at).unwrap_or(i64::MAX));
    }

    /// Sets the served version of a custom resource; `None` if no version is served, or it is unknown.
    pub fn served(&self, kind: Kind, version: Option<&str>) {
        let version = version.unwrap_or("none");
        let labels = |version: &str| VersionLabels {
            kind: kind.label(),
            version: version.to_owned(),
        };
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.get(&kind).is_some_and(|noted| noted == version) {
            return;
        }
        self.served.get_or_create(&labels(version)).set(1);
        if let Some(before) = noted.insert(kind, version.to_owned()) {
            self.served.remove(&labels(&before));
        }
    }

    /// Sets the kind whose facts are stale, or `None` if all are recent.
    pub(crate) fn stale(&self, lost: Option<Kind>) {
        self.stale.set(i64::from(lost.is_some()));
    }

    /// Counts a live read.
    pub(crate) fn fresh_read(&self, outcome: FreshRead) {
        self.fresh_reads
            .get_or_create(&labelled(outcome.as_str()))
            .inc();
    }

    /// Sets the current findings of the audit. Earlier ones become zero. Series that alerts use start at
    /// zero: those of denying rules and of missing managed policies.
    pub fn audited(&self, found: &BTreeMap<(Code, Level), usize>) {
        let codes = Code::ALL.into_iter();
        self.count(codes.filter(|code| !OF_LABELS.contains(code)), found);
    }

    /// The same for findings about stored labels.
    pub(crate) fn audited_labels(&self, found: &BTreeMap<(Code, Level), usize>) {
        self.count(OF_LABELS.into_iter(), found);
    }

    fn count(&self, codes: impl Iterator<Item = Code>, found: &BTreeMap<(Code, Level), usize>) {
        for code in codes {
            for level in Level::ALL {
                let labels = FindingLabels {
                    code: code.as_str(),
                    level: level.as_str(),
                };
                let count = found.get(&(code, level)).copied().unwrap_or_default();
                let is_alerted_on =
                    level == Level::Deny || (code, level) == (Code::Obp105, Level::Warn);
                let is_known = is_alerted_on || self.findings.get(&labels).is_some();
                if count > 0 || is_known {
                    let count = i64::try_from(count).unwrap_or(i64::MAX);
                    self.findings.get_or_create(&labels).set(count);
                }
            }
        }
    }

    /// Sets the number of webhook configuration entries in which a field differs from the manifest.
    pub fn drift(&self, field: &str, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let what = field.to_owned();
        self.drift.get_or_create(&WhatLabels { what }).set(count);
    }

    /// Counts an Event.
    pub(crate) fn event(&self, end: EventEnd) {
        self.events.get_or_create(&labelled(end.as_str())).inc();
    }
}

const fn labelled(outcome: &'static str) -> OutcomeLabels {
    OutcomeLabels { outcome }
}
