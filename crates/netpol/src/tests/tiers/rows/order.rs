//! Tiers, priorities, rule order and the NetworkPolicies between the tiers.

use super::super::scene::Answer::{self, Allowed, Denied, Either};
use super::super::scene::{
    admin, all_pods, answer, answer_at, any, baseline, connection, isolating, of_kind, peer_pod,
    rule, scene, team,
};
use crate::Direction::{self, Egress, Ingress};
use crate::pod_space::OtherKeys;
use crate::rule::Operator::{DoesNotExist, In, NotIn};
use crate::rule::Selector;
use crate::tier::Action::{Accept, Deny, Pass};
use crate::tier::PolicyKind::{AdminNetworkPolicy, BaselineAdminNetworkPolicy};
use crate::tier::{Action, Addresses, Decider, Subject, Tier, TierPolicy, TierRule, TierSelector};

fn all(action: Action) -> TierRule {
    rule(action, vec![all_pods()], vec![])
}

/// A row, the ordered policies, the ports that an isolating NetworkPolicy allows, and the answer.
type Row = (
    &'static str,
    Vec<TierPolicy>,
    Option<&'static [u16]>,
    Answer,
);

/// Checks the answers about port 8200 of a pod of team `t`, both ways.
fn both_ways<const N: usize>(table: [Row; N]) {
    for (row, policies, allowed, expected) in table {
        let network_policies = allowed.map(isolating).into_iter().collect();
        let config = scene(policies, network_policies);
        for direction in Direction::ALL {
            let seen = connection(direction, peer_pod("t", &[]), 8200);
            assert_eq!(answer(&config, &seen), expected, "{row} {seen}");
        }
    }
}

const OPENS: Option<&[u16]> = Some(&[8200]);
const CLOSES: Option<&[u16]> = Some(&[]);

#[test]
fn b1_to_b7_the_network_policies_are_between_the_tiers() {
    both_ways([
        ("B1", vec![admin(1, &[all(Accept)])], CLOSES, Allowed),
        ("B2", vec![admin(1, &[all(Deny)])], OPENS, Denied),
        ("B3", vec![admin(1, &[all(Pass)])], OPENS, Allowed),
        ("B3", vec![admin(1, &[all(Pass)])], CLOSES, Denied),
        (
            "B3",
            vec![admin(1, &[all(Pass)]), baseline(1, &[all(Deny)])],
            None,
            Denied,
        ),
        ("B4", vec![baseline(1, &[all(Accept)])], CLOSES, Denied),
        ("B5", vec![baseline(1, &[all(Deny)])], OPENS, Allowed),
        ("B6", vec![baseline(1, &[all(Deny)])], None, Denied),
        ("B7", vec![], None, Allowed),
        ("B7", vec![admin(1, &[]), baseline(1, &[])], None, Allowed),
        ("B7", vec![], CLOSES, Denied),
    ]);
}

#[test]
fn k2_k3_k7_k8_the_first_match_of_the_lowest_priority_decides() {
    let web = |action| rule(action, vec![team("t")], vec![]);
    let other = |action| rule(action, vec![team("other")], vec![]);
    both_ways([
        (
            "K2",
            vec![baseline(0, &[all(Deny)]), admin(9, &[all(Accept)])],
            None,
            Allowed,
        ),
        (
            "K3",
            vec![admin(1000, &[all(Deny)]), admin(0, &[all(Accept)])],
            CLOSES,
            Allowed,
        ),
        (
            "K3",
            vec![admin(1000, &[all(Accept)]), admin(0, &[all(Deny)])],
            OPENS,
            Denied,
        ),
        (
            "K3 Baseline",
            vec![baseline(2, &[all(Deny)]), baseline(1, &[all(Accept)])],
            None,
            Allowed,
        ),
        (
            "K7",
            vec![admin(1, &[web(Accept), all(Deny)])],
            CLOSES,
            Allowed,
        ),
        (
            "K7",
            vec![admin(1, &[all(Deny), web(Accept)])],
            OPENS,
            Denied,
        ),
        (
            "K7 no match",
            vec![admin(1, &[other(Deny), web(Accept)])],
            CLOSES,
            Allowed,
        ),
        ("K8", vec![admin(1, &[other(Deny)])], None, Allowed),
        ("K8", vec![admin(1, &[other(Accept)])], CLOSES, Denied),
        (
            "K8 next policy",
            vec![admin(1, &[other(Accept)]), admin(2, &[all(Deny)])],
            OPENS,
            Denied,
        ),
        (
            "K9",
            vec![admin(1, &[web(Pass)]), admin(2, &[all(Deny)])],
            OPENS,
            Allowed,
        ),
        (
            "K9 Baseline",
            vec![baseline(1, &[web(Pass)]), baseline(2, &[all(Deny)])],
            None,
            Allowed,
        ),
    ]);
}

#[test]
fn k5_k10_a_direction_without_rules_is_untouched() {
    let ingress_only = |action| TierPolicy {
        egress: vec![],
        ..admin(1, &[all(action)])
    };
    for (action, allowed, expected) in [
        (Deny, OPENS, [Denied, Allowed]),
        (Accept, CLOSES, [Allowed, Denied]),
        (Pass, None, [Allowed, Allowed]),
    ] {
        let config = scene(
            vec![ingress_only(action)],
            allowed.map(isolating).into_iter().collect(),
        );
        let seen = [Ingress, Egress]
            .map(|direction| answer(&config, &connection(direction, peer_pod("t", &[]), 8200)));
        assert_eq!(seen, expected, "{action:?}");
    }
}

#[test]
fn k19_equal_priorities_are_decided_by_any_first_match() {
    let of_team = |action| rule(action, vec![team("t")], vec![]);
    let other = |action| rule(action, vec![team("other")], vec![]);
    both_ways([
        (
            "K19",
            vec![admin(1, &[all(Accept)]), admin(1, &[all(Deny)])],
            None,
            Either,
        ),
        (
            "K19 turned",
            vec![admin(1, &[all(Deny)]), admin(1, &[all(Accept)])],
            None,
            Either,
        ),
        (
            "K19 same",
            vec![admin(1, &[all(Deny)]), admin(1, &[of_team(Deny)])],
            None,
            Denied,
        ),
        (
            "K19 one",
            vec![admin(1, &[all(Deny)]), admin(1, &[other(Accept)])],
            None,
            Denied,
        ),
        (
            "K19 none",
            vec![admin(1, &[other(Deny)]), admin(1, &[other(Accept)])],
            None,
            Allowed,
        ),
        (
            "K19 own",
            vec![
                admin(1, &[of_team(Accept), all(Deny)]),
                admin(1, &[all(Accept)]),
            ],
            None,
            Allowed,
        ),
        (
            "K19 Pass",
            vec![admin(1, &[all(Pass)]), admin(1, &[all(Deny)])],
            OPENS,
            Either,
        ),
        (
            "K19 Pass",
            vec![admin(1, &[all(Pass)]), admin(1, &[all(Deny)])],
            CLOSES,
            Denied,
        ),
        (
            "K19 Pass",
            vec![admin(1, &[all(Pass)]), admin(1, &[all(Accept)])],
            OPENS,
            Allowed,
        ),
        (
            "K19 stops",
            vec![
                admin(1, &[all(Pass)]),
                admin(1, &[all(Accept)]),
                admin(2, &[all(Deny)]),
            ],
            OPENS,
            Allowed,
        ),
        (
            "K19 Baseline",
            vec![baseline(1, &[all(Accept)]), baseline(1, &[all(Deny)])],
            None,
            Either,
        ),
        (
            "K19 tiers",
            vec![admin(1, &[all(Accept)]), baseline(1, &[all(Deny)])],
            None,
            Allowed,
        ),
    ]);
}

#[test]
fn a1_a6_admin_policies_are_in_the_same_tiers() {
    let anp = |priority, action| of_kind(AdminNetworkPolicy, admin(priority, &[all(action)]));
    let banp = |action| of_kind(BaselineAdminNetworkPolicy, baseline(1, &[all(action)]));
    both_ways([
        ("A1", vec![anp(1, Accept)], CLOSES, Allowed),
        ("A1", vec![anp(1, Deny)], OPENS, Denied),
        ("A1", vec![anp(1, Pass), anp(2, Deny)], OPENS, Allowed),
        ("A1 BANP", vec![banp(Deny)], None, Denied),
        ("A1 BANP", vec![banp(Deny)], OPENS, Allowed),
        (
            "A1 BANP last",
            vec![banp(Deny), baseline(1000, &[all(Accept)])],
            None,
            Allowed,
        ),
        (
            "A6",
            vec![anp(1, Accept), admin(1, &[all(Deny)])],
            None,
            Either,
        ),
        (
            "A6 other priority",
            vec![anp(2, Accept), admin(1, &[all(Deny)])],
            None,
            Denied,
        ),
    ]);
}

#[test]
fn k4_the_subject_is_namespaces_or_pods() {
    let labels =
        |pairs: [(&'static str, &'static str); 1]| TierSelector::Valid(Selector::labels(pairs));
    let pods = |namespaces, pods| Subject::Pods { namespaces, pods };
    let table = [
        (Subject::Namespaces(any()), Denied),
        (Subject::Namespaces(labels([("team", "home")])), Denied),
        (
            Subject::Namespaces(labels([("kubernetes.io/metadata.name", "bao")])),
            Denied,
        ),
        (
            Subject::Namespaces(labels([("kubernetes.io/metadata.name", "web")])),
            Allowed,
        ),
        (Subject::Namespaces(labels([("team", "t")])), Allowed),
        (Subject::Namespaces(labels([("unknown", "x")])), Allowed),
        (pods(any(), labels([("app", "bao")])), Denied),
        (pods(any(), labels([("app", "web")])), Allowed),
        (pods(any(), labels([("role", "active")])), Allowed),
        (pods(labels([("team", "t")]), any()), Allowed),
    ];
    for (subject, expected) in table {
        let policy = TierPolicy {
            subject: subject.clone(),
            ..admin(1, &[all(Deny)])
        };
        let seen = connection(Ingress, peer_pod("t", &[]), 8200);
        assert_eq!(
            answer(&scene(vec![policy], vec![]), &seen),
            expected,
            "{subject:?}"
        );
    }
}

#[test]
fn labels_of_a_namespace_that_are_not_known_may_be_there() {
    let policy = |selector: Selector| TierPolicy {
        subject: Subject::Namespaces(selector.into()),
        ..admin(1, &[all(Deny)])
    };
    let team = |name| Selector::labels([("team", name)]);
    let table = [
        (team("home"), Denied),
        (team("other"), Allowed),
        (Selector::labels([("tenant", "x")]), Either),
        (Selector::default().and("tenant", DoesNotExist, &[]), Either),
        (Selector::default().and("tenant", NotIn, &["x"]), Either),
        (
            Selector::labels([("tenant", "x")]).and("tenant", In, &["y"]),
            Allowed,
        ),
    ];
    for (selector, expected) in table {
        let mut config = scene(vec![policy(selector.clone())], vec![]);
        config.namespace.others = OtherKeys::Free;
        let seen = connection(Ingress, peer_pod("t", &[]), 8200);
        assert_eq!(answer(&config, &seen), expected, "{selector:?}");
    }
}

#[test]
fn an_unreadable_network_policy_may_isolate() {
    let seen = connection(Ingress, peer_pod("t", &[]), 8200);
    for (policies, allowed, expected) in [
        (vec![], None, Either),
        (vec![], OPENS, Allowed),
        (vec![], CLOSES, Denied),
        (vec![admin(1, &[all(Accept)])], None, Allowed),
        (vec![baseline(1, &[all(Deny)])], None, Denied),
    ] {
        let mut config = scene(policies, allowed.map(isolating).into_iter().collect());
        config.has_unreadable = true;
        assert_eq!(answer(&config, &seen), expected, "{allowed:?}");
    }
}

#[test]
fn the_decider_is_the_first_rule_that_matches() {
    let decider = |policies: Vec<TierPolicy>, allowed: Option<&[u16]>| {
        let config = scene(policies, allowed.map(isolating).into_iter().collect());
        let seen = connection(Ingress, peer_pod("t", &[]), 8200);
        answer_at(&config, &seen, Addresses::MayBePods).1
    };
    let other = rule(Accept, vec![team("other")], vec![]);
    let rule = |policy, rule| Some(Decider::Rule { policy, rule });
    let deny = admin(7, &[other.clone(), all(Deny), all(Accept)]);
    assert_eq!(
        decider(vec![baseline(1, &[all(Accept)]), deny], OPENS),
        [None, rule(1, 1)]
    );
    assert_eq!(
        decider(vec![baseline(1, &[other, all(Accept)])], None),
        [rule(0, 1), None]
    );
    assert_eq!(
        decider(vec![], OPENS),
        [Some(Decider::NetworkPolicies), None]
    );
    assert_eq!(decider(vec![], CLOSES), [None, Some(Decider::Isolation)]);
    assert_eq!(decider(vec![], None), [Some(Decider::Default), None]);
    assert_eq!(Tier::Admin.min(Tier::Baseline), Tier::Admin);
}
