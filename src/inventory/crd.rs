//! The API of OpenBaoCluster, `openbao.org/v1alpha1`: the fields that concern the network.
//!
//! The types decode objects of every version of the operator, so all fields are optional and unknown fields
//! are no error. The derived schema is the one that tests give to a real API server. It is structural only,
//! as permissive as the operator's, and keeps unknown fields.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A block of the spec: all fields are optional, and unknown fields are kept.
macro_rules! block {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", default)]
        #[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
        #[allow(unreachable_pub, reason = "one of them stands in a public type")]
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

pub(crate) use bootstrap::SelfInit;
pub(crate) use restore::{OpenBaoRestore, OpenBaoRestoreSpec};
pub(crate) use seal::{ServiceAccount, Tls, Unseal};
pub(crate) use storage::{Backup, BackupTarget, ClusterTemplate, LocalRef, RestoreTest};

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
    pub(crate) profile: Option<String>,
    /// Number of server pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replicas: Option<i32>,
    /// Stops the operator's reconcile, so no controller repairs policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) paused: Option<bool>,
    /// Labels of server pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pod_metadata: Option<PodMetadata>,
    /// Read replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) read_replicas: Option<ReadReplicas>,
    /// Exposure through a Gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gateway: Option<Gateway>,
    /// Exposure through an Ingress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ingress: Option<Ingress>,
    /// Backups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backup: Option<Backup>,
    /// Metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) observability: Option<Observability>,
    /// Certificates of the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<Tls>,
    /// Unsealing of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unseal: Option<Unseal>,
    /// Audit devices, as written: the schema keeps fields that it does not have.
    #[schemars(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) audit: Option<Value>,
    /// Telemetry, as written.
    #[schemars(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) telemetry: Option<Value>,
    /// Plugins, as written.
    #[schemars(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) plugins: Option<Value>,
    /// Configuration of OpenBao, as written.
    #[schemars(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) configuration: Option<Value>,
    /// Service account of the server pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service_account: Option<ServiceAccount>,
    /// Initialisation of OpenBao.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) self_init: Option<SelfInit>,
    /// Upgrades.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) upgrade: Option<Upgrade>,
    /// Declarations for the network perimeter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) network: Option<NetworkConfig>,
}

block! {
    /// `status`. Only conditions are read.
    OpenBaoClusterStatus {
        /// The conditions that the operator reports.
        conditions: Vec<StatusCondition>,
    }
}

block! {
    /// One element of `status.conditions`.
    StatusCondition {
        /// Type of the condition.
        #[serde(rename = "type")]
        kind: String,
        /// `True`, `False` or `Unknown`.
        status: String,
        /// Reason, in one word.
        reason: String,
    }
}

block! {
    /// `spec.podMetadata`.
    PodMetadata {
        /// Labels in addition to the operator's.
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
        /// True if it is on.
        enabled: bool,
        /// Reference to the Gateway.
        gateway_ref: GatewayRef,
        /// Host name of the route.
        hostname: String,
        /// True if OpenBao terminates TLS.
        tls_passthrough: bool,
        /// The listener of the route.
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
        /// True if it is on. The default is true.
        enabled: bool,
    }
}

block! {
    /// `spec.upgrade`.
    Upgrade {
        /// True if a snapshot is taken before an upgrade.
        pre_upgrade_snapshot: bool,
        /// Upgrades by a second set of pods.
        blue_green: BlueGreen,
    }
}

block! {
    /// `spec.upgrade.blueGreen`.
    BlueGreen {
        /// True if a snapshot is taken before an upgrade.
        pre_upgrade_snapshot: bool,
    }
}

impl Upgrade {
    /// Returns true if a job stores a snapshot before an upgrade.
    pub(super) fn takes_snapshots(&self) -> bool {
        let blue_green = self.blue_green.as_ref();
        let asked = blue_green.and_then(|blue_green| blue_green.pre_upgrade_snapshot);
        self.pre_upgrade_snapshot == Some(true) || asked == Some(true)
    }
}

block! {
    /// `spec.ingress`.
    Ingress {
        /// True if it is on.
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
        /// True if metrics are on.
        enabled: bool,
        /// `Active` or `AllNodes`.
        scrape_profile: String,
        /// A listener for metrics only.
        metrics_only_listener: MetricsOnlyListener,
    }
}

block! {
    /// `spec.observability.metrics.metricsOnlyListener`.
    MetricsOnlyListener {
        /// True if it is on. The default is true with `AllNodes`.
        enabled: bool,
        /// Its TCP port, 8202 by default.
        port: i32,
    }
}

block! {
    /// `spec.network`: the declarations of the cluster as written. The rules have the types of the
    /// NetworkPolicy API. The schema checks only their shape.
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
        /// Peers that may connect to the API port.
        trusted_ingress_peers: Vec<NetworkPolicyPeer>,
    }
}
