//! Rules of a row for one cluster.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::managed::{infra_labels, lifecycle_pods, openbao_labels};
use super::{Peers, Row, RowPorts};
use crate::config::ReviewConfig;
use crate::inventory::network::{DeclaredAt, DeclaredList};
use crate::inventory::{Cluster, Profile};
use netpol::Direction;
use netpol::address::Cidr;
use netpol::rule::{Operator, Peer, PortEntry, Rule, Selector};

/// Default namespace of a cluster's DNS.
const KUBE_SYSTEM: &str = "kube-system";

/// Input for the rules of a row.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The cluster. For the operator's pods, one that declares nothing, in the operator's namespace.
    pub cluster: &'a Cluster,
    /// The settings.
    pub config: &'a ReviewConfig,
    /// Addresses of the Service `default/kubernetes`, used if neither the cluster nor the settings name one.
    pub api_server: &'a [IpAddr],
    /// Rules of managed policies that may be for the API server, used if no address is known.
    pub observed: &'a [Rule],
}

/// One rule of a row, and the field that declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expansion {
    /// The rule.
    pub(crate) rule: Rule,
    /// Its location, for declared rows and platform rows.
    pub(crate) declared: Option<Source>,
}

/// Location of a rule that is not the operator's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the OpenBaoCluster.
    Declared(DeclaredAt),
    /// In the settings, at this path.
    Platform(Arc<str>),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declared(at) => at.fmt(f),
            Self::Platform(path) => f.write_str(path),
        }
    }
}

/// The rules of a row for this cluster; none if its condition does not hold.
pub fn expand(row: &Row, facts: &Facts<'_>) -> Vec<Expansion> {
    let network = &facts.cluster.network;
    match row.peers {
        Peers::TrustedPeers => declared(
            DeclaredList::TrustedPeers,
            &network.trusted_ingress_peers,
            |peer| Rule {
                peers: vec![peer.clone()],
                ports: ports(row.ports, facts),
            },
        ),
        Peers::Platform => platform(row, facts.config),
        Peers::Declared => match row.direction {
            Direction::Ingress => declared(
                DeclaredList::IngressRules,
                &network.ingress_rules,
                Rule::clone,
            ),
            Direction::Egress => declared(
                DeclaredList::EgressRules,
                &network.egress_rules,
                Rule::clone,
            ),
        },
        Peers::ApiServer => plain(api_server(facts)),
        Peers::FurtherApiServers => plain(further_addresses(facts)),
        Peers::Dns => plain(dns(row, facts)),
        Peers::ApiServerEndpoints => {
            let endpoints = facts.config.api_server_endpoints.iter();
            let rule = |address: &IpAddr| Rule {
                peers: vec![block(Cidr::host(*address))],
                ports: ports(row.ports, facts),
            };
            plain(endpoints.map(rule).collect())
        }
        _ => {
            let rule = |peers| Rule {
                peers,
                ports: ports(row.ports, facts),
            };
            plain(peers(row, facts).map(rule).into_iter().collect())
        }
    }
}

fn plain(rules: Vec<Rule>) -> Vec<Expansion> {
    rules
        .into_iter()
        .map(|rule| Expansion {
            rule,
            declared: None,
        })
        .collect()
}

/// The rules of `review.platform` for this zone and direction.
fn platform(row: &Row, config: &ReviewConfig) -> Vec<Expansion> {
    let rules = config.platform_rules.iter();
    rules
        .filter(|permitted| {
            permitted.direction == row.direction && permitted.zones.contains(&row.pods)
        })
        .map(|permitted| Expansion {
            rule: permitted.rule.clone(),
            declared: Some(Source::Platform(permitted.path.clone())),
        })
        .collect()
}

/// Declared values that could be read. The others are findings (OBP301).
fn declared<T, E>(
    list: DeclaredList,
    values: &[Result<T, E>],
    rule: impl Fn(&T) -> Rule,
) -> Vec<Expansion> {
    let readable = values
        .iter()
        .enumerate()
        .filter_map(|(at, value)| Some((at, value.as_ref().ok()?)));
    readable
        .map(|(at, value)| Expansion {
            rule: rule(value),
            declared: Some(Source::Declared(DeclaredAt { list, at })),
        })
        .collect()
}

/// The peers of a row with exactly one rule; `None` if its condition does not hold.
fn peers(row: &Row, facts: &Facts<'_>) -> Option<Vec<Peer>> {
    let cluster = facts.cluster;
    let name = &*cluster.meta.name;
    match row.peers {
        Peers::ClusterPods => Some(vec![own_pods(Selector::labels(infra_labels(name)))]),
        Peers::OperatorPods => Some(vec![Peer::Pods {
            namespaces: Some(Selector::namespace(&facts.config.operator_namespace)),
            pods: Some(
                Selector::labels([("app.kubernetes.io/name", "openbao-operator")]).and(
                    "app.kubernetes.io/component",
                    Operator::In,
                    &["controller", "provisioner"],
                ),
            ),
        }]),
        Peers::LifecycleJobs => Some(vec![own_pods(lifecycle_pods(name, &["backup", "restore"]))]),
        Peers::GatewayNamespace => {
            let other = cluster
                .gateway_namespace
                .as_ref()
                .filter(|other| **other != cluster.meta.namespace);
            other.map(|other| vec![namespace(other)])
        }
        Peers::EveryoneForIngress => cluster.ingress_enabled.then(Vec::new),
        Peers::Everyone => Some(Vec::new()),
        Peers::EveryoneWithoutEndpoints => {
            let unknown = facts.config.api_server_endpoints.is_empty();
            unknown.then(Vec::new)
        }
        Peers::KubeSystem => Some(vec![namespace(KUBE_SYSTEM)]),
        Peers::OpenBaoPods => Some(vec![Peer::Pods {
            namespaces: Some(Selector::default()),
            pods: Some(Selector::labels(openbao_labels())),
        }]),
        Peers::MetricsNamespaces => {
            let labels = &facts.config.metrics_namespace_labels;
            let pairs = labels
                .iter()
                .map(|(key, value)| (key.clone(), value.clone()));
            let labels = Selector {
                labels: pairs.collect(),
                expressions: Vec::new(),
            };
            (!labels.labels.is_empty()).then(|| {
                vec![Peer::Pods {
                    namespaces: Some(labels),
                    pods: None,
                }]
            })
        }
        Peers::HealthNamespaces => {
            let all: Vec<Peer> = facts
                .config
                .health_namespaces
                .iter()
                .map(|name| namespace(name))
                .collect();
            (!all.is_empty()).then_some(all)
        }
        Peers::DevelopmentAddresses => {
            let applies = cluster.profile == Some(Profile::Development)
                && cluster.network.egress_rules.is_empty();
            let every = [
                IpNet::V4(ipnet::Ipv4Net::default()),
                IpNet::V6(ipnet::Ipv6Net::default()),
            ];
            applies.then(|| every.map(|net| block(Cidr::from_net(net))).to_vec())
        }
        Peers::TrustedPeers
        | Peers::Declared
        | Peers::ApiServer
        | Peers::FurtherApiServers
        | Peers::ApiServerEndpoints
        | Peers::Platform
        | Peers::Dns => None,
    }
}

fn ports(ports: RowPorts, facts: &Facts<'_>) -> Vec<PortEntry> {
    let config = facts.config;
    let api = PortEntry::tcp(config.api_port);
    match ports {
        RowPorts::Api => vec![api],
        RowPorts::ApiAndMetrics => {
            // An unreadable port is a finding (OBP312).
            let metrics = facts.cluster.metrics_port.iter().flatten();
            let metrics = metrics.map(|port| PortEntry::tcp(*port));
            std::iter::once(api).chain(metrics).collect()
        }
        RowPorts::ApiAndRaft => vec![api, PortEntry::tcp(config.cluster_port)],
        RowPorts::Health if config.health_ports.is_empty() => vec![api],
        RowPorts::Health => tcp(&config.health_ports),
        RowPorts::Tcp(numbers) => tcp(numbers),
        RowPorts::Dns => vec![PortEntry::udp(53), PortEntry::tcp(53)],
        RowPorts::ApiServer | RowPorts::AsWritten | RowPorts::All => Vec::new(),
    }
}

fn tcp(numbers: &[u16]) -> Vec<PortEntry> {
    numbers.iter().map(|port| PortEntry::tcp(*port)).collect()
}

fn dns(row: &Row, facts: &Facts<'_>) -> Vec<Rule> {
    let network = &facts.cluster.network;
    let home = network.dns_namespace.as_deref().unwrap_or(KUBE_SYSTEM);
    let endpoints = network
        .dns_endpoints
        .iter()
        .flatten()
        .map(|listed| block(Cidr::host(listed.address)));
    std::iter::once(namespace(home))
        .chain(endpoints)
        .map(|peer| Rule {
            peers: vec![peer],
            ports: ports(row.ports, facts),
        })
        .collect()
}

fn api_server(facts: &Facts<'_>) -> Vec<Rule> {
    let network = &facts.cluster.network;
    let rule = |cidr, port| Rule {
        peers: vec![block(cidr)],
        ports: vec![PortEntry::tcp(port)],
    };
    let first = known_addresses(facts).first();
    let mut rules: Vec<Rule> = match (&network.api_server_cidr, first) {
        (Some(Ok(cidr)), _) => {
            let masked = cidr
                .canonical()
                .map_or_else(|| cidr.clone(), Cidr::from_net);
            vec![rule(masked, 443)]
        }
        (_, Some(address)) => vec![rule(Cidr::host(*address), 443)],
        _ => facts
            .observed
            .iter()
            .filter(|rule| is_single_address_https(rule))
            .cloned()
            .collect(),
    };
    rules.extend(
        network
            .api_server_endpoints
            .iter()
            .flatten()
            .map(|listed| rule(Cidr::host(listed.address), 6443)),
    );
    rules
}

/// Addresses of the API server's Service if the cluster declares none: those of the settings, or else those
/// of the Service itself.
pub(super) fn known_addresses<'a>(facts: &Facts<'a>) -> &'a [IpAddr] {
    let set = &facts.config.api_server_addresses;
    if set.is_empty() {
        facts.api_server
    } else {
        set
    }
}

/// All addresses but the first, which is the only one that the operator renders.
fn further_addresses(facts: &Facts<'_>) -> Vec<Rule> {
    if facts.cluster.network.api_server_cidr.is_some() {
        return Vec::new();
    }
    let further = known_addresses(facts).iter().skip(1);
    further
        .map(|address| Rule {
            peers: vec![block(Cidr::host(*address))],
            ports: vec![PortEntry::tcp(443)],
        })
        .collect()
}

/// Returns true if a rule can be for the API server if no address of it is known: one address, 443/TCP.
fn is_single_address_https(rule: &Rule) -> bool {
    let host = |net: IpNet| net.prefix_len() == net.max_prefix_len();
    rule.ports == [PortEntry::tcp(443)]
        && matches!(&rule.peers[..], [Peer::Block { cidr, except }]
            if except.is_empty() && cidr.canonical().is_some_and(host))
}

fn own_pods(pods: Selector) -> Peer {
    Peer::Pods {
        namespaces: None,
        pods: Some(pods),
    }
}

fn namespace(name: &str) -> Peer {
    Peer::Pods {
        namespaces: Some(Selector::namespace(name)),
        pods: None,
    }
}

fn block(cidr: Cidr) -> Peer {
    Peer::Block {
        cidr,
        except: Vec::new(),
    }
}
