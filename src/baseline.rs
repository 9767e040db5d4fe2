//! The allowlist as data: a table of rows from which floor, ceiling and rendered policies are made.
//!
//! A row states which peers may connect to which pods, and the reason. [`expand()`] turns it into rules for
//! one cluster. Rows are in the order in which the operator renders them.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

mod ceiling;
mod compiled;
mod expand;
mod managed;
mod selected;
mod table;
mod written;

pub(crate) use ceiling::Ceiling;
pub(crate) use compiled::{
    ClusterPerimeter, Entry, NamespacePerimeters, ZonePerimeter, compile, rendered,
};
pub use expand::{Expansion, Facts, Source, expand};
pub(crate) use managed::{
    CLUSTER_LABEL, COMPONENT_LABEL, IDENTITY_LABELS, JOB_COMPONENTS, MANAGED_LABELS, NAME_LABEL,
    OPERATOR_NAME, infra_labels, job_labels, managed_policy, pods_of_any_cluster, selector, zone,
};
pub use selected::{PolicyRegions, Selected, SelectedRule, SharedRegions};
pub use table::ROWS;
pub use written::written;
pub(crate) use written::{OWNER_API_VERSION, OWNER_UID, Obstacle, invalid_values};

pub(crate) use crate::config::Zone;
use crate::config::{Baseline, ReviewConfig};
use netpol::Direction;

/// Part of the allowlist that a row belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowStatus {
    /// The cluster's lifecycle needs it: floor and ceiling.
    Required,
    /// It may be opened: ceiling only.
    Permitted,
}

/// Component that renders the rules of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renderer {
    /// The operator, in its managed policy.
    Operator,
    /// The operator's own installation, by Helm or kustomize.
    Installation,
    /// None: it is permitted, and another policy may open it.
    Nobody,
}

/// The peers of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    /// Pods of the same cluster, by the four managed labels.
    ClusterPods,
    /// Controller and provisioner pods in the operator's namespace.
    OperatorPods,
    /// The cluster's backup and restore pods.
    LifecycleJobs,
    /// The Gateway's namespace, if it is not the cluster's own.
    GatewayNamespace,
    /// Each of `spec.network.trustedIngressPeers`.
    TrustedPeers,
    /// Everyone, if `spec.ingress.enabled`.
    EveryoneForIngress,
    /// The namespaces that the settings name for health checks.
    HealthNamespaces,
    /// The namespace `kube-system`, whatever is declared or configured.
    KubeSystem,
    /// The DNS namespace, and each of `spec.network.dnsEndpointIPs`.
    Dns,
    /// The API server's block or first Service address, and its declared endpoint addresses.
    ApiServer,
    /// Further addresses of the API server's Service, as in a dual-stack cluster.
    FurtherApiServers,
    /// Endpoint addresses of the API server in the settings, for the operator's own pods.
    ApiServerEndpoints,
    /// Everyone, if the settings name no endpoint addresses of the API server.
    EveryoneWithoutEndpoints,
    /// The pods of every OpenBao cluster, in any namespace.
    OpenBaoPods,
    /// Namespaces with the label of metrics scrapers.
    MetricsNamespaces,
    /// Everyone.
    Everyone,
    /// Peers that the settings permit for every perimeter (`review.platform`).
    Platform,
    /// Every address, for a Development cluster that declares no egress rule.
    DevelopmentAddresses,
    /// `spec.network.ingressRules` or `egressRules` as written.
    Declared,
}

/// The ports of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowPorts {
    /// The API port, 8200/TCP by default.
    Api,
    /// The API port, and the port of the metrics listener if it is on.
    ApiAndMetrics,
    /// The ports that the settings name for health checks.
    Health,
    /// These TCP ports.
    Tcp(&'static [u16]),
    /// Every port of every protocol.
    All,
    /// API and Raft ports, 8200 and 8201/TCP by default.
    ApiAndRaft,
    /// 53/UDP and 53/TCP.
    Dns,
    /// 443/TCP for the Service address, 6443/TCP for each endpoint address.
    ApiServer,
    /// The ports of the declaration.
    AsWritten,
}

/// One row of the allowlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Stable name, unique in a baseline, zone and direction.
    pub id: &'static str,
    /// The baselines that have the row.
    pub baselines: &'static [Baseline],
    /// Protected pods of the row.
    pub pods: Zone,
    /// Direction, seen from those pods.
    pub direction: Direction,
    /// Peers.
    pub peers: Peers,
    /// Destination ports.
    pub ports: RowPorts,
    /// Floor or ceiling.
    pub status: RowStatus,
    /// Component that renders it.
    pub renderer: Renderer,
    /// Reason, for people: completes "needed for …" or "permitted for …".
    pub reason: &'static str,
}

/// The rows of one zone and direction in a baseline, in rendered order.
pub(crate) fn rows(
    pods: Zone,
    direction: Direction,
    config: &ReviewConfig,
) -> impl Iterator<Item = &'static Row> {
    let baseline = config.baseline;
    ROWS.iter().filter(move |row| {
        row.pods == pods && row.direction == direction && row.baselines.contains(&baseline)
    })
}
