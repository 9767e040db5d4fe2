//! Verdicts that need a live read.

use serde_json::{Value, json};

use super::support::{
    cluster, cluster_named, cluster_request, compiled, compiled_under, config_of, denied, managed,
    operator, plain, policy, policy_request, restore, restore_request, tenant,
};
use crate::baseline::Zone;
use crate::config::Baseline;
use crate::inventory::{Change, Fact, Object, Policy, Stub};
use crate::review::{
    CompiledSnapshot, NeedsLiveRead, Request, Writer, live_read, namespaces, repair, review,
};
use crate::rules::Code;

fn unsure(compiled: &CompiledSnapshot, request: &Request) -> Option<NeedsLiveRead> {
    live_read(compiled, request, &review(compiled, request))
}

fn opens(pods: &Value) -> Value {
    json!({"podSelector": pods, "ingress": [{}]})
}

fn labelled(key: &str, value: &str) -> Value {
    json!({"matchLabels": {key: value}})
}

fn creates(writer: Writer, spec: &Value) -> Request {
    policy_request(writer, "p", None, Some(policy("p", spec)))
}

#[test]
fn a_denial_needs_a_live_read_if_it_depends_on_facts() {
    let refused = creates(tenant(), &opens(&json!({})));
    assert_eq!(unsure(&plain(), &refused), Some(NeedsLiveRead::Denied));
    let unreadable = creates(
        tenant(),
        &json!({"podSelector": {}, "ingress": [{"from": [{}]}]}),
    );
    assert_eq!(unsure(&plain(), &unreadable), None);
    let everyone = cluster_request(None, &cluster(&json!({"ingressRules": [{}]})));
    assert_eq!(unsure(&plain(), &everyone), None);
}

#[test]
fn a_restore_that_its_cluster_denies_needs_a_live_read() {
    let bare = cluster_named("bao", &json!({"profile": "Hardened"}));
    let compiled = compiled_under(config_of(Baseline::V04), &[bare], &[]);
    let request = restore_request(restore(&json!({"cluster": "bao"})));
    let denied = denied(&review(&compiled, &request));
    assert_eq!(denied, [Code::Obp310]);
    assert_eq!(unsure(&compiled, &request), Some(NeedsLiveRead::Denied));
}

#[test]
fn the_deletion_of_an_unknown_policy_needs_a_live_read() {
    let broken = policy("p", &json!({"podSelector": 7}));
    let deletes = policy_request(tenant(), "p", Some(broken), None);
    assert_eq!(unsure(&plain(), &deletes), Some(NeedsLiveRead::Denied));
}

#[test]
fn the_operator_never_needs_a_live_read() {
    let none = compiled(&[], &[]);
    for compiled in [&plain(), &none] {
        assert_eq!(
            unsure(compiled, &creates(operator(), &opens(&json!({})))),
            None
        );
    }
}

#[test]
fn without_a_cluster_an_allowed_policy_needs_a_live_read_if_it_could_select_openbao_pods() {
    let none = compiled(&[], &[]);
    let could = [
        json!({}),
        labelled("openbao.org/cluster", "any"),
        labelled("app.kubernetes.io/name", "openbao"),
        labelled("openbao-active", "true"),
        json!({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}),
    ];
    for pods in could {
        let request = creates(tenant(), &opens(&pods));
        assert_eq!(
            unsure(&none, &request),
            Some(NeedsLiveRead::NoCluster),
            "{pods}"
        );
    }
    let cannot = [
        labelled("app", "web"),
        labelled("app.kubernetes.io/managed-by", "helm"),
        json!({"matchExpressions": [{"key": "openbao.org/cluster", "operator": "DoesNotExist"}]}),
    ];
    for pods in cannot {
        let request = creates(tenant(), &opens(&pods));
        assert_eq!(unsure(&none, &request), None, "{pods}");
    }
}

#[test]
fn a_deletion_without_a_cluster_needs_a_live_read_by_the_pods_that_the_policy_selected() {
    let none = compiled(&[], &[]);
    let deletes = |pods: &Value| {
        let before = policy("p", &json!({ "podSelector": pods }));
        policy_request(tenant(), "p", Some(before), None)
    };
    assert_eq!(
        unsure(&none, &deletes(&json!({}))),
        Some(NeedsLiveRead::NoCluster)
    );
    assert_eq!(unsure(&none, &deletes(&labelled("app", "web"))), None);
}

#[test]
fn an_allowed_policy_where_a_cluster_is_known_needs_no_live_read() {
    let closes = creates(
        tenant(),
        &json!({"podSelector": {}, "policyTypes": ["Ingress"]}),
    );
    assert_eq!(unsure(&plain(), &closes), None);
}

/// The plain facts, with a policy of the namespace that was not read.
fn with_stub() -> CompiledSnapshot {
    let stub = Stub::of(&policy("other", &opens(&json!({}))));
    let namespace = cluster(&json!({})).meta.namespace.clone();
    let change = Change::Set(Object::Stub(namespace, stub.into()));
    let compiled = plain();
    let snapshot = compiled.snapshot.apply([change]);
    CompiledSnapshot::compile(Some(&compiled), snapshot.into(), compiled.config.clone())
}

#[test]
fn every_verdict_that_depends_on_unread_policies_needs_a_live_read() {
    let compiled = with_stub();
    assert!(compiled.is_unread(&cluster(&json!({})).meta.namespace));
    let bao = cluster(&json!({}));
    let changed = cluster(&json!({"dnsNamespace": "dns"}));
    for request in [
        creates(tenant(), &opens(&json!({}))),
        creates(tenant(), &json!({"podSelector": {}})),
        cluster_request(None, &bao),
        cluster_request(Some(&bao), &changed),
        restore_request(restore(&json!({"cluster": "bao"}))),
    ] {
        assert_eq!(
            unsure(&compiled, &request),
            Some(NeedsLiveRead::Unread),
            "{request:?}"
        );
    }
    let web = labelled("app", "web");
    for request in [
        creates(tenant(), &opens(&web)),
        creates(operator(), &opens(&json!({}))),
    ] {
        assert_eq!(unsure(&compiled, &request), None, "{request:?}");
    }
}

#[test]
fn labels_for_a_planned_cluster_need_a_live_read_where_policies_were_not_read() {
    let beside = |baseline: Baseline, namespace: &str| {
        let stub = Stub::of(&policy("other", &opens(&json!({}))));
        let change = Change::Set(Object::Stub(namespace.into(), stub.into()));
        let compiled = compiled_under(config_of(baseline), &[], &[]);
        let snapshot = compiled.snapshot.apply([change]);
        CompiledSnapshot::compile(Some(&compiled), snapshot.into(), compiled.config.clone())
    };
    let template = |labels: &Value| json!({"podMetadata": {"labels": labels}});
    let (web, none) = (json!({"foo": "bar"}), json!({}));
    let fresh = |labels: &Value| {
        let spec = json!({"cluster": "new", "clusterTemplate": template(labels)});
        restore_request(restore(&spec))
    };
    let tested = |labels: &Value| {
        let test = json!({"namespace": "recovery", "clusterTemplate": template(labels)});
        cluster_named(
            "bao",
            &json!({"profile": "Development", "backup": {"restoreTest": test}}),
        )
    };
    let tests = |before: Option<&Value>, after: &Value| {
        cluster_request(before.map(tested).as_ref(), &tested(after))
    };
    for (namespace, request, expected) in [
        ("bao", fresh(&web), Some(NeedsLiveRead::Unread)),
        ("bao", fresh(&none), None),
        ("recovery", fresh(&web), None),
        ("recovery", tests(None, &web), Some(NeedsLiveRead::Unread)),
        (
            "recovery",
            tests(Some(&none), &web),
            Some(NeedsLiveRead::Unread),
        ),
        (
            "recovery",
            tests(Some(&web), &none),
            Some(NeedsLiveRead::Unread),
        ),
        ("recovery", tests(Some(&web), &web), None),
        ("recovery", tests(None, &none), None),
    ] {
        let compiled = beside(Baseline::V04, namespace);
        assert_eq!(unsure(&compiled, &request), expected, "{request:?}");
        let mut read = vec!["bao"];
        if namespace == "recovery" && expected.is_some() {
            read.push("recovery");
        }
        let names = namespaces(&compiled, &request);
        assert!(names.iter().map(AsRef::as_ref).eq(read), "{names:?}");
        // Older operators create no such clusters.
        let older = beside(Baseline::V01, namespace);
        assert_eq!(unsure(&older, &request), None, "{request:?}");
    }
    // An invalid namespace is not read.
    let nowhere = namespaces(&beside(Baseline::V04, "other"), &tests(None, &web));
    assert!(nowhere.iter().map(AsRef::as_ref).eq(["bao"]));
}

#[test]
fn a_stub_counts_as_a_policy_that_is_there_and_lets_nothing_be_repaired() {
    let namespace = cluster(&json!({})).meta.namespace.clone();
    let compiled = with_stub();
    let names = compiled
        .perimeters(&namespace)
        .iter()
        .flat_map(|cluster| &cluster.zones);
    let names: Vec<_> = names.flat_map(|zone| &zone.unreadable).collect();
    assert!(!names.is_empty() && names.iter().all(|name| ***name == *"other"));
    let own = managed(&cluster(&json!({})), Zone::Workload);
    let cut = Policy {
        egress: Vec::new(),
        ..own.clone()
    };
    let fact = |policy: Policy| Some(Fact::Read(policy.into()));
    let name = own.meta.name.to_string();
    let request = policy_request(tenant(), &name, fact(own), fact(cut));
    assert!(!repair(&plain(), &request).repairs.is_empty());
    assert!(repair(&compiled, &request).repairs.is_empty());
}
