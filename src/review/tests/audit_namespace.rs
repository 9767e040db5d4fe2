//! The audit of stored objects: its findings, and their absence.

use std::sync::Arc;

use serde_json::{Value, json};

use super::support::{
    Found, ZONES, cluster, compiled, compiled_under, config_of, found, managed, managed_in, plain,
    plain_with, policy, servers,
};
use crate::code::EnforcementPoint;
use crate::config::{Baseline, ReviewConfig};
use crate::inventory::{Fact, Policy};
use crate::review::{CompiledSnapshot, Verdict, audit_namespace};
use crate::rules::{Code, Level};
use netpol::Direction;

fn stands(compiled: &CompiledSnapshot) -> Vec<(Code, Level, String)> {
    let verdict = Verdict::new(audit_namespace(compiled, "bao"));
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
        let is_dns = |rule: &netpol::rule::Rule| format!("{rule:?}").contains("53");
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
fn a_rendered_cluster_and_a_namespace_without_one_have_no_findings() {
    assert_eq!(stands(&plain()), []);
    assert_eq!(stands(&compiled(&[], &[opens()])), []);
}

#[test]
fn a_cluster_is_not_isolated_until_its_policies_exist() {
    let bao = cluster(&json!({}));
    let missing = stands(&compiled(&[bao], &[]));
    // A policy that only counts as rendered does not isolate pods yet.
    assert_eq!(missing, [(Code::Obp105, Level::Warn, String::new())]);
}

#[test]
fn a_policy_that_opens_too_much_is_found_with_any_writer() {
    let found = stands(&plain_with(&[opens()]));
    assert_eq!(
        found,
        [(Code::Obp201, Level::Deny, "spec.ingress[0]".to_owned())]
    );
}

/// Findings about the cluster `bao` with these managed policies, of servers and jobs.
fn stands_with(config: ReviewConfig, policies: [Policy; 2]) -> Vec<(Code, Level, String)> {
    let stored = policies.map(|policy| Fact::Read(policy.into()));
    stands(&compiled_under(config, &[cluster(&json!({}))], &stored))
}

#[test]
fn a_managed_policy_that_was_opened_is_found_as_not_rendered_by_the_operator() {
    let bao = cluster(&json!({}));
    let own = || ZONES.map(|pods| managed(&bao, pods));
    let deny = |code: Code, path: &str| (code, Level::Deny, path.to_owned());
    assert_eq!(stands_with(ReviewConfig::default(), own()), []);

    let Fact::Read(open) = opens() else {
        panic!("read")
    };
    let [mut opened, jobs] = own();
    opened.ingress.extend(open.ingress.clone());
    let at = format!("spec.ingress[{}]", opened.ingress.len() - 1);
    let found = stands_with(ReviewConfig::default(), [opened, jobs]);
    assert_eq!(found, [deny(Code::Obp201, &at)]);

    let [mut aimed, jobs] = own();
    aimed.pods = netpol::rule::Selector::labels([("app", "web")]);
    let found = stands_with(ReviewConfig::default(), [aimed, jobs]);
    assert!(
        found.contains(&deny(Code::Obp104, "spec.podSelector")),
        "{found:?}"
    );

    let [servers, mut cut] = own();
    cut.policy_types = Some(vec![Direction::Ingress]);
    let found = stands_with(ReviewConfig::default(), [servers, cut]);
    assert!(
        found.contains(&deny(Code::Obp104, "spec.policyTypes")),
        "{found:?}"
    );
}

#[test]
fn a_managed_policy_that_cannot_be_proved_is_found() {
    let bao = cluster(&json!({}));
    let jobs = Fact::Read(managed(&bao, ZONES[1]).into());
    let broken = policy("bao-network-policy", &json!({"policyTypes": ["Sideways"]}));
    let found = stands(&compiled(
        std::slice::from_ref(&bao),
        &[broken, jobs.clone()],
    ));
    assert!(
        found.contains(&(Code::Obp401, Level::Deny, "spec.policyTypes[0]".to_owned())),
        "{found:?}"
    );
    let mut large = managed(&bao, ZONES[0]);
    let one = large.ingress[0].clone();
    large
        .ingress
        .resize(ReviewConfig::default().caps.rules + 1, one);
    let found = stands(&compiled(&[bao], &[Fact::Read(large.into()), jobs]));
    let is_undecided =
        |(code, level, _): &(Code, Level, String)| (*code, *level) == (Code::Obp402, Level::Deny);
    assert!(found.iter().any(is_undecided), "{found:?}");
}

#[test]
fn what_another_baseline_renders_warns_and_names_it() {
    let bao = cluster(&json!({}));
    let own = |baseline: Baseline| managed_in(&config_of(baseline), &bao, ZONES[0]);
    let jobs = || managed(&bao, ZONES[1]);
    // Before 0.1 kube-system reached every port.
    let old = stands_with(config_of(Baseline::V01), [own(Baseline::Classic), jobs()]);
    assert_eq!(
        old,
        [(Code::Obp201, Level::Warn, "spec.ingress[1]".to_owned())]
    );
    let stored = [own(Baseline::Classic), jobs()].map(|policy| Fact::Read(policy.into()));
    let compiled = compiled_under(
        config_of(Baseline::V01),
        std::slice::from_ref(&bao),
        &stored,
    );
    let [finding] = &audit_namespace(&compiled, "bao")[..] else {
        panic!("one finding")
    };
    assert!(
        finding
            .reason
            .ends_with("; the operator renders it under baseline classic"),
        "{}",
        finding.reason
    );
    assert!(
        finding.help.contains("baseline: classic"),
        "{}",
        finding.help
    );
    assert!(finding.witness.is_some());

    // Another rule that no baseline renders still denies, and so does a wider version of the same rule.
    let mut opened = own(Baseline::Classic);
    let Fact::Read(open) = opens() else {
        panic!("read")
    };
    opened.ingress.extend(open.ingress.clone());
    let at = format!("spec.ingress[{}]", opened.ingress.len() - 1);
    let found = stands_with(config_of(Baseline::V01), [opened, jobs()]);
    let expected = [
        (Code::Obp201, Level::Deny, at),
        (Code::Obp201, Level::Warn, "spec.ingress[1]".to_owned()),
    ];
    assert_eq!(found, expected);
    let mut wider = own(Baseline::Classic);
    let others = wider.ingress[0].peers.clone();
    wider.ingress[1].peers.extend(others);
    let found = stands_with(config_of(Baseline::V01), [wider, jobs()]);
    assert_eq!(
        found,
        [(Code::Obp201, Level::Deny, "spec.ingress[1]".to_owned())]
    );
}

#[test]
fn two_policies_that_let_a_core_connection_through_may_not_both_go() {
    let bao = cluster(&json!({}));
    let with = |others: &[Fact<Policy>]| {
        compiled(
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
fn a_declaration_without_limits_is_found_at_its_cluster() {
    let network: Value = json!({"ingressRules": [{}]});
    let bao = cluster(&network);
    let own = ZONES.map(|pods| Fact::Read(managed(&bao, pods).into()));
    let codes: Vec<Code> = stands(&compiled(&[bao], &own))
        .into_iter()
        .map(|(code, ..)| code)
        .collect();
    assert_eq!(codes, [Code::Obp302, Code::Obp303]);
}

#[test]
fn the_audit_has_levels_of_its_own() {
    let mut config = ReviewConfig::default();
    config
        .levels
        .set(Code::Obp201, EnforcementPoint::Audit, Level::Off);
    let known = plain_with(&[opens()]);
    let compiled = CompiledSnapshot::compile(None, known.snapshot, Arc::new(config));
    assert_eq!(stands(&compiled), []);
}
