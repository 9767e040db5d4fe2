//! Objects that cannot be decoded, and the metadata that is kept.

use openbao_perimeter::inventory::{Fact, Kind, Malformed, Object, Owner, read};
use serde_json::{Value, json};

use super::{problems, reference};

#[test]
fn what_does_not_decode_names_place_value_and_expectation() {
    let broken = |path: &str, value: &str, problem: &str| {
        vec![Malformed {
            path: path.to_owned(),
            value: value.to_owned(),
            problem: problem.to_owned(),
        }]
    };
    assert_eq!(
        problems(&json!({"ingress": [{"from": "all"}]})),
        broken(
            "spec.ingress[0].from",
            r#""all""#,
            r#"expected a list, found string "all""#
        )
    );
    assert_eq!(
        problems(&json!({"ingress": {"from": []}})),
        broken(
            "spec.ingress",
            r#"{"from":[]}"#,
            "expected a list, found a map; write `- ` before the first key of each element"
        )
    );
    let cut = read::policy(b"{\"spec\": ", &reference(Kind::NetworkPolicy));
    let Fact::Unreadable(cut) = cut else {
        panic!("half an object is read");
    };
    assert_eq!(&*cut.meta.name, "it");
    assert_eq!(
        cut.problems[0].problem,
        "EOF while parsing a value at line 1 column 9"
    );
}

#[test]
fn a_list_is_no_object() {
    let fallback = reference(Kind::NetworkPolicy);
    for text in [&b"[]"[..], b" [{}, {}]"] {
        let Fact::Unreadable(broken) = read::policy(text, &fallback) else {
            panic!("a list is read as a policy");
        };
        assert_eq!(broken.problems[0].problem, "expected an object, found list");
    }
}

#[test]
fn metadata_survives_where_the_rest_does_not_decode() {
    let json = json!({
        "metadata": {"name": "web", "namespace": "bao", "labels": {"a": "b"}, "ownerReferences": 7},
        "spec": 7,
    });
    let read = read::policy(json.to_string().as_bytes(), &reference(Kind::NetworkPolicy));
    let Fact::Unreadable(broken) = read else {
        panic!("a number is read as a spec");
    };
    assert_eq!(
        (&*broken.meta.name, &*broken.meta.namespace),
        ("web", "bao")
    );
    assert_eq!(broken.meta.labels.get("a").map(AsRef::as_ref), Some("b"));
}

#[test]
fn only_metadata_that_rules_look_at_is_kept() {
    let json = json!({
        "metadata": {
            "name": "web",
            "annotations": {
                "openbao.org/maintenance": "true",
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
            },
            "deletionTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": [{"manager": "kubectl"}],
            "ownerReferences": [
                {"apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster", "name": "bao",
                 "uid": "1", "controller": true, "blockOwnerDeletion": true},
            ],
        },
    });
    let read = read::policy(json.to_string().as_bytes(), &reference(Kind::NetworkPolicy));
    let meta = &read.read().expect("readable").meta;
    assert_eq!(meta.annotations.len(), 1);
    assert_eq!(
        meta.annotations
            .get("openbao.org/maintenance")
            .map(AsRef::as_ref),
        Some("true")
    );
    assert!(meta.deleting);
    assert_eq!(
        meta.owners,
        [Owner {
            api_version: "openbao.org/v1alpha1".into(),
            kind: "OpenBaoCluster".into(),
            name: "bao".into(),
            uid: "1".into(),
            controller: true,
        }]
    );
}

#[test]
fn a_policy_that_is_too_large_keeps_its_metadata_and_its_selector() {
    let rules = vec![json!({}); 160_000];
    let json = json!({
        "metadata": {
            "name": "web",
            "labels": {"app": "web"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "mine", "uid": "1"}],
        },
        "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": rules},
    });
    let named = reference(Kind::NetworkPolicy);
    let from_text = read::policy(json.to_string().as_bytes(), &named);
    let from_value = read::object_of(Kind::NetworkPolicy, &json);
    let Some(Object::Policy(from_value)) = from_value else {
        panic!("a policy");
    };
    for fact in [from_text, from_value] {
        let Fact::Unreadable(broken) = fact else {
            panic!("160,000 rules are read");
        };
        assert!(broken.too_large.is_some());
        assert_eq!(
            broken.meta.labels.get("app").map(AsRef::as_ref),
            Some("web")
        );
        assert_eq!(&*broken.meta.owners[0].name, "mine");
        assert_eq!(broken.pods().map(|pods| pods.labels.len()), Some(1));
    }
}

#[test]
fn a_list_in_place_of_a_map_is_unreadable_at_each_depth() {
    for (kind, text, path) in [
        (Kind::NetworkPolicy, r#"{"spec": []}"#, "spec"),
        (Kind::NetworkPolicy, r#"{"metadata": ["x"]}"#, "metadata"),
        (
            Kind::NetworkPolicy,
            r#"{"metadata": {"ownerReferences": [["v1", "ConfigMap", "a", "1", true]]}}"#,
            "metadata.ownerReferences[0]",
        ),
        (
            Kind::OpenBaoRestore,
            r#"{"spec": {"source": [{}, "key"]}}"#,
            "spec.source",
        ),
        (Kind::OpenBaoRestore, r#"{"spec": ["bao"]}"#, "spec"),
        (Kind::Gateway, r#"{"spec": ["class", []]}"#, "spec"),
        (
            Kind::Gateway,
            r#"{"spec": {"listeners": [["tls", "TLS", null]]}}"#,
            "spec.listeners[0]",
        ),
        (Kind::GatewayClass, r#"{"status": [[]]}"#, "status"),
        (Kind::Namespace, r#"{"status": ["Active"]}"#, "status"),
    ] {
        let value: Value = serde_json::from_str(text).unwrap();
        let problem = match read::object_of(kind, &value) {
            Some(
                Object::Policy(Fact::Unreadable(broken))
                | Object::Restore(Fact::Unreadable(broken))
                | Object::Gateway(Fact::Unreadable(broken))
                | Object::GatewayClass(Fact::Unreadable(broken))
                | Object::Namespace(Fact::Unreadable(broken)),
            ) => broken.problems[0].clone(),
            other => panic!("{text} is read: {other:?}"),
        };
        assert_eq!(problem.path, path, "{text}");
        assert!(
            problem.problem.starts_with("expected an object"),
            "{problem:?}"
        );
    }
}
