//! OBP317: a rule, or a part of one, that allows nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::inventory::{Cluster, ObjectRef, Policy};
use crate::rules::{Cause, Finding, Onset};
use netpol::rule::{Peer, PortRange, Rule, Selector};
use netpol::{Direction, Reading};

/// Blocks with addresses that no pod has: loopback, link-local and multicast. A port name is looked up on the
/// pod with the address.
const WITHOUT_PODS: [(IpAddr, u8); 6] = [
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 4),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
    (IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8),
];

/// Maximum number of rules that are named. The rest is counted.
const LISTED: usize = 20;

/// Findings about the rules of a policy. Those of the old policy are known.
pub(crate) fn in_policy(
    object: &ObjectRef,
    after: &Policy,
    before: Option<&Policy>,
) -> Vec<Finding> {
    Direction::ALL
        .into_iter()
        .flat_map(|direction| of_direction(object, direction, after, before))
        .collect()
}

/// Findings about the egress rules that a cluster declares. A rule without any effect is OBP314.
pub(crate) fn in_cluster(
    object: &ObjectRef,
    after: &Cluster,
    before: Option<&Cluster>,
) -> Vec<Finding> {
    let rules = |cluster: &Cluster| {
        let declared = cluster.network.egress_rules.iter();
        declared
            .map(|rule| rule.clone().ok())
            .collect::<Vec<Option<Rule>>>()
    };
    let old = before.map(rules).unwrap_or_default();
    let rules = rules(after);
    let placed = rules
        .iter()
        .enumerate()
        .filter_map(|(at, rule)| Some((format!("spec.network.egressRules[{at}]"), rule.as_ref()?)));
    let found = placed.filter_map(|(path, rule)| {
        let ineffective = ineffective_port(rule)?;
        let known = old.iter().flatten().any(|old| old == rule);
        Some(finding(object, &path, known, ineffective))
    });
    found.take(LISTED).collect()
}

/// A part of a rule without effect.
struct Ineffective {
    /// Path relative to the rule.
    part: String,
    reason: String,
    help: String,
}

fn of_direction(
    object: &ObjectRef,
    direction: Direction,
    after: &Policy,
    before: Option<&Policy>,
) -> Vec<Finding> {
    let rules = after.rules(direction);
    let old = before.map(|before| before.rules(direction));
    let old = old.unwrap_or_default();
    if rules.is_empty() {
        return Vec::new();
    }
    let path = || format!("spec.{}", direction.field());
    if !after.isolates(direction) {
        let known = before.is_some_and(|before| !before.isolates(direction) && old == rules);
        return vec![finding(
            object,
            &path(),
            known,
            without_type(direction, rules.len()),
        )];
    }
    let mut ineffective = rules.iter().enumerate().filter_map(|(at, rule)| {
        let port = (direction == Direction::Egress).then(|| ineffective_port(rule));
        let ineffective = port
            .flatten()
            .or_else(|| ineffective_peer(rule, direction, &object.namespace))?;
        let path = format!("{}[{at}]", path());
        Some(finding(object, &path, old.contains(rule), ineffective))
    });
    let mut findings: Vec<Finding> = ineffective.by_ref().take(LISTED).collect();
    let rest = ineffective.count();
    if rest > 0 {
        let reason = format!("{rest} more rules have parts without effect");
        let rest = Ineffective {
            part: String::new(),
            reason,
            help: "correct the first ones, then look again".to_owned(),
        };
        findings.push(finding(object, &path(), false, rest));
    }
    findings
}

fn finding(object: &ObjectRef, path: &str, is_known: bool, ineffective: Ineffective) -> Finding {
    Finding {
        reason: ineffective.reason,
        help: ineffective.help,
        ..Finding::of(
            Cause::RuleWithoutEffect,
            Onset::of(is_known),
            object,
            format!("{path}{}", ineffective.part),
        )
    }
}

fn without_type(direction: Direction, rules: usize) -> Ineffective {
    let (field, policy_type) = (direction.field(), direction.policy_type());
    let rules = match rules {
        1 => format!("the rule of spec.{field} has"),
        _ => format!("the {rules} rules of spec.{field} have"),
    };
    Ineffective {
        part: String::new(),
        reason: format!("{rules} no effect, since spec.policyTypes does not list `{policy_type}`"),
        help: format!(
            "add `{policy_type}` to spec.policyTypes, which isolates the pods in that direction, or leave spec.{field} out"
        ),
    }
}

/// A port name next to addresses that no pod has.
fn ineffective_port(rule: &Rule) -> Option<Ineffective> {
    let mut ports = rule.ports.iter().enumerate();
    let (at, name) = ports.find_map(|(at, entry)| match &entry.ports {
        PortRange::Named(name) => Some((at, name)),
        PortRange::All | PortRange::Numbers(..) => None,
    })?;
    let mut blocks = rule.peers.iter().filter_map(|peer| match peer {
        Peer::Block { cidr, .. } => cidr.canonical(),
        Peer::Pods { .. } => None,
    });
    let block = blocks.find(is_without_pods)?;
    Some(Ineffective {
        part: format!(".ports[{at}]"),
        reason: format!(
            "the port name `{name}` opens nothing at {block}: a port name is resolved by the pod at the address, and \
             no pod has an address in this block"
        ),
        help: "write the number of the port".to_owned(),
    })
}

fn is_without_pods(block: &IpNet) -> bool {
    WITHOUT_PODS.iter().any(|(address, length)| {
        let net = IpNet::new(*address, *length);
        net.is_ok_and(|net| net.contains(block))
    })
}

/// A peer that matches nothing: its requirements contradict each other, or `except` removes all of it.
fn ineffective_peer(rule: &Rule, direction: Direction, namespace: &str) -> Option<Ineffective> {
    let mut peers = rule.peers.iter().enumerate();
    let (at, peer) = peers.find(|(_, peer)| {
        may_match_nothing(peer) && peer.sets(namespace, Reading::May).is_empty()
    })?;
    let (reason, help) = match peer {
        Peer::Pods { .. } => (
            "the peer matches nothing: its requirements contradict each other",
            "correct the selectors, or leave the peer out",
        ),
        Peer::Block { .. } => (
            "the peer matches nothing: `except` removes every address of the block",
            "correct `except`, or leave the peer out",
        ),
    };
    Some(Ineffective {
        part: format!(".{}[{at}]", direction.peers_field()),
        reason: reason.to_owned(),
        help: help.to_owned(),
    })
}

/// Returns true if a peer may match nothing. Labels alone never contradict each other.
fn may_match_nothing(peer: &Peer) -> bool {
    let expresses = |selector: &Option<Selector>| {
        let mut selector = selector.iter();
        selector.any(|selector| !selector.expressions.is_empty())
    };
    match peer {
        Peer::Pods { namespaces, pods } => expresses(namespaces) || expresses(pods),
        Peer::Block { except, .. } => !except.is_empty(),
    }
}
