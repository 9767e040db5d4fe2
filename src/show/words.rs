//! Rules in words.

use crate::baseline::{Peers, Row};
use netpol::address::Cidr;
use netpol::label::NAMESPACE_NAME;
use netpol::rule::{Operator, Peer, PortRange, Requirement, Rule, Selector};

/// Peers that a rule of a row lets through: the row's own words, or the rule's where people chose.
pub(super) fn peers(row: &Row, rule: &Rule) -> String {
    let written = || {
        let peers: Vec<String> = rule.peers.iter().map(peer).collect();
        if peers.is_empty() {
            "everyone".to_owned()
        } else {
            peers.join(", or ")
        }
    };
    match row.peers {
        Peers::ClusterPods => "the cluster's own pods".to_owned(),
        Peers::LifecycleJobs => "the cluster's backup and restore jobs".to_owned(),
        Peers::OpenBaoPods => "the pods of every OpenBao cluster".to_owned(),
        Peers::OperatorPods => {
            let namespace = rule.peers.iter().find_map(namespace_of);
            format!(
                "the operator, in namespace {}",
                namespace.unwrap_or_default()
            )
        }
        _ => written(),
    }
}

/// Peers of a row without a rule, because its condition does not hold.
pub(super) const fn kind(peers: Peers) -> &'static str {
    match peers {
        Peers::ClusterPods => "the cluster's own pods",
        Peers::OperatorPods => "the operator",
        Peers::LifecycleJobs => "the cluster's backup and restore jobs",
        Peers::GatewayNamespace => "the Gateway's namespace",
        Peers::TrustedPeers => "trustedIngressPeers",
        Peers::EveryoneForIngress => "everyone, while spec.ingress is on",
        Peers::HealthNamespaces | Peers::KubeSystem => "namespaces that check health",
        Peers::Dns => "DNS",
        Peers::ApiServer | Peers::FurtherApiServers => "the API server",
        Peers::ApiServerEndpoints | Peers::EveryoneWithoutEndpoints => "the API server's endpoints",
        Peers::OpenBaoPods => "the pods of every OpenBao cluster",
        Peers::MetricsNamespaces => "namespaces that scrape metrics",
        Peers::Everyone => "everyone",
        Peers::Platform => "what the setting review.platform names",
        Peers::DevelopmentAddresses => "every address, for Development without egressRules",
        Peers::Declared => "declared rules",
    }
}

/// The ports of a rule.
pub(super) fn ports(rule: &Rule) -> String {
    if rule.ports.is_empty() {
        return "every port".to_owned();
    }
    // The protocol once, where all ports are of the same.
    let protocol = rule.ports.first().map(|entry| entry.protocol);
    let same = rule
        .ports
        .iter()
        .all(|entry| Some(entry.protocol) == protocol);
    let mut ports: Vec<String> = Vec::new();
    for entry in &rule.ports {
        let port = match &entry.ports {
            PortRange::All => "all".to_owned(),
            PortRange::Numbers(first, last) if first == last => first.to_string(),
            PortRange::Numbers(first, last) => format!("{first}-{last}"),
            PortRange::Named(name) => name.to_string(),
        };
        let port = if same {
            port
        } else {
            format!("{port} {}", entry.protocol)
        };
        ports.push(port);
    }
    let list = ports.join(", ");
    match protocol.filter(|_| same) {
        Some(protocol) => format!("{list} {protocol}"),
        None => list,
    }
}

fn peer(peer: &Peer) -> String {
    match peer {
        Peer::Block { cidr, except } if except.is_empty() => cidr.to_string(),
        Peer::Block { cidr, except } => {
            let except: Vec<&str> = except.iter().map(Cidr::text).collect();
            format!("{cidr} except {}", except.join(", "))
        }
        Peer::Pods { namespaces, pods } => {
            let pods = pods.as_ref().filter(|pods| !is_empty(pods)).map(selector);
            let pods = pods.map(|pods| format!("pods with {pods}"));
            let home = namespaces.as_ref().map(namespace);
            match (pods, home) {
                (None, None) => "every pod of the namespace".to_owned(),
                (Some(pods), None) => pods,
                (None, Some(home)) => home,
                (Some(pods), Some(home)) => format!("{pods} in {home}"),
            }
        }
    }
}

fn namespace_of(peer: &Peer) -> Option<String> {
    match peer {
        Peer::Pods {
            namespaces: Some(namespaces),
            ..
        } => namespaces
            .labels
            .get(NAMESPACE_NAME)
            .map(ToString::to_string),
        _ => None,
    }
}

fn is_empty(selector: &Selector) -> bool {
    selector.labels.is_empty() && selector.expressions.is_empty()
}

fn namespace(namespaces: &Selector) -> String {
    let named = namespaces.labels.get(NAMESPACE_NAME);
    match named {
        Some(name) if namespaces.labels.len() == 1 && namespaces.expressions.is_empty() => {
            format!("namespace {name}")
        }
        _ if is_empty(namespaces) => "every namespace".to_owned(),
        _ => format!("namespaces with {}", selector(namespaces)),
    }
}

fn selector(selector: &Selector) -> String {
    let labels = selector.labels.iter();
    let labels = labels.map(|(key, value)| format!("{key}={value}"));
    labels
        .chain(selector.expressions.iter().map(requirement))
        .collect::<Vec<_>>()
        .join(", ")
}

fn requirement(requirement: &Requirement) -> String {
    let key = &requirement.key;
    let values = requirement.values.join(", ");
    match requirement.operator {
        Operator::In => format!("{key} in ({values})"),
        Operator::NotIn => format!("{key} not in ({values})"),
        Operator::Exists => format!("{key}"),
        Operator::DoesNotExist => format!("no {key}"),
    }
}
