//! Edits of an OpenBaoCluster.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use super::policy::list;
use super::{Lines, Verb};
use crate::inventory::cluster::METRICS_PORT_PATH;
use crate::inventory::network::{Declared, DeclaredAt, DeclaredList, ListedAddress, Network};
use crate::inventory::{Cluster, render};
use netpol::Direction;
use netpol::address::Cidr;
use netpol::rule::{Peer, PortEntry, Rule};

/// Lists of single addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressList {
    /// `apiServerEndpointIPs`.
    ApiServers,
    /// `dnsEndpointIPs`.
    Resolvers,
}

impl AddressList {
    /// Name of the field.
    pub const fn field(self) -> &'static str {
        match self {
            Self::ApiServers => "apiServerEndpointIPs",
            Self::Resolvers => "dnsEndpointIPs",
        }
    }

    fn of(self, network: &mut Network) -> &mut Vec<Declared<ListedAddress>> {
        match self {
            Self::ApiServers => &mut network.api_server_endpoints,
            Self::Resolvers => &mut network.dns_endpoints,
        }
    }
}

/// One edit of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterEdit {
    /// Adds addresses.
    Addresses(AddressList, Vec<IpAddr>),
    /// Replaces the address at this index.
    Address(AddressList, usize, IpAddr),
    /// Removes the address at this index.
    NoAddress(AddressList, usize),
    /// Adds trusted peers.
    Trust(Vec<Peer>),
    /// Adds a rule.
    Declare(Direction, Rule),
    /// Sets these trusted peers and removes `ingressRules`.
    TrustInstead(Vec<Peer>),
    /// Sets the peers of an entry.
    Peers(DeclaredAt, Vec<Peer>),
    /// Sets the ports of an entry.
    Ports(DeclaredAt, Vec<PortEntry>),
    /// Removes an entry.
    LeaveOut(DeclaredAt),
    /// Sets `apiServerCIDR`.
    ApiServer(Cidr),
    /// Sets `dnsNamespace`.
    DnsNamespace(Arc<str>),
    /// Sets the port of the metrics listener.
    MetricsPort(u16),
    /// Removes an annotation.
    NoAnnotation(Arc<str>),
}

impl ClusterEdit {
    /// The cluster with these edits.
    pub fn apply(edits: &[&Self], cluster: &Cluster) -> Cluster {
        let mut edited = cluster.clone();
        let mut done: Vec<&Self> = Vec::new();
        for edit in edits {
            if !done.contains(edit) {
                done.push(edit);
            }
        }
        // Entries keep their indexes until the last ones are removed.
        done.sort_by_key(|edit| match edit {
            Self::LeaveOut(at) => Some(Reverse(at.at)),
            _ => None,
        });
        for edit in done {
            edit.once(&mut edited);
        }
        edited
    }

    fn once(&self, cluster: &mut Cluster) {
        let network = &mut cluster.network;
        match self {
            Self::Addresses(list, addresses) => {
                let known = list.of(network);
                for address in addresses {
                    known.push(Ok(ListedAddress {
                        at: known.len(),
                        address: *address,
                    }));
                }
            }
            Self::Address(list, at, address) => {
                let at_number = |entry: &Declared<ListedAddress>| is_at(entry, *at, *list);
                let known = list.of(network).iter_mut();
                for entry in known.filter(|entry| at_number(entry)) {
                    *entry = Ok(ListedAddress {
                        at: *at,
                        address: *address,
                    });
                }
            }
            Self::NoAddress(list, at) => {
                list.of(network).retain(|entry| !is_at(entry, *at, *list));
            }
            Self::Trust(peers) => {
                let peers = peers.iter().cloned().map(Ok);
                network.trusted_ingress_peers.extend(peers);
            }
            Self::Declare(Direction::Ingress, rule) => network.ingress_rules.push(Ok(rule.clone())),
            Self::Declare(Direction::Egress, rule) => network.egress_rules.push(Ok(rule.clone())),
            Self::TrustInstead(peers) => {
                network.ingress_rules.clear();
                network.trusted_ingress_peers = peers.iter().cloned().map(Ok).collect();
            }
            Self::Peers(at, peers) => match (at.list, peers.first()) {
                (DeclaredList::TrustedPeers, Some(peer)) => {
                    if let Some(entry) = network.trusted_ingress_peers.get_mut(at.at) {
                        *entry = Ok(peer.clone());
                    }
                }
                _ => {
                    if let Some(rule) = rule_at(network, *at) {
                        rule.peers.clone_from(peers);
                    }
                }
            },
            Self::Ports(at, ports) => {
                if let Some(rule) = rule_at(network, *at) {
                    rule.ports.clone_from(ports);
                }
            }
            Self::LeaveOut(at) => match at.list {
                DeclaredList::TrustedPeers => remove(&mut network.trusted_ingress_peers, at.at),
                DeclaredList::IngressRules => remove(&mut network.ingress_rules, at.at),
                DeclaredList::EgressRules => remove(&mut network.egress_rules, at.at),
            },
            Self::ApiServer(cidr) => network.api_server_cidr = Some(Ok(cidr.clone())),
            Self::DnsNamespace(name) => network.dns_namespace = Some(name.clone()),
            Self::MetricsPort(port) => cluster.metrics_port = Some(Ok(*port)),
            Self::NoAnnotation(key) => {
                cluster.meta.annotations.remove(key);
            }
        }
    }

    /// The changed lines.
    pub(crate) fn lines(&self) -> Lines {
        let network = |field: &str| format!("spec.network.{field}");
        let entry = |list: AddressList, at: usize| network(&format!("{}[{at}]", list.field()));
        let text = |address: &IpAddr| json!(address.to_string());
        match self {
            Self::Addresses(to, addresses) => {
                (network(to.field()), Verb::Add, list(addresses, text))
            }
            Self::Address(of, at, address) => (entry(*of, *at), Verb::Replace, text(address)),
            Self::NoAddress(of, at) => (entry(*of, *at), Verb::Remove, Value::Null),
            Self::Trust(peers) => {
                let field = DeclaredList::TrustedPeers.field();
                (network(field), Verb::Add, list(peers, render::peer))
            }
            Self::Declare(direction, rule) => {
                let field = match direction {
                    Direction::Ingress => DeclaredList::IngressRules.field(),
                    Direction::Egress => DeclaredList::EgressRules.field(),
                };
                let rules = json!([render::rule(rule, *direction)]);
                (network(field), Verb::Add, rules)
            }
            Self::TrustInstead(peers) => {
                let peers = list(peers, render::peer);
                let value = json!({"ingressRules": [], "trustedIngressPeers": peers});
                ("spec.network".to_owned(), Verb::Set, value)
            }
            Self::Peers(at, peers) => {
                let field = match at.list {
                    DeclaredList::EgressRules => Direction::Egress.peers_field(),
                    DeclaredList::IngressRules => Direction::Ingress.peers_field(),
                    DeclaredList::TrustedPeers => {
                        let peer = peers.first().map_or(Value::Null, render::peer);
                        return (at.to_string(), Verb::Replace, peer);
                    }
                };
                let peers = list(peers, render::peer);
                (at.to_string(), Verb::Set, json!({field: peers}))
            }
            Self::Ports(at, ports) => {
                let ports = json!({"ports": list(ports, render::port)});
                (at.to_string(), Verb::Set, ports)
            }
            Self::LeaveOut(at) => (at.to_string(), Verb::Remove, Value::Null),
            Self::ApiServer(cidr) => {
                let cidr = json!({"apiServerCIDR": cidr.text()});
                ("spec.network".to_owned(), Verb::Set, cidr)
            }
            Self::DnsNamespace(name) => {
                let name = json!({"dnsNamespace": &**name});
                ("spec.network".to_owned(), Verb::Set, name)
            }
            Self::MetricsPort(port) => (METRICS_PORT_PATH.to_owned(), Verb::Replace, json!(port)),
            Self::NoAnnotation(key) => (
                format!("metadata.annotations[{key}]"),
                Verb::Remove,
                Value::Null,
            ),
        }
    }
}

/// Returns true if an entry has this index in its list. The index of an unreadable entry is in its path.
fn is_at(entry: &Declared<ListedAddress>, at: usize, list: AddressList) -> bool {
    match entry {
        Ok(listed) => listed.at == at,
        Err(problems) => {
            let path = format!("spec.network.{}[{at}]", list.field());
            problems.first().is_some_and(|problem| problem.path == path)
        }
    }
}

fn rule_at(network: &mut Network, at: DeclaredAt) -> Option<&mut Rule> {
    let rules = match at.list {
        DeclaredList::IngressRules => &mut network.ingress_rules,
        DeclaredList::EgressRules => &mut network.egress_rules,
        DeclaredList::TrustedPeers => return None,
    };
    rules.get_mut(at.at)?.as_mut().ok()
}

fn remove<T>(list: &mut Vec<T>, at: usize) {
    if at < list.len() {
        list.remove(at);
    }
}
