//! Writes of the operator that change nothing are not sent to the webhook. Every change is sent, even if the
//! compared fields are absent.

use serde_json::{Value, json};

use super::stage::{LIMIT, Scene, plane};
use crate::control_plane::wait_until;
use crate::example;

const NAME: &str = "written-again";
const GARBAGE_COLLECTOR: &str = "system:serviceaccount:kube-system:generic-garbage-collector";

/// Number of writes of this object by this account that the server has reviewed.
fn judged(scene: &Scene, user: &str, operation: &str) -> usize {
    let printed = scene.guard().printed();
    let of_namespace = format!("\"{}\"", scene.namespace);
    let words = ["Reviewed", &of_namespace, user, operation];
    let lines = printed.lines();
    lines
        .filter(|line| words.iter().all(|word| line.contains(word)))
        .count()
}

/// A policy of the scene with this metadata and spec. Null leaves them out.
fn policy(scene: &Scene, metadata: &Value, spec: &Value) -> Value {
    let mut policy = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": NAME, "namespace": scene.namespace}});
    for (key, value) in metadata.as_object().expect("fields") {
        policy["metadata"][key] = value.clone();
    }
    if !spec.is_null() {
        policy["spec"] = spec.clone();
    }
    policy
}

/// Replaces the policy, as this account.
fn replace(user: &str, policy: &Value) {
    let replace = plane().kubectl(["replace", "-f", "-"]);
    replace.as_user(user).stdin(&policy.to_string()).run_ok();
}

/// Errors and exclusions of the match conditions, as counted by the API server.
fn counted(what: &str) -> u64 {
    let metrics = plane().kubectl(["get", "--raw", "/metrics"]).run_ok();
    let name = format!("apiserver_admission_match_condition_{what}_total{{");
    let ours = metrics
        .lines()
        .filter(|line| line.starts_with(&name) && line.contains("controllers.perimeter"));
    ours.map(|line| line.rsplit(' ').next().unwrap_or_default())
        .map(|count| count.parse::<u64>().expect("a number"))
        .sum()
}

/// A series of writes, from absent fields to present ones and back, each with the expected review.
fn writes(scene: &Scene) -> Vec<(&'static str, bool, Value)> {
    let cluster = scene.stored("openbaocluster", "bao").expect("a cluster");
    let owner = |controller: bool| {
        json!([{"apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster", "name": "bao",
            "uid": cluster["metadata"]["uid"], "controller": controller}])
    };
    let web = json!({"podSelector": {"matchLabels": {"app": "web"}}});
    let shop = json!({"podSelector": {"matchLabels": {"app": "shop"}}});
    let rules = |at: usize| {
        let rules = (1..=at).map(|port| json!({"ports": [{"port": port}]}));
        json!({"podSelector": {"matchLabels": {"app": "web"}}, "ingress": rules.collect::<Vec<_>>()})
    };
    let with = |metadata: Value, spec: &Value| policy(scene, &metadata, spec);
    let noted = |at: u32| json!({"annotations": {"at": at.to_string()}});
    vec![
        (
            "nothing but an annotation, all absent",
            false,
            with(noted(1), &Value::Null),
        ),
        ("a spec appears", true, with(noted(1), &web)),
        (
            "labels and owners absent, another spec",
            true,
            with(noted(1), &shop),
        ),
        (
            "labels and owners absent, the same spec",
            false,
            with(noted(2), &shop),
        ),
        (
            "labels appear",
            true,
            with(json!({"labels": {"a": "b"}}), &shop),
        ),
        (
            "the same labels",
            false,
            with(
                json!({"labels": {"a": "b"}, "finalizers": ["a.example/b"]}),
                &shop,
            ),
        ),
        (
            "other labels",
            true,
            with(json!({"labels": {"a": "c"}}), &shop),
        ),
        ("labels vanish", true, with(json!({}), &shop)),
        (
            "owners appear",
            true,
            with(json!({"ownerReferences": owner(false)}), &shop),
        ),
        (
            "the same owners",
            false,
            with(
                json!({"ownerReferences": owner(false), "annotations": {"a": "b"}}),
                &shop,
            ),
        ),
        (
            "another kind of owner",
            true,
            with(json!({"ownerReferences": owner(true)}), &shop),
        ),
        ("owners vanish", true, with(json!({}), &shop)),
        ("a spec vanishes", true, with(json!({}), &Value::Null)),
        ("many rules", true, with(json!({}), &rules(8_000))),
        ("the same many rules", false, with(noted(3), &rules(8_000))),
        ("one more", true, with(noted(3), &rules(8_001))),
    ]
}

#[test]
fn only_changes_of_spec_labels_or_owners_are_reviewed_and_no_absent_field_is_an_error() {
    let scene = Scene::with_cluster("written-again");
    for user in [example::OPERATOR, GARBAGE_COLLECTOR] {
        let first = policy(&scene, &json!({}), &Value::Null);
        plane().apply_ok(&first.to_string());
        let mut expected = judged(&scene, user, "UPDATE");
        for (what, is_judged, policy) in writes(&scene) {
            let skipped = counted("exclusions");
            replace(user, &policy);
            if is_judged {
                expected += 1;
                wait_until(what, LIMIT, || {
                    (judged(&scene, user, "UPDATE") == expected).then_some(())
                });
            } else {
                // Counted before the write is answered. No other write is in progress.
                assert!(counted("exclusions") > skipped, "{user}: {what}");
                assert_eq!(judged(&scene, user, "UPDATE"), expected, "{user}: {what}");
            }
        }
        scene.admin(&["delete", "networkpolicy", NAME]).run_ok();
    }
    assert_eq!(counted("evaluation_errors"), 0);
}

#[test]
fn a_policy_that_the_operator_applies_again_is_not_reviewed_again() {
    let scene = Scene::with_cluster("applied-again");
    scene.render();
    wait_until("both creations are judged", LIMIT, || {
        (judged(&scene, example::OPERATOR, "CREATE") == 2).then_some(())
    });
    let skipped = counted("exclusions");
    for _ in 0..3 {
        scene.render();
    }
    assert!(counted("exclusions") >= skipped + 6);
    assert_eq!(judged(&scene, example::OPERATOR, "UPDATE"), 0);
    // An OpenBaoCluster's spec is not compared, and a deletion has no object.
    let note = ["annotate", "openbaocluster", "bao", "a=b"];
    scene.admin(&note).as_user(example::OPERATOR).run_ok();
    let delete = ["delete", "networkpolicy", "bao-network-policy"];
    scene.admin(&delete).as_user(example::OPERATOR).run_ok();
    wait_until("both are judged", LIMIT, || {
        let done = ["UPDATE", "DELETE"].map(|what| judged(&scene, example::OPERATOR, what));
        (done == [1, 1]).then_some(())
    });
}
