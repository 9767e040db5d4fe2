//! The settings of reviews, in the file under the key `review`.

mod levels;
mod sizes;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SettingsError;
use super::platform::{self, PlatformSettings};
use crate::code::Level;
use crate::config::ReviewConfig;
pub use levels::LevelSetting;
pub use sizes::{CapSettings, WidthSettings};

/// What is decided about reviews. Each key that is left out keeps its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ReviewSettings {
    /// Level of a rule in place of its own, by code or name: for all enforcement points, or for one of them
    /// (webhook, check, audit) [default: none]
    #[schemars(extend("propertyNames" = levels::rule_names()))]
    pub levels: Option<BTreeMap<String, LevelSetting>>,
    /// Rules that are permitted for every perimeter, written as those of a NetworkPolicy [default: none]
    pub platform: Option<Vec<PlatformSettings>>,
    /// What floor and ceiling findings about the operator's own policies do [default: warn]
    pub operator_level: Option<Level>,
    /// Work limit of a review, in steps of 20 comparisons. What needs more is denied (OBP402)
    /// [default: 100000]
    pub proof_budget: Option<u32>,
    /// Label key that others put on OpenBao pods at run time, exact or with `*` [default: those of the operator, Kubernetes and service meshes]
    pub runtime_label_keys: Option<Vec<String>>,
    /// Namespace that may reach the OpenBao pods for health checks
    /// [default: kube-system]
    pub health_namespaces: Option<Vec<String>>,
    /// Port of those health checks, TCP [default: the API port]
    pub health_ports: Option<Vec<u16>>,
    /// Namespace in which a cluster's DNS is expected
    /// [default: kube-system]
    pub dns_namespaces: Option<Vec<String>>,
    /// Address of an API server endpoint, which the operator's pods reach on 6443 [default: any]
    pub api_server_endpoints: Option<Vec<IpAddr>>,
    /// Label of the namespaces that scrape the operator's metrics
    /// [default: metrics=enabled]
    pub metrics_namespace_labels: Option<BTreeMap<String, String>>,
    /// Port of the OpenBao API [default: 8200]
    pub api_port: Option<u16>,
    /// Port of Raft [default: 8201]
    pub cluster_port: Option<u16>,
    /// TCP port from which a service mesh's proxy in the OpenBao pods forwards to every other TCP port;
    /// repeatable, comma-separated [default: 15008, 4143]
    pub tunnel_ports: Option<Vec<u16>>,
    /// Loopback, link-local or metadata block that declared egress may name without a warning;
    /// repeatable, comma-separated [default: none]
    #[schemars(with = "Option<Vec<String>>")]
    pub unsafe_egress_allowed: Option<Vec<IpNet>>,
    /// Loopback, link-local or metadata block that declared ingress may name, such as the probe address of a
    /// service mesh [default: none]
    #[schemars(with = "Option<Vec<String>>")]
    pub unsafe_ingress_allowed: Option<Vec<IpNet>>,
    /// How wide declared blocks may be, as prefix lengths.
    pub widths: WidthSettings,
    /// Sizes beyond which a policy is refused unproved.
    pub caps: CapSettings,
}

impl ReviewSettings {
    /// What is set here, and what `other` sets beside it: key by key, lists and maps whole.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            levels: self.levels.or(other.levels),
            platform: self.platform.or(other.platform),
            operator_level: self.operator_level.or(other.operator_level),
            proof_budget: self.proof_budget.or(other.proof_budget),
            runtime_label_keys: self.runtime_label_keys.or(other.runtime_label_keys),
            health_namespaces: self.health_namespaces.or(other.health_namespaces),
            health_ports: self.health_ports.or(other.health_ports),
            dns_namespaces: self.dns_namespaces.or(other.dns_namespaces),
            api_server_endpoints: self.api_server_endpoints.or(other.api_server_endpoints),
            metrics_namespace_labels: self
                .metrics_namespace_labels
                .or(other.metrics_namespace_labels),
            api_port: self.api_port.or(other.api_port),
            cluster_port: self.cluster_port.or(other.cluster_port),
            tunnel_ports: self.tunnel_ports.or(other.tunnel_ports),
            unsafe_egress_allowed: self.unsafe_egress_allowed.or(other.unsafe_egress_allowed),
            unsafe_ingress_allowed: self.unsafe_ingress_allowed.or(other.unsafe_ingress_allowed),
            widths: self.widths.or(other.widths),
            caps: self.caps.or(other.caps),
        }
    }

    /// The posture with what is set here.
    pub(super) fn apply(&self, mut config: ReviewConfig) -> Result<ReviewConfig, SettingsError> {
        let shared =
            |names: &Vec<String>| names.iter().map(|name| Arc::from(name.as_str())).collect();
        if let Some(written) = &self.levels {
            levels::set(written, &mut config.levels).map_err(SettingsError::Code)?;
        }
        for (at, platform) in self.platform.iter().flatten().enumerate() {
            config.platform.extend(platform::rules(platform, at)?);
        }
        let labels = self.metrics_namespace_labels.as_ref().map(|labels| {
            let pairs = labels.iter();
            pairs
                .map(|(key, value)| (Arc::from(key.as_str()), Arc::from(value.as_str())))
                .collect()
        });
        Ok(ReviewConfig {
            operator_level: self.operator_level.unwrap_or(config.operator_level),
            proof_budget: self.proof_budget.unwrap_or(config.proof_budget),
            runtime_label_keys: self
                .runtime_label_keys
                .as_ref()
                .map_or(config.runtime_label_keys, shared),
            health_namespaces: self
                .health_namespaces
                .as_ref()
                .map_or(config.health_namespaces, shared),
            health_ports: self.health_ports.clone().unwrap_or(config.health_ports),
            dns_namespaces: self
                .dns_namespaces
                .as_ref()
                .map_or(config.dns_namespaces, shared),
            api_server_endpoints: self
                .api_server_endpoints
                .clone()
                .unwrap_or(config.api_server_endpoints),
            metrics_namespace_labels: labels.unwrap_or(config.metrics_namespace_labels),
            api_port: self.api_port.unwrap_or(config.api_port),
            cluster_port: self.cluster_port.unwrap_or(config.cluster_port),
            tunnel_ports: self.tunnel_ports.clone().unwrap_or(config.tunnel_ports),
            unsafe_egress_allowed: self
                .unsafe_egress_allowed
                .clone()
                .unwrap_or(config.unsafe_egress_allowed),
            unsafe_ingress_allowed: self
                .unsafe_ingress_allowed
                .clone()
                .unwrap_or(config.unsafe_ingress_allowed),
            widths: self.widths.apply(config.widths),
            caps: self.caps.apply(config.caps),
            ..config
        })
    }

    /// All that is decided in a posture. Levels and platform rules stay as they are written.
    pub(super) fn of(config: &ReviewConfig, written: &Self) -> Self {
        let words = |names: &[Arc<str>]| names.iter().map(ToString::to_string).collect();
        let labels = config.metrics_namespace_labels.iter();
        let labels = labels.map(|(key, value)| (key.to_string(), value.to_string()));
        Self {
            levels: Some(written.levels.clone().unwrap_or_default()),
            platform: Some(written.platform.clone().unwrap_or_default()),
            operator_level: Some(config.operator_level),
            proof_budget: Some(config.proof_budget),
            runtime_label_keys: Some(words(&config.runtime_label_keys)),
            health_namespaces: Some(words(&config.health_namespaces)),
            health_ports: Some(config.health_ports.clone()),
            dns_namespaces: Some(words(&config.dns_namespaces)),
            api_server_endpoints: Some(config.api_server_endpoints.clone()),
            metrics_namespace_labels: Some(labels.collect()),
            api_port: Some(config.api_port),
            cluster_port: Some(config.cluster_port),
            tunnel_ports: Some(config.tunnel_ports.clone()),
            unsafe_egress_allowed: Some(config.unsafe_egress_allowed.clone()),
            unsafe_ingress_allowed: Some(config.unsafe_ingress_allowed.clone()),
            widths: WidthSettings::of(config.widths),
            caps: CapSettings::of(config.caps),
        }
    }
}

#[cfg(test)]
mod tests;
