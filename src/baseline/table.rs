//! The rows. Sources: the operator's network-security documentation for 0.1.0 and its rendering
//! code, rule numbers I1 to I8 (workload ingress), O1 to O6 (workload egress), J1 to J6 (jobs).

use super::Peers::{
    ApiServer, ClusterPods, Declared, DevelopmentAddresses, Dns, EveryoneForIngress,
    GatewayNamespace, HealthNamespaces, LifecycleJobs, OperatorPods, TrustedPeers,
};
use super::Pods::{Jobs, Workload};
use super::Renderer::{Nobody, Operator};
use super::Standing::{Permitted, Required};
use super::{Peers, Pods, Renderer, Row, RowPorts, Standing};
use crate::perimeter::Direction::{self, Egress, Ingress};

#[allow(clippy::too_many_arguments, reason = "one column of the table each")]
const fn row(
    id: &'static str,
    pods: Pods,
    direction: Direction,
    peers: Peers,
    ports: RowPorts,
    standing: Standing,
    renderer: Renderer,
    reason: &'static str,
) -> Row {
    Row {
        id,
        pods,
        direction,
        peers,
        ports,
        standing,
        renderer,
        reason,
    }
}

/// The baseline `v0.1`, in rendered order.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row("raft-peers-in",      Workload, Ingress, ClusterPods,          RowPorts::ApiAndRaft, Required,  Operator, "Raft and request forwarding between the cluster's pods"),
    row("gateway",            Workload, Ingress, GatewayNamespace,     RowPorts::Api,        Permitted, Operator, "the declared Gateway's namespace"),
    row("trusted-peers",      Workload, Ingress, TrustedPeers,         RowPorts::Api,        Permitted, Operator, "the declared trustedIngressPeers"),
    row("operator-api",       Workload, Ingress, OperatorPods,         RowPorts::Api,        Required,  Operator, "the operator's probes, initialisation and upgrades"),
    row("lifecycle-jobs",     Workload, Ingress, LifecycleJobs,        RowPorts::Api,        Required,  Operator, "the cluster's backup and restore jobs"),
    row("ingress-controller", Workload, Ingress, EveryoneForIngress,   RowPorts::Api,        Permitted, Operator, "the declared Ingress"),
    row("kube-system-health", Workload, Ingress, HealthNamespaces,     RowPorts::Api,        Permitted, Nobody,   "health checks from the configured namespaces"),
    row("ingress-rules",      Workload, Ingress, Declared,             RowPorts::AsWritten,  Permitted, Operator, "the declared ingressRules"),
    row("dns",                Workload, Egress,  Dns,                  RowPorts::Dns,        Required,  Operator, "DNS"),
    row("api-server",         Workload, Egress,  ApiServer,            RowPorts::ApiServer,  Required,  Operator, "the Kubernetes API server (service registration, auto-join)"),
    row("raft-peers-out",     Workload, Egress,  ClusterPods,          RowPorts::ApiAndRaft, Required,  Operator, "Raft and request forwarding between the cluster's pods"),
    row("egress-rules",       Workload, Egress,  Declared,             RowPorts::AsWritten,  Permitted, Operator, "the declared egressRules"),
    row("jobs-dns",           Jobs,     Egress,  Dns,                  RowPorts::Dns,        Required,  Operator, "DNS"),
    row("openbao-api",        Jobs,     Egress,  ClusterPods,          RowPorts::Api,        Required,  Operator, "jobs that call the OpenBao API"),
    row("jobs-api-server",    Jobs,     Egress,  ApiServer,            RowPorts::ApiServer,  Required,  Operator, "the Kubernetes API server"),
    row("development-https",  Jobs,     Egress,  DevelopmentAddresses, RowPorts::Https,      Permitted, Operator, "object storage, while a Development cluster declares no egressRules"),
    row("jobs-egress-rules",  Jobs,     Egress,  Declared,             RowPorts::AsWritten,  Permitted, Operator, "the declared egressRules"),
];
