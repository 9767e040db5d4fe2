//! The metrics. Label values come from closed sets only.

pub(crate) mod cluster;

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

mod baseline;
mod certificates;
mod connections;
mod enforcement;
mod process;
pub(crate) mod reports;
mod settings;
mod tiers;
mod waivers;

use super::Record;
use crate::inventory::{Kind, Snapshot};
use crate::review::{CompiledSnapshot, WebhookKind};
use cluster::ClusterMetrics;

pub use baseline::BaselineDoubt;
use baseline::BaselineMetrics;
use certificates::CertificateMetrics;
pub use certificates::Reload;
pub use connections::ConnectionEnd;
use connections::ConnectionMetrics;
use enforcement::EnforcementMetrics;
use reports::ReportMetrics;
use settings::SettingsMetrics;
pub use settings::SettingsReload;
use tiers::TierMetrics;
use waivers::WaiverMetrics;

/// The content type of [`Metrics::text`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReviewLabels {
    point: &'static str,
    kind: &'static str,
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    point: &'static str,
    outcome: &'static str,
}

/// Label value for requests that were answered, with a verdict or without need for one.
pub(crate) const ANSWERED: &str = "answered";
/// Label value for requests whose time ran out. Alerts treat them like slow answers.
pub(crate) const TOO_LATE: &str = "too-late";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FindingLabels {
    code: &'static str,
    level: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// All metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    ready: Gauge,
    reviews: Family<ReviewLabels, Counter>,
    durations: Family<DurationLabels, Histogram, fn() -> Histogram>,
    findings: Family<FindingLabels, Counter>,
    unreplayed: Counter,
    maintained: Counter,
    refused_requests: Family<OutcomeLabels, Counter>,
    panics: Counter,
    objects: Family<KindLabels, Gauge>,
    unreadable: Family<KindLabels, Gauge>,
    unread_clusters: Gauge,
    connections: ConnectionMetrics,
    /// Metrics other than reviews, for a server in a Kubernetes cluster.
    pub cluster: ClusterMetrics,
    baseline: BaselineMetrics,
    certificates: CertificateMetrics,
    enforcement: EnforcementMetrics,
    reports: ReportMetrics,
    settings: SettingsMetrics,
    tiers: TierMetrics,
    waivers: WaiverMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics, with the value zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            ready: Gauge::default(),
            reviews: Family::default(),
            durations: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(50e-6, 2.0, 16))
            }),
            findings: Family::default(),
            unreplayed: Counter::default(),
            maintained: Counter::default(),
            refused_requests: Family::default(),
            panics: Counter::default(),
            objects: Family::default(),
            unreadable: Family::default(),
            unread_clusters: Gauge::default(),
            connections: ConnectionMetrics::default(),
            cluster: ClusterMetrics::default(),
            baseline: BaselineMetrics::default(),
            certificates: CertificateMetrics::default(),
            enforcement: EnforcementMetrics::default(),
            reports: ReportMetrics::default(),
            settings: SettingsMetrics::default(),
            tiers: TierMetrics::default(),
            waivers: WaiverMetrics::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        self.registry
            .register_collector(Box::new(process::Process::new()));
        let all = self.registry.sub_registry_with_prefix("openbao_perimeter");
        all.register(
            "ready",
            "Whether this replica takes reviews, as at `/readyz`",
            self.ready.clone(),
        );
        all.register(
            "reviews",
            "Reviews answered, except those that `rejected_requests` counts; `repair` is an answer, which the API server may still deny",
            self.reviews.clone(),
        );
        all.register(
            "review_duration_seconds",
            "Time from the complete request body to the complete response; for a rejected request, from its headers",
            self.durations.clone(),
        );
        all.register("findings", "Findings of rules", self.findings.clone());
        all.register(
            "witness_replay_failures",
            "Connections of findings that the second evaluator did not confirm",
            self.unreplayed.clone(),
        );
        all.register(
            "maintenance_writes",
            "Writes that the rules deny, allowed as maintenance; without dry runs",
            self.maintained.clone(),
        );
        all.register(
            "rejected_requests",
            "Requests answered without a verdict, by reason",
            self.refused_requests.clone(),
        );
        all.register(
            "panics",
            "Panics caught, in a request or while compiling the facts",
            self.panics.clone(),
        );
        all.register("inventory_objects", "Objects known", self.objects.clone());
        all.register(
            "inventory_unreadable",
            "Objects known that could not be read",
            self.unreadable.clone(),
        );
        all.register(
            "unreadable_clusters",
            "OpenBaoClusters whose names alone are known, because they are served only in an unsupported version",
            self.unread_clusters.clone(),
        );
        self.tiers.register(all);
        self.connections.register(all);
        self.cluster.register(all);
        self.certificates.register(all);
        self.baseline.register(all);
        self.enforcement.register(all);
        self.reports.register(all);
        self.settings.register(all);
        self.waivers.register(all);
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        all.register("build", "The running program", build);
        self.begin();
    }

    /// Creates series with the value zero for metrics that alerts use, so that the first increase is visible.
    fn begin(&self) {
        for point in WebhookKind::ALL.map(WebhookKind::as_str) {
            for outcome in [ANSWERED, TOO_LATE] {
                let labels = DurationLabels { point, outcome };
                drop(self.durations.get_or_create(&labels));
            }
        }
        self.connections.begin();
        self.certificates.begin();
    }

    /// Sets the number of conditions that keep this replica from being ready.
    pub(crate) fn latched(&self, closed: usize) {
        self.ready.set(i64::from(closed == 0));
    }

    /// Creates the series of a reason of [`Self::rejected`] with the value zero.
    pub(crate) fn may_reject(&self, outcome: &'static str) {
        self.refused_requests
            .get_or_create(&OutcomeLabels { outcome })
            .inc_by(0);
        self.may_let_pass(outcome);
    }

    /// Counts a review.
    pub fn reviewed(&self, record: &Record, duration: Duration) {
        let point = record.webhook.as_str();
        let labels = ReviewLabels {
            point,
            kind: record.kind(),
            operation: record.operation.as_str(),
            outcome: record.outcome(),
        };
        self.reviews.get_or_create(&labels).inc();
        self.durations
            .get_or_create(&DurationLabels {
                point,
                outcome: ANSWERED,
            })
            .observe(duration.as_secs_f64());
        self.unreplayed
            .inc_by(u64::try_from(record.unreplayed).unwrap_or(u64::MAX));
        let is_maintenance = record.maintained && !record.dry_run;
        self.maintained.inc_by(u64::from(is_maintenance));
        self.enforcement.reviewed(record);
        self.waivers.reviewed(record);
        for (code, level) in &record.findings {
            let (code, level) = (code.as_str(), level.as_str());
            self.findings
                .get_or_create(&FindingLabels { code, level })
                .inc();
        }
    }

    /// Counts a request that got no verdict after `duration`. `outcome` is the reason.
    pub(crate) fn rejected_request(
        &self,
        point: WebhookKind,
        outcome: &'static str,
        duration: Duration,
    ) {
        self.rejected(outcome);
        let point = point.as_str();
        self.durations
            .get_or_create(&DurationLabels { point, outcome })
            .observe(duration.as_secs_f64());
    }

    /// Counts a request that got no verdict, if its duration is unknown.
    pub fn rejected(&self, outcome: &'static str) {
        self.refused_requests
            .get_or_create(&OutcomeLabels { outcome })
            .inc();
    }

    /// Counts a caught panic.
    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }

    /// Panics caught so far.
    pub fn panics(&self) -> u64 {
        self.panics.get()
    }

    /// Updates the number of objects. Only namespaces that differ from `before` are counted again, so the
    /// cost depends on the change.
    pub fn inventory(&self, before: &Snapshot, after: &Snapshot) {
        // Of Services only one address is stored, which is no object.
        let kinds = Kind::WATCHED
            .into_iter()
            .filter(|kind| *kind != Kind::Service);
        let mut moved: Vec<(Kind, [i64; 2])> = kinds.map(|kind| (kind, [0; 2])).collect();
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let mut unread = 0;
        for namespace in after.touched(before) {
            for (sign, snapshot) in [(-1, before), (1, after)] {
                let facts = snapshot.namespace(&namespace);
                unread += sign * number(facts.map_or(0, |facts| facts.unread_clusters()));
            }
            for (kind, moved) in &mut moved {
                for (sign, snapshot) in [(-1, before), (1, after)] {
                    let Some(facts) = snapshot.namespace(&namespace) else {
                        continue;
                    };
                    let [objects, unreadable] = facts.count(*kind);
                    moved[0] += sign * number(objects);
                    moved[1] += sign * number(unreadable);
                }
            }
        }
        self.unread_clusters.inc_by(unread);
        for (kind, [objects, unreadable]) in moved {
            let labels = KindLabels { kind: kind.label() };
            self.objects.get_or_create(&labels).inc_by(objects);
            self.unreadable.get_or_create(&labels).inc_by(unreadable);
        }
    }

    /// Updates the numbers of policies of other kinds, after [`Self::inventory`], and the order of the network plugin.
    pub fn layers(&self, compiled: &CompiledSnapshot) {
        let total = |kind: Kind| {
            let labels = KindLabels { kind: kind.label() };
            self.objects.get_or_create(&labels).get()
        };
        self.tiers.set(compiled, total);
    }

    /// All metrics as OpenMetrics text.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Resolution;

    #[test]
    fn a_dry_run_is_no_maintenance_write() {
        let metrics = Metrics::new();
        for (dry_run, count) in [(true, 0), (false, 1), (true, 1)] {
            let record = Record {
                dry_run,
                maintained: true,
                ..Record::of(WebhookKind::Validate, Resolution::Warn)
            };
            metrics.reviewed(&record, Duration::ZERO);
            let sample = format!("openbao_perimeter_maintenance_writes_total {count}\n");
            let text = metrics.text().unwrap();
            assert!(text.contains(&sample), "{dry_run}: {text}");
        }
    }
}
