//! Metrics of the cap over answers, the setting `review.enforcement`.

use std::collections::BTreeSet;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Metrics;
use crate::audit::{Record, Resolution};
use crate::config::EnforcementMode;
use crate::rules::{Code, Level};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ValueLabels {
    value: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    code: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct EnforcementMetrics {
    would_deny: Family<CodeLabels, Counter>,
    enforcement: Family<ValueLabels, Gauge>,
}

impl EnforcementMetrics {
    pub(super) fn register(&self, all: &mut Registry) {
        all.register(
            "would_deny",
            "Writes that were allowed only because `review.enforcement` is `warn` or `audit`, by the code of each finding that \
             would deny, or by the reason of an answer without a verdict",
            self.would_deny.clone(),
        );
        all.register(
            "enforcement",
            "1 for the value of `review.enforcement` in force, 0 for the others",
            self.enforcement.clone(),
        );
        self.set(EnforcementMode::Deny);
        // The first increase of a series that starts at one is not visible.
        let malformed = Resolution::Malformed.as_str();
        for code in Code::ALL.map(Code::as_str).into_iter().chain([malformed]) {
            self.would_deny
                .get_or_create(&CodeLabels { code })
                .inc_by(0);
        }
    }

    fn set(&self, mode: EnforcementMode) {
        for known in EnforcementMode::ALL {
            let labels = ValueLabels {
                value: known.as_str(),
            };
            let value = i64::from(known == mode);
            self.enforcement.get_or_create(&labels).set(value);
        }
    }

    fn count(&self, code: &'static str) {
        self.would_deny.get_or_create(&CodeLabels { code }).inc();
    }

    /// Counts a review, if its denial was not enforced.
    pub(super) fn reviewed(&self, record: &Record) {
        if !record.would_deny() {
            return;
        }
        if record.resolution == Resolution::Malformed {
            self.count(Resolution::Malformed.as_str());
        }
        let denied = record.findings.iter();
        let denied = denied.filter(|(_, level)| *level == Level::Deny);
        let codes: BTreeSet<&'static str> = denied.map(|(code, _)| code.as_str()).collect();
        for code in codes {
            self.count(code);
        }
    }
}

impl Metrics {
    /// Sets the value of `review.enforcement` in force.
    pub fn enforces(&self, mode: EnforcementMode) {
        self.enforcement.set(mode);
    }

    /// Creates the series of a reason with the value zero.
    pub(super) fn may_let_pass(&self, reason: &'static str) {
        let labels = CodeLabels { code: reason };
        self.enforcement.would_deny.get_or_create(&labels).inc_by(0);
    }

    /// Counts a write without a verdict that was allowed, since denials are not enforced.
    pub fn would_deny(&self, reason: &'static str) {
        self.enforcement.count(reason);
    }
}
