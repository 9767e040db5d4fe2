//! Objects that cannot be decoded, and the metadata that is kept.

use openbao_perimeter::inventory::{Fact, Kind, Malformed, Owner, read};
use serde_json::json;

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
            r#"expected a sequence, found string "all""#
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
        assert_eq!(
            broken.problems[0].problem,
            "expected an object, found sequence"
        );
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
