//! Subjects of policies of other kinds. The names of rows are those of the table of cases in the issue.

mod calico;
mod cilium;

mod tier;

use serde_json::{Value, json};

use super::FEW;
use crate::inventory::other_policy::{Effect, NamespaceLabels, Selects};
use crate::inventory::{Fact, Kind, Labels, Object, OtherPolicy, read};
use netpol::label::{Values, labels};
use netpol::pod_space::{OtherKeys, PodSpace};

const SURELY: Option<Selects> = Some(Selects::Surely);
const PERHAPS: Option<Selects> = Some(Selects::Perhaps);

fn fact(kind: Kind, fields: &Value) -> Fact<OtherPolicy> {
    let (group, version) = kind.apis()[0];
    let mut object = json!({"apiVersion": format!("{group}/{version}"), "kind": kind.as_str(),
        "metadata": {"name": "p", "namespace": if kind.is_cluster_scoped() { "" } else { "bao" }}});
    for (name, value) in fields.as_object().unwrap() {
        object[name] = value.clone();
    }
    let Some(Object::OtherPolicy(found, fact)) = read::object(&object) else {
        panic!("{object}");
    };
    assert_eq!(found, kind);
    fact
}

fn policy(kind: Kind, spec: &Value) -> OtherPolicy {
    let fact = fact(kind, &json!({ "spec": spec }));
    fact.read()
        .map(|policy| OtherPolicy::clone(policy))
        .unwrap()
}

fn pairs(pairs: &[(&str, &str)]) -> Labels {
    let pairs = pairs.iter();
    labels(
        pairs
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect(),
    )
}

/// Whether the policy selects a pod with the label `app=bao` in namespace `bao` with the label `team=a`.
fn selects(policy: &OtherPolicy) -> Option<Selects> {
    let labels = pairs(&[("team", "a")]);
    selects_in(policy, "bao", Some(&labels))
}

fn selects_in(policy: &OtherPolicy, name: &str, labels: Option<&Labels>) -> Option<Selects> {
    let pods = PodSpace::new(
        [("app", Values::one_of(["bao"]))],
        Vec::new(),
        OtherKeys::Absent,
    );
    policy
        .subject
        .selects(NamespaceLabels { name, labels }, &pods)
}

fn expression(key: &str, operator: &str, values: &[&str]) -> Value {
    json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]})
}

#[test]
fn k4_the_subject_of_a_cluster_network_policy_is_namespaces_or_pods() {
    let kinds = [
        Kind::ClusterNetworkPolicy,
        Kind::AdminNetworkPolicy,
        Kind::BaselineAdminNetworkPolicy,
    ];
    let pods = |namespaces: Value, pods: Value| json!({"pods": {"namespaceSelector": namespaces, "podSelector": pods}});
    for (subject, expected) in [
        (json!({"namespaces": {}}), SURELY),
        (
            json!({"namespaces": {"matchLabels": {"team": "a"}}}),
            SURELY,
        ),
        (json!({"namespaces": {"matchLabels": {"team": "b"}}}), None),
        (
            json!({"namespaces": expression("kubernetes.io/metadata.name", "NotIn", &["bao"])}),
            None,
        ),
        (
            json!({"namespaces": expression("stage", "DoesNotExist", &[])}),
            SURELY,
        ),
        (pods(json!({}), json!({})), SURELY),
        (
            pods(json!({}), json!({"matchLabels": {"app": "bao"}})),
            SURELY,
        ),
        (
            pods(json!({}), json!({"matchLabels": {"app": "web"}})),
            None,
        ),
        (pods(json!({"matchLabels": {"team": "b"}}), json!({})), None),
        // Contradictions.
        (
            pods(
                json!({}),
                json!({"matchLabels": {"app": "bao"}, "matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}),
            ),
            None,
        ),
        // No API server stores these.
        (json!({}), PERHAPS),
        (
            json!({"namespaces": {}, "pods": {"namespaceSelector": {}, "podSelector": {}}}),
            PERHAPS,
        ),
        (json!({"pods": {"podSelector": {}}}), PERHAPS),
    ] {
        for kind in kinds {
            let policy = policy(kind, &json!({"tier": "Admin", "subject": subject}));
            assert_eq!(selects(&policy), expected, "{kind} {subject}");
        }
    }
}

#[test]
fn k23_an_invalid_requirement_is_dropped_and_the_rest_is_uncertain() {
    for (selector, expected) in [
        (expression("team", "in", &["b"]), PERHAPS),
        (expression("team", "Foo", &[]), PERHAPS),
        (expression("team", "In", &[]), PERHAPS),
        (expression("team", "Exists", &["b"]), PERHAPS),
        (expression("a b", "Exists", &[]), PERHAPS),
        (json!({"matchLabels": {"team": "a b"}}), PERHAPS),
        (
            json!({"matchLabels": {"team": "b"}, "matchExpressions": [{"key": "x", "operator": "Foo"}]}),
            None,
        ),
    ] {
        let policy = policy(
            Kind::ClusterNetworkPolicy,
            &json!({"subject": {"namespaces": selector}}),
        );
        assert_eq!(selects(&policy), expected, "{selector}");
    }
}

#[test]
fn a_label_of_a_namespace_that_is_not_known_may_be_there() {
    let asks = |selector: Value| {
        policy(
            Kind::ClusterNetworkPolicy,
            &json!({"subject": {"namespaces": selector}}),
        )
    };
    let none = pairs(&[]);
    for (selector, known, unknown) in [
        (json!({"matchLabels": {"team": "b"}}), None, PERHAPS),
        (expression("team", "DoesNotExist", &[]), SURELY, PERHAPS),
        (
            json!({"matchLabels": {"kubernetes.io/metadata.name": "bao"}}),
            SURELY,
            SURELY,
        ),
        (
            json!({"matchLabels": {"kubernetes.io/metadata.name": "web"}}),
            None,
            None,
        ),
    ] {
        let policy = asks(selector.clone());
        assert_eq!(selects_in(&policy, "bao", Some(&none)), known, "{selector}");
        assert_eq!(selects_in(&policy, "bao", None), unknown, "{selector}");
    }
}

#[test]
fn the_effect_of_a_cluster_network_policy_is_that_of_its_tier() {
    for (kind, tier, effect) in [
        (
            Kind::ClusterNetworkPolicy,
            "Admin",
            Effect::BeforeNetworkPolicies,
        ),
        (
            Kind::ClusterNetworkPolicy,
            "Baseline",
            Effect::AfterNetworkPolicies,
        ),
        (Kind::AdminNetworkPolicy, "", Effect::BeforeNetworkPolicies),
        (
            Kind::BaselineAdminNetworkPolicy,
            "",
            Effect::AfterNetworkPolicies,
        ),
    ] {
        assert_eq!(
            policy(
                kind,
                &if tier.is_empty() {
                    json!({})
                } else {
                    json!({"tier": tier})
                }
            )
            .effect,
            effect,
            "{kind} {tier}"
        );
    }
}

#[test]
fn of_antrea_and_ovn_only_the_existence_is_known() {
    for (kind, expected) in [
        (Kind::AntreaNetworkPolicy, PERHAPS),
        (Kind::AntreaClusterNetworkPolicy, PERHAPS),
        (Kind::EgressFirewall, SURELY),
    ] {
        let policy = policy(kind, &json!({"appliedTo": 7}));
        assert_eq!(selects(&policy), expected, "{kind}");
        let elsewhere = selects_in(&policy, "web", None);
        assert_eq!(elsewhere.is_some(), kind.is_cluster_scoped(), "{kind}");
    }
}

#[test]
fn a_selector_with_many_parts_may_select_any_pods_and_keeps_little() {
    let values: Vec<String> = (0..=FEW).map(|number| format!("v{number}")).collect();
    let labels = |number| -> Value {
        (0..number)
            .map(|at| (format!("k{at}"), json!("v")))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let rules: Vec<Value> = (0..=FEW)
        .map(|at| json!({"endpointSelector": {"matchLabels": {"app": format!("v{at}")}}, "ingress": [{}]}))
        .collect();
    let many = [
        fact(
            Kind::ClusterNetworkPolicy,
            &json!({"spec": {"subject": {"namespaces":
            {"matchExpressions": [{"key": "team", "operator": "In", "values": values}]}}}}),
        ),
        fact(
            Kind::ClusterNetworkPolicy,
            &json!({"spec": {"subject": {"namespaces": {"matchLabels": labels(500)}}}}),
        ),
        fact(Kind::CiliumNetworkPolicy, &json!({ "specs": rules })),
    ];
    for fact in many {
        let policy = fact.read().unwrap();
        let parts = &policy.subject.parts;
        assert!(parts.len() <= FEW, "{policy:?}");
        assert!(
            parts
                .iter()
                .all(|part| part.namespaces.weight() + part.pods.weight() <= FEW)
        );
        assert_ne!(selects_in(policy, "bao", None), SURELY);
    }
}

#[test]
fn an_object_that_cannot_be_read_keeps_its_names_only() {
    let metadata = json!({"name": "p", "namespace": "bao", "labels": {"a": "b"}});
    for (kind, fields) in [
        (
            Kind::CiliumNetworkPolicy,
            json!({"spec": 7, "metadata": metadata}),
        ),
        (
            Kind::CiliumNetworkPolicy,
            json!({"specs": {}, "metadata": metadata}),
        ),
        (
            Kind::CalicoNetworkPolicy,
            json!({"spec": {"selector": []}, "metadata": metadata}),
        ),
        (
            Kind::AntreaNetworkPolicy,
            json!({"apiVersion": "crd.antrea.io/v9", "metadata": metadata}),
        ),
    ] {
        let Fact::Unreadable(broken) = fact(kind, &fields) else {
            panic!("{fields}");
        };
        assert_eq!((&*broken.meta.namespace, &*broken.meta.name), ("bao", "p"));
        assert!(broken.meta.labels.is_empty());
        assert!(!broken.problems.is_empty());
    }
}
