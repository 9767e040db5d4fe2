//! Metrics of the baseline in force.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Metrics;
use crate::config::Baseline;

/// Reason for which the baseline in force may not be that of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaselineDoubt {
    /// The release of the operator is not known.
    Undetermined,
    /// A stored policy of the operator is as another baseline renders it.
    Policies,
}

impl BaselineDoubt {
    /// All reasons.
    pub const ALL: [Self; 2] = [Self::Undetermined, Self::Policies];

    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Undetermined => "undetermined",
            Self::Policies => "policies",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NameLabels {
    baseline: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DoubtLabels {
    doubt: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct BaselineMetrics {
    in_force: Family<NameLabels, Gauge>,
    doubts: Family<DoubtLabels, Gauge>,
}

impl BaselineMetrics {
    pub(super) fn register(&self, all: &mut Registry) {
        all.register(
            "baseline",
            "1 for the baseline in force, 0 for the others",
            self.in_force.clone(),
        );
        all.register(
            "baseline_doubts",
            "1 while the release of the operator is not known, or while a policy of the operator is as another baseline renders it",
            self.doubts.clone(),
        );
        self.set(Baseline::NEWEST);
        for doubt in BaselineDoubt::ALL {
            self.doubt(doubt, false);
        }
    }

    fn set(&self, baseline: Baseline) {
        for known in Baseline::ALL {
            let labels = NameLabels {
                baseline: known.as_str(),
            };
            let value = i64::from(known == baseline);
            self.in_force.get_or_create(&labels).set(value);
        }
    }

    fn doubt(&self, doubt: BaselineDoubt, is_there: bool) {
        let labels = DoubtLabels {
            doubt: doubt.as_str(),
        };
        self.doubts.get_or_create(&labels).set(i64::from(is_there));
    }
}

impl Metrics {
    /// Sets the baseline in force.
    pub fn baseline(&self, baseline: Baseline) {
        self.baseline.set(baseline);
    }

    /// Sets whether there is this doubt about it.
    pub fn baseline_doubt(&self, doubt: BaselineDoubt, is_there: bool) {
        self.baseline.doubt(doubt, is_there);
    }
}
