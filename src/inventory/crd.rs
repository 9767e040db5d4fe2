//! OpenBaoCluster as the API has it, `openbao.org/v1alpha1`: the fields that touch the network.
//!
//! The types decode objects of any edition of the operator, so every field is optional and unknown
//! ones are no error. The schema derived from them is the one that the tests give a real API
//! server: structural only, as loose as the operator's own, and it keeps unknown fields, so that
//! nothing of a real object is lost.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A block of the spec: all fields optional, unknown ones kept.
macro_rules! block {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", default)]
        #[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<$kind>,
            )*
        }
    };
}

mod bootstrap;
mod restore;
mod seal;
mod storage;

pub use bootstrap::{SelfInit, SelfInitOidc, SelfInitRequest};
pub use restore::{OpenBaoRestore, OpenBaoRestoreSpec, RestoreSource};
pub use seal::{Acme, AwsKms, AzureKeyVault, Kmip, OciKms, ServiceAccount, Tls, Transit, Unseal};
pub use storage::{
    AzureTarget, Backup, BackupTarget, ClusterTemplate, LocalRef, RestoreTest, WorkloadIdentity,
};

/// `spec` of an OpenBaoCluster.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "openbao.org",
    version = "v1alpha1",
    kind = "OpenBaoCluster",
    plural = "openbaoclusters",
    shortname = "bao",
    shortname = "baoc",
    namespaced,
    status = "OpenBaoClusterStatus"
)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct OpenBaoClusterSpec {
    /// `Hardened` or `Development`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Number of server pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Stops the operator's reconcile, so nobody repairs policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// Labels of server pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_metadata: Option<PodMetadata>,
    /// Read replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_replicas: Option<ReadReplicas>,
    /// Exposure through a Gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,
    /// Exposure through an Ingress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Ingress>,
    /// Backups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
    /// Metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observability: Option<Observability>,
    /// Certificates of the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// How the pods unseal themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unseal: Option<Unseal>,
    /// Who the server pods are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<ServiceAccount>,
    /// First initialisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub self_init: Option<SelfInit>,
    /// Upgrades.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<Upgrade>,
    /// What the cluster declares for its perimeter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkConfig>,
}

block! {
    /// `status`, kept whole; of it only conditions are read.
    OpenBaoClusterStatus {
        /// The conditions that the operator reports.
        conditions: Vec<StatusCondition>,
    }
}

block! {
    /// One element of `status.conditions`.
    StatusCondition {
        /// What it is about.
        #[serde(rename = "type")]
        kind: String,
        /// `True`, `False` or `Unknown`.
        status: String,
        /// Why, in one word.
        reason: String,
    }
}

block! {
    /// `spec.podMetadata`.
    PodMetadata {
        /// Labels beyond the operator's own.
        labels: BTreeMap<String, String>,
    }
}

block! {
    /// `spec.readReplicas`.
    ReadReplicas {
        /// Number of read replicas.
        replicas: i32,
        /// Their pods.
        template: ReadReplicaTemplate,
    }
}

block! {
    /// `spec.readReplicas.template`.
    ReadReplicaTemplate {
        /// Their labels.
        metadata: PodMetadata,
    }
}

block! {
    /// `spec.gateway`.
    Gateway {
        /// Whether it is on.
        enabled: bool,
        /// Which Gateway.
        gateway_ref: GatewayRef,
        /// Host name of the route.
        hostname: String,
        /// Whether TLS ends at OpenBao.
        tls_passthrough: bool,
        /// The one listener that the route is for.
        listener_name: String,
        /// TLS between the Gateway and OpenBao.
        #[serde(rename = "backendTLS")]
        backend_tls: BackendTls,
    }
}

block! {
    /// `spec.gateway.gatewayRef`.
    GatewayRef {
        /// Name of the Gateway.
        name: String,
        /// Its namespace, the cluster's own by default.
        namespace: String,
    }
}

block! {
    /// `spec.gateway.backendTLS`.
    BackendTls {
        /// Whether it is on, as it is where nothing is said.
        enabled: bool,
    }
}

block! {
    /// `spec.upgrade`.
    Upgrade {
        /// Whether a snapshot is taken first.
        pre_upgrade_snapshot: bool,
        /// Upgrades by a second set of pods.
        blue_green: BlueGreen,
    }
}

block! {
    /// `spec.upgrade.blueGreen`.
    BlueGreen {
        /// Whether a snapshot is taken first.
        pre_upgrade_snapshot: bool,
    }
}

impl Upgrade {
    /// Whether a job stores a snapshot before an upgrade.
    pub(super) fn takes_snapshots(&self) -> bool {
        let blue_green = self.blue_green.as_ref();
        let asked = blue_green.and_then(|blue_green| blue_green.pre_upgrade_snapshot);
        self.pre_upgrade_snapshot == Some(true) || asked == Some(true)
    }
}

block! {
    /// `spec.ingress`.
    Ingress {
        /// Whether it is on.
        enabled: bool,
        /// Host name of the route.
        host: String,
        /// Ingress class.
        class_name: String,
    }
}

block! {
    /// `spec.observability`.
    Observability {
        /// Metrics.
        metrics: Metrics,
    }
}

block! {
    /// `spec.observability.metrics`.
    Metrics {
        /// Whether metrics are on.
        enabled: bool,
        /// `Active` or `AllNodes`.
        scrape_profile: String,
        /// A listener for metrics alone.
        metrics_only_listener: MetricsOnlyListener,
    }
}

block! {
    /// `spec.observability.metrics.metricsOnlyListener`.
    MetricsOnlyListener {
        /// Whether it is on; where absent, on with `AllNodes`.
        enabled: bool,
        /// Its TCP port, 8202 by default.
        port: i32,
    }
}

block! {
    /// `spec.network`: what the cluster declares, still unread. The rules are the NetworkPolicy API's
    /// types, of which the schema checks the shape only.
    NetworkConfig {
        /// Block of the API server's Service.
        #[serde(rename = "apiServerCIDR")]
        api_server_cidr: String,
        /// Addresses of API server endpoints.
        #[serde(rename = "apiServerEndpointIPs")]
        api_server_endpoint_ips: Vec<String>,
        /// Namespace of the cluster's DNS.
        dns_namespace: String,
        /// Addresses of DNS servers.
        #[serde(rename = "dnsEndpointIPs")]
        dns_endpoint_ips: Vec<String>,
        /// Rules appended to the workload's egress.
        egress_rules: Vec<NetworkPolicyEgressRule>,
        /// Rules appended to the workload's ingress.
        ingress_rules: Vec<NetworkPolicyIngressRule>,
        /// Peers let in on the API port.
        trusted_ingress_peers: Vec<NetworkPolicyPeer>,
    }
}
