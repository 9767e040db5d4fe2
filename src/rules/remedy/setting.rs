//! Changes of the settings.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde_json::json;

use super::{Lines, Verb};
use crate::config::{PlatformRule, ReviewConfig, Zone};
use crate::inventory::render;
use netpol::Direction;
use netpol::rule::Rule;

/// One change of the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingEdit {
    /// Permits a rule for every perimeter.
    Platform(BTreeSet<Zone>, Direction, Rule),
    /// Permits a link-local or metadata block in declarations.
    UnsafeAllowed(Direction, IpNet),
    /// Adds a namespace of the platform's DNS.
    DnsNamespace(Arc<str>),
    /// Adds an address of an API server endpoint.
    ApiServerEndpoint(IpAddr),
    /// Adds an address of the API server.
    ApiServerAddress(IpAddr),
}

impl SettingEdit {
    /// The settings with this change.
    pub fn apply(&self, config: &mut ReviewConfig) {
        match self {
            Self::Platform(zones, direction, rule) => config.platform_rules.push(PlatformRule {
                zones: zones.clone(),
                direction: *direction,
                rule: rule.clone(),
                path: "review.platform".into(),
            }),
            Self::UnsafeAllowed(Direction::Ingress, net) => {
                config.unsafe_ingress_allowed.push(*net);
            }
            Self::UnsafeAllowed(Direction::Egress, net) => config.unsafe_egress_allowed.push(*net),
            Self::DnsNamespace(name) => config.dns_namespaces.push(name.clone()),
            Self::ApiServerEndpoint(address) => config.api_server_endpoints.push(*address),
            Self::ApiServerAddress(address) => config.api_server_addresses.push(*address),
        }
    }

    pub(super) fn lines(&self) -> Lines {
        let (path, value) = match self {
            Self::Platform(zones, direction, rule) => {
                let rules = json!([render::rule(rule, *direction)]);
                let zones: Vec<&str> = zones.iter().map(|zone| zone.as_str()).collect();
                let permitted = json!({"zones": zones, direction.field(): rules});
                ("review.platform", permitted)
            }
            Self::UnsafeAllowed(Direction::Ingress, net) => {
                ("review.unsafeIngressAllowed", json!(net.to_string()))
            }
            Self::UnsafeAllowed(Direction::Egress, net) => {
                ("review.unsafeEgressAllowed", json!(net.to_string()))
            }
            Self::DnsNamespace(name) => ("review.dnsNamespaces", json!(&**name)),
            Self::ApiServerEndpoint(address) => {
                ("review.apiServerEndpoints", json!(address.to_string()))
            }
            Self::ApiServerAddress(address) => ("apiServerAddresses", json!(address.to_string())),
        };
        (path.to_owned(), Verb::Add, json!([value]))
    }
}
