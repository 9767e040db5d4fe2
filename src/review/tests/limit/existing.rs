//! OBP203: existing policies after a cluster write, and policies of tenants that affect no cluster.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::support::{
    Found, ZONES, cluster, cluster_named, cluster_request, compiled, config_of, created, denied,
    found, managed, plain_with, policy, reference, row, servers, without_advice,
};
use super::{FIRST_INGRESS, api, block, ingress, namespace, to_bao};
use crate::config::{Baseline, ReviewConfig};
use crate::inventory::size::too_large;
use crate::inventory::{Cluster, Fact, Kind, Policy, read};
use crate::review::{CompiledSnapshot, Verdict, review};
use crate::rules::Code::{Obp203, Obp302, Obp311, Obp401, Obp402};
use crate::rules::Level::{Deny, Warn};

const STRANGER: &str = "a pod in namespace `another-namespace`";

fn open(selector: &Value, ports: &Value) -> Value {
    json!({"podSelector": selector, "ingress": [{"ports": ports}]})
}

fn wearing(labels: &Value) -> Arc<Cluster> {
    cluster_named("bao", &json!({"podMetadata": {"labels": labels}}))
}

/// The write of a cluster with these policies.
fn written(
    policies: &[Fact<Policy>],
    before: Option<&Arc<Cluster>>,
    after: &Arc<Cluster>,
) -> Verdict {
    let stored: Vec<_> = before.cloned().into_iter().collect();
    review(
        &compiled(&stored, policies),
        &cluster_request(before, after),
    )
}

fn shown() -> Found {
    row(Obp203, Deny, "", &to_bao(STRANGER, "TCP 8200"))
}

fn warned() -> Found {
    row(Obp203, Warn, "", &to_bao(STRANGER, "TCP 8200"))
}

#[test]
fn obp203_a_new_cluster_is_denied_where_a_policy_violates_its_ceiling() {
    let all = json!({});
    let bao = cluster(&json!({}));
    let piercing = policy("open", &open(&all, &api()));
    let verdict = written(&[piercing], None, &bao);
    assert_eq!(found(&verdict), [shown()]);
    let reason = &verdict.findings[0].reason;
    assert!(reason.contains("NetworkPolicy `open`"), "{reason}");
    let harmless = [
        // For other pods.
        open(&json!({"matchLabels": {"app": "web"}}), &api()),
        open(
            &json!({"matchLabels": {"openbao.org/cluster": "other"}}),
            &api(),
        ),
        // Inside the ceiling.
        json!({"podSelector": servers(), "ingress": [{"from": [namespace("kube-system")], "ports": api()}]}),
        json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}),
        // Without effect.
        json!({"podSelector": {}, "policyTypes": ["Egress"], "ingress": [{}]}),
    ];
    for spec in harmless {
        let verdict = written(&[policy("fine", &spec)], None, &bao);
        assert_eq!(found(&verdict), [], "{spec}");
    }
    // A declared connection is permitted.
    let declares = cluster(&ingress(&json!([namespace("web")]), &api()));
    let web = json!({"podSelector": servers(), "ingress": [{"from": [namespace("web")], "ports": api()}]});
    let beside = [policy("web", &web)];
    assert_eq!(found(&written(&beside, None, &declares)), []);
    let shown = to_bao("a pod in namespace `web`", "TCP 8200");
    assert_eq!(
        found(&written(&beside, None, &bao)),
        [row(Obp203, Deny, "", &shown)]
    );
}

#[test]
fn obp203_every_violating_policy_is_named() {
    let policies = ["first", "second"].map(|name| policy(name, &open(&json!({}), &api())));
    let verdict = written(&policies, None, &cluster(&json!({})));
    assert_eq!(found(&verdict), [shown(), shown()]);
    for (finding, name) in verdict.findings.iter().zip(["`first`", "`second`"]) {
        assert!(finding.reason.contains(name), "{}", finding.reason);
        assert!(finding.help.contains(name), "{}", finding.help);
    }
}

#[test]
fn obp203_pods_that_get_other_labels_are_not_moved_under_a_policy() {
    let tier = |values: &[&str]| {
        let selector = super::asks("tier", "In", values);
        policy("tiers", &open(&selector, &api()))
    };
    let plain = cluster(&json!({}));
    let [web, db, both] = [
        json!({"tier": "web"}),
        json!({"tier": "db"}),
        json!({"tier": "web", "team": "a"}),
    ]
    .map(|labels| wearing(&labels));
    let denied = |policies: &[Fact<Policy>], before, after| {
        found(&written(policies, Some(before), after))
            == [row(
                Obp203,
                Deny,
                "",
                &format!("{STRANGER} -> {},tier=web, TCP 8200", super::SUBJECT),
            )]
    };
    assert!(denied(&[tier(&["web"])], &plain, &web), "a label is added");
    assert!(denied(&[tier(&["web"])], &db, &web), "its value changes");
    assert!(
        denied(&[tier(&["web", "db"])], &db, &web),
        "other pods come under a policy that was about some already"
    );
    assert_eq!(found(&written(&[tier(&["web"])], Some(&web), &db)), []);
    assert_eq!(found(&written(&[tier(&["web"])], Some(&web), &plain)), []);
    // A label that the policy does not use changes nothing.
    let levels: Vec<_> = found(&written(&[tier(&["web"])], Some(&web), &both))
        .into_iter()
        .map(|found| (found.0, found.1))
        .collect();
    assert_eq!(levels, [(Obp203, Warn)]);
    // Read replicas are pods of the cluster too.
    let replicas = json!({"readReplicas": {"template": {"metadata": {"labels": {"tier": "web"}}}}});
    let replicas = cluster_named("bao", &replicas);
    assert!(denied(&[tier(&["web"])], &plain, &replicas));
}

#[test]
fn obp203_a_narrowed_ceiling_warns() {
    let web = json!({"podSelector": servers(), "ingress": [{"from": [namespace("web")], "ports": api()}]});
    let policies = [policy("web", &web)];
    let wide = cluster(&ingress(
        &json!([namespace("web"), namespace("shop")]),
        &api(),
    ));
    let narrow = cluster(&ingress(&json!([namespace("shop")]), &api()));
    let shown = to_bao("a pod in namespace `web`", "TCP 8200");
    let verdict = written(&policies, Some(&wide), &narrow);
    assert_eq!(found(&verdict), [row(Obp203, Warn, "", &shown)]);
    assert_eq!(found(&written(&policies, Some(&narrow), &wide)), []);
}

#[test]
fn obp203_the_operators_own_policies_are_never_named() {
    let was = cluster(&ingress(&json!([namespace("web")]), &api()));
    let own = ZONES.map(|pods| Fact::Read(Arc::new(managed(&was, pods))));
    let now = cluster(&json!({}));
    assert_eq!(found(&written(&own, Some(&was), &now)), []);
    let opened = policy("bao-network-policy", &open(&json!({}), &json!([])));
    let taken = [row(Obp311, Warn, "metadata.name", "")];
    assert_eq!(found(&written(&[opened], None, &now)), taken);
}

#[test]
fn only_new_problems_of_a_stored_cluster_deny() {
    let everyone = json!([{"namespaceSelector": {}}]);
    let bad = |replicas: usize, rules: &[Value]| {
        let first = json!({"from": everyone, "ports": api()});
        let rules: Vec<_> = std::iter::once(&first).chain(rules).collect();
        let network = json!({"ingressRules": rules});
        cluster_named("bao", &json!({"replicas": replicas, "network": network}))
    };
    let policies = [policy("open", &open(&json!({}), &json!([])))];
    let stored = bad(3, &[]);
    let old = row(Obp302, Warn, FIRST_INGRESS, &to_bao(STRANGER, "TCP 8200"));
    let violations = row(Obp203, Warn, "", &to_bao(STRANGER, "TCP 443"));
    let expected = [violations, old];
    let good = json!({"from": [block("192.0.2.0/24")], "ports": api()});
    let named = json!({"from": [namespace("web")], "ports": [{"port": 9000}]});
    for after in [
        bad(5, &[]),
        bad(3, std::slice::from_ref(&good)),
        bad(3, &[named, good.clone()]),
    ] {
        let mut request = cluster_request(Some(&stored), &after);
        if let crate::review::Subject::Cluster(edit) = &mut request.subject {
            // Replicas are part of the spec that the API server stores.
            edit.spec_changed = true;
        }
        let compiled = compiled(std::slice::from_ref(&stored), &policies);
        let findings = found(&review(&compiled, &request));
        assert_eq!(without_advice(findings), expected);
    }
    let worse = json!({"from": everyone, "ports": [{"port": 9000}]});
    let verdict = written(&policies, Some(&stored), &bad(3, &[worse]));
    assert_eq!(denied(&verdict), [Obp302]);
}

/// Policies of other users about which nothing can be proved.
fn troublesome() -> [Fact<Policy>; 2] {
    let unreadable = json!({"podSelector": {}, "ingress": [{"ports": [{"port": 0}]}]});
    let rules: Vec<_> = (0..=ReviewConfig::default().caps.rules)
        .map(|_| json!({}))
        .collect();
    let large = json!({"podSelector": {}, "ingress": rules});
    [policy("unreadable", &unreadable), policy("large", &large)]
}

/// Findings about these two if they may select the cluster's pods only now.
fn troubles() -> [Found; 2] {
    [
        row(Obp203, Deny, "", &to_bao(STRANGER, "TCP 443")),
        row(Obp402, Deny, "", ""),
    ]
}

#[test]
fn a_cluster_is_not_created_where_a_policy_cannot_be_proved() {
    let verdict = written(&troublesome(), None, &cluster(&json!({})));
    assert_eq!(found(&verdict), troubles());
    for (finding, name) in verdict.findings.iter().zip(["`large`", "`unreadable`"]) {
        assert!(finding.reason.contains(name), "{}", finding.reason);
    }
}

#[test]
fn pods_are_not_relabelled_where_a_policy_cannot_be_proved() {
    let web = wearing(&json!({"tier": "web"}));
    let plain = cluster(&json!({}));
    let [unreadable, _] = troublesome();
    let unreadable = [unreadable];
    let deny = [row(Obp402, Deny, "", "")];
    assert_eq!(found(&written(&unreadable, Some(&plain), &web)), deny);
    // A cluster with fewer labels or declarations gets no new pods into the policy.
    let warn = [row(Obp402, Warn, "", "")];
    let narrow = cluster(&ingress(&json!([namespace("shop")]), &api()));
    assert_eq!(found(&written(&unreadable, Some(&narrow), &plain)), warn);
}

#[test]
fn a_policy_that_cannot_be_proved_blocks_no_write_of_another_policy() {
    let known = plain_with(&troublesome());
    // Each is named in a warning.
    let warned = [row(Obp401, Warn, "", ""), row(Obp401, Warn, "", "")];
    assert_eq!(
        found(&created(&known, "fine", &json!({"podSelector": {}}))),
        warned
    );
    let kube_system = json!([{"from": [namespace("kube-system")], "ports": api()}]);
    let fine = json!({"podSelector": servers(), "ingress": kube_system});
    assert_eq!(found(&created(&known, "fine", &fine)), warned);
}

#[test]
fn an_open_rule_is_found_however_large_the_policy_around_it_is() {
    let many =
        |count: usize, one: &dyn Fn(usize) -> Value| -> Value { (0..count).map(one).collect() };
    let app = |at: usize| json!({"podSelector": {"matchLabels": {"app": at.to_string()}}});
    let caps = ReviewConfig::default().caps;
    let keys = many(
        caps.requirements + 1,
        &|at| json!({"key": format!("k{at}"), "operator": "DoesNotExist"}),
    );
    let values = many(caps.values + 1, &|at| at.to_string().into());
    let excepts = many(caps.excepts + 1, &|at| {
        json!(format!("10.{}.{}.0/24", at / 256, at % 256))
    });
    let key = |at: usize| json!({"podSelector": {"matchLabels": {format!("k{at}"): "v"}}});
    let large = [
        json!([{}, {"from": many(caps.elements + 1, &app)}]),
        json!([{}, {"from": [app(0)], "ports": many(caps.elements + 1, &|at| json!({"port": at + 1}))}]),
        json!([{}, {"from": [{"podSelector": {"matchExpressions": keys}}]}]),
        json!([{}, {"from": [{"podSelector": {"matchExpressions": [{"key": "k", "operator": "In", "values": values}]}}]}]),
        json!([{}, {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": excepts}}]}]),
        json!([{}, {"from": many(caps.label_keys + 1, &key)}]),
        many(caps.rules + 1, &|_| json!({})),
    ];
    for rules in large {
        let planted = policy("planted", &json!({"podSelector": {}, "ingress": rules}));
        let Fact::Read(read) = &planted else {
            panic!("expected a policy");
        };
        assert_ne!(too_large(read, &caps), [], "{rules}");
        let verdict = written(&[planted], None, &cluster(&json!({})));
        let expected = row(Obp203, Deny, "", &to_bao(STRANGER, "TCP 443"));
        assert_eq!(found(&verdict), [expected]);
    }
}

#[test]
fn a_large_policy_within_the_ceiling_stops_no_cluster() {
    let block = |at: usize| json!({"ipBlock": {"cidr": format!("192.0.2.{}/32", at % 256)}});
    let from: Value = (0..=ReviewConfig::default().caps.elements)
        .map(block)
        .collect();
    let spec = json!({"podSelector": servers(), "ingress": [{"from": from, "ports": api()}]});
    let declared = ingress(&json!([{"ipBlock": {"cidr": "192.0.2.0/24"}}]), &api());
    let verdict = written(&[policy("large", &spec)], None, &cluster(&declared));
    assert_eq!(found(&verdict), []);
}

#[test]
fn a_large_policy_about_other_pods_stops_no_cluster() {
    let rules: Vec<_> = (0..=ReviewConfig::default().caps.rules)
        .map(|_| json!({}))
        .collect();
    let spec = json!({"podSelector": {"matchLabels": {"app": "web"}}, "ingress": rules});
    let verdict = written(&[policy("large", &spec)], None, &cluster(&json!({})));
    assert_eq!(found(&verdict), []);
}

#[test]
fn a_policy_that_is_too_hard_blocks_the_cluster_and_no_other_policy() {
    // Several entries of the ceiling have to be combined, for which the budget is not enough.
    let hard = json!({"podSelector": servers(), "ingress": [{"from": [{"namespaceSelector": {}}], "ports": api()}]});
    let bao = cluster(&json!({}));
    let tight = |policies: &[Fact<Policy>]| -> CompiledSnapshot {
        let mut compiled = compiled(std::slice::from_ref(&bao), policies);
        let config = ReviewConfig {
            proof_budget: 4,
            ..config_of(Baseline::V01)
        };
        compiled.config = config.into();
        compiled
    };
    let others = [policy("hard", &hard)];
    let request = cluster_request(None, &bao);
    let verdict = review(&tight(&others), &request);
    assert_eq!(found(&verdict), [row(Obp402, Deny, "", "")]);
    let reason = &verdict.findings[0].reason;
    assert!(
        reason.contains("`hard`") && reason.contains("could not be decided within 4 steps"),
        "{reason}"
    );
    // The author of the hard policy is denied; authors of others are not.
    assert_eq!(denied(&created(&tight(&[]), "hard", &hard)), [Obp402]);
    let easy = json!({"podSelector": servers(), "ingress": [{"from": [namespace("kube-system")], "ports": api()}]});
    assert_eq!(denied(&created(&tight(&others), "easy", &easy)), []);
    // With a budget it is decided.
    let roomy = compiled(std::slice::from_ref(&bao), &others);
    assert_eq!(found(&review(&roomy, &request)), [shown()]);
}

#[test]
fn a_cluster_that_could_not_be_read_is_fixed_where_a_policy_violates_its_ceiling() {
    let broken = json!({"metadata": {"name": "bao", "namespace": "bao"}, "spec": {"network": 7}});
    let broken = read::cluster(
        broken.to_string().as_bytes(),
        &reference(Kind::OpenBaoCluster, "bao"),
    );
    let is_broken = |cluster: &Arc<Cluster>| cluster.broken.is_some();
    assert!(broken.read().is_some_and(is_broken));
    let after = cluster(&json!({}));
    for selector in [json!({}), super::asks("app", "DoesNotExist", &[])] {
        let policies = [policy("open", &open(&selector, &api()))];
        let mut request = cluster_request(Some(&after), &after);
        if let crate::review::Subject::Cluster(edit) = &mut request.subject {
            edit.before = Some(broken.clone());
            edit.spec_changed = true;
        }
        let verdict = review(&compiled(&[], &policies), &request);
        assert_eq!(found(&verdict), [warned()], "{selector}");
    }
}
