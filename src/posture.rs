//! What the platform's owner decided, as plain data: the second stage of the settings, after files,
//! environment and flags are merged.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::Deserialize;

/// Which edition of the operator's allowlist holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Edition {
    /// The 0.1.0 documentation.
    #[default]
    V01,
}

impl Edition {
    /// All editions.
    pub const ALL: [Self; 1] = [Self::V01];

    /// The name in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V01 => "v0.1",
        }
    }
}

impl fmt::Display for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A baseline name that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of `v0.1`, found `{0}`")]
pub struct UnknownEdition(String);

impl FromStr for Edition {
    type Err = UnknownEdition;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|edition| edition.as_str() == text)
            .ok_or_else(|| UnknownEdition(text.to_owned()))
    }
}

/// How wide declared blocks may be, as prefix lengths: a smaller number is a wider block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Caps {
    /// Rules in one direction.
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

impl Default for Caps {
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
pub struct Posture {
    /// Edition of the allowlist.
    pub baseline: Edition,
    /// Namespace of the operator's pods.
    pub operator_namespace: Arc<str>,
    /// Usernames whose writes are the operator's.
    pub operator_accounts: BTreeSet<String>,
    /// API server addresses, where a cluster does not declare `apiServerCIDR`; before the
    /// addresses of the Service `default/kubernetes`.
    pub api_server_addresses: Vec<IpAddr>,
    /// Label keys that others add to OpenBao pods at run time: exact keys, or patterns with one
    /// `*` that stands for any text.
    pub runtime_label_keys: Vec<Arc<str>>,
    /// Namespaces that may reach 8200 for health checks.
    pub health_namespaces: Vec<Arc<str>>,
    /// Port of the OpenBao API.
    pub api_port: u16,
    /// Port of Raft.
    pub cluster_port: u16,
    /// How wide declared blocks may be.
    pub widths: Widths,
    /// Loopback, link-local and metadata blocks that declared egress may name without a warning.
    pub unsafe_egress_allowed: Vec<IpNet>,
    /// Sizes beyond which a policy is refused unproved.
    pub caps: Caps,
    /// Split nodes that one proof may use before it is undecided.
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

impl Default for Posture {
    fn default() -> Self {
        let namespace = "openbao-operator-system";
        let account = |name: &str| format!("system:serviceaccount:{namespace}:{name}");
        Self {
            baseline: Edition::default(),
            operator_namespace: namespace.into(),
            operator_accounts: BTreeSet::from([
                account("openbao-operator-controller"),
                account("openbao-operator-provisioner"),
            ]),
            api_server_addresses: Vec::new(),
            runtime_label_keys: RUNTIME_LABEL_KEYS
                .iter()
                .map(|key| Arc::from(*key))
                .collect(),
            health_namespaces: vec!["kube-system".into()],
            api_port: 8200,
            cluster_port: 8201,
            widths: Widths::default(),
            unsafe_egress_allowed: Vec::new(),
            caps: Caps::default(),
            proof_budget: 100_000,
        }
    }
}
