//! The same with ordered policies: answers of `can`, and the connectivity diff.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::baseline::Zone;
use crate::inventory::other_policy::{Effect as PolicyEffect, Subject as Selected};
use crate::inventory::{Kind, Namespace, OtherPolicy};
use crate::review::connectivity::{Effect, connectivity};
use crate::rules::layers::view;
use netpol::point::tiers::{StackView, outcomes};
use netpol::tier::{
    Action, Addresses, PolicyKind, Subject, Tier, TierPeer, TierPolicy, TierPort, TierRule, Verdict,
};

const CLUSTER: &str = "bao";

fn selector(pairs: &[(&str, &str)]) -> Selector {
    Selector::labels(pairs.iter().copied())
}

fn tier_rule(dice: &mut Seeded, direction: Direction) -> TierRule {
    let namespaces = |pairs: &[(&str, &str)]| TierPeer::Namespaces(selector(pairs).into());
    let pods = |pairs: &[(&str, &str)]| TierPeer::Pods {
        namespaces: Selector::default().into(),
        pods: selector(pairs).into(),
    };
    let mut peers = vec![
        namespaces(&[]),
        namespaces(&[(NAMESPACE_NAME, "n1")]),
        namespaces(&[(NAMESPACE_NAME, CLUSTER)]),
        namespaces(&[("team", "x")]),
        pods(&[("tier", "p")]),
        pods(&[("openbao.org/cluster", CLUSTER)]),
    ];
    if direction == Direction::Egress {
        for block in ["10.0.0.0/8", "203.0.113.0/24", "0.0.0.0/0"] {
            peers.push(TierPeer::Networks(vec![block.parse().unwrap()]));
        }
    }
    TierRule {
        name: "".into(),
        action: dice.pick(&[Action::Accept, Action::Deny, Action::Pass]),
        peers: (0..=dice.roll(2)).map(|_| dice.pick(&peers)).collect(),
        ports: dice.pick(&[
            vec![],
            vec![TierPort::tcp(8200)],
            vec![TierPort::tcp(8200), TierPort::tcp(8201)],
        ]),
    }
}

fn ordered(dice: &mut Seeded, number: usize) -> Change {
    let subjects = [
        Subject::Namespaces(Selector::default().into()),
        Subject::Namespaces(selector(&[(NAMESPACE_NAME, CLUSTER)]).into()),
        Subject::Namespaces(selector(&[("team", "x")]).into()),
        Subject::Pods {
            namespaces: Selector::default().into(),
            pods: selector(&[("openbao-active", "true")]).into(),
        },
    ];
    let rules = |dice: &mut Seeded, direction| -> Vec<TierRule> {
        (0..dice.roll(3))
            .map(|_| tier_rule(dice, direction))
            .collect()
    };
    let name = format!("c{number}");
    let policy = TierPolicy {
        name: name.as_str().into(),
        kind: PolicyKind::ClusterNetworkPolicy,
        tier: dice.pick(&[Tier::Admin, Tier::Admin, Tier::Baseline]),
        priority: Some(dice.pick(&[1, 1, 2])),
        subject: dice.pick(&subjects),
        ingress: rules(dice, Direction::Ingress),
        egress: rules(dice, Direction::Egress),
    };
    let policy = OtherPolicy {
        meta: Meta {
            name: name.into(),
            ..Meta::default()
        },
        subject: Selected::unknown(""),
        effect: PolicyEffect::BeforeNetworkPolicies,
        ordered: Some(Arc::new(policy)),
    };
    Change::Set(Object::OtherPolicy(
        Kind::ClusterNetworkPolicy,
        Fact::Read(Arc::new(policy)),
    ))
}

/// A Namespace whose labels are known.
fn namespace(name: &str, team: Option<&str>) -> Change {
    let labels = team.map(|team| (Arc::from("team"), Arc::from(team)));
    Change::Set(Object::Namespace(Fact::Read(Arc::new(Namespace {
        name: name.into(),
        terminating: false,
        labels: Some(netpol::label::labels(labels.into_iter().collect())),
    }))))
}

fn with(compiled: &CompiledSnapshot, changes: Vec<Change>) -> CompiledSnapshot {
    let snapshot = compiled.snapshot.apply(changes);
    CompiledSnapshot::compile(None, Arc::new(snapshot), Arc::clone(&compiled.config))
}

/// A world with up to three ordered policies, and the possible values of the label `team` of `bao` and `n1`.
fn stacked(dice: &mut Seeded) -> (CompiledSnapshot, [Vec<Option<&'static str>>; 2]) {
    let mut changes: Vec<Change> = (0..dice.roll(4)).map(|at| ordered(dice, at)).collect();
    let teams = [CLUSTER, "n1"].map(|name| match dice.roll(3) {
        0 => vec![None, Some("x")],
        1 => {
            changes.push(namespace(name, None));
            vec![None]
        }
        _ => {
            changes.push(namespace(name, Some("x")));
            vec![Some("x")]
        }
    });
    (with(&compiled(dice), changes), teams)
}

/// Every possible verdict about a connection of a pod of a namespace.
fn verdicts(
    compiled: &CompiledSnapshot,
    policies: &[Arc<Policy>],
    (home, connection): (&str, &Connection),
) -> BTreeSet<Verdict> {
    let ordered = compiled.snapshot.cluster_scoped.others();
    let ordered: Vec<Arc<TierPolicy>> = ordered
        .filter_map(|(_, policy)| policy.read()?.ordered.clone())
        .collect();
    let ordered: Vec<&TierPolicy> = ordered.iter().map(AsRef::as_ref).collect();
    let views: Vec<PolicyView<'_>> = policies.iter().map(|policy| view(policy)).collect();
    let stack = StackView {
        policies: &ordered,
        namespace: &compiled.labels_of(home),
        network_policies: &views,
        has_unreadable: false,
        at: At {
            namespace: home,
            reading: Reading::May,
            tunnels: &compiled.config.tunnel_ports,
        },
        settings: &compiled.config.tiers(),
        addresses: Addresses::MayBePods,
    };
    let found = outcomes(&stack, connection).into_iter();
    found.map(|(verdict, _)| verdict).collect()
}

/// The pods of one end, with the possible labels of their namespace.
fn pods_of(ends: Vec<Endpoint>, teams: &[Option<&str>]) -> Vec<Endpoint> {
    let value = |namespace: &LabelPairs| {
        let mut labels = namespace.iter();
        labels
            .find(|(key, _)| &**key == "team")
            .map(|(_, value)| value.to_string())
    };
    let is_possible = |end: &Endpoint| match end {
        Endpoint::Pod { namespace, .. } => teams.contains(&value(namespace).as_deref()),
        Endpoint::Address(_) => true,
    };
    ends.into_iter().filter(is_possible).collect()
}

fn home(end: &Endpoint) -> (Arc<str>, LabelPairs) {
    match end {
        Endpoint::Pod { namespace, labels } => {
            let mut pairs = namespace.iter();
            let name = pairs.find(|(key, _)| &**key == NAMESPACE_NAME);
            (name.unwrap().1.clone(), labels.clone())
        }
        Endpoint::Address(_) => panic!("an end without policies"),
    }
}

/// Whether all connections surely pass, none may, and some may.
fn enumerated_in_layers(
    compiled: &CompiledSnapshot,
    (from, to): (&[Endpoint], &[Endpoint]),
    ports: &[u16],
) -> [bool; 3] {
    let known = [CLUSTER, "n1"].map(|name| (name, policies(compiled, name)));
    let of = |home: &str, connection: &Connection| {
        let own = known.iter().find(|(name, _)| *name == home);
        verdicts(compiled, &own.unwrap().1, (home, connection))
    };
    let (mut all, mut none, mut perhaps) = (true, true, false);
    for from in from {
        for to in to {
            for port in ports {
                let connection = |direction, subject: &LabelPairs, peer: &Endpoint| Connection {
                    direction,
                    subject: subject.clone(),
                    peer: peer.clone(),
                    protocol: Protocol::Tcp,
                    port: Port::Number(*port),
                };
                let ((from_home, from_pod), (to_home, to_pod)) = (home(from), home(to));
                let egress = of(&from_home, &connection(Direction::Egress, &from_pod, to));
                let ingress = of(&to_home, &connection(Direction::Ingress, &to_pod, from));
                let both = [&egress, &ingress];
                let may = both.iter().all(|own| own.contains(&Verdict::Allow));
                let must = may && both.iter().all(|own| own.len() == 1);
                all &= must;
                none &= !may;
                perhaps |= may && !must;
            }
        }
    }
    [all, none, perhaps]
}

#[test]
fn answers_about_random_stacks_are_those_of_enumeration() {
    let mut dice = Seeded::new(0x1234_5678_9abc_def1);
    let mut seen = [0; 4];
    for _ in 0..400 {
        let (compiled, teams) = stacked(&mut dice);
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
        let own = pods_of(ends(true, None), &teams[0]);
        let other = pods_of(ends(false, tier), &teams[1]);
        let ends = if is_to {
            (&other[..], &own[..])
        } else {
            (&own[..], &other[..])
        };
        let expected = match enumerated_in_layers(&compiled, ends, &ports) {
            [true, _, _] => 0,
            [_, true, _] => 1,
            [_, _, false] => 2,
            [_, _, true] => 3,
        };
        let from: End = from.parse().unwrap();
        let to: Destination = format!("{to}{port}").parse().unwrap();
        let answer = ask(&compiled, &from, &to).unwrap();
        let found = match answer.passes {
            Passes::All => 0,
            Passes::None => 1,
            Passes::Only(_) => 2,
            Passes::Uncertain { .. } => 3,
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

/// Peers of a server: pods of three namespaces, and addresses inside and outside of those of pods.
fn peers(teams: &[Vec<Option<&'static str>>; 2]) -> Vec<Endpoint> {
    let mut all = pods_of(ends(true, None), &teams[0]);
    let renamed = |name: &'static str, end: Endpoint| match end {
        Endpoint::Pod { namespace, labels } => {
            let renamed = namespace.into_iter().map(|(key, value)| {
                let is_name = &*key == NAMESPACE_NAME;
                (key, if is_name { name.into() } else { value })
            });
            Endpoint::Pod {
                namespace: renamed.collect(),
                labels,
            }
        }
        address @ Endpoint::Address(_) => address,
    };
    let unknown = [None, Some("x")];
    for (name, teams) in [
        (CLUSTER, &teams[0][..]),
        ("n1", &teams[1][..]),
        ("other", &unknown[..]),
    ] {
        let pods = pods_of(ends(false, None), teams).into_iter();
        all.extend(pods.map(|end| renamed(name, end)));
    }
    let addresses = [[10, 0, 0, 5], [203, 0, 113, 9], [198, 51, 100, 7]];
    all.extend(addresses.map(|address| Endpoint::Address(address.into())));
    all
}

#[test]
fn the_connectivity_diff_of_random_stacks_is_that_of_enumeration() {
    let mut dice = Seeded::new(0x0fed_cba9_8765_4321);
    let mut seen = [0; 2];
    for _ in 0..150 {
        let (before, teams) = stacked(&mut dice);
        let count = before.snapshot.cluster_scoped.others().count();
        let change = match dice.roll(3) {
            0 if count > 0 => {
                let mut all = before.snapshot.cluster_scoped.others();
                Change::Remove(all.nth(dice.roll(count)).unwrap().0)
            }
            1 => Change::Set(Object::Policy(Fact::Read(Arc::new(policy(
                &mut dice,
                (CLUSTER, "n1"),
                9,
            ))))),
            _ => ordered(&mut dice, 7),
        };
        let after = with(&before, vec![change]);
        let found = connectivity(&before, &after);
        assert!(found.not_compared.is_empty(), "{found:?}");
        let states = [&before, &after].map(|state| (state, policies(state, CLUSTER)));
        let may = |connection: &Connection| {
            states.each_ref().map(|(state, policies)| {
                verdicts(state, policies, (CLUSTER, connection)).contains(&Verdict::Allow)
            })
        };
        let servers = found.changes.iter().filter(|change| {
            change.cluster.kind == Kind::OpenBaoCluster && change.pods[0] == Zone::Workload
        });
        for change in servers {
            let is_opened = change.effect == Effect::Opened;
            assert_eq!(may(&change.example), [!is_opened, is_opened], "{change:#?}");
        }
        for direction in Direction::ALL {
            let mut expected = [false; 2];
            for subject in pods_of(ends(true, None), &teams[0]) {
                for peer in peers(&teams) {
                    for port in [8200, 8201, 9999] {
                        let connection = Connection {
                            direction,
                            subject: home(&subject).1,
                            peer: peer.clone(),
                            protocol: Protocol::Tcp,
                            port: Port::Number(port),
                        };
                        let may = may(&connection);
                        expected[0] |= !may[0] && may[1];
                        expected[1] |= may[0] && !may[1];
                    }
                }
            }
            for (at, effect) in [Effect::Opened, Effect::Closed].into_iter().enumerate() {
                let mut changes = found.changes.iter();
                let is_found = changes.any(|change| {
                    change.effect == effect
                        && change.direction == direction
                        && change.cluster.kind == Kind::OpenBaoCluster
                        && change.pods.contains(&Zone::Workload)
                });
                assert!(
                    is_found || !expected[at],
                    "{effect:?} {direction:?}: {found:#?} in {:#?} and {:#?}",
                    before.snapshot.cluster_scoped,
                    after.snapshot
                );
                seen[at] += usize::from(is_found);
            }
        }
    }
    assert!(seen.iter().all(|seen| *seen > 10), "{seen:?}");
}
