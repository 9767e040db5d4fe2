//! Metrics of the reports of the audit.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::{Metrics, OutcomeLabels};

/// Outcome of the write of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportEnd {
    /// Written.
    Written,
    /// Deleted, since its namespace has no finding.
    Deleted,
    /// The API server does not serve reports.
    Unserved,
    /// The server has no right to it.
    Forbidden,
    /// Another object has its name.
    Foreign,
    /// The API server did not accept it, or did not answer.
    Failed,
}

impl ReportEnd {
    const ALL: [Self; 6] = [
        Self::Written,
        Self::Deleted,
        Self::Unserved,
        Self::Forbidden,
        Self::Foreign,
        Self::Failed,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Deleted => "deleted",
            Self::Unserved => "unserved",
            Self::Forbidden => "forbidden",
            Self::Foreign => "foreign",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct ReportMetrics {
    reports: Family<OutcomeLabels, Counter>,
}

impl ReportMetrics {
    pub(super) fn register(&self, all: &mut Registry) {
        all.register(
            "reports",
            "Writes of reports of the audit (`cluster.reports`), by outcome",
            self.reports.clone(),
        );
        for end in ReportEnd::ALL {
            self.count(end, 0);
        }
    }

    fn count(&self, end: ReportEnd, by: u64) {
        let outcome = end.as_str();
        self.reports
            .get_or_create(&OutcomeLabels { outcome })
            .inc_by(by);
    }
}

impl Metrics {
    /// Counts the write of a report.
    pub(crate) fn report(&self, end: ReportEnd) {
        self.reports.count(end, 1);
    }
}
