//! Bounds on work and text of a review, whatever the namespace contains.

use std::sync::Arc;

use serde_json::{Value, json};

use super::support::{
    cluster, cluster_request, compiled, created, denied, managed, plain, plain_with, policy,
    policy_request, reference, servers, tenant,
};
use crate::baseline::{ClusterPerimeter, SharedRegions, Zone};
use crate::config::ReviewConfig;
use crate::inventory::{Cluster, Fact, Kind, Policy};
use crate::review::{Verdict, repair, review};
use crate::rules::Code::{Obp103, Obp201, Obp203, Obp402};
use crate::rules::{Code, Level, existing_policy};
use netpol::cover::Budget;

/// A hard proof: a union of selectors that selects every pod of namespace `clients`, by the pigeonhole
/// principle, with one hole too few.
fn pigeons(holes: usize) -> Value {
    let asks = |pigeon: usize, hole: usize, operator: &str| json!({"key": format!("p{pigeon}-{hole}"), "operator": operator});
    let mut selectors = Vec::new();
    for pigeon in 0..=holes {
        let homeless = (0..holes).map(|hole| asks(pigeon, hole, "DoesNotExist"));
        selectors.push(homeless.collect::<Vec<_>>());
        for (other, hole) in (0..pigeon).flat_map(|other| (0..holes).map(move |hole| (other, hole)))
        {
            selectors.push([pigeon, other].map(|one| asks(one, hole, "Exists")).into());
        }
    }
    let peer = |keys: &Vec<Value>| json!({"namespaceSelector": in_clients(), "podSelector": {"matchExpressions": keys}});
    selectors.iter().map(peer).collect()
}

fn in_clients() -> Value {
    json!({"matchLabels": {"kubernetes.io/metadata.name": "clients"}})
}

/// A cluster that admits all pods of `clients`, in many small rules.
fn permissive(holes: usize) -> Arc<Cluster> {
    cluster(&json!({"ingressRules": [{"from": pigeons(holes), "ports": [{"port": 8200}]}]}))
}

/// Policies that admit all pods of `clients` in one rule: inside the ceiling, and hard to prove.
fn hard(count: usize) -> Vec<Fact<Policy>> {
    let from = json!([{ "namespaceSelector": in_clients() }]);
    let spec =
        json!({"podSelector": servers(), "ingress": [{"from": from, "ports": [{"port": 8200}]}]});
    let names = (0..count).map(|at| format!("hard-{at:03}"));
    names.map(|name| policy(&name, &spec)).collect()
}

/// A policy that opens the cluster to everyone. It is last by name.
fn open() -> Fact<Policy> {
    policy(
        "open",
        &json!({"podSelector": servers(), "ingress": [{"ports": [{"port": 8200}]}]}),
    )
}

/// The creation of a cluster with these policies and this budget.
fn created_with(bao: &Arc<Cluster>, policies: &[Fact<Policy>], proof_budget: u32) -> Verdict {
    let mut compiled = compiled(std::slice::from_ref(bao), policies);
    compiled.config = ReviewConfig {
        proof_budget,
        ..ReviewConfig::default()
    }
    .into();
    review(&compiled, &cluster_request(None, bao))
}

fn levels(verdict: &Verdict) -> Vec<(Code, Level, bool)> {
    let undecided = |reason: &str| reason.contains("could not be decided");
    let found = verdict.findings.iter();
    found
        .map(|finding| (finding.code, finding.level, undecided(&finding.reason)))
        .collect()
}

/// Steps for comparing all policies of the namespace with the ceiling, at most `limit`.
fn steps(policies: &[Fact<Policy>], limit: u32) -> u64 {
    let bao = permissive(5);
    let compiled = compiled(std::slice::from_ref(&bao), policies);
    let facts = compiled.facts("bao").expect("the namespace");
    let regions = SharedRegions::of(facts, &compiled.config, None);
    let beside = (facts, &regions);
    let after = ClusterPerimeter::of(&Fact::Read(bao), beside, &compiled.config, &[], &[]);
    let mut budget = Budget::new(limit);
    let object = reference(Kind::OpenBaoCluster, "bao");
    let skipped = std::collections::BTreeSet::new();
    existing_policy::check(
        &object,
        &compiled.config,
        None,
        &after,
        &skipped,
        &mut budget,
    );
    budget.used()
}

#[test]
fn many_hard_policies_of_a_namespace_cost_no_more_than_the_budget() {
    // The rendered policies are compared too.
    let rendered = steps(&[], 100_000);
    let one = steps(&hard(1), 100_000) - rendered;
    assert!((200..20_000).contains(&one), "{one}");
    // Those that need more than the first attempt start again.
    let two = steps(&hard(2), 100_000) - rendered;
    assert!((2 * one - 1..=2 * one + 1).contains(&two), "{two} {one}");
    let limit = u32::try_from(rendered + 2 * one).expect("few");
    let many = steps(&hard(100), limit);
    assert!(many <= u64::from(limit) + 100, "{many} {limit}");
}

#[test]
fn a_verdict_says_what_its_proofs_took() {
    let bao = permissive(5);
    let one = steps(&hard(1), 100_000) - steps(&[], 100_000);
    let took = |count| created_with(&bao, &hard(count), 100_000).work;
    assert!(took(0) < one, "{}", took(0));
    assert!(took(1) >= one, "{}", took(1));
    assert!(took(3) >= 3 * one, "{}", took(3));
}

#[test]
fn a_verdict_says_what_the_proofs_of_advice_took() {
    let rules = json!([
        {"from": pigeons(5), "ports": [{"port": 8200}]},
        {"from": [{"namespaceSelector": in_clients()}], "ports": [{"port": 8200}]},
    ]);
    let bao = cluster(&json!({ "ingressRules": rules }));
    let took = created_with(&bao, &[], 100_000).work;
    // Whether either rule opens anything that the other does not.
    assert!(took >= 200, "{took}");
}

#[test]
fn repairs_say_what_their_proofs_took() {
    let own = managed(&cluster(&json!({})), Zone::Workload);
    let name = own.meta.name.to_string();
    let mut from = pigeons(5);
    for peer in from.as_array_mut().expect("peers") {
        peer.as_object_mut()
            .expect("a peer")
            .remove("namespaceSelector");
    }
    let spec = json!({"podSelector": servers(), "ingress": [{ "from": from }]});
    let Fact::Read(pieces) = policy(&name, &spec) else {
        panic!("expected a policy");
    };
    let cut = Policy {
        ingress: pieces.ingress.clone(),
        ..own.clone()
    };
    let fact = |policy: Policy| Some(Fact::Read(Arc::new(policy)));
    let request = policy_request(tenant(), &name, fact(own), fact(cut));
    let took = repair(&plain(), &request).work;
    assert!(took >= 200, "{took}");
}

#[test]
fn a_hard_policy_does_not_prevent_the_denial_of_others() {
    let bao = permissive(5);
    let mut policies = hard(3);
    policies.push(open());
    let deny = (Obp203, Level::Deny, false);
    assert_eq!(levels(&created_with(&bao, &policies, 100_000)), [deny]);
    // None of them can be decided, but the open one is.
    let undecided = (Obp402, Level::Deny, true);
    assert_eq!(
        levels(&created_with(&bao, &policies, 1_000)),
        [deny, undecided, undecided, undecided]
    );
}

#[test]
fn what_is_undecided_names_the_label_keys_that_made_it_hard() {
    let help = |bao: &Arc<Cluster>, proof_budget, policy: Fact<Policy>| {
        let mut compiled = compiled(std::slice::from_ref(bao), &[]);
        compiled.config = ReviewConfig {
            proof_budget,
            ..ReviewConfig::default()
        }
        .into();
        let request = policy_request(tenant(), "hard-000", None, Some(policy));
        let findings = review(&compiled, &request).findings;
        let found = findings.iter().find(|finding| finding.code == Obp402);
        found.map(|finding| finding.help.clone())
    };
    let bao = permissive(5);
    let keys = |proof_budget| {
        let help = help(&bao, proof_budget, hard(1).remove(0)).expect("undecided");
        let keys = help.strip_prefix("select by fewer label keys; the proof split on: ");
        keys.map(|keys| keys.split(", ").filter(|key| key.starts_with('p')).count())
    };
    // All thirty before the first step, and the remaining ones in the middle of the proof.
    assert_eq!([1, 5].map(keys), [Some(30), Some(30)]);
    assert!(keys(200).is_some_and(|count| (1..=30).contains(&count)));
    assert_eq!(help(&bao, 100_000, hard(1).remove(0)), None);
}

#[test]
fn obp402_many_hard_proofs_of_a_review_share_one_budget() {
    // Without the managed policy, fourteen small policies leave 2^14 pieces of the zone open, and each core connection would be
    // compared with all of them.
    let pair = |at: usize| {
        let keys = ["a", "b"].map(
            |key| json!({"key": format!("topology.kubernetes.io/{key}{at}"), "operator": "Exists"}),
        );
        policy(
            &format!("pair-{at}"),
            &json!({"podSelector": {"matchExpressions": keys}, "policyTypes": ["Ingress", "Egress"]}),
        )
    };
    let pairs: Vec<_> = (0..14).map(pair).collect();
    let own = managed(&cluster(&json!({})), Zone::Workload);
    let gone = policy_request(
        tenant(),
        "bao-network-policy",
        Some(Fact::Read(own.into())),
        None,
    );
    let codes = denied(&review(&plain_with(&pairs), &gone));
    assert!(
        codes.contains(&Obp103) && codes.contains(&Obp402),
        "{codes:?}"
    );
}

#[test]
fn a_message_of_many_findings_counts_the_rest() {
    let rule =
        |at| json!({"from": [{"podSelector": {"matchLabels": {"app": format!("client-{at}")}}}]});
    let rules: Vec<Value> = (0..1_000).map(rule).collect();
    let verdict = created(
        &plain(),
        "many",
        &json!({"podSelector": {}, "ingress": rules}),
    );
    let message = crate::review::render::message(&verdict);
    assert!(
        message.lines().count() <= 14 && message.contains("\nand 99"),
        "{message}"
    );
    assert_eq!(verdict.findings.len(), 1_000);
}

/// A cluster that declares this number of namespaces as clients, each in its own rule.
fn clients_of(declared: usize) -> Arc<Cluster> {
    let rule = |at: usize| json!({"from": [client(&[at])], "ports": [{"port": 8200}]});
    cluster(&json!({"ingressRules": (0..declared).map(rule).collect::<Vec<_>>()}))
}

/// Pods of some of those namespaces.
fn client(at: &[usize]) -> Value {
    let names: Vec<_> = at.iter().map(|at| format!("client-{at}")).collect();
    let name = json!({"key": "kubernetes.io/metadata.name", "operator": "In", "values": names});
    json!({"namespaceSelector": {"matchExpressions": [name]}})
}

/// A policy that admits such clients in this number of rules.
fn clients(name: &str, rules: usize, client: impl Fn(usize) -> Value) -> Fact<Policy> {
    let rule = |at: usize| json!({"from": [client(at)], "ports": [{"port": 8200}]});
    let rules: Vec<_> = (0..rules).map(rule).collect();
    policy(name, &json!({"podSelector": servers(), "ingress": rules}))
}

#[test]
fn an_ordinary_namespace_is_decided() {
    let bao = clients_of(50);
    let known = compiled(std::slice::from_ref(&bao), &[]);
    // Each rule is in one entry of the ceiling, or in two of them.
    let ways: [fn(usize) -> Value; 2] = [
        |at| client(&[at % 50]),
        |at| client(&[at % 50, (at + 7) % 50]),
    ];
    for way in ways {
        let written = Some(clients("clients", 1_000, way));
        let verdict = review(&known, &policy_request(tenant(), "clients", None, written));
        assert_eq!(levels(&verdict), []);
        let name = |at: usize| format!("clients-{at}");
        let stored: Vec<_> = (0..300).map(|at| clients(&name(at), 20, way)).collect();
        let verdict = created_with(&bao, &stored, ReviewConfig::default().proof_budget);
        assert_eq!(levels(&verdict), []);
        // A write that removes something is not undecided because of them.
        let beside = compiled(std::slice::from_ref(&bao), &stored);
        let gone = policy_request(tenant(), "clients-0", Some(stored[0].clone()), None);
        assert_eq!(levels(&review(&beside, &gone)), []);
    }
}

#[test]
fn an_ordinary_policy_that_opens_too_much_in_each_rule_is_told_so() {
    let known = compiled(&[clients_of(50)], &[]);
    let written = clients("others", 1_000, |at| client(&[50 + at]));
    let verdict = review(
        &known,
        &policy_request(tenant(), "others", None, Some(written)),
    );
    assert_eq!(verdict.codes(), [Obp201]);
    assert_eq!(verdict.findings.len(), 1_000);
}

#[test]
fn what_is_pasted_counts_as_it_is_written() {
    // No pod matches the other peers, so they are no connections, but they are printed all the same.
    let asks = |operator: &str| json!({"key": "k", "operator": operator});
    let nobody =
        json!({"podSelector": {"matchExpressions": [asks("Exists"), asks("DoesNotExist")]}});
    let took = |others: usize| {
        let mut from = vec![client(&[0])];
        from.resize(1 + others, nobody.clone());
        let spec = json!({"podSelector": servers(), "ingress": [{ "from": from }]});
        let request = policy_request(tenant(), "long", None, Some(policy("long", &spec)));
        review(&plain(), &request).work
    };
    assert!(took(900) > took(0) + 5_000, "{} {}", took(900), took(0));
}
