//! The allowlist as data: one table of rows, from which the floor, the ceiling and the rendered
//! policies are all made.
//!
//! A row says who may talk to whom and why; [`expand`] turns it into rules for one cluster. Rows
//! stand in the order in which the operator renders them.

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

pub use ceiling::Ceiling;
pub use compiled::{
    ClusterPerimeter, Entry, NamespacePerimeters, ZonePerimeter, compile, rendered,
};
pub use expand::{Expansion, Facts, expand};
pub use managed::{
    CLUSTER_LABEL, COMPONENT_LABEL, JOB_COMPONENTS, MANAGED_LABELS, NAME_LABEL, OPERATOR_NAME,
    managed_policy, pods_of_any_cluster, selector, zone,
};
pub use selected::{PolicyRegions, Selected, SelectedRule, SharedRegions};
pub use table::ROWS;
pub use written::{OWNER_API_VERSION, OWNER_UID, Obstacle, refused, written};

pub use crate::config::Pods;
use crate::config::{Baseline, ReviewConfig};
use netpol::Direction;

/// Whether a row belongs to the floor or only to the ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowStatus {
    /// The cluster's lifecycle needs it: floor and ceiling.
    Required,
    /// It may be opened: ceiling only.
    Permitted,
}

/// Who renders the rules of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renderer {
    /// The operator, in its managed policy.
    Operator,
    /// The operator's own installation, by Helm or kustomize.
    Installation,
    /// Nobody: it is permitted, and a policy of somebody else may open it.
    Nobody,
}

/// The other end of a row's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    /// Pods of the same cluster, by the four managed labels.
    ClusterPods,
    /// Controller and provisioner pods in the operator's namespace.
    OperatorPods,
    /// The cluster's backup and restore pods.
    LifecycleJobs,
    /// The Gateway's namespace, when it is another one.
    GatewayNamespace,
    /// Each of `spec.network.trustedIngressPeers`.
    TrustedPeers,
    /// Everyone, when `spec.ingress.enabled`.
    EveryoneForIngress,
    /// The namespaces of the setting for health checks.
    HealthNamespaces,
    /// The namespace `kube-system`, whatever is declared or set.
    KubeSystem,
    /// The DNS namespace, and each of `spec.network.dnsEndpointIPs`.
    Dns,
    /// The API server's block or first Service address, and its declared endpoint addresses.
    ApiServer,
    /// Further addresses of the API server's Service, as in a dual-stack cluster.
    FurtherApiServers,
    /// The API server's endpoint addresses of the settings, for the operator's own pods.
    ApiServerEndpoints,
    /// Everyone, where the settings name no endpoint addresses of the API server.
    EveryoneWithoutEndpoints,
    /// The pods of every OpenBao cluster, in any namespace.
    OpenBaoPods,
    /// Namespaces with the labels of those that scrape metrics.
    MetricsNamespaces,
    /// Everyone.
    Everyone,
    /// What the platform's owner permits for every perimeter.
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
    /// The API port, and that of the metrics listener where it is on.
    ApiAndMetrics,
    /// The ports of the setting for health checks.
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
    /// As the declaration says.
    AsWritten,
}

/// One row of the allowlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Stable name; in one edition no two rows of a zone and direction share it.
    pub id: &'static str,
    /// The editions that have the row.
    pub baselines: &'static [Baseline],
    /// Whose connections.
    pub pods: Pods,
    /// Direction, seen from those pods.
    pub direction: Direction,
    /// The other end.
    pub peers: Peers,
    /// Destination ports.
    pub ports: RowPorts,
    /// Floor or ceiling.
    pub standing: RowStatus,
    /// Who renders it.
    pub renderer: Renderer,
    /// Why it is there, for people: completes "needed for …" or "permitted for …".
    pub reason: &'static str,
}

/// The rows of one zone and direction in the edition that holds, in rendered order.
pub fn rows(
    pods: Pods,
    direction: Direction,
    config: &ReviewConfig,
) -> impl Iterator<Item = &'static Row> {
    let baseline = config.baseline;
    ROWS.iter().filter(move |row| {
        row.pods == pods && row.direction == direction && row.baselines.contains(&baseline)
    })
}
