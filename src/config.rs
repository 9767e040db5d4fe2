//! Configuration of reviews, as plain data. [`ReviewConfig`] is the key `review` of the settings file.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use k8s_openapi::api::networking::v1::{NetworkPolicyEgressRule, NetworkPolicyIngressRule};
use k8s_openapi::jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::code::Level;
use netpol::Direction;
use netpol::rule::Rule;
use netpol::tier::TierSettings;

mod baseline;
mod dataplane;
pub(crate) mod date;
mod enforcement;
mod levels;
mod namespace_pattern;
pub(crate) mod release;
mod sizes;
pub(crate) mod waiver;

pub use baseline::{Baseline, BaselineChoice, BaselineReason, BaselineSetting, UnknownBaseline};
pub use dataplane::{Dataplane, Enforcement, Profile};
pub use enforcement::{EnforcementMode, NamespaceEnforcement};
pub use levels::{LevelSetting, Levels};
pub use namespace_pattern::NamespacePattern;
pub use sizes::{SizeLimits, Widths};
pub use waiver::{Waiver, WaiverState};

/// Namespace of openbao-perimeter in the manifests.
pub const OWN_NAMESPACE: &str = "openbao-perimeter-system";

/// A group of pods whose connections are reviewed, with a perimeter of its own.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Zone {
    /// OpenBao servers, and other pods with the four labels that are not jobs.
    Workload,
    /// Backup, restore and snapshot jobs.
    Jobs,
    /// The operator's own pods.
    Controller,
}

impl Zone {
    /// All.
    pub const ALL: [Self; 3] = [Self::Workload, Self::Jobs, Self::Controller];

    /// The name in settings and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Workload => "workload",
            Self::Jobs => "jobs",
            Self::Controller => "controller",
        }
    }
}

/// Rule of `review.platform`, which is permitted for every perimeter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformRule {
    /// Zones that it is permitted in.
    pub(crate) zones: BTreeSet<Zone>,
    /// Direction, seen from those pods.
    pub(crate) direction: Direction,
    /// The rule; a podSelector alone means pods of the judged pods' own namespace.
    pub(crate) rule: Rule,
    /// Its path in the settings, for explanations: `review.platform[0].ingress[0]`.
    pub(crate) path: Arc<str>,
}

/// Element of `review.platform`, as written: rules for some zones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Platform {
    /// Groups of pods with these connections
    pub(crate) zones: BTreeSet<Zone>,
    /// Elements of a NetworkPolicy's `spec.ingress`
    #[schemars(with = "Vec<NetworkPolicyIngressRule>")]
    pub(crate) ingress: Vec<Value>,
    /// Elements of a NetworkPolicy's `spec.egress`
    #[schemars(with = "Vec<NetworkPolicyEgressRule>")]
    pub(crate) egress: Vec<Value>,
}

impl Default for Platform {
    fn default() -> Self {
        Self {
            zones: Zone::ALL.into(),
            ingress: Vec::new(),
            egress: Vec::new(),
        }
    }
}

/// Configuration of reviews.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ReviewConfig {
    /// Baseline of the allowlist. This and the seven fields below are keys of their own in the file, or come from them.
    #[serde(skip)]
    pub baseline: Baseline,
    /// True if no setting names the baseline: in a cluster the operator's Deployment does.
    #[serde(skip)]
    pub detects_baseline: bool,
    /// Namespace of the operator's pods.
    #[serde(skip)]
    pub operator_namespace: Arc<str>,
    /// Usernames whose writes are the operator's.
    #[serde(skip)]
    pub operator_accounts: BTreeSet<String>,
    /// Other usernames that may write the labels of OpenBao's pods, the key `identity.accounts`.
    #[serde(skip)]
    pub identity_accounts: BTreeSet<String>,
    /// Effect of a write of these labels, the key `identity.level`.
    #[serde(skip)]
    pub identity_level: Level,
    /// Namespace of openbao-perimeter: that of the manifests where it is not known.
    #[serde(skip)]
    pub own_namespace: Arc<str>,
    /// API server addresses, where a cluster does not declare `apiServerCIDR`; before the addresses of the
    /// Service `default/kubernetes`.
    #[serde(skip)]
    pub api_server_addresses: Vec<IpAddr>,
    /// Today's date in UTC, on which entries with a last day depend. Without one they have ended.
    #[serde(skip)]
    pub today: Option<Date>,
    /// Strictest answer of the webhooks: with `warn` and `audit` no write is denied
    pub enforcement: EnforcementMode,
    /// Strictest answer in some namespaces; the first matching entry applies
    pub enforcement_by_namespace: Vec<NamespaceEnforcement>,
    /// Level that replaces the default of rules, by code or name, by prefix of codes (`OBP3*`) or for all rules (`*`):
    /// for all enforcement points, or for one of them (webhook, check, audit). The longest matching key applies [default: none]
    #[schemars(extend("propertyNames" = levels::rule_names()))]
    pub levels: Levels,
    /// Findings about known objects that only warn until a given day, instead of denying; at most 100
    pub waivers: Vec<Arc<Waiver>>,
    /// Maximum number of days from today to the end of a waiver
    pub max_waiver_days: u16,
    /// Namespaces whose NetworkPolicies the registrations exclude, exact or with `*` at the end; no OpenBaoCluster can be
    /// created there (OBP505). Also apply the output of `export registrations`
    pub excluded_namespaces: Vec<NamespacePattern>,
    /// Rules that are permitted for every perimeter, written as those of a NetworkPolicy
    pub platform: Vec<Platform>,
    /// The same rules in the form that is compiled.
    #[serde(skip)]
    pub platform_rules: Vec<PlatformRule>,
    /// Level of floor and ceiling findings about the operator's own policies
    pub operator_level: Level,
    /// Work limit of a review, in steps of 20 comparisons. A write that needs more is denied (OBP402)
    pub proof_budget: u32,
    /// Memory for the policies of all namespaces with a cluster. Where they need more, the largest policies of
    /// the largest namespaces are dropped, and a write that depends on one of them is denied (OBP402)
    #[serde(with = "crate::size")]
    #[schemars(with = "String")]
    pub policy_memory: usize,
    /// Label key that others put on OpenBao pods at run time, exact, or with `*` for any text [default: those of the operator, Kubernetes and service meshes]
    pub runtime_label_keys: Vec<Arc<str>>,
    /// Namespace that may reach the OpenBao pods for health checks
    pub health_namespaces: Vec<Arc<str>>,
    /// Port of those health checks, TCP [default: the API port]
    pub health_ports: Vec<u16>,
    /// Namespace in which a cluster's DNS is expected
    pub dns_namespaces: Vec<Arc<str>>,
    /// Address of an API server endpoint, which the operator's pods reach on 6443 [default: any]
    pub api_server_endpoints: Vec<IpAddr>,
    /// Label of the namespaces that scrape the operator's metrics
    pub metrics_namespace_labels: BTreeMap<Arc<str>, Arc<str>>,
    /// Port of the OpenBao API
    pub api_port: u16,
    /// Port of Raft
    pub cluster_port: u16,
    /// TCP port from which a service mesh's proxy in the OpenBao pods forwards to every other TCP port
    pub tunnel_ports: Vec<u16>,
    /// Loopback, link-local or metadata block that declared egress may name without a warning
    #[schemars(with = "Vec<String>")]
    pub unsafe_egress_allowed: Vec<IpNet>,
    /// Loopback, link-local or metadata block that declared ingress may name, such as the probe address of a
    /// service mesh
    #[schemars(with = "Vec<String>")]
    pub unsafe_ingress_allowed: Vec<IpNet>,
    /// Block that contains addresses of pods, for policies that come before NetworkPolicies; together they contain the
    /// address of every pod. Leave out a family that the cluster lacks
    #[schemars(with = "Vec<String>")]
    pub pod_addresses: Vec<IpNet>,
    /// Username whose writes of cluster-scoped policies are never denied, such as that of a GitOps controller
    pub platform_accounts: BTreeSet<String>,
    /// Policies of other kinds that the network plugin enforces.
    pub dataplane: Dataplane,
    /// How wide declared blocks may be, as prefix lengths.
    pub widths: Widths,
    /// Sizes beyond which a policy is denied without a proof (OBP402).
    pub caps: SizeLimits,
}

/// Keys that the operator, OpenBao's service registration, Kubernetes' own controllers, the kubelet's
/// node topology and service meshes put on pods.
pub(crate) const RUNTIME_LABEL_KEYS: &[&str] = &[
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
pub(crate) const TUNNEL_PORTS: &[u16] = &[15008, 4143];

impl ReviewConfig {
    /// The pattern that leaves out a namespace.
    pub(crate) fn excluded_by(&self, namespace: &str) -> Option<&str> {
        let mut patterns = self.excluded_namespaces.iter();
        let found = patterns.find(|pattern| pattern.matches(namespace));
        found.map(NamespacePattern::as_str)
    }

    /// Facts about the cluster on which the meaning of ordered policies depends.
    pub(crate) fn tiers(&self) -> TierSettings {
        TierSettings {
            pod_addresses: self.pod_addresses.clone(),
            tunnels: self.tunnel_ports.clone(),
        }
    }
}

impl Default for ReviewConfig {
    fn default() -> Self {
        let namespace = "openbao-operator-system";
        let account = |name: &str| format!("system:serviceaccount:{namespace}:{name}");
        Self {
            baseline: Baseline::NEWEST,
            detects_baseline: true,
            operator_namespace: namespace.into(),
            operator_accounts: BTreeSet::from([
                account("openbao-operator-controller"),
                account("openbao-operator-provisioner"),
            ]),
            identity_accounts: BTreeSet::new(),
            identity_level: Level::Deny,
            own_namespace: OWN_NAMESPACE.into(),
            operator_level: Level::Warn,
            today: None,
            enforcement: EnforcementMode::default(),
            enforcement_by_namespace: Vec::new(),
            levels: Levels::default(),
            waivers: Vec::new(),
            max_waiver_days: 366,
            excluded_namespaces: Vec::new(),
            platform: Vec::new(),
            platform_rules: Vec::new(),
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
            pod_addresses: TierSettings::default().pod_addresses,
            platform_accounts: BTreeSet::new(),
            dataplane: Dataplane::default(),
            widths: Widths::default(),
            unsafe_egress_allowed: Vec::new(),
            unsafe_ingress_allowed: Vec::new(),
            caps: SizeLimits::default(),
            proof_budget: 100_000,
            policy_memory: 64 * 1024 * 1024,
        }
    }
}
