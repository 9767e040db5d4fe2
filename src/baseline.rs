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
mod table;

pub use ceiling::Ceiling;
pub use compiled::{
    ClusterPerimeter, Entry, Selected, SelectedRule, ZonePerimeter, compile, rendered,
};
pub use expand::{Expansion, Facts, expand};
pub use managed::{CLUSTER_LABEL, MANAGED_LABELS, Pods, managed_policy, selector, zone};
pub use table::ROWS;

use crate::perimeter::Direction;

/// Whether a row belongs to the floor or only to the ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
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
    /// The DNS namespace, and each of `spec.network.dnsEndpointIPs`.
    Dns,
    /// The API server's Service address and endpoint addresses.
    ApiServer,
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
    /// API and Raft ports, 8200 and 8201/TCP by default.
    ApiAndRaft,
    /// 53/UDP and 53/TCP.
    Dns,
    /// 443/TCP for the Service address, 6443/TCP for each endpoint address.
    ApiServer,
    /// 443/TCP.
    Https,
    /// As the declaration says.
    AsWritten,
}

/// One row of the allowlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Stable name.
    pub id: &'static str,
    /// Whose connections.
    pub pods: Pods,
    /// Direction, seen from those pods.
    pub direction: Direction,
    /// The other end.
    pub peers: Peers,
    /// Destination ports.
    pub ports: RowPorts,
    /// Floor or ceiling.
    pub standing: Standing,
    /// Who renders it.
    pub renderer: Renderer,
    /// Why it is there, for people: completes "needed for …" or "permitted for …".
    pub reason: &'static str,
}
