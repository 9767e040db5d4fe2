//! The audit of what is stored: what it finds whoever wrote it, and that it finds nothing else.

use std::sync::Arc;

use serde_json::{Value, json};

use super::support::{
    Found, ZONES, cluster, found, managed, plain, plain_with, policy, servers, world,
};
use crate::code::Door;
use crate::inventory::{Fact, Policy};
use crate::posture::Posture;
use crate::review::{Verdict, World, standing};
use crate::rules::{Code, Level};

fn stands(world: &World) -> Vec<(Code, Level, String)> {
    let verdict = Verdict::new(standing(world, "bao"));
    let short = |(code, level, path, _): Found| (code, level, path);
    found(&verdict).into_iter().map(short).collect()
}

fn opens() -> Fact<Policy> {
    policy("open", &json!({"podSelector": servers(), "ingress": [{}]}))
}

/// The managed policies of a cluster without the rules about DNS.
fn without_dns() -> [Fact<Policy>; 2] {
    let bao = cluster(&json!({}));
    ZONES.map(|pods| {
        let mut policy = managed(&bao, pods);
        let is_dns = |rule: &crate::perimeter::rule::Rule| format!("{rule:?}").contains("53");
        policy.egress.retain(|rule| !is_dns(rule));
        Fact::Read(Arc::new(policy))
    })
}

fn dns(name: &str) -> Fact<Policy> {
    let to = json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}]);
    let ports = json!([{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]);
    let spec = json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": to, "ports": ports}]});
    policy(name, &spec)
}

#[test]
fn nothing_stands_against_a_rendered_cluster_and_a_namespace_without_one() {
    assert_eq!(stands(&plain()), []);
    assert_eq!(stands(&world(&[], &[opens()])), []);
}

#[test]
fn a_cluster_stands_bare_until_its_policies_are_there() {
    let bao = cluster(&json!({}));
    let missing = stands(&world(&[bao], &[]));
    let codes: Vec<Code> = missing.iter().map(|(code, ..)| *code).collect();
    // Both zones in both directions: what only counts as rendered isolates nobody yet.
    assert_eq!(codes, [Code::Obp105; 4], "{missing:?}");
}

#[test]
fn a_policy_that_opens_too_much_stands_whoever_wrote_it() {
    let found = stands(&plain_with(&[opens()]));
    assert_eq!(
        found,
        [(Code::Obp201, Level::Deny, "spec.ingress[0]".to_owned())]
    );
}

#[test]
fn a_managed_policy_counts_as_the_operators() {
    let bao = cluster(&json!({}));
    let mut opened = managed(&bao, ZONES[0]);
    let Fact::Read(open) = opens() else {
        panic!("read")
    };
    opened.ingress.extend(open.ingress.clone());
    let at = opened.ingress.len() - 1;
    let other = Fact::Read(managed(&bao, ZONES[1]).into());
    let found = stands(&world(&[bao], &[Fact::Read(opened.into()), other]));
    assert_eq!(
        found,
        [(Code::Obp201, Level::Warn, format!("spec.ingress[{at}]"))]
    );
}

#[test]
fn two_policies_that_let_a_core_connection_through_may_not_both_go() {
    let bao = cluster(&json!({}));
    let with = |others: &[Fact<Policy>]| {
        world(
            std::slice::from_ref(&bao),
            &[&without_dns()[..], others].concat(),
        )
    };
    assert_eq!(stands(&with(&[dns("a"), dns("b")])), []);
    assert_eq!(stands(&with(&[dns("a")])), []);
    let codes: Vec<Code> = stands(&with(&[]))
        .into_iter()
        .map(|(code, ..)| code)
        .collect();
    assert!(
        !codes.is_empty() && codes.iter().all(|code| *code == Code::Obp101),
        "{codes:?}"
    );
}

#[test]
fn a_declaration_without_limits_stands_at_its_cluster() {
    let network: Value = json!({"ingressRules": [{}]});
    let bao = cluster(&network);
    let own = ZONES.map(|pods| Fact::Read(managed(&bao, pods).into()));
    let codes: Vec<Code> = stands(&world(&[bao], &own))
        .into_iter()
        .map(|(code, ..)| code)
        .collect();
    assert_eq!(codes, [Code::Obp302, Code::Obp303]);
}

#[test]
fn the_audit_has_levels_of_its_own() {
    let mut posture = Posture::default();
    posture.levels.set(Code::Obp201, Door::Audit, Level::Off);
    let known = plain_with(&[opens()]);
    let world = World::compile(None, known.snapshot, Arc::new(posture));
    assert_eq!(stands(&world), []);
}
