//! The rows. Sources: the operator's network-security documentation and its rendering code, rule
//! numbers I1 to I8 (workload ingress), O1 to O6 (workload egress), J1 to J6 (jobs).

use super::Peers::{
    ApiServer, ApiServerEndpoints, ClusterPods, Declared, DevelopmentAddresses, Dns, Everyone,
    EveryoneForIngress, EveryoneWithoutEndpoints, FurtherApiServers, GatewayNamespace,
    HealthNamespaces, KubeSystem, LifecycleJobs, MetricsNamespaces, OpenBaoPods, OperatorPods,
    Platform, TrustedPeers,
};
use super::Renderer::{Installation, Nobody, Operator};
use super::RowPorts::{self, All, Api, ApiAndMetrics, ApiAndRaft, AsWritten, Health, Tcp};
use super::RowStatus::{Permitted, Required};
use super::Zone::{Controller, Jobs, Workload};
use super::{Peers, Renderer, Row, RowStatus, Zone};
use crate::config::Baseline::{self, Classic, V01, V04};
use netpol::Direction::{self, Egress, Ingress};

const EACH: &[Baseline] = &[Classic, V01, V04];
const OLD: &[Baseline] = &[Classic];
const V01_ONLY: &[Baseline] = &[V01];
const V04_ONLY: &[Baseline] = &[V04];
const BEFORE_V04: &[Baseline] = &[Classic, V01];
const SINCE_V01: &[Baseline] = &[V01, V04];

#[allow(clippy::too_many_arguments, reason = "one column of the table each")]
const fn row(
    id: &'static str,
    baselines: &'static [Baseline],
    pods: Zone,
    direction: Direction,
    peers: Peers,
    ports: RowPorts,
    status: RowStatus,
    renderer: Renderer,
    reason: &'static str,
) -> Row {
    Row {
        id,
        baselines,
        pods,
        direction,
        peers,
        ports,
        status,
        renderer,
        reason,
    }
}

/// The allowlist of all baselines, by zone and direction in rendered order.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row("raft-peers-in",      EACH,        Workload, Ingress, ClusterPods,          ApiAndRaft,    Required,  Operator, "Raft and request forwarding between the cluster's pods"),
    row("kube-system-health", OLD,         Workload, Ingress, KubeSystem,           All,           Permitted, Operator, "health checks from kube-system"),
    row("gateway",            BEFORE_V04, Workload, Ingress, GatewayNamespace,     Api,           Permitted, Operator, "the declared Gateway's namespace"),
    row("trusted-peers",      V01_ONLY,    Workload, Ingress, TrustedPeers,         Api,           Permitted, Operator, "the declared trustedIngressPeers"),
    row("trusted-peers",      V04_ONLY,   Workload, Ingress, TrustedPeers,         ApiAndMetrics, Permitted, Operator, "the declared trustedIngressPeers"),
    row("operator-api",       EACH,        Workload, Ingress, OperatorPods,         Api,           Required,  Operator, "the operator's probes, initialisation and upgrades"),
    row("lifecycle-jobs",     EACH,        Workload, Ingress, LifecycleJobs,        Api,           Required,  Operator, "the cluster's backup and restore jobs"),
    row("ingress-controller", OLD,         Workload, Ingress, EveryoneForIngress,   Api,           Permitted, Operator, "the declared Ingress"),
    row("kube-system-health", V01_ONLY,    Workload, Ingress, HealthNamespaces,     Health,        Permitted, Nobody,   "health checks from the configured namespaces"),
    row("ingress-rules",      EACH,        Workload, Ingress, Declared,             AsWritten,     Permitted, Operator, "the declared ingressRules"),
    row("platform",           EACH,        Workload, Ingress, Platform,             AsWritten,     Permitted, Nobody,   "what the platform permits for every perimeter"),

    row("dns",                OLD,         Workload, Egress,  KubeSystem,           RowPorts::Dns, Required,  Operator, "DNS"),
    row("dns",                SINCE_V01,   Workload, Egress,  Dns,                  RowPorts::Dns, Required,  Operator, "DNS"),
    row("api-server",         EACH,        Workload, Egress,  ApiServer,      RowPorts::ApiServer, Required,  Operator, "the Kubernetes API server (service registration, auto-join)"),
    row("api-server-further", EACH     ,   Workload, Egress, FurtherApiServers, Tcp(&[443]),   Permitted, Nobody,   "further addresses of the API server's Service"),
    row("raft-peers-out",     EACH,        Workload, Egress,  ClusterPods,          ApiAndRaft,    Required,  Operator, "Raft and request forwarding between the cluster's pods"),
    row("egress-rules",       EACH,        Workload, Egress,  Declared,             AsWritten,     Permitted, Operator, "the declared egressRules"),
    row("platform",           EACH,        Workload, Egress,  Platform,             AsWritten,     Permitted, Nobody,   "what the platform permits for every perimeter"),

    row("platform",           SINCE_V01,   Jobs,     Ingress, Platform,             AsWritten,     Permitted, Nobody,   "what the platform permits for every perimeter"),
    row("jobs-dns",           SINCE_V01,   Jobs,     Egress,  Dns,                  RowPorts::Dns, Required,  Operator, "DNS"),
    row("openbao-api",        SINCE_V01,   Jobs,     Egress,  ClusterPods,          Api,           Required,  Operator, "jobs that call the OpenBao API"),
    row("jobs-api-server",    SINCE_V01,   Jobs,     Egress,  ApiServer,      RowPorts::ApiServer, Required,  Operator, "the Kubernetes API server"),
    row("jobs-api-server-further", SINCE_V01, Jobs, Egress, FurtherApiServers, Tcp(&[443]),   Permitted, Nobody,   "further addresses of the API server's Service"),
    row("development-https",  SINCE_V01,   Jobs,     Egress,  DevelopmentAddresses, Tcp(&[443]),   Permitted, Operator, "object storage, while a Development cluster declares no egressRules"),
    row("jobs-egress-rules",  SINCE_V01,   Jobs,     Egress,  Declared,             AsWritten,     Permitted, Operator, "the declared egressRules"),
    row("platform",           SINCE_V01,   Jobs,     Egress,  Platform,             AsWritten,     Permitted, Nobody,   "what the platform permits for every perimeter"),

    row("controller-metrics", EACH,      Controller, Ingress, MetricsNamespaces,    Tcp(&[8080, 8443]), Permitted, Installation, "scraping of the operator's metrics"),
    row("controller-probes",  EACH,      Controller, Ingress, Everyone,             Tcp(&[8081]),  Permitted, Installation, "health probes of the operator"),
    row("controller-webhook", EACH,      Controller, Ingress, Everyone,             Tcp(&[9443]),  Permitted, Nobody,   "admission webhooks of the operator"),
    row("platform",           EACH,      Controller, Ingress, Platform,             AsWritten,     Permitted, Nobody,   "what the platform permits for every perimeter"),
    row("controller-api-server",    EACH, Controller, Egress, ApiServer,      RowPorts::ApiServer, Required,  Nobody,   "the Kubernetes API server"),
    row("controller-api-server-further", EACH, Controller, Egress, FurtherApiServers, Tcp(&[443]),   Permitted, Nobody,   "further addresses of the API server's Service"),
    row("controller-api-endpoints", EACH, Controller, Egress, ApiServerEndpoints,   Tcp(&[6443]),  Required,  Nobody,   "the API server's endpoints"),
    row("controller-api-endpoints-unknown", EACH, Controller, Egress, EveryoneWithoutEndpoints, Tcp(&[6443]), Permitted, Nobody, "the API server's endpoints, whose addresses nothing names"),
    row("controller-dns",     EACH,      Controller, Egress,  KubeSystem,           RowPorts::Dns, Required,  Nobody,   "DNS"),
    row("controller-openbao", EACH,      Controller, Egress,  OpenBaoPods,          Api,           Required,  Nobody,   "the OpenBao clusters that the operator runs"),
    row("controller-webhooks-out", EACH, Controller, Egress,  Everyone,             Tcp(&[9443]),  Permitted, Nobody,   "admission webhooks"),
    row("platform",           EACH,      Controller, Egress,  Platform,             AsWritten,     Permitted, Nobody,   "what the platform permits for every perimeter"),
];
