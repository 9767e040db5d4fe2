//! `spec.network` of an OpenBaoCluster, each declared value by itself.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::Malformed;
use super::cluster::filled;
use super::crd::NetworkConfig;
use super::rules::{self, FieldPath, Problems};
use netpol::address::Cidr;
use netpol::rule::{Peer, Rule};

/// One declared value, or all of its problems. The problems become findings about this value. The rest of
/// the cluster is still checked.
pub type Declared<T> = Result<T, Vec<Malformed>>;

/// An address of a declared list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedAddress {
    /// Its index in the list. Blank entries count.
    pub at: usize,
    /// The address. An IPv4-mapped address is converted to IPv4, as the operator renders it.
    pub address: IpAddr,
}

/// Lists of `spec.network` whose entries become rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DeclaredList {
    /// `ingressRules`.
    IngressRules,
    /// `egressRules`.
    EgressRules,
    /// `trustedIngressPeers`, each a rule of its own.
    TrustedPeers,
}

impl DeclaredList {
    /// Name of the field.
    pub(crate) const fn field(self) -> &'static str {
        match self {
            Self::IngressRules => "ingressRules",
            Self::EgressRules => "egressRules",
            Self::TrustedPeers => "trustedIngressPeers",
        }
    }
}

/// An entry of such a list, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeclaredAt {
    /// The list.
    pub(crate) list: DeclaredList,
    /// Place in the list as written.
    pub at: usize,
}

impl fmt::Display for DeclaredAt {
    /// The field path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spec.network.{}[{}]", self.list.field(), self.at)
    }
}

/// `spec.network`, with defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// `apiServerCIDR`, trimmed; `None` if absent or blank.
    pub api_server_cidr: Option<Declared<Cidr>>,
    /// `apiServerEndpointIPs`, trimmed, without blank entries.
    pub api_server_endpoints: Vec<Declared<ListedAddress>>,
    /// `dnsNamespace`, not trimmed, since the operator does not trim it; `None` if absent or empty.
    pub dns_namespace: Option<Arc<str>>,
    /// `dnsEndpointIPs`, trimmed, without blank entries.
    pub dns_endpoints: Vec<Declared<ListedAddress>>,
    /// `ingressRules`.
    pub ingress_rules: Vec<Declared<Rule>>,
    /// `egressRules`.
    pub egress_rules: Vec<Declared<Rule>>,
    /// `trustedIngressPeers`.
    pub trusted_ingress_peers: Vec<Declared<Peer>>,
}

impl From<NetworkConfig> for Network {
    fn from(written: NetworkConfig) -> Self {
        let root = FieldPath::root("spec.network");
        let cidr_at = root.field("apiServerCIDR");
        let api_server_cidr = written.api_server_cidr.as_deref().and_then(filled);
        let endpoints = written.api_server_endpoint_ips.unwrap_or_default();
        let dns = written.dns_endpoint_ips.unwrap_or_default();
        Self {
            api_server_cidr: api_server_cidr.map(|text| cidr(&cidr_at, text)),
            api_server_endpoints: addresses(&root.field("apiServerEndpointIPs"), &endpoints),
            dns_namespace: written
                .dns_namespace
                .filter(|name| !name.is_empty())
                .map(Arc::from),
            dns_endpoints: addresses(&root.field("dnsEndpointIPs"), &dns),
            ingress_rules: each(
                &root.field("ingressRules"),
                written.ingress_rules,
                rules::ingress_rule,
            ),
            egress_rules: each(
                &root.field("egressRules"),
                written.egress_rules,
                rules::egress_rule,
            ),
            trusted_ingress_peers: each(
                &root.field("trustedIngressPeers"),
                written.trusted_ingress_peers,
                rules::peer,
            ),
        }
    }
}

/// Reads each element of a list independently.
fn each<W, T>(
    at: &FieldPath<'_>,
    written: Option<Vec<W>>,
    read: impl Fn(&FieldPath<'_>, &W) -> Declared<T>,
) -> Vec<Declared<T>> {
    let written = written.unwrap_or_default();
    let elements = written.iter().enumerate();
    elements
        .map(|(i, element)| read(&at.index(i), element))
        .collect()
}

fn cidr(at: &FieldPath<'_>, text: &str) -> Declared<Cidr> {
    text.parse().map_err(|invalid| {
        let mut problems = Problems::default();
        problems.add(at, &text, format!("{invalid}"));
        problems.into_list()
    })
}

/// The addresses of a list, trimmed, without blank ones, as the operator reads it.
fn addresses(at: &FieldPath<'_>, written: &[String]) -> Vec<Declared<ListedAddress>> {
    let entries = written.iter().enumerate();
    let read = |(i, text): (usize, &String)| {
        let address = address(&at.index(i), filled(text)?);
        Some(address.map(|address| ListedAddress { at: i, address }))
    };
    entries.filter_map(read).collect()
}

fn address(at: &FieldPath<'_>, text: &str) -> Declared<IpAddr> {
    let address: Result<IpAddr, _> = text.parse();
    address.map(|address| address.to_canonical()).map_err(|_| {
        let mut problems = Problems::default();
        let problem = format!("expected an IPv4 or IPv6 address, found `{text}`");
        problems.add(at, &text, problem);
        problems.into_list()
    })
}
