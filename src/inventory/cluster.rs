//! OpenBaoCluster as a fact: the fields that define its network perimeter.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::crd::{Gateway, Metrics, OpenBaoClusterSpec, RestoreTest, Upgrade};
use super::network::{Declared, Network};
use super::restore::{RestoreTarget, template_labels};
use super::rules::{FieldPath, Problems};
use super::{Dependencies, Labels, Meta, Unreadable};
use crate::config::Baseline;

/// `spec.profile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// `Hardened`.
    Hardened,
    /// `Development`.
    Development,
}

/// An OpenBaoCluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Metadata.
    pub meta: Meta,
    /// `metadata.uid`, which owner references contain; `None` in a manifest that no API server has seen.
    pub uid: Option<Arc<str>>,
    /// `spec.profile`; `None` if absent or unknown.
    pub profile: Option<Profile>,
    /// `spec.profile`, if it is no known profile.
    pub(crate) unknown_profile: Option<Arc<str>>,
    /// Labels that some of its server pods have in addition to the operator's:
    /// `spec.podMetadata.labels` and `spec.readReplicas.template.metadata.labels`.
    pub pod_labels: Vec<Labels>,
    /// `spec.backup.target.workloadIdentity.podLabels`.
    pub job_labels: Labels,
    /// `spec.backup.restoreTest`: the clusters that the operator creates to test backups.
    pub restore_test: Option<RestoreTarget>,
    /// Namespace of the Gateway, not trimmed, if `spec.gateway.enabled`. By default the cluster's own.
    pub gateway_namespace: Option<Arc<str>>,
    /// `spec.ingress.enabled`.
    pub ingress_enabled: bool,
    /// Port of the metrics listener, if it is on. The default is 8202.
    pub metrics_port: Option<Declared<u16>>,
    /// True if jobs of the cluster use an object storage: `spec.backup` is set, or snapshots before upgrades
    /// are on.
    pub stores_snapshots: bool,
    /// `spec.network`.
    pub network: Network,
    /// External services that it uses, and its stored status conditions.
    pub dependencies: Dependencies,
    /// Fields that cannot be read, while others can. Their last known values are used, or else none.
    pub broken: Option<Arc<Unreadable>>,
    /// Pods that may have any label, because their declared labels cannot be read.
    pub unknown_labels: UnknownLabels,
}

/// The pods of a cluster whose labels are unknown: they cannot be read, and there are no last known ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnknownLabels {
    /// Its server pods.
    pub servers: bool,
    /// Its jobs.
    pub jobs: bool,
}

/// Field paths of the labels of server pods.
const SERVER_LABELS: [&str; 2] = [
    "spec.podMetadata.labels",
    "spec.readReplicas.template.metadata.labels",
];

/// Field path of the labels of jobs.
const JOB_LABELS: &str = "spec.backup.target.workloadIdentity.podLabels";

/// Default port of the metrics listener.
pub(crate) const METRICS_PORT: u16 = 8202;

/// Field path of that port.
pub(crate) const METRICS_PORT_PATH: &str = "spec.observability.metrics.metricsOnlyListener.port";

/// Annotation of a cluster that the newest operator created for a restore. It renders no policies for it.
pub(crate) const RESTORE_ORIGIN: &str = "openbao.org/restore-origin";

impl Cluster {
    /// Returns true if both have the same spec. Metadata and status are ignored.
    pub fn same_spec(&self, other: &Self) -> bool {
        let bare = |cluster: &Self| {
            let mut bare = cluster.clone();
            bare.meta = Meta::default();
            bare.uid = None;
            bare.broken = bare.broken.map(|broken| {
                Arc::new(Unreadable {
                    meta: Meta::default(),
                    version: None,
                    too_large: None,
                    pods: None,
                    problems: broken.problems.clone(),
                })
            });
            bare.dependencies.live.clear();
            bare
        };
        bare(self) == bare(other)
    }

    /// Records the fields that cannot be read.
    pub(super) fn unread(&mut self, broken: Unreadable) {
        self.broken = Some(broken.into());
        self.unknown_labels = UnknownLabels {
            servers: SERVER_LABELS.iter().any(|field| self.is_unread(field)),
            jobs: self.is_unread(JOB_LABELS),
        };
    }

    /// Returns true if a field, or part of it, cannot be read.
    fn is_unread(&self, field: &str) -> bool {
        let holds = |outer: &str, inner: &str| {
            let rest = inner.strip_prefix(outer);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let mut problems = self.broken.iter().flat_map(|broken| &broken.problems);
        problems.any(|problem| holds(field, &problem.path) || holds(&problem.path, field))
    }

    /// The cluster with the last known values of fields that cannot be read.
    #[must_use]
    pub fn completed(&self, known: &Self) -> Self {
        let mut completed = self.clone();
        let fields = |fields: &[&str]| fields.iter().any(|field| self.is_unread(field));
        macro_rules! take {
            ($($($field:ident).+ => $paths:expr;)*) => {
                $(if fields(&$paths) {
                    completed.$($field).+ = known.$($field).+.clone();
                })*
            };
        }
        take! {
            profile => ["spec.profile"];
            unknown_profile => ["spec.profile"];
            job_labels => [JOB_LABELS];
            unknown_labels.jobs => [JOB_LABELS];
            unknown_labels.servers => SERVER_LABELS;
            restore_test => ["spec.backup.restoreTest"];
            gateway_namespace => ["spec.gateway"];
            ingress_enabled => ["spec.ingress"];
            metrics_port => ["spec.observability"];
            stores_snapshots => ["spec.backup", "spec.upgrade"];
            network.api_server_cidr => ["spec.network.apiServerCIDR"];
            network.api_server_endpoints => ["spec.network.apiServerEndpointIPs"];
            network.dns_namespace => ["spec.network.dnsNamespace"];
            network.dns_endpoints => ["spec.network.dnsEndpointIPs"];
            network.ingress_rules => ["spec.network.ingressRules"];
            network.egress_rules => ["spec.network.egressRules"];
            network.trusted_ingress_peers => ["spec.network.trustedIngressPeers"];
        }
        if fields(&SERVER_LABELS) {
            // The other template may be readable and new.
            let known = known.pod_labels.iter();
            let known = known.filter(|labels| !self.pod_labels.contains(labels));
            completed.pod_labels.extend(known.cloned());
        }
        completed
    }

    /// Returns true if the operator of this baseline renders policies for it.
    pub fn is_rendered(&self, baseline: Baseline) -> bool {
        !is_restored_into(&self.meta, baseline)
    }
}

/// Returns true if an operator of this baseline created the cluster for a restore. Only the newest operator
/// uses the annotation. It ignores an empty one.
pub(crate) fn is_restored_into(cluster: &Meta, baseline: Baseline) -> bool {
    let origin = cluster.annotations.get(RESTORE_ORIGIN);
    baseline.features().restores_into_clusters && origin.is_some_and(|origin| !origin.is_empty())
}

impl From<(Meta, OpenBaoClusterSpec)> for Cluster {
    /// Reads a spec as the operator does: addresses are trimmed, and blank ones are treated as absent.
    /// Problems with a declared value are stored with it.
    fn from((meta, spec): (Meta, OpenBaoClusterSpec)) -> Self {
        let dependencies = Dependencies::of(&meta, &spec);
        let replicas = spec.read_replicas.and_then(|replicas| replicas.template);
        let replicas = replicas.and_then(|template| template.metadata);
        let pod_labels = [spec.pod_metadata, replicas]
            .into_iter()
            .flatten()
            .filter_map(|metadata| metadata.labels)
            .filter(|labels| !labels.is_empty())
            .map(shared)
            .collect();
        let snapshots_upgrades = spec.upgrade.as_ref().is_some_and(Upgrade::takes_snapshots);
        let stores_snapshots = spec.backup.is_some() || snapshots_upgrades;
        let backup = spec.backup.unwrap_or_default();
        let job_labels = backup
            .target
            .and_then(|target| target.workload_identity?.pod_labels)
            .map(shared)
            .unwrap_or_default();
        let restore_test = backup.restore_test.and_then(restore_test);
        let gateway_namespace = spec
            .gateway
            .filter(|gateway| gateway.enabled == Some(true))
            .map(|gateway| gateway_namespace(gateway, &meta));
        let profile = spec.profile.as_deref().and_then(Profile::read);
        Self {
            unknown_profile: spec.profile.filter(|_| profile.is_none()).map(Arc::from),
            profile,
            pod_labels,
            job_labels,
            restore_test,
            gateway_namespace,
            ingress_enabled: spec.ingress.and_then(|ingress| ingress.enabled) == Some(true),
            metrics_port: spec
                .observability
                .and_then(|observability| observability.metrics)
                .and_then(metrics_port),
            stores_snapshots,
            network: spec.network.map(Network::from).unwrap_or_default(),
            uid: None,
            dependencies,
            broken: None,
            unknown_labels: UnknownLabels::default(),
            meta,
        }
    }
}

impl Profile {
    fn read(word: &str) -> Option<Self> {
        match word {
            "Hardened" => Some(Self::Hardened),
            "Development" => Some(Self::Development),
            _ => None,
        }
    }
}

/// The port of the metrics listener. It is on if enabled, or by default with `AllNodes`.
fn metrics_port(metrics: Metrics) -> Option<Declared<u16>> {
    let listener = metrics.metrics_only_listener.unwrap_or_default();
    let all_nodes = metrics.scrape_profile.as_deref() == Some("AllNodes");
    let is_on = metrics.enabled == Some(true) && listener.enabled.unwrap_or(all_nodes);
    is_on.then(|| listener.port.map_or(Ok(METRICS_PORT), port))
}

fn port(written: i32) -> Declared<u16> {
    let number = u16::try_from(written).ok().filter(|number| *number != 0);
    number.ok_or_else(|| {
        let mut problems = Problems::default();
        let problem = format!("expected a port from 1 to 65535, found `{written}`");
        problems.add(&FieldPath::root(METRICS_PORT_PATH), &written, problem);
        problems.into_list()
    })
}

/// The clusters of restore tests; `None` if no namespace is named.
fn restore_test(written: RestoreTest) -> Option<RestoreTarget> {
    Some(RestoreTarget {
        namespace: filled(written.namespace.as_deref()?)?.into(),
        name: Arc::default(),
        pod_labels: template_labels(written.cluster_template.unwrap_or_default()),
    })
}

fn gateway_namespace(gateway: Gateway, meta: &Meta) -> Arc<str> {
    let written = gateway.gateway_ref.and_then(|gateway| gateway.namespace);
    written
        .filter(|name| filled(name).is_some())
        .map_or_else(|| meta.namespace.clone(), Arc::from)
}

/// Converts labels to shared texts.
pub(super) fn shared(labels: BTreeMap<String, String>) -> Labels {
    let pairs = labels.into_iter();
    netpol::label::labels(
        pairs
            .map(|(key, value)| (key.into(), value.into()))
            .collect(),
    )
}

/// The trimmed text; `None` if it is blank.
pub(super) fn filled(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}
