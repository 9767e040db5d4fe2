//! Edits of an ordered policy.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::policy::list;
use super::{Lines, Verb, rule_path};
use crate::inventory::render;
use netpol::Direction;
use netpol::address::Cidr;
use netpol::label::NAMESPACE_NAME;
use netpol::port::Protocol;
use netpol::rule::{Operator, Peer, PortEntry, PortRange, Rule, Selector};
use netpol::tier::{
    Action, PolicyKind, Subject, TierPeer, TierPolicy, TierPort, TierRule, TierSelector,
};

/// One edit of an ordered policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderedEdit {
    /// Inserts rules with action `Pass` before the rule with this index.
    Before(PolicyKind, Direction, usize, Vec<Arc<TierRule>>),
    /// Sets the action of a rule to `Pass`.
    Pass(Direction, usize),
    /// Excludes namespaces from the subject; true if it selects pods.
    Exclude(bool, Vec<Arc<str>>),
    /// Sets the priority.
    Priority(u16),
}

impl OrderedEdit {
    /// The policy with these edits, without duplicates. Rules keep their indexes until the last edits are done.
    pub fn apply(edits: &[&Self], policy: &TierPolicy) -> TierPolicy {
        let mut edited = policy.clone();
        let mut done: Vec<&Self> = Vec::new();
        for edit in edits {
            if !done.contains(edit) {
                done.push(edit);
            }
        }
        done.sort_by_key(|edit| match edit {
            Self::Before(_, _, at, _) => (1, std::cmp::Reverse(*at)),
            _ => (0, std::cmp::Reverse(0)),
        });
        for edit in done {
            match edit {
                Self::Before(_, direction, at, inserted) => {
                    let rules = rules(&mut edited, *direction);
                    let at = (*at).min(rules.len());
                    rules.splice(at..at, inserted.iter().map(|rule| TierRule::clone(rule)));
                }
                Self::Pass(direction, at) => {
                    if let Some(rule) = rules(&mut edited, *direction).get_mut(*at) {
                        rule.action = Action::Pass;
                    }
                }
                Self::Exclude(_, names) => exclude(&mut edited.subject, names),
                Self::Priority(priority) => edited.priority = Some(*priority),
            }
        }
        edited
    }

    pub(super) fn lines(&self) -> Lines {
        match self {
            Self::Before(kind, direction, at, written) => (
                rule_path(*direction, *at),
                Verb::Insert,
                list(written, |written| rule(*kind, *direction, written)),
            ),
            Self::Pass(direction, at) => (
                rule_path(*direction, *at),
                Verb::Set,
                json!({"action": "Pass"}),
            ),
            Self::Exclude(selects_pods, names) => {
                let path = if *selects_pods {
                    "spec.subject.pods.namespaceSelector.matchExpressions"
                } else {
                    "spec.subject.namespaces.matchExpressions"
                };
                let requirement = json!({"key": NAMESPACE_NAME, "operator": "NotIn", "values": list(names, |name| json!(**name))});
                (path.to_owned(), Verb::Add, json!([requirement]))
            }
            Self::Priority(priority) => {
                ("spec".to_owned(), Verb::Set, json!({"priority": priority}))
            }
        }
    }
}

fn rules(policy: &mut TierPolicy, direction: Direction) -> &mut Vec<TierRule> {
    match direction {
        Direction::Ingress => &mut policy.ingress,
        Direction::Egress => &mut policy.egress,
    }
}

fn exclude(subject: &mut Subject, names: &[Arc<str>]) {
    let (Subject::Namespaces(namespaces) | Subject::Pods { namespaces, .. }) = subject;
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    let without = |selector: &Selector| {
        selector
            .clone()
            .and(NAMESPACE_NAME, Operator::NotIn, &names)
    };
    *namespaces = match namespaces {
        TierSelector::Valid(selector) => TierSelector::Valid(without(selector)),
        TierSelector::Invalid(selector) => TierSelector::Invalid(without(selector)),
    };
}

/// The rule of a row with action `Pass`, for pods of a namespace. `None` if an ordered policy has no such rule.
pub(crate) fn pass(rule: &Rule, direction: Direction, home: &str) -> Option<TierRule> {
    let peers: Option<Vec<TierPeer>> = rule
        .peers
        .iter()
        .map(|written| peer(written, direction, home))
        .collect();
    let ports: Option<Vec<TierPort>> = rule.ports.iter().map(port).collect();
    Some(TierRule {
        name: "".into(),
        action: Action::Pass,
        peers: peers.filter(|peers| !peers.is_empty())?,
        ports: ports?,
    })
}

/// The connections of a rule as a rule of `review.platform`. `None` if it has a port name or a peer that a NetworkPolicy
/// cannot have, or no peer.
pub(crate) fn permitted(rule: &TierRule) -> Option<Rule> {
    let peers = rule.peers.iter().map(permitted_peers);
    let peers: Option<Vec<Vec<Peer>>> = peers.collect();
    let peers = peers?.concat();
    let ports: Option<Vec<PortEntry>> = rule.ports.iter().map(permitted_port).collect();
    let ports = ports?;
    (!peers.is_empty()).then_some(Rule { peers, ports })
}

fn permitted_peers(peer: &TierPeer) -> Option<Vec<Peer>> {
    let valid = |selector: &TierSelector| match selector {
        TierSelector::Valid(selector) => Some(selector.clone()),
        TierSelector::Invalid(_) => None,
    };
    match peer {
        TierPeer::Namespaces(namespaces) => Some(vec![Peer::Pods {
            namespaces: Some(valid(namespaces)?),
            pods: None,
        }]),
        TierPeer::Pods { namespaces, pods } => Some(vec![Peer::Pods {
            namespaces: Some(valid(namespaces)?),
            pods: Some(valid(pods)?),
        }]),
        TierPeer::Networks(blocks) => {
            let block = |cidr: &Cidr| Peer::Block {
                cidr: cidr.clone(),
                except: Vec::new(),
            };
            Some(blocks.iter().map(block).collect())
        }
        TierPeer::Nodes(_) | TierPeer::DomainNames(_) | TierPeer::Unknown => None,
    }
}

fn permitted_port(port: &TierPort) -> Option<PortEntry> {
    match *port {
        TierPort::Numbers {
            protocol,
            first,
            last,
        } if first <= last => Some(PortEntry::new(protocol, PortRange::Numbers(first, last))),
        _ => None,
    }
}

fn peer(peer: &Peer, direction: Direction, home: &str) -> Option<TierPeer> {
    let is_narrow = |cidr: &Cidr| cidr.canonical().is_some_and(|net| net.prefix_len() > 0);
    match peer {
        Peer::Pods { namespaces, pods } => {
            let namespaces = namespaces.clone();
            let namespaces = namespaces
                .unwrap_or_else(|| Selector::namespace(home))
                .into();
            Some(match pods {
                Some(pods) if *pods != Selector::default() => TierPeer::Pods {
                    namespaces,
                    pods: pods.clone().into(),
                },
                _ => TierPeer::Namespaces(namespaces),
            })
        }
        Peer::Block { cidr, except } => {
            let is_known = direction == Direction::Egress && except.is_empty() && is_narrow(cidr);
            is_known.then(|| TierPeer::Networks(vec![cidr.clone()]))
        }
    }
}

fn port(entry: &PortEntry) -> Option<TierPort> {
    let (first, last) = match entry.ports {
        PortRange::All => (1, u16::MAX),
        PortRange::Numbers(first, last) => (first, last),
        PortRange::Named(_) => return None,
    };
    Some(TierPort::Numbers {
        protocol: entry.protocol,
        first,
        last,
    })
}

/// A rule as it is written.
fn rule(kind: PolicyKind, direction: Direction, rule: &TierRule) -> Value {
    let is_cluster_policy = kind == PolicyKind::ClusterNetworkPolicy;
    let action = match (rule.action, is_cluster_policy) {
        (Action::Accept, true) => "Accept",
        (Action::Accept, false) => "Allow",
        (Action::Deny, _) => "Deny",
        (Action::Pass, _) => "Pass",
    };
    let mut fields = Map::new();
    fields.insert("action".into(), action.into());
    let peers = rule.peers.iter().filter_map(written_peer);
    fields.insert(direction.peers_field().into(), peers.collect());
    let ports = rule.ports.iter();
    let ports: Vec<Value> = ports
        .filter_map(|port| written_port(port, is_cluster_policy))
        .collect();
    if !ports.is_empty() {
        let field = if is_cluster_policy {
            "protocols"
        } else {
            "ports"
        };
        fields.insert(field.into(), ports.into());
    }
    fields.into()
}

fn written_peer(peer: &TierPeer) -> Option<Value> {
    let selector = |selector: &TierSelector| render::selector(selector.widest());
    match peer {
        TierPeer::Namespaces(namespaces) => Some(json!({"namespaces": selector(namespaces)})),
        TierPeer::Pods { namespaces, pods } => Some(json!({"pods": {
            "namespaceSelector": selector(namespaces), "podSelector": selector(pods)
        }})),
        TierPeer::Networks(blocks) => {
            Some(json!({"networks": list(blocks, |block| json!(block.text()))}))
        }
        TierPeer::Nodes(_) | TierPeer::DomainNames(_) | TierPeer::Unknown => None,
    }
}

fn written_port(port: &TierPort, is_cluster_policy: bool) -> Option<Value> {
    let TierPort::Numbers {
        protocol,
        first,
        last,
    } = port
    else {
        return None;
    };
    let numbers = if first == last {
        json!({"number": first})
    } else {
        json!({"range": {"start": first, "end": last}})
    };
    Some(match (is_cluster_policy, first == last) {
        (true, _) => {
            let field = match protocol {
                Protocol::Tcp => "tcp",
                Protocol::Udp => "udp",
                Protocol::Sctp => "sctp",
            };
            json!({field: {"destinationPort": numbers}})
        }
        (false, true) => json!({"portNumber": {"protocol": protocol.as_str(), "port": first}}),
        (false, false) => {
            json!({"portRange": {"protocol": protocol.as_str(), "start": first, "end": last}})
        }
    })
}
