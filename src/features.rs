//! Behaviour of the operator in each baseline, apart from the rows that it renders.
//!
//! Baselines differ only in their rows (`baseline::table`) and in these features.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

use crate::config::{Baseline, Zone};

/// Behaviour of the operator in a baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about the operator"
)]
pub(crate) struct Features {
    /// Pods of a cluster for which it renders a policy.
    pub(crate) cluster_pods: &'static [Zone],
    /// It knows `spec.network.trustedIngressPeers`.
    pub(crate) has_trusted_peers: bool,
    /// It finds DNS by `spec.network.dnsNamespace` and `dnsEndpointIPs`.
    pub(crate) has_dns_fields: bool,
    /// It renders a rule for the metrics listener, on a port that the cluster chooses.
    pub(crate) has_metrics_port: bool,
    /// It reports checkpoints as conditions of clusters and restores.
    pub(crate) reports_checkpoints: bool,
    /// It rejects declarations that a Hardened cluster may not have.
    pub(crate) enforces_hardened: bool,
    /// It rejects an Ingress without trusted peers.
    pub(crate) ingress_needs_trusted_peers: bool,
    /// It overwrites a policy with the name of one of its own.
    pub(crate) takes_over_policies: bool,
    /// It marks its policies with the uid of their cluster.
    pub(crate) marks_owner: bool,
    /// It creates clusters for restores, and renders no policies for them.
    pub(crate) restores_into_clusters: bool,
    /// It waits until the Gateway accepts its route.
    pub(crate) checks_gateway_route: bool,
    /// Its rule for a Gateway in the cluster's own namespace admits it.
    pub(crate) admits_gateway_of_own_namespace: bool,
}

const CLASSIC: Features = Features {
    cluster_pods: &[Zone::Workload],
    has_trusted_peers: false,
    has_dns_fields: false,
    has_metrics_port: false,
    reports_checkpoints: false,
    enforces_hardened: false,
    ingress_needs_trusted_peers: false,
    takes_over_policies: true,
    marks_owner: false,
    restores_into_clusters: false,
    checks_gateway_route: false,
    admits_gateway_of_own_namespace: false,
};

const V01: Features = Features {
    cluster_pods: &[Zone::Workload, Zone::Jobs],
    has_trusted_peers: true,
    has_dns_fields: true,
    reports_checkpoints: true,
    ..CLASSIC
};

const V04: Features = Features {
    has_metrics_port: true,
    enforces_hardened: true,
    ingress_needs_trusted_peers: true,
    takes_over_policies: false,
    marks_owner: true,
    restores_into_clusters: true,
    checks_gateway_route: true,
    admits_gateway_of_own_namespace: true,
    ..V01
};

impl Baseline {
    /// The features of this baseline.
    pub(crate) const fn features(self) -> &'static Features {
        match self {
            Self::Classic => &CLASSIC,
            Self::V01 => &V01,
            Self::V04 => &V04,
        }
    }
}
