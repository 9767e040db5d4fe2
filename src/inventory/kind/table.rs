//! The table of kinds.

use super::{Api, Kind, KindUse, Row};

const OPENBAO: &str = "openbao.org";
const NETWORKING: &str = "networking.k8s.io";
const CORE: &str = "";
const GATEWAY_API: &str = "gateway.networking.k8s.io";
const NETWORK_POLICY_API: &str = "policy.networking.k8s.io";
const CILIUM: &str = "cilium.io";
/// The group in which Calico's objects are stored, if they are served by its own API server.
const CALICO_STORED: &str = "crd.projectcalico.org";
const CALICO: &str = "projectcalico.org";
const ANTREA: &str = "crd.antrea.io";
const OVN: &str = "k8s.ovn.org";
const APPS: &str = "apps";
const BATCH: &str = "batch";

/// Whether objects have a namespace.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Namespaced,
    Cluster,
}

/// The row of a policy that no proof uses.
const fn seen(
    kind: Kind,
    [name, label, plural]: [&'static str; 3],
    scope: Scope,
    apis: &'static [Api],
) -> Row {
    Row {
        kind,
        name,
        label,
        apis,
        plural,
        is_namespaced: matches!(scope, Scope::Namespaced),
        is_custom: true,
        is_reviewed: false,
        used_for: KindUse::Seen,
    }
}

/// A cluster-scoped policy of `policy.networking.k8s.io`. Its rules are compared with the perimeters.
const fn ordered(kind: Kind, [name, plural]: [&'static str; 2], apis: &'static [Api]) -> Row {
    Row {
        is_reviewed: true,
        ..seen(kind, [name, name, plural], Scope::Cluster, apis)
    }
}

/// The row of a kind with pods.
const fn pods(kind: Kind, [name, plural]: [&'static str; 2], apis: &'static [Api]) -> Row {
    Row {
        is_custom: false,
        used_for: KindUse::Pods,
        ..seen(kind, [name, name, plural], Scope::Namespaced, apis)
    }
}

/// Number of rows before those of kinds that are not watched: EndpointSlices, and kinds with pods.
pub(super) const WATCHED: usize = 17;

/// In the order of [`Kind`].
pub(super) const TABLE: [Row; WATCHED + 10] = [
    Row {
        kind: Kind::OpenBaoCluster,
        name: "OpenBaoCluster",
        label: "OpenBaoCluster",
        apis: &[(OPENBAO, "v1alpha1")],
        plural: "openbaoclusters",
        is_namespaced: true,
        is_custom: true,
        is_reviewed: true,
        used_for: KindUse::Verdicts,
    },
    Row {
        kind: Kind::NetworkPolicy,
        name: "NetworkPolicy",
        label: "NetworkPolicy",
        apis: &[(NETWORKING, "v1")],
        plural: "networkpolicies",
        is_namespaced: true,
        is_custom: false,
        is_reviewed: true,
        used_for: KindUse::Verdicts,
    },
    Row {
        kind: Kind::Namespace,
        name: "Namespace",
        label: "Namespace",
        apis: &[(CORE, "v1")],
        plural: "namespaces",
        is_namespaced: false,
        is_custom: false,
        is_reviewed: false,
        used_for: KindUse::Verdicts,
    },
    Row {
        kind: Kind::Service,
        name: "Service",
        label: "Service",
        apis: &[(CORE, "v1")],
        plural: "services",
        is_namespaced: true,
        is_custom: false,
        is_reviewed: false,
        used_for: KindUse::Verdicts,
    },
    Row {
        kind: Kind::OpenBaoRestore,
        name: "OpenBaoRestore",
        label: "OpenBaoRestore",
        apis: &[(OPENBAO, "v1alpha1")],
        plural: "openbaorestores",
        is_namespaced: true,
        is_custom: true,
        is_reviewed: true,
        used_for: KindUse::Advice,
    },
    Row {
        kind: Kind::Gateway,
        name: "Gateway",
        label: "Gateway",
        apis: &[(GATEWAY_API, "v1"), (GATEWAY_API, "v1beta1")],
        plural: "gateways",
        is_namespaced: true,
        is_custom: true,
        is_reviewed: false,
        used_for: KindUse::Advice,
    },
    Row {
        kind: Kind::GatewayClass,
        name: "GatewayClass",
        label: "GatewayClass",
        apis: &[(GATEWAY_API, "v1"), (GATEWAY_API, "v1beta1")],
        plural: "gatewayclasses",
        is_namespaced: false,
        is_custom: true,
        is_reviewed: false,
        used_for: KindUse::Advice,
    },
    ordered(
        Kind::ClusterNetworkPolicy,
        ["ClusterNetworkPolicy", "clusternetworkpolicies"],
        &[
            (NETWORK_POLICY_API, "v1beta1"),
            (NETWORK_POLICY_API, "v1alpha2"),
        ],
    ),
    ordered(
        Kind::AdminNetworkPolicy,
        ["AdminNetworkPolicy", "adminnetworkpolicies"],
        &[(NETWORK_POLICY_API, "v1alpha1")],
    ),
    ordered(
        Kind::BaselineAdminNetworkPolicy,
        ["BaselineAdminNetworkPolicy", "baselineadminnetworkpolicies"],
        &[(NETWORK_POLICY_API, "v1alpha1")],
    ),
    seen(
        Kind::CiliumNetworkPolicy,
        [
            "CiliumNetworkPolicy",
            "CiliumNetworkPolicy",
            "ciliumnetworkpolicies",
        ],
        Scope::Namespaced,
        &[(CILIUM, "v2")],
    ),
    seen(
        Kind::CiliumClusterwideNetworkPolicy,
        [
            "CiliumClusterwideNetworkPolicy",
            "CiliumClusterwideNetworkPolicy",
            "ciliumclusterwidenetworkpolicies",
        ],
        Scope::Cluster,
        &[(CILIUM, "v2")],
    ),
    seen(
        Kind::CalicoNetworkPolicy,
        [
            "NetworkPolicy",
            "NetworkPolicy.projectcalico.org",
            "networkpolicies",
        ],
        Scope::Namespaced,
        &[(CALICO_STORED, "v1"), (CALICO, "v3")],
    ),
    seen(
        Kind::CalicoGlobalNetworkPolicy,
        [
            "GlobalNetworkPolicy",
            "GlobalNetworkPolicy",
            "globalnetworkpolicies",
        ],
        Scope::Cluster,
        &[(CALICO_STORED, "v1"), (CALICO, "v3")],
    ),
    seen(
        Kind::AntreaNetworkPolicy,
        [
            "NetworkPolicy",
            "NetworkPolicy.crd.antrea.io",
            "networkpolicies",
        ],
        Scope::Namespaced,
        &[(ANTREA, "v1beta1"), (ANTREA, "v1alpha1")],
    ),
    seen(
        Kind::AntreaClusterNetworkPolicy,
        [
            "ClusterNetworkPolicy",
            "ClusterNetworkPolicy.crd.antrea.io",
            "clusternetworkpolicies",
        ],
        Scope::Cluster,
        &[(ANTREA, "v1beta1"), (ANTREA, "v1alpha1")],
    ),
    seen(
        Kind::EgressFirewall,
        ["EgressFirewall", "EgressFirewall", "egressfirewalls"],
        Scope::Namespaced,
        &[(OVN, "v1")],
    ),
    Row {
        used_for: KindUse::Advice,
        ..pods(
            Kind::EndpointSlice,
            ["EndpointSlice", "endpointslices"],
            &[("discovery.k8s.io", "v1")],
        )
    },
    pods(Kind::Pod, ["Pod", "pods"], &[(CORE, "v1")]),
    pods(
        Kind::Deployment,
        ["Deployment", "deployments"],
        &[(APPS, "v1")],
    ),
    pods(
        Kind::ReplicaSet,
        ["ReplicaSet", "replicasets"],
        &[(APPS, "v1")],
    ),
    pods(
        Kind::StatefulSet,
        ["StatefulSet", "statefulsets"],
        &[(APPS, "v1")],
    ),
    pods(
        Kind::DaemonSet,
        ["DaemonSet", "daemonsets"],
        &[(APPS, "v1")],
    ),
    pods(
        Kind::ReplicationController,
        ["ReplicationController", "replicationcontrollers"],
        &[(CORE, "v1")],
    ),
    pods(Kind::Job, ["Job", "jobs"], &[(BATCH, "v1")]),
    pods(Kind::CronJob, ["CronJob", "cronjobs"], &[(BATCH, "v1")]),
    pods(
        Kind::PodTemplate,
        ["PodTemplate", "podtemplates"],
        &[(CORE, "v1")],
    ),
];
