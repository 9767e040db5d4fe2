//! The settings of reviews that only the file has, under its key `review`.

use std::sync::Arc;

use ipnet::IpNet;
use serde::Deserialize;

use crate::posture::{Caps, Posture, Widths};

/// What is decided about reviews beyond flags. Each key that is left out keeps its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ReviewSettings {
    /// Split nodes that one proof may use before it is refused as undecided [default: 100000]
    pub proof_budget: Option<u32>,
    /// Label keys that others put on OpenBao pods at run time, exact or with `*`, in place of the
    /// defaults
    pub runtime_label_keys: Option<Vec<String>>,
    /// Namespaces that may reach the API port for health checks [default: kube-system]
    pub health_namespaces: Option<Vec<String>>,
    /// Port of the OpenBao API [default: 8200]
    pub api_port: Option<u16>,
    /// Port of Raft [default: 8201]
    pub cluster_port: Option<u16>,
    /// Loopback, link-local and metadata blocks that declared egress may name without a warning
    /// [default: none]
    pub unsafe_egress_allowed: Option<Vec<IpNet>>,
    /// How wide declared blocks may be, as prefix lengths
    pub widths: Option<Widths>,
    /// Sizes beyond which a policy is refused unproved
    pub caps: Option<Caps>,
}

impl ReviewSettings {
    /// The posture with what is set here.
    pub(super) fn apply(&self, posture: Posture) -> Posture {
        let shared =
            |names: &Vec<String>| names.iter().map(|name| Arc::from(name.as_str())).collect();
        Posture {
            proof_budget: self.proof_budget.unwrap_or(posture.proof_budget),
            runtime_label_keys: self
                .runtime_label_keys
                .as_ref()
                .map_or(posture.runtime_label_keys, shared),
            health_namespaces: self
                .health_namespaces
                .as_ref()
                .map_or(posture.health_namespaces, shared),
            api_port: self.api_port.unwrap_or(posture.api_port),
            cluster_port: self.cluster_port.unwrap_or(posture.cluster_port),
            unsafe_egress_allowed: self
                .unsafe_egress_allowed
                .clone()
                .unwrap_or(posture.unsafe_egress_allowed),
            widths: self.widths.unwrap_or(posture.widths),
            caps: self.caps.unwrap_or(posture.caps),
            ..posture
        }
    }
}
