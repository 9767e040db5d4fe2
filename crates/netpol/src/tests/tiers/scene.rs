//! Small configurations for rows: the engine's answer about one connection, after a check that the naive
//! evaluator agrees.

use super::super::rows::{holds, pairs};
use super::world::{Config, Parts, Written, everything, net};
use crate::connection::Endpoint;
use crate::cover::Budget;
use crate::label::{Labels, NAMESPACE_NAME, Values};
use crate::pod_space::{OtherKeys, PodSpace};
use crate::port::{Port, Protocol};
use crate::rule::{Peer, PortEntry, Rule, Selector};
use crate::testing::domain::HOME;
use crate::tier::{
    Action, Addresses, Decider, NamespaceLabels, PolicyKind, Subject, Tier, TierPeer, TierPolicy,
    TierPort, TierRule, TierSelector, TierSettings, Verdict,
};
use crate::{Connection, Direction};

/// The possible verdicts about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Allowed,
    Denied,
    /// Either verdict, under some readings.
    Either,
}

pub(super) fn any() -> TierSelector {
    Selector::default().into()
}

pub(super) fn all_pods() -> TierPeer {
    TierPeer::Namespaces(any())
}

pub(super) fn team(name: &str) -> TierPeer {
    TierPeer::Namespaces(Selector::labels([("team", name)]).into())
}

pub(super) fn networks(blocks: &[&str]) -> TierPeer {
    TierPeer::Networks(
        blocks
            .iter()
            .map(|text| text.parse().expect("a block"))
            .collect(),
    )
}

pub(super) fn rule(action: Action, peers: Vec<TierPeer>, ports: Vec<TierPort>) -> TierRule {
    TierRule {
        name: "".into(),
        action,
        peers,
        ports,
    }
}

/// A ClusterNetworkPolicy for all pods with the same rules in both directions.
pub(super) fn cnp(tier: Tier, priority: u16, rules: &[TierRule]) -> TierPolicy {
    TierPolicy {
        name: format!("cnp-{priority}").into(),
        kind: PolicyKind::ClusterNetworkPolicy,
        tier,
        priority: Some(priority),
        subject: Subject::Namespaces(any()),
        ingress: rules.to_vec(),
        egress: rules.to_vec(),
    }
}

pub(super) fn admin(priority: u16, rules: &[TierRule]) -> TierPolicy {
    cnp(Tier::Admin, priority, rules)
}

pub(super) fn baseline(priority: u16, rules: &[TierRule]) -> TierPolicy {
    cnp(Tier::Baseline, priority, rules)
}

/// The same policy as another kind.
pub(super) fn of_kind(kind: PolicyKind, policy: TierPolicy) -> TierPolicy {
    let has_priority = kind != PolicyKind::BaselineAdminNetworkPolicy;
    TierPolicy {
        kind,
        priority: policy.priority.filter(|_| has_priority),
        ..policy
    }
}

/// A NetworkPolicy that isolates all pods and allows these ports to and from every pod.
pub(super) fn isolating(ports: &[u16]) -> Written {
    let peer = Peer::Pods {
        namespaces: Some(Selector::default()),
        pods: None,
    };
    let rule = |port: &u16| Rule {
        peers: vec![peer.clone()],
        ports: vec![PortEntry::tcp(*port)],
    };
    let rules: Vec<Rule> = ports.iter().map(rule).collect();
    Written {
        pods: Selector::default(),
        isolates: [true, true],
        rules: [rules.clone(), rules],
    }
}

pub(super) fn scene(policies: Vec<TierPolicy>, network_policies: Vec<Written>) -> Config {
    let mut known = Labels::new();
    known.insert(NAMESPACE_NAME.into(), HOME.into());
    known.insert("team".into(), "home".into());
    Config {
        namespace: NamespaceLabels {
            known,
            others: OtherKeys::Absent,
        },
        other_namespaces: Vec::new(),
        settings: TierSettings {
            pod_addresses: vec![net("10.0.0.0/8")],
            tunnels: Vec::new(),
        },
        policies,
        network_policies,
        has_unreadable: false,
    }
}

pub(super) fn peer_pod(team: &str, labels: &[(&str, &str)]) -> Endpoint {
    Endpoint::Pod {
        namespace: pairs(&[(NAMESPACE_NAME, "other"), ("team", team)]),
        labels: pairs(labels),
    }
}

pub(super) fn connection(direction: Direction, peer: Endpoint, port: u16) -> Connection {
    on(direction, peer, Protocol::Tcp, Port::Number(port))
}

pub(super) fn on(
    direction: Direction,
    peer: Endpoint,
    protocol: Protocol,
    port: Port,
) -> Connection {
    Connection {
        direction,
        subject: pairs(&[("app", "bao")]),
        peer,
        protocol,
        port,
    }
}

pub(super) fn zone() -> PodSpace {
    let known = [
        ("app", Values::one_of(["bao"])),
        ("role", Values::one_of(["active"]).or_absent()),
    ];
    PodSpace::new(known, Vec::new(), OtherKeys::Absent)
}

/// The answer of both implementations.
pub(super) fn answer(config: &Config, connection: &Connection) -> Answer {
    answer_at(config, connection, Addresses::MayBePods).0
}

/// The answer, and the parts that may allow and deny the connection.
pub(super) fn answer_at(
    config: &Config,
    connection: &Connection,
    addresses: Addresses,
) -> (Answer, [Option<Decider>; 2]) {
    let (zone, direction) = (zone(), connection.direction);
    let parts = Parts::of(config, &zone, direction);
    let stack = parts.stack(config, &zone, direction);
    let budget = &mut Budget::new(100_000);
    let mut leaves = Vec::new();
    for area in everything() {
        leaves.extend(stack.leaves(&area, addresses, budget).expect("decided"));
    }
    leaves
        .retain(|leaf| holds(&leaf.region, connection) && subject_holds(&leaf.region, connection));
    let [leaf] = &leaves[..] else {
        panic!("{connection} is in {} leaves", leaves.len());
    };
    let outcomes = config.outcomes(connection, addresses);
    let found = [(Verdict::Allow, leaf.allow), (Verdict::Deny, leaf.deny)];
    for (verdict, decision) in found {
        let naive = outcomes.iter().any(|(own, _)| *own == verdict);
        assert_eq!(
            decision.is_some(),
            naive,
            "{connection}: {leaf:?}, {outcomes:?}"
        );
        if let Some(decision) = decision {
            assert!(
                outcomes.contains(&(verdict, decision.decider)),
                "{leaf:?} {outcomes:?}"
            );
        }
    }
    let answer = match (leaf.allow, leaf.deny) {
        (Some(_), Some(_)) => Answer::Either,
        (Some(_), None) => Answer::Allowed,
        _ => Answer::Denied,
    };
    (
        answer,
        [leaf.allow, leaf.deny].map(|own| own.map(|own| own.decider)),
    )
}

fn subject_holds(region: &crate::Region, connection: &Connection) -> bool {
    region
        .subject
        .matches(&connection.subject.iter().cloned().collect())
}
