//! The connectivity diff names each rule that opens or closes connections of protected pods, and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::oracle::random::{SMALL, random_policy};
use super::oracle::views::{at, view};
use super::support::{
    cluster, compiled, compiled_under, config_of, plain, plain_with, policy, reference,
};
use crate::baseline::{Ceiling, ClusterPerimeter, Selected, Zone, ZonePerimeter};
use crate::config::{Baseline, TUNNEL_PORTS};
use crate::inventory::{Cluster, Fact, Kind, Policy, read};
use crate::review::CompiledSnapshot;
use crate::review::connectivity::Effect::{self, Closed, Opened};
use crate::review::connectivity::{Cause, between, connectivity};
use netpol::point::{is_isolated, passes, rule_passes};
use netpol::port::Port;
use netpol::testing::dice::{Dice, hold, instances};
use netpol::testing::domain::World;
use netpol::{Direction, Reading};

/// Effects, pods, and rules as `NAME FIELD`, or `-` for missing isolation.
fn changes(
    before: &CompiledSnapshot,
    after: &CompiledSnapshot,
) -> Vec<(Effect, Vec<Zone>, String)> {
    let found = connectivity(before, after);
    assert_eq!(found.not_compared, []);
    let changes = found.changes.into_iter();
    changes
        .map(|change| {
            let cause = cause(change.direction, &change.cause);
            (change.effect, change.pods, cause)
        })
        .collect()
}

fn rule(label: &str, port: u16) -> Value {
    json!({"from": [{"podSelector": {"matchLabels": {"app": label}}}],
        "ports": [{"port": port, "protocol": "TCP"}]})
}

fn opening(rules: &[Value]) -> Fact<Policy> {
    policy("more", &json!({"podSelector": {}, "ingress": rules}))
}

#[test]
fn equal_states_and_policies_for_other_pods_change_nothing() {
    let web = policy(
        "web",
        &json!({"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{}], "egress": [{}]}),
    );
    assert_eq!(changes(&plain(), &plain()), []);
    assert_eq!(changes(&plain(), &plain_with(&[web])), []);
}

#[test]
fn each_rule_that_opens_or_closes_is_named_once_with_all_pods() {
    let one = plain_with(&[opening(&[rule("web", 8200)])]);
    let two = plain_with(&[opening(&[rule("web", 8200), rule("job", 8201)])]);
    let both = vec![Zone::Workload, Zone::Jobs];
    let first = || "more spec.ingress[0]".to_owned();
    let second = || "more spec.ingress[1]".to_owned();
    assert_eq!(changes(&plain(), &one), [(Opened, both.clone(), first())]);
    assert_eq!(changes(&one, &two), [(Opened, both.clone(), second())]);
    assert_eq!(changes(&two, &one), [(Closed, both.clone(), second())]);
    assert_eq!(changes(&one, &plain()), [(Closed, both, first())]);
}

#[test]
fn a_rule_that_another_one_covers_changes_nothing() {
    let wide = opening(&[rule("web", 8200)]);
    let narrow = policy(
        "narrow",
        &json!({"podSelector": {}, "ingress": [{"from": [{"podSelector":
            {"matchLabels": {"app": "web", "tier": "front"}}}], "ports": [{"port": 8200}]}]}),
    );
    let before = plain_with(std::slice::from_ref(&wide));
    assert_eq!(changes(&before, &plain_with(&[wide, narrow])), []);
}

#[test]
fn isolation_that_begins_or_ends_is_named() {
    let restored = json!({"metadata": {"name": "bao", "namespace": "bao",
        "annotations": {"openbao.org/restore-origin": "old"}}, "spec": {"profile": "Development"}});
    let at = reference(Kind::OpenBaoCluster, "bao");
    let read = read::cluster(restored.to_string().as_bytes(), &at);
    let bao: Arc<Cluster> = read.read().expect("readable").clone();
    let with = |policies: &[Fact<Policy>]| {
        compiled_under(
            config_of(Baseline::V04),
            std::slice::from_ref(&bao),
            policies,
        )
    };
    let shut = policy(
        "shut",
        &json!({"podSelector": {}, "policyTypes": ["Ingress"]}),
    );
    let both = vec![Zone::Workload, Zone::Jobs];
    let ingress = || "- ingress".to_owned();
    assert_eq!(
        changes(&with(&[]), &with(std::slice::from_ref(&shut))),
        [(Closed, both.clone(), ingress())]
    );
    assert_eq!(
        changes(&with(&[shut]), &with(&[])),
        [(Opened, both, ingress())]
    );
}

#[test]
fn a_new_cluster_opens_what_the_operator_renders() {
    let found = connectivity(&compiled(&[], &[]), &compiled(&[cluster(&json!({}))], &[]));
    assert!(!found.changes.is_empty());
    let is_rendered = |cause: &Cause| matches!(cause, Cause::Rule { rendered: true, .. });
    assert!(
        found
            .changes
            .iter()
            .all(|change| change.effect == Opened && is_rendered(&change.cause))
    );
}

#[test]
fn pods_that_an_unreadable_policy_may_select_are_not_compared() {
    let broken = policy("broken", &json!({"podSelector": {"matchLabels": 5}}));
    let found = connectivity(&plain(), &plain_with(&[broken]));
    assert_eq!(found.changes, []);
    let pods: Vec<Zone> = found.not_compared.iter().map(|part| part.pods).collect();
    assert_eq!(pods, [Zone::Workload, Zone::Jobs]);
    assert!(
        found
            .not_compared
            .iter()
            .all(|part| part.reason.contains("broken"))
    );
}

#[test]
fn pods_that_get_another_label_are_compared_by_their_own_state() {
    let with = |label: &str, rules: &[Value]| {
        let json = json!({"metadata": {"name": "bao", "namespace": "bao",
            "annotations": {"openbao.org/restore-origin": "old"}},
            "spec": {"profile": "Development", "podMetadata": {"labels": {"team": label}}}});
        let at = reference(Kind::OpenBaoCluster, "bao");
        let read = read::cluster(json.to_string().as_bytes(), &at);
        let bao: Arc<Cluster> = read.read().expect("readable").clone();
        let own = policy(
            "own",
            &json!({"podSelector": {"matchLabels": {"team": label}}, "ingress": rules}),
        );
        compiled_under(config_of(Baseline::V04), &[bao], &[own])
    };
    let found = changes(&with("a", &[]), &with("b", &[rule("web", 8200)]));
    let opened = found.iter().filter(|(effect, ..)| *effect == Opened);
    let causes: Vec<&str> = opened.map(|(_, _, cause)| cause.as_str()).collect();
    assert_eq!(causes, ["own spec.ingress[0]"]);
}

#[test]
fn work_is_bounded() {
    let two = plain_with(&[opening(&[rule("web", 8200)])]);
    let found = connectivity(&plain(), &two.with_proof_budget(1));
    assert_eq!(found.changes, []);
    assert!(!found.not_compared.is_empty());
}

/// A rule is named exactly if it allows some connection that the other state does not, and missing isolation
/// likewise. The replay in `connectivity` confirms the examples.
#[test]
fn the_diff_agrees_with_an_enumeration() {
    let small = World::new(SMALL);
    let policies = |dice: &mut Dice<'_>| -> Vec<Arc<Policy>> {
        let some = dice.some(2, |dice| random_policy(&small, dice));
        let named = some.into_iter().enumerate();
        named
            .map(|(at, policy)| Arc::new(named_policy(policy, at)))
            .collect()
    };
    hold(
        "connectivity",
        instances(10),
        |dice| (policies(dice), policies(dice)),
        |(before, after)| agrees(&small, before, after),
    );
}

fn named_policy(policy: Policy, at: usize) -> Policy {
    let mut policy = policy;
    policy.meta.name = format!("p{at}").into();
    policy
}

fn agrees(small: &World, before: &[Arc<Policy>], after: &[Arc<Policy>]) -> Result<(), String> {
    let perimeter = |policies: &[Arc<Policy>]| {
        let selected = policies.iter();
        let selected =
            selected.filter_map(|policy| Selected::of(policy, &small.zone, TUNNEL_PORTS));
        ClusterPerimeter {
            unread_version: None,
            object: reference(Kind::OpenBaoCluster, "bao"),
            uid: None,
            deleting: false,
            profile: None,
            zones: vec![ZonePerimeter {
                oversize: Vec::new(),
                pods: Zone::Workload,
                space: small.zone.clone(),
                floor: [Vec::new(), Vec::new()],
                ceiling: [(); 2].map(|()| Ceiling::new(Vec::new())),
                rendered: None,
                missing: None,
                selected: selected.collect(),
                unreadable: Vec::new(),
            }],
        }
    };
    let (old, new) = (perimeter(before), perimeter(after));
    let found = between(&old, &new);
    if let Some(part) = found.not_compared.first() {
        return Err(part.reason.clone());
    }
    for direction in Direction::ALL {
        for (effect, with, without) in [(Opened, after, before), (Closed, before, after)] {
            let named: BTreeSet<String> = found
                .changes
                .iter()
                .filter(|change| change.effect == effect && change.direction == direction)
                .map(|change| cause(change.direction, &change.cause))
                .collect();
            let expected = expected(small, direction, with, without);
            if !expected.is_subset(&named) {
                return Err(format!("{effect:?}: {named:?}, expected {expected:?}"));
            }
        }
    }
    Ok(())
}

/// The causes for connections by number that one state allows and the other does not.
fn expected(
    small: &World,
    direction: Direction,
    with: &[Arc<Policy>],
    without: &[Arc<Policy>],
) -> BTreeSet<String> {
    let [with_views, without_views] = [with, without].map(|policies| {
        policies
            .iter()
            .map(|policy| view(policy))
            .collect::<Vec<_>>()
    });
    let all = small.connections[direction as usize].iter().flatten();
    let differing = all.filter(|connection| {
        matches!(connection.port, Port::Number(_))
            && !passes(&without_views, connection, at(Reading::May))
    });
    let mut causes = BTreeSet::new();
    for connection in differing {
        if !is_isolated(&with_views, direction, &connection.subject) {
            causes.insert(cause(direction, &Cause::NotIsolated));
        }
        for policy in with {
            if !view(policy).isolates(direction, &connection.subject) {
                continue;
            }
            for (number, rule) in policy.effective_rules(direction).iter().enumerate() {
                if rule_passes(rule, connection, at(Reading::May)) {
                    causes.insert(format!(
                        "{} spec.{}[{number}]",
                        policy.meta.name,
                        direction.field()
                    ));
                }
            }
        }
    }
    causes
}

fn cause(direction: Direction, cause: &Cause) -> String {
    match cause {
        Cause::Rule { policy, path, .. } => format!("{} {path}", policy.name),
        Cause::NotIsolated => format!("- {}", direction.field()),
    }
}
