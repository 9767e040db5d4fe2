//! Metrics of the waivers of the settings.

use k8s_openapi::jiff::tz::TimeZone;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Metrics;
use crate::audit::Record;
use crate::config::{ReviewConfig, WaiverState};

/// State of a waiver that waives no stored finding. It has another state too.
const UNUSED: &str = "unused";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    code: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct WaiverMetrics {
    waivers: Family<StateLabels, Gauge>,
    ends: Gauge,
    waived: Family<CodeLabels, Counter>,
}

impl WaiverMetrics {
    pub(super) fn register(&self, all: &mut Registry) {
        all.register(
            "waivers",
            "Waivers in the settings by state; an `unused` one, which waives no stored finding, also counts under another state",
            self.waivers.clone(),
        );
        all.register(
            "waiver_ends_seconds",
            "Unix time at which the next waiver ends; 0 if none will end",
            self.ends.clone(),
        );
        all.register(
            "waived",
            "Findings that only warned because of a waiver, by code, counted once for each review",
            self.waived.clone(),
        );
        let states = WaiverState::ALL.map(WaiverState::as_str);
        for state in states.into_iter().chain([UNUSED]) {
            self.set(state, 0);
        }
    }

    fn set(&self, state: &'static str, count: usize) {
        let gauge = self.waivers.get_or_create(&StateLabels { state });
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Counts the waived findings of a review.
    pub(super) fn reviewed(&self, record: &Record) {
        for code in &record.waived {
            let code = code.as_str();
            self.waived.get_or_create(&CodeLabels { code }).inc();
        }
    }
}

impl Metrics {
    /// Sets the gauges about the waivers of the settings in force.
    pub fn waivers(&self, config: &ReviewConfig) {
        let states = config.waivers.iter();
        let states: Vec<WaiverState> = states.map(|waiver| config.waiver_state(waiver)).collect();
        for state in WaiverState::ALL {
            let count = states.iter().filter(|found| **found == state).count();
            self.waivers.set(state.as_str(), count);
        }
        let ahead = config.waivers.iter().map(|waiver| waiver.until);
        let next = ahead.filter(|until| config.is_until(*until)).min();
        // It ends with its last day.
        let end = next.and_then(|until| until.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok());
        let end = end.map_or(0, |end| end.timestamp().as_second());
        self.waivers.ends.set(end);
    }

    /// Sets the number of waivers that waive no stored finding.
    pub(crate) fn unused_waivers(&self, count: usize) {
        self.waivers.set(UNUSED, count);
    }
}
