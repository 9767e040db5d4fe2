//! Metrics of certificates: the serving certificate, its CA, client CAs, self-managed certificates.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{Metrics, OutcomeLabels};

/// Outcome of reading a certificate again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// It is new and is now served.
    Swapped,
    /// It is invalid. The old one stays.
    Kept,
}

impl Reload {
    const ALL: [Self; 2] = [Self::Swapped, Self::Kept];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Swapped => "swapped",
            Self::Kept => "kept-old",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabels {
    step: &'static str,
}

/// A metric with at most one series.
type NoLabels = [(&'static str, &'static str); 0];

#[derive(Debug, Default)]
pub(super) struct CertificateMetrics {
    expiry: Gauge<f64, AtomicU64>,
    reloads: Family<OutcomeLabels, Counter>,
    /// Has no series if there is no CA.
    ca_expiry: Family<NoLabels, Gauge<f64, AtomicU64>>,
    client_ca_reloads: Family<OutcomeLabels, Counter>,
    steps: Family<StepLabels, Counter>,
    bundle_writes: Counter,
    failures: Counter,
}

impl CertificateMetrics {
    pub(super) fn register(&self, all: &mut Registry) {
        all.register(
            "certificate_expiry_timestamp_seconds",
            "Unix time at which the served certificate expires",
            self.expiry.clone(),
        );
        all.register(
            "certificate_reloads",
            "Reloads of changed certificate files",
            self.reloads.clone(),
        );
        all.register(
            "certificate_ca_expiry_timestamp_seconds",
            "Unix time at which the first CA above the served certificate expires, where known",
            self.ca_expiry.clone(),
        );
        all.register(
            "client_ca_reloads",
            "Reloads of changed client CA files",
            self.client_ca_reloads.clone(),
        );
        all.register(
            "self_managed_steps",
            "Steps of the rotation that this replica took",
            self.steps.clone(),
        );
        all.register(
            "self_managed_bundle_writes",
            "Writes of the CA bundle to the registrations by this replica",
            self.bundle_writes.clone(),
        );
        all.register(
            "self_managed_failures",
            "Failed updates of the Secret or the registrations",
            self.failures.clone(),
        );
    }

    /// Creates the series with the value zero.
    pub(super) fn begin(&self) {
        for outcome in Reload::ALL.map(Reload::as_str) {
            for reloads in [&self.reloads, &self.client_ca_reloads] {
                reloads.get_or_create(&OutcomeLabels { outcome }).inc_by(0);
            }
        }
    }
}

impl Metrics {
    /// Sets the expiry of the serving certificate, and of its CA if it is known, as Unix time in seconds.
    #[expect(clippy::cast_precision_loss, reason = "exact for 285 million years")]
    pub fn certificate_expires(&self, leaf: i64, ca: Option<i64>) {
        self.certificates.expiry.set(leaf as f64);
        let of_ca = &self.certificates.ca_expiry;
        match ca {
            Some(at) => {
                of_ca.get_or_create(&[]).set(at as f64);
            }
            None => of_ca.clear(),
        }
    }

    /// Counts a changed certificate file.
    pub fn certificate_reloaded(&self, reload: Reload) {
        let outcome = reload.as_str();
        let reloads = &self.certificates.reloads;
        reloads.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Counts a changed file of client CAs.
    pub fn client_ca_reloaded(&self, reload: Reload) {
        let outcome = reload.as_str();
        let reloads = &self.certificates.client_ca_reloads;
        reloads.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Counts a step of the rotation.
    pub fn rotation_stepped(&self, step: &'static str) {
        let steps = &self.certificates.steps;
        steps.get_or_create(&StepLabels { step }).inc();
    }

    /// Counts a write of the CA bundle.
    pub(crate) fn bundle_written(&self) {
        self.certificates.bundle_writes.inc();
    }

    /// Counts a failed round of the self-managed certificates.
    pub(crate) fn self_managed_failed(&self) {
        self.certificates.failures.inc();
    }
}
