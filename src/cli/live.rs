//! `serve` in a cluster: the watches, and the tasks beside them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use k8s_openapi::api::admissionregistration::v1::WebhookClientConfig;
use kube::Client;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::Failure;
use super::serve::baseline::Detector;
use crate::admission::{Admission, FactsFreshness};
use crate::audit::background::{self, CompiledSnapshots};
use crate::audit::{EventQueue, Metrics, ReportStore, identity};
use crate::config::{Baseline, ReviewConfig};
use crate::crypto;
use crate::events;
use crate::inventory::{Freshness, Kind, Snapshot};
use crate::registration::{self, Expected, ManifestError, Trust};
use crate::server::authorizer::AccessReviews;
use crate::server::clients::{ApiClients, Facts, LiveRead, LiveReadError, Scope};
use crate::server::probes::Readiness;
use crate::server::shutdown::Shutdown;
use crate::server::tls::Certificates;
use crate::settings::{Reports, ServerConfig, Switch};
use crate::sources::kube::{ReadError, Reader, ReviewConfigs, Served, WatchHealth};
use crate::{reports, sources};

/// Interval of checks of the watches. Reviews check for themselves.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Changes of stored labels that wait for their audit.
const LABEL_CHANGES: usize = 64;

/// A connected cluster.
pub(super) struct Live {
    client: Client,
    health: Arc<WatchHealth>,
    metrics: Arc<Metrics>,
    registration: String,
    audits_labels: bool,
    events: EventQueue,
    /// The reports of the audit, if they are on.
    reports: Option<ReportStore>,
    configs: ReviewConfigs,
}

impl FactsFreshness for WatchHealth {
    fn is_current(&self) -> bool {
        self.lost().is_none()
    }

    fn freshness(&self) -> Freshness {
        Self::freshness(self)
    }

    fn missing(&self) -> Vec<Kind> {
        Self::missing(self)
    }
}

impl Facts for Reader {
    fn read(&self, namespace: Arc<str>, scope: Scope) -> LiveRead {
        let reader = self.clone();
        Box::pin(async move {
            let read = reader.read(namespace, scope.kinds()).await;
            read.map_err(|error| match error {
                ReadError::Late => LiveReadError::Late,
                ReadError::Unserved { .. } => LiveReadError::Unserved,
                error => LiveReadError::Failed(error.to_string()),
            })
        })
    }
}

impl Trust for Certificates {
    fn trusts(&self, client: &WebhookClientConfig) -> Option<bool> {
        let bundle = client
            .ca_bundle
            .as_ref()
            .map_or(&[][..], |bundle| &bundle.0);
        let name = match (&client.service, &client.url) {
            (Some(service), _) => format!("{}.{}.svc", service.name, service.namespace),
            (None, Some(url)) => url.parse::<Uri>().ok()?.host()?.to_owned(),
            (None, None) => return None,
        };
        Some(self.is_trusted_by(bundle, &name))
    }
}

impl Live {
    /// Connects to the cluster; `None` where a folder is the inventory.
    pub(super) async fn connect(
        settings: &ServerConfig,
        metrics: &Arc<Metrics>,
        configs: ReviewConfigs,
    ) -> Result<Option<Self>, Failure> {
        if settings.inventory.is_some() {
            return Ok(None);
        }
        let mut config = kube::Config::infer().await?;
        // A list that stalls half way ends, too; watches end sooner by themselves.
        config.read_timeout = Some(settings.cluster.stale_after);
        let client = crypto::client(config)?;
        let noted = Arc::clone(metrics);
        let health = WatchHealth::new(settings.cluster.stale_after, move |kind, at| {
            noted.cluster.watch_succeeded(kind, at);
        });
        let (queue, receiver) = EventQueue::new(Arc::clone(metrics));
        let record = events::record(client.clone(), instance(), Arc::clone(metrics), receiver);
        tokio::spawn(record);
        queue.enable(settings.cluster.events == Switch::On);
        Ok(Some(Self {
            client,
            health: Arc::new(health),
            metrics: Arc::clone(metrics),
            registration: settings.cluster.registration.clone(),
            audits_labels: settings.identity.audit == Switch::On,
            events: queue,
            reports: (settings.cluster.reports == Reports::Openreports)
                .then(|| ReportStore::new(settings.own_namespace().unwrap_or_default().into())),
            configs,
        }))
    }

    /// The admission; in a cluster it decides only while the facts are fresh.
    pub(super) fn admission(live: Option<&Self>, config: &Arc<ReviewConfig>) -> Admission {
        let admission = Admission::new(Arc::clone(config));
        match live {
            Some(live) => admission.while_current(Arc::<WatchHealth>::clone(&live.health)),
            None => admission,
        }
    }

    /// Clients of the API server for reviews.
    pub(super) fn clients(&self) -> ApiClients {
        ApiClients {
            facts: Some(Arc::new(Reader::new(
                self.client.clone(),
                self.configs.clone(),
            ))),
            authorizer: Some(Arc::new(AccessReviews::new(self.client.clone()))),
            events: Some(self.events.clone()),
        }
    }

    /// Queue of Events.
    pub(super) fn events(&self) -> EventQueue {
        self.events.clone()
    }

    /// Begins to follow the cluster's facts.
    pub(super) fn follow(
        &self,
        updates: watch::Sender<Option<Arc<Snapshot>>>,
        shutdown: Shutdown,
    ) -> JoinHandle<Result<(), Failure>> {
        let (client, health) = (self.client.clone(), Arc::clone(&self.health));
        let configs = self.configs.clone();
        tokio::spawn(async move {
            sources::kube::watch(client, health, configs, updates, shutdown.begun()).await;
            Ok(())
        })
    }

    /// Begins to follow the release of the operator.
    fn detect_baseline(
        &self,
        baselines: watch::Sender<Option<Baseline>>,
        readiness: &Arc<Readiness>,
    ) {
        let (readiness, metrics) = (Arc::clone(readiness), Arc::clone(&self.metrics));
        let mut detector = Detector::new(baselines, readiness, metrics);
        let (client, configs) = (self.client.clone(), self.configs.clone());
        let report = move |release| detector.observe(release);
        tokio::spawn(sources::kube::operator::follow(client, configs, report));
    }

    /// Begins the audit of stored labels, if it is on.
    fn audit_labels(&self, admission: Arc<Admission>) {
        if !self.audits_labels {
            return;
        }
        let (sender, changes) = mpsc::channel(LABEL_CHANGES);
        let (client, configs) = (self.client.clone(), self.configs.clone());
        tokio::spawn(sources::kube::identity::follow(client, configs, sender));
        let config = move || admission.config();
        let (metrics, events) = (Arc::clone(&self.metrics), self.events.clone());
        let reports = self.reports.clone();
        tokio::spawn(identity::follow(changes, config, metrics, events, reports));
    }

    /// Begins to write the reports of the audit, if they are on.
    fn write_reports(&self) {
        if let Some(store) = self.reports.clone() {
            let metrics = Arc::clone(&self.metrics);
            tokio::spawn(reports::write(self.client.clone(), store, metrics));
        }
    }

    /// Begins to watch our registrations.
    fn watch_registrations(
        &self,
        readiness: Arc<Readiness>,
        certificates: Arc<Certificates>,
        admission: Arc<Admission>,
    ) -> Result<(), ManifestError> {
        if self.registration.is_empty() {
            return Ok(());
        }
        let config = move || admission.config();
        let expected = Expected::new(&config())?;
        let watch = registration::watch::Watch {
            client: self.client.clone(),
            name: self.registration.clone(),
            expected,
            config: Box::new(config),
            trust: certificates,
            metrics: Arc::clone(&self.metrics),
            events: Some(self.events.clone()),
        };
        tokio::spawn(watch.run(move |text| readiness.notice("registrations", text.as_deref())));
        Ok(())
    }
}

/// Spawns the tasks beside reviews: the audit, and in a cluster the detection of the baseline, the checks of the watches
/// and of our registrations.
pub(super) fn spawn_tasks(
    live: Option<Live>,
    readiness: &Arc<Readiness>,
    certificates: Arc<Certificates>,
    admission: Arc<Admission>,
    metrics: &Arc<Metrics>,
    (published, baselines): (CompiledSnapshots, watch::Sender<Option<Baseline>>),
) {
    let events = live.as_ref().map(Live::events);
    let reports = live.as_ref().and_then(|live| live.reports.clone());
    let noted = Arc::clone(readiness);
    let notify = move |text: Option<&str>| noted.notice("managed-policies", text);
    let counted = Arc::clone(metrics);
    tokio::spawn(background::follow(
        published, counted, events, reports, notify,
    ));
    let Some(live) = live else {
        return;
    };
    live.write_reports();
    live.detect_baseline(baselines, readiness);
    live.audit_labels(Arc::clone(&admission));
    if let Err(error) = live.watch_registrations(Arc::clone(readiness), certificates, admission) {
        tracing::error!(%error, "webhook configurations are not watched");
    }
    let readiness = Arc::clone(readiness);
    tokio::spawn(report_stale_watches(live.health, live.metrics, readiness));
}

/// Name of this replica: the pod's, which is its host's.
fn instance() -> String {
    let named = std::env::var("HOSTNAME")
        .ok()
        .filter(|name| !name.is_empty());
    named.unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned())
}

/// Reports kinds without a list or watch event for too long, their return, and kinds that are served in versions that
/// are not read.
async fn report_stale_watches(
    health: Arc<WatchHealth>,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
) {
    let mut interval = tokio::time::interval(CHECK_INTERVAL);
    let mut known = None;
    loop {
        interval.tick().await;
        let served = health.served();
        for (kind, served) in &served {
            metrics.cluster.served(*kind, served.version());
        }
        readiness.notice("versions", versions(&served).as_deref());
        let services = health.services_problem();
        let services = services.map(|problem| {
            format!(
                "advice on endpoints (OBP605) does not know the ports of some Services: {problem}"
            )
        });
        readiness.notice("services", services.as_deref());
        let lost = health.lost();
        let kind = lost.map(|(kind, _)| kind);
        metrics.cluster.stale(kind);
        let denied = match health.freshness() {
            Freshness::StaleClusters => "writes in namespaces with OpenBaoClusters are denied",
            _ => "writes of the reviewed kinds are denied",
        };
        let notice = lost.map(|(kind, age)| {
            let (kind, age) = (kind.label(), age.as_secs());
            format!("no list or watch event for {kind} in {age} s; {denied} (OBP403)")
        });
        readiness.notice("watches", notice.as_deref());
        if kind == known {
            continue;
        }
        if let Some(kind) = kind {
            let kind = kind.label();
            tracing::error!(
                kind,
                "no list or watch event for too long; {denied} (OBP403)"
            );
        } else {
            tracing::info!("the API server answers again");
        }
        known = kind;
    }
}

/// The warning of `/readyz?verbose` about the versions in which kinds are served.
fn versions(served: &BTreeMap<Kind, Served>) -> Option<String> {
    let text = |(kind, served): (&Kind, &Served)| {
        let name = kind.label();
        match (served, kind) {
            (Served::Unread(version), Kind::OpenBaoCluster) => Some(format!(
                "{name} is served as {version}, which this release cannot read: in namespaces with OpenBaoClusters, policies \
                 that may select OpenBao pods are denied (OBP403); upgrade openbao-perimeter"
            )),
            (Served::Unread(version), _) => Some(format!(
                "{name} is served as {version}, which this release cannot read: its last known objects count; upgrade \
                 openbao-perimeter"
            )),
            (Served::Nowhere, Kind::OpenBaoCluster) => Some(format!(
                "{name} is served in no version: no cluster is guarded until the CRD is installed"
            )),
            (Served::Unproved, _) => Some(format!(
                "listing {name} returns 404, but discovery does not confirm that the kind is gone: its last known objects count"
            )),
            (Served::Read(_) | Served::Nowhere, _) => None,
        }
    };
    let texts: Vec<String> = served.iter().filter_map(text).collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}
