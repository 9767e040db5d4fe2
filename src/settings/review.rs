//! The settings of reviews that only the file has, under its key `review`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SettingsError;
use super::platform::{self, PlatformSettings};
use crate::code::{Code, Door, Level};
use crate::posture::{Caps, Posture, Widths};

/// What is decided about reviews beyond flags. Each key that is left out keeps its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ReviewSettings {
    /// Levels of rules by code, for all doors or for each, in place of their own [default: none]
    #[schemars(extend("propertyNames" = rule_names()))]
    pub levels: BTreeMap<String, LevelSetting>,
    /// Rules that are permitted for every perimeter, written as those of a NetworkPolicy
    /// [default: none]
    pub platform: Vec<PlatformSettings>,
    /// What floor and ceiling findings about the operator's own policies do [default: warn]
    pub operator_level: Option<Level>,
    /// Split nodes that one proof may use before it is refused as undecided [default: 100000]
    pub proof_budget: Option<u32>,
    /// Label keys that others put on OpenBao pods at run time, exact or with `*`, in place of the
    /// defaults
    pub runtime_label_keys: Option<Vec<String>>,
    /// Namespaces that may reach the OpenBao pods for health checks [default: kube-system]
    pub health_namespaces: Option<Vec<String>>,
    /// Ports of those health checks, TCP [default: the API port]
    pub health_ports: Option<Vec<u16>>,
    /// Namespaces in which a cluster's DNS is expected [default: kube-system]
    pub dns_namespaces: Option<Vec<String>>,
    /// Addresses of API server endpoints, which the operator's pods reach on 6443 [default: any]
    pub api_server_endpoints: Option<Vec<IpAddr>>,
    /// Labels of the namespaces that scrape the operator's metrics [default: metrics=enabled]
    pub metrics_namespace_labels: Option<BTreeMap<String, String>>,
    /// Port of the OpenBao API [default: 8200]
    pub api_port: Option<u16>,
    /// Port of Raft [default: 8201]
    pub cluster_port: Option<u16>,
    /// Loopback, link-local and metadata blocks that declared egress may name without a warning
    /// [default: none]
    #[schemars(with = "Option<Vec<String>>")]
    pub unsafe_egress_allowed: Option<Vec<IpNet>>,
    /// How wide declared blocks may be, as prefix lengths
    pub widths: Option<Widths>,
    /// Sizes beyond which a policy is refused unproved
    pub caps: Option<Caps>,
}

/// The level of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a level (deny, warn, audit, off), or levels by door (webhook, check, audit)"
)]
pub enum LevelSetting {
    /// At every door.
    Everywhere(Level),
    /// At some doors; the others keep the rule's own.
    #[schemars(extend("propertyNames" = door_names()))]
    Each(BTreeMap<Door, Level>),
}

/// The schema of the keys of `levels`: the codes and names of the rules.
fn rule_names() -> serde_json::Value {
    let codes = Code::ALL.iter();
    let names: Vec<&str> = codes
        .flat_map(|code| [code.as_str(), code.name()])
        .collect();
    serde_json::json!({ "enum": names })
}

/// The schema of the keys of one rule's levels.
fn door_names() -> serde_json::Value {
    serde_json::json!({ "enum": Door::ALL.map(Door::as_str) })
}

impl ReviewSettings {
    /// The posture with what is set here.
    pub(super) fn apply(&self, mut posture: Posture) -> Result<Posture, SettingsError> {
        let shared =
            |names: &Vec<String>| names.iter().map(|name| Arc::from(name.as_str())).collect();
        self.set_levels(&mut posture)?;
        for (at, platform) in self.platform.iter().enumerate() {
            posture.platform.extend(platform::rules(platform, at)?);
        }
        let labels = self.metrics_namespace_labels.as_ref().map(|labels| {
            let pairs = labels.iter();
            pairs
                .map(|(key, value)| (Arc::from(key.as_str()), Arc::from(value.as_str())))
                .collect()
        });
        Ok(Posture {
            operator_level: self.operator_level.unwrap_or(posture.operator_level),
            proof_budget: self.proof_budget.unwrap_or(posture.proof_budget),
            runtime_label_keys: self
                .runtime_label_keys
                .as_ref()
                .map_or(posture.runtime_label_keys, shared),
            health_namespaces: self
                .health_namespaces
                .as_ref()
                .map_or(posture.health_namespaces, shared),
            health_ports: self.health_ports.clone().unwrap_or(posture.health_ports),
            dns_namespaces: self
                .dns_namespaces
                .as_ref()
                .map_or(posture.dns_namespaces, shared),
            api_server_endpoints: self
                .api_server_endpoints
                .clone()
                .unwrap_or(posture.api_server_endpoints),
            metrics_namespace_labels: labels.unwrap_or(posture.metrics_namespace_labels),
            api_port: self.api_port.unwrap_or(posture.api_port),
            cluster_port: self.cluster_port.unwrap_or(posture.cluster_port),
            unsafe_egress_allowed: self
                .unsafe_egress_allowed
                .clone()
                .unwrap_or(posture.unsafe_egress_allowed),
            widths: self.widths.unwrap_or(posture.widths),
            caps: self.caps.unwrap_or(posture.caps),
            ..posture
        })
    }

    /// All that is decided in a posture. Levels and platform rules stay as they are written.
    pub(super) fn of(posture: &Posture, written: Option<&Self>) -> Self {
        let words = |names: &[Arc<str>]| names.iter().map(ToString::to_string).collect();
        let labels = posture.metrics_namespace_labels.iter();
        let labels = labels.map(|(key, value)| (key.to_string(), value.to_string()));
        Self {
            levels: written.map_or_else(BTreeMap::new, |written| written.levels.clone()),
            platform: written.map_or_else(Vec::new, |written| written.platform.clone()),
            operator_level: Some(posture.operator_level),
            proof_budget: Some(posture.proof_budget),
            runtime_label_keys: Some(words(&posture.runtime_label_keys)),
            health_namespaces: Some(words(&posture.health_namespaces)),
            health_ports: Some(posture.health_ports.clone()),
            dns_namespaces: Some(words(&posture.dns_namespaces)),
            api_server_endpoints: Some(posture.api_server_endpoints.clone()),
            metrics_namespace_labels: Some(labels.collect()),
            api_port: Some(posture.api_port),
            cluster_port: Some(posture.cluster_port),
            unsafe_egress_allowed: Some(posture.unsafe_egress_allowed.clone()),
            widths: Some(posture.widths),
            caps: Some(posture.caps),
        }
    }

    fn set_levels(&self, posture: &mut Posture) -> Result<(), SettingsError> {
        for (code, setting) in &self.levels {
            let code: Code = code.parse().map_err(SettingsError::Code)?;
            match setting {
                LevelSetting::Everywhere(level) => {
                    for door in Door::ALL {
                        posture.levels.set(code, door, *level);
                    }
                }
                LevelSetting::Each(levels) => {
                    for (door, level) in levels {
                        posture.levels.set(code, *door, *level);
                    }
                }
            }
        }
        Ok(())
    }
}
