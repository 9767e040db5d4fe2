//! What the platform's owner decided, as plain data: the second stage of the settings, after files,
//! environment and flags are merged.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::code::{Code, EnforcementPoint, Level};
use netpol::Direction;
use netpol::rule::Rule;

/// Which edition of the operator's allowlist holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Baseline {
    /// The documentation before 0.1: operators up to 3 January 2026.
    Classic,
    /// The 0.1.0 documentation.
    #[default]
    V01,
    /// The newest operator.
    Next,
}

impl Baseline {
    /// All editions, the oldest first.
    pub const ALL: [Self; 3] = [Self::Classic, Self::V01, Self::Next];

    /// The name in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::V01 => "v0.1",
            Self::Next => "next",
        }
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A baseline name that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of `classic`, `v0.1`, `next`, found `{0}`")]
pub struct UnknownBaseline(String);

impl FromStr for Baseline {
    type Err = UnknownBaseline;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|baseline| baseline.as_str() == text)
            .ok_or_else(|| UnknownBaseline(text.to_owned()))
    }
}

/// The groups of pods whose connections are judged, each with a perimeter of its own.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Pods {
    /// OpenBao servers and whatever else carries the four labels and is no job.
    Workload,
    /// Backup, restore and snapshot jobs.
    Jobs,
    /// The operator's own pods.
    Controller,
}

impl Pods {
    /// All.
    pub const ALL: [Self; 3] = [Self::Workload, Self::Jobs, Self::Controller];

    /// The zone in settings and tables.
    pub const fn zone(self) -> &'static str {
        match self {
            Self::Workload => "workload",
            Self::Jobs => "jobs",
            Self::Controller => "controller",
        }
    }
}

/// A rule that the platform's owner permits for every perimeter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformRule {
    /// Whose connections.
    pub zones: BTreeSet<Pods>,
    /// Direction, seen from those pods.
    pub direction: Direction,
    /// The rule; a podSelector alone means pods of the judged pods' own namespace.
    pub rule: Rule,
    /// Where it stands in the settings, for explanations: `review.platform[0].ingress[0]`.
    pub path: Arc<str>,
}

/// The levels that the platform's owner gives to rules, in place of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels(BTreeMap<(Code, EnforcementPoint), Level>);

impl Levels {
    /// Gives a rule a level at one enforcement point.
    pub fn set(&mut self, code: Code, point: EnforcementPoint, level: Level) {
        self.0.insert((code, point), level);
    }

    /// The level of a rule at a point; `None` where the rule keeps its own.
    pub fn of(&self, code: Code, point: EnforcementPoint) -> Option<Level> {
        self.0.get(&(code, point)).copied()
    }
}

/// How wide declared blocks may be, as prefix lengths: a smaller number is a wider block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Widths {
    /// Widest merged IPv4 block of a declaration.
    pub block_v4: u8,
    /// Widest merged IPv6 block of a declaration.
    pub block_v6: u8,
    /// All IPv4 addresses of a declaration together, as one block of that size.
    pub total_v4: u8,
    /// All IPv6 addresses of a declaration together, as one block of that size.
    pub total_v6: u8,
    /// Widest IPv4 `apiServerCIDR`.
    pub api_server_v4: u8,
    /// Widest IPv6 `apiServerCIDR`.
    pub api_server_v6: u8,
}

impl Default for Widths {
    fn default() -> Self {
        Self {
            block_v4: 8,
            block_v6: 32,
            total_v4: 6,
            total_v6: 28,
            api_server_v4: 12,
            api_server_v6: 64,
        }
    }
}

/// Sizes beyond which a policy is not proved but refused (OBP402): what a proof costs grows with
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeLimits {
    /// Rules in one direction; for an OpenBaoCluster, peers of all that it declares in one direction.
    pub rules: usize,
    /// Peers or ports of one rule.
    pub elements: usize,
    /// `except` entries of one block.
    pub excepts: usize,
    /// Requirements of one selector.
    pub requirements: usize,
    /// Values of one requirement.
    pub values: usize,
    /// Different label keys in all selectors of the policy.
    pub label_keys: usize,
    /// Rules and trusted peers that an OpenBaoCluster declares in one direction.
    pub declared: usize,
}

impl Default for SizeLimits {
    fn default() -> Self {
        Self {
            rules: 10_000,
            elements: 1_000,
            excepts: 1_000,
            requirements: 64,
            values: 1_000,
            label_keys: 128,
            declared: 1_000,
        }
    }
}

/// Everything about a review that is a matter of choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewConfig {
    /// Baseline of the allowlist.
    pub baseline: Baseline,
    /// Namespace of the operator's pods.
    pub operator_namespace: Arc<str>,
    /// Usernames whose writes are the operator's.
    pub operator_accounts: BTreeSet<String>,
    /// What floor and ceiling findings about the operator's own writes do, at most.
    pub operator_level: Level,
    /// Levels that differ from the rules' own.
    pub levels: Levels,
    /// What is permitted for every perimeter.
    pub platform: Vec<PlatformRule>,
    /// API server addresses, where a cluster does not declare `apiServerCIDR`; before the
    /// addresses of the Service `default/kubernetes`.
    pub api_server_addresses: Vec<IpAddr>,
    /// Addresses of API server endpoints that the operator's pods reach on 6443; where none are
    /// named, any address is permitted there on that port.
    pub api_server_endpoints: Vec<IpAddr>,
    /// Label keys that others add to OpenBao pods at run time: exact keys, or patterns with one
    /// `*` that stands for any text.
    pub runtime_label_keys: Vec<Arc<str>>,
    /// Namespaces that may reach the OpenBao pods for health checks.
    pub health_namespaces: Vec<Arc<str>>,
    /// Ports for those health checks, TCP; empty stands for the API port.
    pub health_ports: Vec<u16>,
    /// Namespaces in which a cluster's DNS is expected.
    pub dns_namespaces: Vec<Arc<str>>,
    /// Labels of the namespaces that scrape the operator's metrics.
    pub metrics_namespace_labels: BTreeMap<Arc<str>, Arc<str>>,
    /// Port of the OpenBao API.
    pub api_port: u16,
    /// Port of Raft.
    pub cluster_port: u16,
    /// TCP ports of OpenBao pods from which a service mesh's proxy forwards to every other TCP port.
    pub tunnel_ports: Vec<u16>,
    /// How wide declared blocks may be.
    pub widths: Widths,
    /// Loopback, link-local and metadata blocks that declared egress may name without a warning.
    pub unsafe_egress_allowed: Vec<IpNet>,
    /// Loopback, link-local and metadata blocks that declared ingress may name, such as the probe address of
    /// a service mesh.
    pub unsafe_ingress_allowed: Vec<IpNet>,
    /// Sizes beyond which a policy is refused unproved.
    pub caps: SizeLimits,
    /// Work limit of a review, in steps of 20 comparisons; what needs more is undecided.
    pub proof_budget: u32,
}

/// Keys that the operator, OpenBao's service registration, Kubernetes' own controllers, the kubelet's
/// node topology and service meshes put on pods.
pub const RUNTIME_LABEL_KEYS: &[&str] = &[
    "openbao-active",
    "openbao-initialized",
    "openbao-perf-standby",
    "openbao-sealed",
    "openbao-version",
    "openbao.org/*",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/*",
    "controller-revision-hash",
    "controller-uid",
    "job-name",
    "statefulset.kubernetes.io/pod-name",
    "topology.kubernetes.io/*",
    "failure-domain.beta.kubernetes.io/*",
    "*.istio.io/*",
    "istio.io/*",
    "sidecar.istio.io/*",
    "linkerd.io/*",
    "*.linkerd.io/*",
];

/// Ports of proxies that forward to whichever port their peer asks for: Istio's HBONE, in ambient mode
/// and of sidecars, and Linkerd's inbound port.
pub const TUNNEL_PORTS: &[u16] = &[15008, 4143];

impl Default for ReviewConfig {
    fn default() -> Self {
        let namespace = "openbao-operator-system";
        let account = |name: &str| format!("system:serviceaccount:{namespace}:{name}");
        Self {
            baseline: Baseline::default(),
            operator_namespace: namespace.into(),
            operator_accounts: BTreeSet::from([
                account("openbao-operator-controller"),
                account("openbao-operator-provisioner"),
            ]),
            operator_level: Level::Warn,
            levels: Levels::default(),
            platform: Vec::new(),
            api_server_addresses: Vec::new(),
            api_server_endpoints: Vec::new(),
            runtime_label_keys: RUNTIME_LABEL_KEYS
                .iter()
                .map(|key| Arc::from(*key))
                .collect(),
            health_namespaces: vec!["kube-system".into()],
            health_ports: Vec::new(),
            dns_namespaces: vec!["kube-system".into()],
            metrics_namespace_labels: [("metrics".into(), "enabled".into())].into(),
            api_port: 8200,
            cluster_port: 8201,
            tunnel_ports: TUNNEL_PORTS.to_vec(),
            widths: Widths::default(),
            unsafe_egress_allowed: Vec::new(),
            unsafe_ingress_allowed: Vec::new(),
            caps: SizeLimits::default(),
            proof_budget: 100_000,
        }
    }
}
