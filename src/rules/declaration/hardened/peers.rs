//! Peers that are not explicit.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::super::everyone::{fits_any_namespace, fits_any_pod};
use super::super::{Declaration, DeclaredRule};
use super::{About, Breach};
use crate::baseline::NAME_LABEL;
use crate::rules::remedy::{ClusterEdit, namespace_to_name};
use netpol::LabelSet;
use netpol::rule::{Peer, Selector};

const NAME_IT: &str = "name the namespace";
const NAME_PODS: &str = "name the pods";
const NAME_BLOCK: &str =
    "name the addresses that need it in blocks of their own; the operator does not count `except`";

/// Blocks that the operator's contract forbids in every `ipBlock`.
const LOOPBACK_V4: (Ipv4Addr, u8) = (Ipv4Addr::new(127, 0, 0, 0), 8);
const LINK_LOCAL_V4: (Ipv4Addr, u8) = (Ipv4Addr::new(169, 254, 0, 0), 16);
const LOOPBACK_V6: (Ipv6Addr, u8) = (Ipv6Addr::LOCALHOST, 128);
const LINK_LOCAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10);

/// All violations of the contract by the peers of a rule.
pub(super) fn breaches(declaration: &Declaration<'_>, rule: &DeclaredRule) -> Vec<Breach> {
    let direction = declaration.direction;
    if rule.rule.peers.is_empty() {
        let field = direction.peers_field();
        return vec![Breach {
            about: About::Pods,
            location: rule.field(field),
            reason: format!("`{field}` is missing or empty, which means every peer"),
            help: NAME_IT,
            edit: Some(ClusterEdit::Peers(rule.at, vec![namespace_to_name()])),
        }];
    }
    let peers = rule.rule.peers.iter().enumerate();
    peers
        .filter_map(|(at, peer)| of_peer(rule, &rule.peer_path(direction, at), peer))
        .collect()
}

fn of_peer(rule: &DeclaredRule, path: &str, peer: &Peer) -> Option<Breach> {
    match peer {
        Peer::Block { cidr, .. } => {
            let net = cidr.canonical()?;
            Some(Breach {
                about: About::Addresses,
                location: rule.at_path(format!("{path}.ipBlock.cidr")),
                reason: unsafe_block(net)?,
                help: NAME_BLOCK,
                edit: without(rule, peer),
            })
        }
        Peer::Pods {
            namespaces: Some(namespaces),
            ..
        } => {
            let set = namespaces.label_set().and_then(LabelSet::on_namespaces);
            let is_wide = set.is_some_and(|set| fits_any_namespace(&set));
            (is_empty(namespaces) || is_wide).then(|| Breach {
                about: About::Pods,
                location: rule.at_path(format!("{path}.namespaceSelector")),
                reason: "this selector is not explicit: it matches any namespace".to_owned(),
                help: NAME_IT,
                edit: Some(replaced(rule, peer, namespace_to_name())),
            })
        }
        Peer::Pods { pods, .. } => {
            let pods = pods.as_ref()?;
            let is_wide = pods.label_set().is_some_and(|set| fits_any_pod(&set));
            (is_empty(pods) || is_wide).then(|| Breach {
                about: About::Pods,
                location: rule.at_path(format!("{path}.podSelector")),
                reason: "this selector is not explicit: it matches any pod of the namespace"
                    .to_owned(),
                help: NAME_PODS,
                edit: Some(replaced(
                    rule,
                    peer,
                    Peer::Pods {
                        namespaces: None,
                        pods: Some(Selector::labels([(NAME_LABEL, "NAME")])),
                    },
                )),
            })
        }
    }
}

/// The rule with another peer in place of this one.
fn replaced(rule: &DeclaredRule, wide: &Peer, named: Peer) -> ClusterEdit {
    let peers = rule.rule.peers.iter();
    let mut peers: Vec<Peer> = peers.filter(|peer| *peer != wide).cloned().collect();
    peers.push(named);
    ClusterEdit::Peers(rule.at, peers)
}

/// The rule without this peer; `None` where no other is left.
fn without(rule: &DeclaredRule, unsafe_block: &Peer) -> Option<ClusterEdit> {
    let peers = rule.rule.peers.iter();
    let peers: Vec<Peer> = peers
        .filter(|peer| *peer != unsafe_block)
        .cloned()
        .collect();
    (!peers.is_empty()).then_some(ClusterEdit::Peers(rule.at, peers))
}

fn is_empty(selector: &Selector) -> bool {
    selector.labels.is_empty() && selector.expressions.is_empty()
}

/// The fault in a block, `except` or not; `None` where there is none.
fn unsafe_block(net: IpNet) -> Option<String> {
    if net.prefix_len() == 0 {
        return Some(format!("`{net}` covers every address of its family"));
    }
    let v4 =
        [LOOPBACK_V4, LINK_LOCAL_V4].map(|(at, length)| Ipv4Net::new(at, length).map(IpNet::V4));
    let v6 =
        [LOOPBACK_V6, LINK_LOCAL_V6].map(|(at, length)| Ipv6Net::new(at, length).map(IpNet::V6));
    let mut blocks = v4.into_iter().chain(v6).flatten();
    let hit = blocks.find(|block| block.contains(&net) || net.contains(block))?;
    Some(format!(
        "`{net}` overlaps {hit}; `except` does not count here"
    ))
}
