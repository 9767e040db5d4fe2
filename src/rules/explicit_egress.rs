//! Explicitness of declared egress rules, as the newest operator's contract for Hardened clusters requires
//! for its jobs: every rule names its peers and ports, and no peer is a wildcard.
//!
//! OBP310 checks the contract on sets. This is the operator's own, looser check. Only its status condition
//! uses it, since that has to predict what the operator reports.

use ipnet::IpNet;

use crate::inventory::Declared;
use netpol::rule::{Peer, PortRange, Rule, Selector};

/// Blocks that no peer may overlap.
const UNSAFE: [&str; 4] = ["127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10"];

/// Returns true if all rules are explicit. A rule that cannot be read is not.
pub(crate) fn is_explicit(rules: &[Declared<Rule>]) -> bool {
    rules
        .iter()
        .all(|rule| rule.as_ref().is_ok_and(is_explicit_rule))
}

fn is_explicit_rule(rule: &Rule) -> bool {
    let has_port = |entry: &netpol::rule::PortEntry| entry.ports != PortRange::All;
    !rule.peers.is_empty()
        && !rule.ports.is_empty()
        && rule.ports.iter().all(has_port)
        && rule.peers.iter().all(is_explicit_peer)
}

fn is_explicit_peer(peer: &Peer) -> bool {
    match peer {
        Peer::Pods { namespaces, pods } => {
            let named = namespaces.as_ref().is_none_or(selects);
            let pods = pods.as_ref();
            named && pods.is_none_or(|pods| selects(pods) || namespaces.is_some())
        }
        Peer::Block { cidr, .. } => cidr.canonical().is_some_and(|net| {
            let touches = |block: &str| {
                let block: Option<IpNet> = block.parse().ok();
                block.is_some_and(|block| block.contains(&net) || net.contains(&block))
            };
            net.prefix_len() != 0 && !UNSAFE.iter().any(|block| touches(block))
        }),
    }
}

fn selects(selector: &Selector) -> bool {
    !selector.labels.is_empty() || !selector.expressions.is_empty()
}
