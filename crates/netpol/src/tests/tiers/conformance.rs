//! The truth tables of the conformance suite of `network-policy-api`, by shape: four namespaces, an ordered
//! policy for one of them, and each of TCP, UDP and SCTP in both directions.

use super::scene::Answer::{self, Allowed, Denied, Either};
use super::scene::{
    admin, answer, any, baseline, cnp, isolating, networks, on, peer_pod, rule, scene, team,
};
use super::world::{Config, Written};
use crate::Direction::{self, Egress, Ingress};
use crate::port::{Port, Protocol};
use crate::rule::Selector;
use crate::tier::Action::{self, Accept, Deny, Pass};
use crate::tier::{Subject, Tier, TierPeer, TierPolicy, TierPort, TierRule};

type Pair = (&'static str, &'static str);

const TEAMS: [&str; 4] = ["north", "east", "south", "west"];

fn number(protocol: Protocol, port: u16) -> TierPort {
    range(protocol, port, port)
}

fn range(protocol: Protocol, first: u16, last: u16) -> TierPort {
    TierPort::Numbers {
        protocol,
        first,
        last,
    }
}

fn ask(config: &Config, direction: Direction, team: &str, protocol: Protocol, port: u16) -> Answer {
    let seen = on(direction, peer_pod(team, &[]), protocol, Port::Number(port));
    answer(config, &seen)
}

/// Asks for each protocol and direction.
fn all_of(config: &Config, team: &str, port: u16, expected: Answer, row: &str) {
    for direction in Direction::ALL {
        for protocol in Protocol::ALL {
            let found = ask(config, direction, team, protocol, port);
            assert_eq!(
                found, expected,
                "{row}: {direction:?} {team} {protocol} {port}"
            );
        }
    }
}

fn every_protocol(port: u16) -> Vec<TierPort> {
    Protocol::ALL
        .map(|protocol| number(protocol, port))
        .to_vec()
}

fn nobody() -> Vec<Written> {
    vec![isolating(&[])]
}

#[test]
fn each_action_holds_for_its_peers_alone() {
    for tier in [Tier::Admin, Tier::Baseline] {
        let rules = [
            rule(Accept, vec![team("north")], vec![]),
            rule(Deny, vec![team("east")], vec![]),
            rule(Pass, vec![team("south")], vec![]),
        ];
        let config = scene(vec![cnp(tier, 5, &rules)], vec![]);
        for (team, expected) in TEAMS.into_iter().zip([Allowed, Denied, Allowed, Allowed]) {
            all_of(&config, team, 80, expected, "peers");
        }
        // Under NetworkPolicies that allow nothing.
        let config = scene(vec![cnp(tier, 5, &rules)], nobody());
        let accepted = if tier == Tier::Admin { Allowed } else { Denied };
        for (team, expected) in TEAMS.into_iter().zip([accepted, Denied, Denied, Denied]) {
            all_of(&config, team, 80, expected, "peers of isolated pods");
        }
    }
}

#[test]
fn each_action_holds_for_its_ports_alone() {
    for protocol in Protocol::ALL {
        for (action, network_policies, inside, beyond) in [
            (Deny, vec![], Denied, Allowed),
            (Accept, nobody(), Allowed, Denied),
        ] {
            let rules = [rule(
                action,
                vec![team("north")],
                vec![number(protocol, 80)],
            )];
            let config = scene(vec![admin(5, &rules)], network_policies);
            for direction in Direction::ALL {
                for other in Protocol::ALL {
                    let expected = if other == protocol { inside } else { beyond };
                    assert_eq!(ask(&config, direction, "north", other, 80), expected);
                    assert_eq!(ask(&config, direction, "north", other, 81), beyond);
                    assert_eq!(ask(&config, direction, "east", other, 80), beyond);
                }
            }
        }
    }
}

#[test]
fn the_order_of_rules_decides_and_can_be_turned() {
    let of = |action: Action| rule(action, vec![team("north")], every_protocol(80));
    for tier in [Tier::Admin, Tier::Baseline] {
        let ask =
            |first: Action, last: Action| scene(vec![cnp(tier, 5, &[of(first), of(last)])], vec![]);
        all_of(&ask(Accept, Deny), "north", 80, Allowed, "Accept first");
        all_of(&ask(Deny, Accept), "north", 80, Denied, "Deny first");
        all_of(&ask(Pass, Deny), "north", 80, Allowed, "Pass first");
        all_of(&ask(Deny, Pass), "north", 80, Denied, "Deny before Pass");
    }
}

#[test]
fn swapping_two_priorities_swaps_the_verdict() {
    let of = |action: Action| [rule(action, vec![team("north")], every_protocol(80))];
    for tier in [Tier::Admin, Tier::Baseline] {
        let config = |accept, deny| {
            scene(
                vec![cnp(tier, accept, &of(Accept)), cnp(tier, deny, &of(Deny))],
                vec![],
            )
        };
        all_of(
            &config(40, 50),
            "north",
            80,
            Allowed,
            "Accept has the lower priority",
        );
        all_of(
            &config(50, 40),
            "north",
            80,
            Denied,
            "Deny has the lower priority",
        );
        all_of(&config(50, 50), "north", 80, Either, "equal");
    }
}

fn for_pods_of(subject_team: &str, policy: TierPolicy) -> TierPolicy {
    TierPolicy {
        subject: Subject::Namespaces(Selector::labels([("team", subject_team)]).into()),
        ..policy
    }
}

#[test]
fn equal_priorities_with_disjoint_peers_or_subjects_do_not_meet() {
    let of = |action: Action, name: &str| [rule(action, vec![team(name)], vec![])];
    let config = scene(
        vec![admin(5, &of(Accept, "north")), admin(5, &of(Deny, "east"))],
        nobody(),
    );
    all_of(&config, "north", 80, Allowed, "own peer");
    all_of(&config, "east", 80, Denied, "own peer");
    all_of(&config, "south", 80, Denied, "no peer");
    // The protected pods are of team `home`.
    let policies = vec![
        for_pods_of("home", admin(5, &of(Deny, "north"))),
        for_pods_of("north", admin(5, &of(Accept, "north"))),
        for_pods_of("north", admin(1, &of(Accept, "east"))),
    ];
    let config = scene(policies, vec![]);
    all_of(&config, "north", 80, Denied, "own subject");
    all_of(&config, "east", 80, Allowed, "another subject");
}

#[test]
fn a_subject_by_pods_is_some_of_the_pods() {
    let subject = |role| Subject::Pods {
        namespaces: any(),
        pods: Selector::labels([("role", role)]).into(),
    };
    let policy = |role| TierPolicy {
        subject: subject(role),
        ..admin(5, &[rule(Deny, vec![team("north")], vec![])])
    };
    for (role, expected) in [("active", [Denied, Allowed]), ("other", [Allowed, Allowed])] {
        let config = scene(vec![policy(role)], vec![]);
        let mut seen = on(
            Ingress,
            peer_pod("north", &[]),
            Protocol::Tcp,
            Port::Number(80),
        );
        let without = answer(&config, &seen);
        seen.subject.push(("role".into(), "active".into()));
        assert_eq!([answer(&config, &seen), without], expected, "{role}");
    }
}

#[test]
fn a_peer_by_pods_is_some_of_the_pods_of_its_namespaces() {
    let peer = TierPeer::Pods {
        namespaces: Selector::labels([("team", "north")]).into(),
        pods: Selector::labels([("app", "web")]).into(),
    };
    let config = scene(vec![admin(5, &[rule(Deny, vec![peer], vec![])])], vec![]);
    let table: [(&str, &[Pair], Answer); 4] = [
        ("north", &[("app", "web")], Denied),
        ("north", &[("app", "db")], Allowed),
        ("north", &[], Allowed),
        ("east", &[("app", "web")], Allowed),
    ];
    for (team, labels, expected) in table {
        let seen = on(
            Egress,
            peer_pod(team, labels),
            Protocol::Udp,
            Port::Number(53),
        );
        assert_eq!(answer(&config, &seen), expected, "{team} {labels:?}");
    }
}

#[test]
fn the_ends_of_a_range_are_inside() {
    for protocol in Protocol::ALL {
        let deny = rule(Deny, vec![team("north")], vec![range(protocol, 8080, 9090)]);
        let config = scene(vec![admin(5, &[deny])], vec![]);
        for (port, expected) in [
            (8079, Allowed),
            (8080, Denied),
            (9000, Denied),
            (9090, Denied),
            (9091, Allowed),
        ] {
            for direction in Direction::ALL {
                let found = ask(&config, direction, "north", protocol, port);
                assert_eq!(found, expected, "{protocol} {port}");
            }
        }
    }
}

#[test]
fn the_address_of_a_pod_as_a_block_is_that_pod_perhaps() {
    let with = |action, network_policies: Vec<Written>| {
        let rules = [rule(action, vec![networks(&["10.0.0.7/32"])], vec![])];
        scene(vec![admin(5, &rules)], network_policies)
    };
    let at = |text: &str| crate::connection::Endpoint::Address(text.parse().expect("an address"));
    let seen = |peer| on(Egress, peer, Protocol::Tcp, Port::Number(80));
    let deny = with(Deny, vec![]);
    assert_eq!(answer(&deny, &seen(at("10.0.0.7"))), Denied);
    assert_eq!(answer(&deny, &seen(at("10.0.0.8"))), Allowed);
    assert_eq!(answer(&deny, &seen(peer_pod("north", &[]))), Either);
    let accept = with(Accept, nobody());
    assert_eq!(answer(&accept, &seen(at("10.0.0.7"))), Allowed);
    assert_eq!(answer(&accept, &seen(peer_pod("north", &[]))), Denied);
}

/// Integration: Admin Deny, turned into Pass, then without the NetworkPolicy.
#[test]
fn tiers_decide_one_after_another() {
    let of = |action: Action| [rule(action, vec![team("north")], every_protocol(80))];
    let allow_north: Vec<Written> = vec![Written {
        pods: Selector::default(),
        isolates: [true, true],
        rules: [(); 2].map(|()| {
            vec![crate::rule::Rule {
                peers: vec![crate::rule::Peer::Pods {
                    namespaces: Some(Selector::labels([("team", "north")])),
                    pods: None,
                }],
                ports: vec![],
            }]
        }),
    }];
    let last = || baseline(0, &of(Deny));
    let with = |rules: &[TierRule], network_policies: &[Written]| {
        scene(vec![admin(5, rules), last()], network_policies.to_vec())
    };
    all_of(
        &with(&of(Deny), &allow_north),
        "north",
        80,
        Denied,
        "Admin denies",
    );
    all_of(
        &with(&of(Pass), &allow_north),
        "north",
        80,
        Allowed,
        "the NetworkPolicy allows",
    );
    all_of(
        &with(&of(Pass), &allow_north),
        "east",
        80,
        Denied,
        "the NetworkPolicy isolates",
    );
    all_of(
        &with(&of(Pass), &[]),
        "north",
        80,
        Denied,
        "Baseline denies",
    );
    all_of(
        &with(&of(Pass), &[]),
        "east",
        80,
        Allowed,
        "nothing decides",
    );
    all_of(
        &with(&of(Accept), &nobody()),
        "north",
        80,
        Allowed,
        "Admin accepts",
    );
    // A Baseline Accept does not open an isolated pod.
    let config = scene(vec![baseline(0, &of(Accept))], nobody());
    all_of(&config, "north", 80, Denied, "Baseline after isolation");
}
