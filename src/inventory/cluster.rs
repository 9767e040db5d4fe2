//! OpenBaoCluster as a fact: what its network perimeter depends on.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Labels, Malformed, Meta};
use crate::perimeter::address::Cidr;
use crate::perimeter::rule::{Peer, Rule};

/// `spec.profile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// `Hardened`.
    Hardened,
    /// `Development`.
    Development,
}

/// One declared value: as understood, or everything that is wrong with it. What is wrong here is a
/// finding about that entry; the rest of the cluster is still judged.
pub type Declared<T> = Result<T, Vec<Malformed>>;

/// `spec.network`, plus what is defaulted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// `apiServerCIDR`, trimmed; `None` where absent or blank.
    pub api_server_cidr: Option<Declared<Cidr>>,
    /// `apiServerEndpointIPs`, trimmed, blank entries left out.
    pub api_server_endpoints: Vec<Declared<IpAddr>>,
    /// `dnsNamespace`, trimmed; `None` where absent or blank.
    pub dns_namespace: Option<Arc<str>>,
    /// `dnsEndpointIPs`, trimmed, blank entries left out.
    pub dns_endpoints: Vec<Declared<IpAddr>>,
    /// `ingressRules`.
    pub ingress_rules: Vec<Declared<Rule>>,
    /// `egressRules`.
    pub egress_rules: Vec<Declared<Rule>>,
    /// `trustedIngressPeers`.
    pub trusted_ingress_peers: Vec<Declared<Peer>>,
}

/// An OpenBaoCluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Metadata.
    pub meta: Meta,
    /// `spec.profile`; `None` where absent or unknown.
    pub profile: Option<Profile>,
    /// The labels that some of its server pods carry beyond the operator's own:
    /// `spec.podMetadata.labels` and `spec.readReplicas.template.metadata.labels`.
    pub pod_labels: Vec<Labels>,
    /// `spec.backup.target.workloadIdentity.podLabels`.
    pub job_labels: Labels,
    /// The Gateway's namespace, where `spec.gateway.enabled`; the cluster's own by default.
    pub gateway_namespace: Option<Arc<str>>,
    /// `spec.ingress.enabled`.
    pub ingress_enabled: bool,
    /// `spec.network`.
    pub network: Network,
}

/// The annotation of a cluster that the operator restores into; it renders no policies for it.
pub const RESTORE_ORIGIN: &str = "openbao.org/restore-origin";

impl Cluster {
    /// Whether the operator renders policies for it.
    pub fn is_rendered(&self) -> bool {
        !self.meta.annotations.contains_key(RESTORE_ORIGIN)
    }
}
