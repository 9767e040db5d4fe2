//! An OpenBaoCluster with some fields that cannot be read: the other fields count, and so do their last known
//! values.

use std::sync::Arc;

use serde_json::{Value, json};

use super::support::{
    Found, cluster_request, compiled_under, config_of, created, denied, found, reference, row,
    servers,
};
use crate::config::Baseline::V01;
use crate::inventory::{Change, Cluster, Fact, Kind, Object, Snapshot, read};
use crate::review::{CompiledSnapshot, Subject, review};
use crate::rules::Code::{self, Obp201, Obp401};
use crate::rules::Level::{self, Deny, Warn};

fn cluster(uid: &str, spec: &Value) -> Fact<Cluster> {
    let json = json!({"metadata": {"name": "bao", "namespace": "bao", "uid": uid}, "spec": spec});
    read::cluster(
        json.to_string().as_bytes(),
        &reference(Kind::OpenBaoCluster, "bao"),
    )
}

/// Facts after the cluster had each of these states.
fn after(states: &[Fact<Cluster>]) -> CompiledSnapshot {
    let bare = compiled_under(config_of(V01), &[], &[]);
    let set = |snapshot: Snapshot, state: &Fact<Cluster>| {
        snapshot.apply([Change::Set(Object::Cluster(state.clone()))])
    };
    let snapshot = states.iter().fold(Snapshot::clone(&bare.snapshot), set);
    CompiledSnapshot::compile(None, snapshot.into(), bare.config)
}

fn from(namespace: &str) -> Value {
    json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}})
}

fn declared(namespace: &str) -> Value {
    json!([{"from": [from(namespace)], "ports": [{"port": 8200, "protocol": "TCP"}]}])
}

/// A policy that allows a namespace to connect to the API of all pods.
fn opens(selector: &Value, namespace: &str) -> Value {
    json!({"podSelector": selector, "ingress": declared(namespace)})
}

fn labelled(key: &str, value: &str) -> Value {
    json!({"matchLabels": {key: value}})
}

fn codes(compiled: &CompiledSnapshot, spec: &Value) -> Vec<Code> {
    denied(&created(compiled, "mine", spec))
}

#[test]
fn one_field_that_cannot_be_read_hides_no_other() {
    let broken = [
        json!({"replicas": "three"}),
        json!({"backup": {"schedule": 7}}),
        json!({"backup": {"target": {"region": 7}}}),
        json!({"network": {"dnsNamespace": 7}}),
        json!({"unseal": []}),
        json!({"observability": {"metrics": {"enabled": "yes"}}}),
    ];
    for mut spec in broken {
        let path = spec.to_string();
        let spec = spec.as_object_mut().expect("an object");
        let network = spec.entry("network").or_insert_with(|| json!({}));
        network["ingressRules"] = declared("web");
        let compiled = after(&[cluster("1", &json!(spec))]);
        // Other pods are not protected, and declared connections are permitted.
        let other = created(&compiled, "mine", &opens(&labelled("app", "web"), "shop"));
        assert_eq!(found(&other), [], "{path}");
        assert_eq!(codes(&compiled, &opens(&servers(), "web")), [], "{path}");
        assert_eq!(
            codes(&compiled, &opens(&servers(), "shop")),
            [Obp201],
            "{path}"
        );
    }
}

#[test]
fn a_policy_that_concerns_the_cluster_gets_the_fields_that_cannot_be_read() {
    let compiled = after(&[cluster(
        "1",
        &json!({"replicas": "three", "network": {"dnsNamespace": 7}}),
    )]);
    let spec = json!({"podSelector": {}, "policyTypes": ["Ingress"]});
    let verdict = created(&compiled, "mine", &spec);
    assert_eq!(
        found(&verdict),
        [row(Obp401, Warn, "spec.network.dnsNamespace", "")]
    );
    let reason = &verdict.findings[0].reason;
    for field in ["spec.network.dnsNamespace", "spec.replicas"] {
        assert!(reason.contains(field), "{reason}");
    }
}

#[test]
fn a_rule_that_cannot_be_read_is_none_and_never_a_wider_one() {
    let without_ports = json!([{"from": [from("web")], "ports": 7}]);
    let compiled = after(&[cluster(
        "1",
        &json!({"network": {"ingressRules": without_ports}}),
    )]);
    assert_eq!(codes(&compiled, &opens(&servers(), "web")), [Obp201]);
}

#[test]
fn pods_may_carry_any_label_where_their_labels_cannot_be_read() {
    let web = opens(&labelled("tier", "web"), "shop");
    for spec in [
        json!({"podMetadata": {"labels": {"tier": 7}}}),
        json!({"podMetadata": 7}),
        json!({"readReplicas": {"template": 7}}),
    ] {
        assert_eq!(
            codes(&after(&[cluster("1", &spec)]), &web),
            [Obp201],
            "{spec}"
        );
    }
    // Labels of jobs are not those of servers.
    let jobs = json!({"backup": {"target": {"workloadIdentity": {"podLabels": {"tier": 7}}}}});
    let compiled = after(&[cluster("1", &jobs)]);
    let only_servers = json!({"matchLabels": {"tier": "web", "app.kubernetes.io/name": "openbao"},
        "matchExpressions": [{"key": "openbao.org/component", "operator": "DoesNotExist"}]});
    assert_eq!(codes(&compiled, &opens(&only_servers, "shop")), []);
    assert_eq!(codes(&compiled, &web), [Obp201]);
    // Readable labels of one template are used together with unreadable ones of the other.
    let half = json!({"podMetadata": {"labels": {"tier": "db"}}, "readReplicas": {"template": 7}});
    assert_eq!(codes(&after(&[cluster("1", &half)]), &web), [Obp201]);
}

#[test]
fn the_last_known_facts_count_for_what_cannot_be_read() {
    let good = json!({"podMetadata": {"labels": {"tier": "db"}}, "network": {"ingressRules": declared("web")}});
    let broken = json!({"podMetadata": {"labels": {"tier": 7}}, "network": {"ingressRules": 7}});
    let compiled = after(&[cluster("1", &good), cluster("1", &broken)]);
    assert_eq!(codes(&compiled, &opens(&servers(), "web")), []);
    assert_eq!(
        codes(&compiled, &opens(&labelled("tier", "web"), "shop")),
        []
    );
    assert_eq!(
        codes(&compiled, &opens(&labelled("tier", "db"), "shop")),
        [Obp201]
    );
    // Readable fields have their new values.
    let moved = json!({"podMetadata": {"labels": {"tier": "new"}}, "network": {"ingressRules": 7}});
    let compiled = after(&[cluster("1", &good), cluster("1", &moved)]);
    assert_eq!(
        codes(&compiled, &opens(&labelled("tier", "db"), "shop")),
        []
    );
    assert_eq!(
        codes(&compiled, &opens(&labelled("tier", "new"), "shop")),
        [Obp201]
    );
    // The last known values of a deleted cluster with that name are not used.
    let compiled = after(&[cluster("1", &good), cluster("2", &broken)]);
    assert_eq!(codes(&compiled, &opens(&servers(), "web")), [Obp201]);
    assert_eq!(
        codes(&compiled, &opens(&labelled("tier", "web"), "shop")),
        [Obp201]
    );
    // After a fix, no old values are used.
    let compiled = after(&[
        cluster("1", &good),
        cluster("1", &broken),
        cluster("1", &json!({})),
    ]);
    assert_eq!(codes(&compiled, &opens(&servers(), "web")), [Obp201]);
    assert_eq!(compiled.snapshot.unreadable().count(), 0);
}

#[test]
fn the_same_again_changes_nothing_and_what_is_broken_is_counted() {
    let good = cluster("1", &json!({"network": {"ingressRules": declared("web")}}));
    let broken = cluster("1", &json!({"network": {"ingressRules": 7}}));
    let compiled = after(&[good, broken.clone()]);
    let again = compiled
        .snapshot
        .apply([Change::Set(Object::Cluster(broken))]);
    assert!(again.touched(&compiled.snapshot).is_empty());
    let facts = compiled.facts("bao").expect("a namespace");
    assert_eq!(facts.count(Kind::OpenBaoCluster), [1, 1]);
    assert_eq!(compiled.snapshot.unreadable().count(), 1);
}

fn codes_and_paths(found: Vec<Found>) -> Vec<(Code, Level, String)> {
    let found = found.into_iter();
    found.map(|found| (found.0, found.1, found.2)).collect()
}

#[test]
fn a_cluster_is_not_written_with_fields_that_cannot_be_read() {
    let spec = json!({"replicas": "three", "network": {"ingressRules": [{"ports": 7}], "dnsNamespace": 7}});
    let Fact::Read(broken) = cluster("1", &spec) else {
        panic!("read in part")
    };
    let expected = |level| {
        let at = |path: &str| (Obp401, level, path.to_owned());
        [
            at("spec.network.dnsNamespace"),
            at("spec.network.ingressRules[0].ports"),
            at("spec.replicas"),
        ]
    };
    let compiled = after(&[]);
    let create = cluster_request(None, &broken);
    assert_eq!(
        codes_and_paths(found(&review(&compiled, &create))),
        expected(Deny)
    );
    // A stored cluster with an unchanged spec may be written.
    let mut update = cluster_request(Some(&broken), &broken);
    if let Subject::Cluster(edit) = &mut update.subject {
        edit.spec_changed = false;
    }
    assert_eq!(
        codes_and_paths(found(&review(&compiled, &update))),
        expected(Warn)
    );
    let repaired = Arc::new(Cluster {
        broken: None,
        ..Cluster::clone(&broken)
    });
    let repair = cluster_request(Some(&broken), &repaired);
    assert_eq!(denied(&review(&compiled, &repair)), []);
}
