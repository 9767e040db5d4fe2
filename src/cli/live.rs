//! `serve` in a cluster: the watches and all that is done beside them.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Failure;
use crate::admission::{Admission, Currency};
use crate::audit::Metrics;
use crate::inventory::Snapshot;
use crate::posture::Posture;
use crate::server::probes::Readiness;
use crate::server::shutdown::Shutdown;
use crate::settings::{ClusterOptions, Settings};
use crate::sources;
use crate::sources::kube::Pulse;

/// How often it is looked whether the API server is still heard of. Reviews ask for themselves.
const LOOK: Duration = Duration::from_secs(1);

/// A cluster, connected to.
pub(super) struct Live {
    client: Client,
    pulse: Arc<Pulse>,
    metrics: Arc<Metrics>,
}

impl Currency for Pulse {
    fn is_current(&self) -> bool {
        self.lost().is_none()
    }
}

impl Live {
    /// Connects to the cluster; `None` where a folder is the inventory.
    pub(super) async fn connect(
        settings: &Settings,
        metrics: &Arc<Metrics>,
    ) -> Result<Option<Self>, Failure> {
        let options: ClusterOptions = settings.cluster.options()?;
        if settings.inventory.is_some() {
            return Ok(None);
        }
        let mut config = kube::Config::infer().await?;
        // A list that stalls half way ends, too; watches end sooner by themselves.
        config.read_timeout = Some(options.stale_after);
        let client = Client::try_from(config)?;
        let heard = Arc::clone(metrics);
        let pulse = Pulse::new(options.stale_after, move |kind, at| {
            heard.cluster.heard(kind, at)
        });
        Ok(Some(Self {
            client,
            pulse: Arc::new(pulse),
            metrics: Arc::clone(metrics),
        }))
    }

    /// The admission: where a cluster is followed, only while it is heard of.
    pub(super) fn admission(live: Option<&Self>, posture: &Arc<Posture>) -> Admission {
        let admission = Admission::new(Arc::clone(posture));
        match live {
            Some(live) => admission.while_current(Arc::<Pulse>::clone(&live.pulse)),
            None => admission,
        }
    }

    /// Begins to follow the cluster's facts.
    pub(super) fn follow(
        &self,
        updates: watch::Sender<Option<Arc<Snapshot>>>,
        shutdown: Shutdown,
    ) -> JoinHandle<Result<(), Failure>> {
        let (client, pulse) = (self.client.clone(), Arc::clone(&self.pulse));
        tokio::spawn(async move {
            sources::kube::watch(client, pulse, updates, shutdown.begun()).await;
            Ok(())
        })
    }

    /// Begins what is done beside the watches.
    pub(super) fn accompany(self, readiness: Arc<Readiness>) {
        tokio::spawn(look_for_silence(self.pulse, self.metrics, readiness));
    }
}

/// Tells of a kind that is not heard of any more, and of its return.
async fn look_for_silence(pulse: Arc<Pulse>, metrics: Arc<Metrics>, readiness: Arc<Readiness>) {
    let mut interval = tokio::time::interval(LOOK);
    let mut known = None;
    loop {
        interval.tick().await;
        let lost = pulse.lost();
        let kind = lost.map(|(kind, _)| kind);
        metrics.cluster.stale(kind);
        let notice = lost.map(|(kind, age)| {
            let (kind, age) = (kind.as_str(), age.as_secs());
            format!("no word about {kind} from the API server for {age} s, so judged writes are refused with OBP403")
        });
        readiness.notice("watches", notice);
        if kind == known {
            continue;
        }
        match kind {
            Some(kind) => tracing::error!(
                kind = kind.as_str(),
                "No word from the API server for too long; judged writes are refused with OBP403"
            ),
            None => tracing::info!("The API server is heard of again"),
        }
        known = kind;
    }
}
