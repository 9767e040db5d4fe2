//! NetworkPolicy rules: conversion of the Kubernetes types into [`netpol::rule`].
//!
//! The same code reads the rules of a NetworkPolicy and those that an OpenBaoCluster declares. It rejects
//! what the NetworkPolicy API rejects in all versions (`ValidateNetworkPolicySpec`; semantics 1.6) and
//! collects every problem with its field path. Ambiguous CIDR text is not a problem here, see
//! [`address`](netpol::address).
//!
//! Malformed label values in selectors are rejected in stored policies too. The API server tolerates old
//! ones; here such a policy is unreadable.

mod block;
mod field;
mod ports;
mod selector;

use k8s_openapi::api::networking::v1::{
    NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::Malformed;
use netpol::Direction;
use netpol::rule::{Peer, Rule, Selector};

pub(crate) use field::FieldPath;
pub(super) use field::{Problems, shown};
pub(crate) use netpol::label::is_dns_label;
pub(crate) use selector::{is_dns_subdomain, is_label_key, is_label_value};

/// Converts an element of `ingress` or `ingressRules`.
pub(crate) fn ingress_rule(
    at: &FieldPath<'_>,
    written: &NetworkPolicyIngressRule,
) -> Result<Rule, Vec<Malformed>> {
    let mut problems = Problems::default();
    let rule = read_ingress(at, written, &mut problems);
    problems.or(rule)
}

/// Converts an element of `egress` or `egressRules`.
pub(crate) fn egress_rule(
    at: &FieldPath<'_>,
    written: &NetworkPolicyEgressRule,
) -> Result<Rule, Vec<Malformed>> {
    let mut problems = Problems::default();
    let rule = read_egress(at, written, &mut problems);
    problems.or(rule)
}

/// Converts an element of `from`, `to` or `trustedIngressPeers`.
pub(crate) fn peer(
    at: &FieldPath<'_>,
    written: &NetworkPolicyPeer,
) -> Result<Peer, Vec<Malformed>> {
    let mut problems = Problems::default();
    let peer = read_peer(at, written, &mut problems);
    match peer {
        Some(peer) => problems.or(peer),
        None => Err(problems.into_list()),
    }
}

/// Converts a label selector.
pub(crate) fn selector(
    at: &FieldPath<'_>,
    written: &LabelSelector,
) -> Result<Selector, Vec<Malformed>> {
    let mut problems = Problems::default();
    let selector = selector::read(at, written, &mut problems);
    problems.or(selector)
}

pub(super) fn read_selector(
    at: &FieldPath<'_>,
    written: &LabelSelector,
    problems: &mut Problems,
) -> Selector {
    selector::read(at, written, problems)
}

pub(super) fn read_ingress(
    at: &FieldPath<'_>,
    written: &NetworkPolicyIngressRule,
    problems: &mut Problems,
) -> Rule {
    let (from, ports) = (written.from.as_deref(), written.ports.as_deref());
    read_rule(at, Direction::Ingress, from, ports, problems)
}

pub(super) fn read_egress(
    at: &FieldPath<'_>,
    written: &NetworkPolicyEgressRule,
    problems: &mut Problems,
) -> Rule {
    let (to, ports) = (written.to.as_deref(), written.ports.as_deref());
    read_rule(at, Direction::Egress, to, ports, problems)
}

fn read_rule(
    at: &FieldPath<'_>,
    direction: Direction,
    peers: Option<&[NetworkPolicyPeer]>,
    ports: Option<&[NetworkPolicyPort]>,
    problems: &mut Problems,
) -> Rule {
    let peers_at = at.field(direction.peers_field());
    let written = peers.unwrap_or_default();
    // Exact capacity: facts are kept for a long time.
    let mut peers = Vec::with_capacity(written.len());
    let read = written.iter().enumerate();
    peers.extend(read.filter_map(|(i, peer)| read_peer(&peers_at.index(i), peer, problems)));
    let ports_at = at.field("ports");
    let written = ports.unwrap_or_default();
    let mut ports = Vec::with_capacity(written.len());
    let read = written.iter().enumerate();
    ports.extend(read.filter_map(|(i, port)| ports::read(&ports_at.index(i), port, problems)));
    Rule { peers, ports }
}

/// Returns `None` only if it adds a problem.
fn read_peer(
    at: &FieldPath<'_>,
    written: &NetworkPolicyPeer,
    problems: &mut Problems,
) -> Option<Peer> {
    let mut part = |field: &'static str, selector: Option<&LabelSelector>| {
        selector.map(|selector| selector::read(&at.field(field), selector, problems))
    };
    let namespaces = part("namespaceSelector", written.namespace_selector.as_ref());
    let pods = part("podSelector", written.pod_selector.as_ref());
    let has_selector = namespaces.is_some() || pods.is_some();
    match &written.ip_block {
        None if has_selector => Some(Peer::Pods { namespaces, pods }),
        None => {
            problems.add(
                at,
                written,
                "expected a podSelector, a namespaceSelector or an ipBlock, found none of them",
            );
            None
        }
        Some(written_block) => {
            if has_selector {
                problems.add(
                    at,
                    written,
                    "expected an ipBlock alone, found a selector next to it",
                );
            }
            block::read(&at.field("ipBlock"), written_block, problems)
        }
    }
}
