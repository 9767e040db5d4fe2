//! Detection of the baseline by the operator's Deployments, while `serve` runs.

use std::sync::Arc;

use tokio::sync::watch;

use crate::audit::Metrics;
use crate::audit::metrics::BaselineDoubt;
use crate::config::release::Detected;
use crate::config::{Baseline, BaselineChoice, BaselineReason};
use crate::server::probes::Readiness;
use crate::sources::kube::operator::Release;

/// Receiver of releases. It reports the baseline that follows, and doubts about it.
pub(in crate::cli) struct Detector {
    last: Option<Detected>,
    /// The choice that was logged last.
    logged: Option<BaselineChoice>,
    baselines: watch::Sender<Option<Baseline>>,
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
}

impl Detector {
    pub(in crate::cli) const fn new(
        baselines: watch::Sender<Option<Baseline>>,
        readiness: Arc<Readiness>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            last: None,
            logged: None,
            baselines,
            readiness,
            metrics,
        }
    }

    /// Takes the release of the operator, or the reason for which it is not known; `None` where a setting names the
    /// baseline.
    pub(in crate::cli) fn observe(&mut self, release: Option<Release>) {
        let choice = release.map(|found| BaselineChoice::detected(found, self.last.as_ref()));
        let is_doubtful = choice
            .as_ref()
            .is_some_and(|choice| choice.undetermined().is_some());
        self.metrics
            .baseline_doubt(BaselineDoubt::Undetermined, is_doubtful);
        let notice = choice.as_ref().filter(|_| is_doubtful);
        let notice = notice.map(|choice| format!("{choice}; the setting `baseline` names another"));
        self.readiness.notice("baseline", notice.as_deref());
        if let Some(choice) = &choice {
            if self.logged.as_ref() != Some(choice) {
                log(choice, is_doubtful);
            }
            if let BaselineReason::Detected(found) = &choice.reason {
                self.last = Some(found.clone());
            }
            let baseline = Some(choice.baseline);
            self.baselines.send_if_modified(|known| {
                let is_other = *known != baseline;
                *known = baseline;
                is_other
            });
        }
        self.logged = choice;
    }
}

fn log(choice: &BaselineChoice, is_doubtful: bool) {
    let BaselineChoice { baseline, reason } = choice;
    if is_doubtful {
        tracing::warn!(%baseline, %reason, "the operator's release is not known");
    } else {
        tracing::info!(%baseline, %reason, "baseline of the operator's release");
    }
}
