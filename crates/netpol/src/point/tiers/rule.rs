//! The match of one rule, as it is written.

use std::sync::Arc;

use ipnet::IpNet;

use super::Match::{self, Maybe, No};
use super::{StackView, of_labels, of_namespace, sure_or_possible};
use crate::address::Cidr;
use crate::connection::{Connection, Endpoint};
use crate::label::{Labels, NAMESPACE_NAME, is_dns_label};
use crate::pod_space::OtherKeys;
use crate::point::in_block;
use crate::port::{Port, Protocol};
use crate::rule::Selector;
use crate::tier::{
    Action, Addresses, NamespaceLabels, TierPeer, TierPolicy, TierPort, TierRule, TierSelector,
};
use crate::{Direction, Reading};

/// The actions that the rule may take, in order of their precedence.
pub(super) fn rule_matches(
    stack: &StackView<'_>,
    policy: &TierPolicy,
    rule: &TierRule,
    connection: &Connection,
) -> Vec<(Action, Match)> {
    let direction = connection.direction;
    let peers = rule.peers.iter().map(|peer| peer.on(direction));
    let one = |peer| peer_matches(stack, policy, rule.action, peer, &connection.peer);
    let listed = peers.map(one).max().unwrap_or(No);
    let listed = listed.max(by_addresses(stack, rule, connection));
    let own = listed.min(ports_match(stack, policy, rule, connection));
    if !rule.fails_closed(direction) {
        return vec![(rule.action, own)];
    }
    let own = match rule.action {
        Action::Pass => own.min(Maybe),
        Action::Accept | Action::Deny => own,
    };
    vec![(rule.action, own), (Action::Deny, Maybe)]
}

fn peer_matches(
    stack: &StackView<'_>,
    policy: &TierPolicy,
    action: Action,
    peer: &TierPeer,
    endpoint: &Endpoint,
) -> Match {
    let any = TierSelector::Valid(Selector::default());
    match (peer, endpoint) {
        (TierPeer::Unknown, _) => Maybe,
        (TierPeer::Namespaces(namespaces), _) => {
            pod_matches(stack, action, (namespaces, &any), endpoint)
        }
        (TierPeer::Pods { namespaces, pods }, _) => {
            pod_matches(stack, action, (namespaces, pods), endpoint)
        }
        // All blocks of a rule count together.
        (TierPeer::Networks(_), _) => No,
        (TierPeer::Nodes(nodes), endpoint) => {
            let is_reached = matches!(endpoint, Endpoint::Address(_)) || policy.kind.is_v1alpha1();
            sure_or_possible(false, is_reached && is_satisfiable(nodes.widest()))
        }
        (TierPeer::DomainNames(names), endpoint) => {
            let is_reached = matches!(endpoint, Endpoint::Address(_)) && !names.is_empty();
            sure_or_possible(false, is_reached)
        }
    }
}

/// Returns true if some node may have the labels.
fn is_satisfiable(selector: &Selector) -> bool {
    let unknown = NamespaceLabels {
        known: Labels::new(),
        others: OtherKeys::Free,
    };
    of_namespace(&TierSelector::Valid(selector.clone()), &unknown) != No
}

fn pod_matches(
    stack: &StackView<'_>,
    action: Action,
    (namespaces, pods): (&TierSelector, &TierSelector),
    endpoint: &Endpoint,
) -> Match {
    match endpoint {
        Endpoint::Pod { namespace, labels } => {
            of_labels(namespaces, namespace).min(of_labels(pods, labels))
        }
        // Somebody at the address may be such a pod. An Accept by labels opens no address.
        Endpoint::Address(address) => {
            let blocks = &stack.settings.pod_addresses;
            let is_possible = action != Action::Accept
                && stack.addresses == Addresses::MayBePods
                && blocks.iter().any(|block| block.contains(address))
                && is_named(namespaces.widest())
                && is_satisfiable(pods.widest());
            sure_or_possible(false, is_possible)
        }
    }
}

/// Returns true if some namespace may have the labels. Each one has a name.
fn is_named(selector: &Selector) -> bool {
    let fresh = [Arc::from("a"), Arc::from("b-name-that-no-selector-lists")];
    let requirements = selector.expressions.iter();
    let listed = requirements.flat_map(|asked| asked.values.iter().cloned());
    let labels = selector.labels.iter().map(|(_, value)| value.clone());
    let names = fresh.into_iter().chain(listed).chain(labels);
    names.filter(|name| is_dns_label(name)).any(|name| {
        let known = std::iter::once((Arc::from(NAMESPACE_NAME), name)).collect();
        let space = NamespaceLabels {
            known,
            others: OtherKeys::Free,
        };
        of_namespace(&TierSelector::Valid(selector.clone()), &space) != No
    })
}

/// The match of a rule's blocks, all together.
fn by_addresses(stack: &StackView<'_>, rule: &TierRule, connection: &Connection) -> Match {
    let peers = rule.peers.iter().map(|peer| peer.on(connection.direction));
    let blocks: Vec<&Cidr> = peers
        .filter_map(|peer| match peer {
            TierPeer::Networks(blocks) => Some(blocks),
            _ => None,
        })
        .flatten()
        .collect();
    if blocks.is_empty() {
        return No;
    }
    match &connection.peer {
        Endpoint::Address(address) => {
            let contains = |reading| blocks.iter().any(|cidr| in_block(cidr, *address, reading));
            sure_or_possible(contains(Reading::Must), contains(Reading::May))
        }
        Endpoint::Pod { .. } => {
            let nets: Vec<IpNet> = blocks.iter().filter_map(|cidr| cidr.canonical()).collect();
            let is_everything = nets.len() < blocks.len();
            let pods = &stack.settings.pod_addresses;
            let covers = !pods.is_empty() && pods.iter().all(|pods| is_covered(*pods, &nets));
            let touches = pods.iter().any(|pods| {
                let mut nets = nets.iter();
                is_everything || nets.any(|net| net.contains(pods) || pods.contains(net))
            });
            let may = match rule.action {
                Action::Accept => covers || (is_everything && !pods.is_empty()),
                Action::Deny | Action::Pass => touches,
            };
            sure_or_possible(covers, may)
        }
    }
}

/// Returns true if the blocks together contain all of `whole`.
fn is_covered(whole: IpNet, nets: &[IpNet]) -> bool {
    if nets.iter().any(|net| net.contains(&whole)) {
        return true;
    }
    let longer = whole.prefix_len() + 1;
    nets.iter().any(|net| whole.contains(net))
        && whole
            .subnets(longer)
            .is_ok_and(|mut halves| halves.all(|half| is_covered(half, nets)))
}

fn ports_match(
    stack: &StackView<'_>,
    policy: &TierPolicy,
    rule: &TierRule,
    connection: &Connection,
) -> Match {
    if rule.ports.is_empty() {
        return Match::Yes;
    }
    let mut entries = rule.ports.iter();
    let names_any = entries.any(|entry| matches!(entry, TierPort::Named(_)));
    let holds = |number: u16| {
        rule.ports.iter().any(|entry| match entry {
            TierPort::Numbers {
                protocol,
                first,
                last,
            } => *protocol == connection.protocol && (*first..=*last).contains(&number),
            TierPort::Named(_) | TierPort::Unknown => false,
        })
    };
    let has_numbers = || {
        rule.ports.iter().any(|entry| {
            matches!(entry, TierPort::Numbers { protocol, first, last }
                if *protocol == connection.protocol && (*first).max(1) <= *last)
        })
    };
    let by_pod = matches!(connection.peer, Endpoint::Pod { .. });
    let is_named = |name: &Arc<str>| rule.ports.contains(&TierPort::Named(name.clone()));
    let (must, may) = match &connection.port {
        Port::Number(number) => (holds(*number), false),
        Port::Named(name) => {
            let is_any = (1..=u16::MAX).all(holds);
            let is_known = by_pod || connection.direction == Direction::Ingress;
            (is_any || (is_named(name) && is_known), is_named(name))
        }
    };
    let is_possible = match rule.action {
        Action::Accept => {
            let mut tunnels = stack.settings.tunnels.iter();
            (names_any && policy.kind.is_v1alpha1())
                || (connection.direction == Direction::Ingress
                    && connection.protocol == Protocol::Tcp
                    && tunnels.any(|tunnel| holds(*tunnel)))
        }
        Action::Deny | Action::Pass => {
            let by_name = matches!(connection.port, Port::Named(_));
            names_any || (by_name && has_numbers())
        }
    };
    let is_unknown = rule.ports.contains(&TierPort::Unknown);
    sure_or_possible(must, may || is_possible || is_unknown)
}
