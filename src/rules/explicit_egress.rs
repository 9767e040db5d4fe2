//! Whether declared egress rules are explicit, as the Hardened contract of the newest operator asks
//! for its jobs: every rule names its peers and its ports, and no peer is a wildcard.
//!
//! That contract is OBP310, which judges it as sets. This is the operator's own, looser test: only its
//! condition hangs on it, since that is to say what the operator will say.

use ipnet::IpNet;

use crate::inventory::Declared;
use netpol::rule::{Peer, PortRange, Rule, Selector};

/// Blocks that no peer may touch.
const UNSAFE: [&str; 4] = ["127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10"];

/// Whether all rules are explicit. One that cannot be read is not.
pub fn is_explicit(rules: &[Declared<Rule>]) -> bool {
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
