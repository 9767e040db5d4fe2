//! Answers held against the naive evaluator, which enumerates all connections of small random worlds.

mod stacks;

use std::sync::Arc;

use super::end::{Destination, End};
use super::{Passes, ask};
use crate::config::ReviewConfig;
use crate::inventory::{Change, Cluster, Fact, Meta, Object, Policy, Snapshot};
use crate::review::CompiledSnapshot;
use netpol::connection::{Endpoint, LabelPairs};
use netpol::label::NAMESPACE_NAME;
use netpol::point::{At, PolicyView, passes};
use netpol::port::{Port, Protocol};
use netpol::rule::{Peer, PortEntry, Rule, Selector};
use netpol::testing::dice::Seeded;
use netpol::{Connection, Direction, Reading};

fn pods(namespaces: Option<&[(&str, &str)]>, labels: Option<&[(&str, &str)]>) -> Peer {
    let owned = |labels: &[(&str, &str)]| Selector::labels(labels.iter().copied());
    Peer::Pods {
        namespaces: namespaces.map(owned),
        pods: labels.map(owned),
    }
}

fn rule(dice: &mut Seeded, other: &str) -> Rule {
    let name = [(NAMESPACE_NAME, other)];
    let peers = [
        vec![],
        vec![pods(Some(&name), None)],
        vec![pods(Some(&name), Some(&[("tier", "p")]))],
        vec![pods(Some(&name), Some(&[("openbao.org/cluster", "bao")]))],
        vec![pods(Some(&[("team", "x")]), None)],
        vec![pods(None, Some(&[]))],
    ];
    let ports = [
        vec![],
        vec![PortEntry::tcp(8200)],
        vec![PortEntry::tcp(8201)],
    ];
    Rule {
        peers: dice.pick(&peers),
        ports: dice.pick(&ports),
    }
}

fn policy(dice: &mut Seeded, (namespace, other): (&str, &str), at: usize) -> Policy {
    use Direction::{Egress, Ingress};
    let selectors = [
        Selector::default(),
        Selector::labels([("tier", "p")]),
        Selector::labels([("openbao-active", "true")]),
        Selector::labels([("openbao.org/cluster", "bao")]),
    ];
    let types = [vec![Ingress], vec![Egress], vec![Ingress, Egress]];
    let rules =
        |dice: &mut Seeded| -> Vec<Rule> { (0..dice.roll(3)).map(|_| rule(dice, other)).collect() };
    Policy {
        meta: Meta {
            namespace: namespace.into(),
            name: format!("p{at}").into(),
            ..Meta::default()
        },
        pods: dice.pick(&selectors),
        policy_types: Some(dice.pick(&types)),
        ingress: rules(dice),
        egress: rules(dice),
    }
}

fn compiled(dice: &mut Seeded) -> CompiledSnapshot {
    let cluster = Cluster {
        meta: Meta {
            namespace: "bao".into(),
            name: "bao".into(),
            ..Meta::default()
        },
        ..Cluster::default()
    };
    let mut objects = vec![Object::Cluster(Fact::Read(Arc::new(cluster)))];
    for at in 0..dice.roll(4) {
        let home = dice.pick(&[("bao", "n1"), ("n1", "bao")]);
        let policy = policy(dice, home, at);
        objects.push(Object::Policy(Fact::Read(Arc::new(policy))));
    }
    let snapshot = Snapshot::default().apply(objects.into_iter().map(Change::Set));
    CompiledSnapshot::compile(None, Arc::new(snapshot), Arc::new(ReviewConfig::default()))
}

/// All policies of a namespace that exist or count as rendered.
fn policies(compiled: &CompiledSnapshot, namespace: &str) -> Vec<Arc<Policy>> {
    let stored = compiled.facts(namespace).into_iter();
    let stored = stored.flat_map(|facts| facts.policies.values());
    let zones = compiled
        .perimeters(namespace)
        .iter()
        .flat_map(|own| &own.zones);
    let rendered = zones.filter_map(|zone| zone.rendered.clone());
    stored
        .filter_map(|fact| fact.read().cloned())
        .chain(rendered)
        .collect()
}

fn is_allowed(
    compiled: &CompiledSnapshot,
    policies: &[Arc<Policy>],
    (namespace, connection): (&str, &Connection),
    reading: Reading,
) -> bool {
    let views: Vec<PolicyView<'_>> = policies
        .iter()
        .map(|policy| PolicyView {
            pods: &policy.pods,
            isolates: Direction::ALL.map(|direction| policy.isolates(direction)),
            rules: Direction::ALL.map(|direction| policy.rules(direction)),
        })
        .collect();
    let at = At {
        namespace,
        reading,
        tunnels: &compiled.config.tunnel_ports,
    };
    passes(&views, connection, at)
}

fn labels(pairs: &[(&str, &str)]) -> LabelPairs {
    let mut labels: LabelPairs = pairs
        .iter()
        .map(|(key, value)| ((*key).into(), (*value).into()))
        .collect();
    labels.sort();
    labels
}

/// Pods of the namespace `n1` or servers of the cluster, with the labels of their namespace.
fn ends(is_cluster: bool, tier: Option<&str>) -> Vec<Endpoint> {
    let mut found = Vec::new();
    for team in [None, Some("x")] {
        let name = if is_cluster { "bao" } else { "n1" };
        let mut namespace = vec![(NAMESPACE_NAME, name)];
        namespace.extend(team.map(|team| ("team", team)));
        let pods: Vec<Vec<(&str, &str)>> = if is_cluster {
            let own = [
                ("app.kubernetes.io/instance", "bao"),
                ("app.kubernetes.io/managed-by", "openbao-operator"),
                ("app.kubernetes.io/name", "openbao"),
                ("openbao.org/cluster", "bao"),
            ];
            vec![
                own.to_vec(),
                [&own[..], &[("openbao-active", "true")]].concat(),
            ]
        } else {
            // Any other label is possible too.
            let more = [
                vec![],
                vec![("openbao-active", "true")],
                vec![("openbao.org/cluster", "bao")],
                vec![("openbao-active", "true"), ("openbao.org/cluster", "bao")],
            ];
            let tiers: Vec<Option<&str>> =
                tier.map_or_else(|| vec![None, Some("p"), Some("q")], |tier| vec![Some(tier)]);
            let pods = tiers.iter().flat_map(|tier| {
                let tier: Vec<(&str, &str)> = tier.iter().map(|tier| ("tier", *tier)).collect();
                more.iter().map(move |more| [&tier[..], more].concat())
            });
            pods.collect()
        };
        found.extend(pods.iter().map(|pods| Endpoint::Pod {
            namespace: labels(&namespace),
            labels: labels(pods),
        }));
    }
    found
}

/// Whether all, none or some of the connections pass, by enumeration.
fn enumerated(
    compiled: &CompiledSnapshot,
    (from, to): (&[Endpoint], &[Endpoint]),
    ports: &[u16],
) -> (bool, bool) {
    let (mut all, mut none) = (true, true);
    let known = ["bao", "n1"].map(|namespace| (namespace, policies(compiled, namespace)));
    let is_allowed = |home: &str, connection: &Connection, reading| {
        let own = known.iter().find(|(namespace, _)| *namespace == home);
        let policies = own.map_or(&[][..], |(_, policies)| policies);
        is_allowed(compiled, policies, (home, connection), reading)
    };
    let home = |end: &Endpoint| match end {
        Endpoint::Pod { namespace, labels } => (namespace[0].1.clone(), labels.clone()),
        Endpoint::Address(_) => (Arc::from(""), LabelPairs::new()),
    };
    for from in from {
        for to in to {
            for port in ports {
                let ((from_home, from_pod), (to_home, to_pod)) = (home(from), home(to));
                let connection = |direction, subject: &LabelPairs, peer: &Endpoint| Connection {
                    direction,
                    subject: subject.clone(),
                    peer: peer.clone(),
                    protocol: Protocol::Tcp,
                    port: Port::Number(*port),
                };
                let egress = connection(Direction::Egress, &from_pod, to);
                let ingress = connection(Direction::Ingress, &to_pod, from);
                let passes = |reading| {
                    is_allowed(&from_home, &egress, reading)
                        && is_allowed(&to_home, &ingress, reading)
                };
                all &= passes(Reading::Must);
                none &= !passes(Reading::May);
            }
        }
    }
    (all, none)
}

#[test]
fn answers_about_random_worlds_are_those_of_enumeration() {
    let mut dice = Seeded::new(0x9e37_79b9_7f4a_7c15);
    let mut seen = [0; 3];
    for _ in 0..300 {
        let compiled = compiled(&mut dice);
        let tier = dice.pick(&[None, Some("p"), Some("q")]);
        let text = tier.map_or_else(|| "n1/".to_owned(), |tier| format!("n1/tier={tier}"));
        let (port, ports) = dice.pick(&[
            ("", vec![8200, 8201, 9999]),
            (":8200", vec![8200]),
            (":9999", vec![9999]),
        ]);
        let is_to = dice.roll(2) == 0;
        let (from, to) = if is_to {
            (text, "bao/bao".to_owned())
        } else {
            ("bao/bao".to_owned(), text)
        };
        let (own, other) = (ends(true, None), ends(false, tier));
        let ends = if is_to {
            (&other[..], &own[..])
        } else {
            (&own[..], &other[..])
        };
        let (all, none) = enumerated(&compiled, ends, &ports);
        let from: End = from.parse().unwrap();
        let to: Destination = format!("{to}{port}").parse().unwrap();
        let answer = ask(&compiled, &from, &to).unwrap();
        let expected = match (all, none) {
            (true, _) => 0,
            (_, true) => 1,
            _ => 2,
        };
        let found = match answer.passes {
            Passes::All => 0,
            Passes::None => 1,
            Passes::Only(_) | Passes::Uncertain { .. } => 2,
        };
        assert_eq!(
            found, expected,
            "{from} {to:?}: {answer:?} in {:#?}",
            compiled.snapshot
        );
        seen[found] += 1;
    }
    assert!(seen.iter().all(|seen| *seen > 0), "{seen:?}");
}
