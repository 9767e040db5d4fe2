//! Reviews that no API server sends, and invalid names: denied, never ignored.

use openbao_perimeter::admission::{Admission, Answer, WebhookKind};
use openbao_perimeter::audit::{Record, Resolution};
use serde_json::{Value, json};

use crate::support::{UID, admission, review, review_with};

fn answered(admission: &Admission, point: WebhookKind, review: &Value) -> (Answer, Value) {
    let answer = admission.answer(point, review.to_string().as_bytes());
    let mut body: Value = serde_json::from_slice(&answer.body).unwrap();
    (answer, body["response"].take())
}

/// Checks for a denial at both webhooks with the uid, with and without facts. Returns the message.
fn denied(review: &Value) -> String {
    let mut messages = Vec::new();
    for point in WebhookKind::ALL {
        for admission in [admission(), Admission::default().into()] {
            let (answer, response) = answered(&admission, point, review);
            assert_eq!(response["uid"], UID, "{review}");
            assert_eq!(response["allowed"], false, "{review}");
            assert_eq!(response["status"]["code"], 400, "{review}");
            let noted = Record {
                uid: UID.into(),
                ..Record::of(point, Resolution::Malformed)
            };
            assert_eq!((answer.record, answer.evidence), (noted, None), "{review}");
            messages.push(response["status"]["message"].as_str().unwrap().to_owned());
        }
    }
    messages.dedup();
    assert_eq!(messages.len(), 1, "{messages:?}");
    messages.remove(0)
}

fn gvk(group: &str, version: &str, kind: &str) -> Value {
    json!({"group": group, "version": version, "kind": kind})
}

fn gvr(group: &str, version: &str, resource: &str) -> Value {
    json!({"group": group, "version": version, "resource": resource})
}

#[test]
fn requests_that_no_api_server_sends_are_denied_and_not_taken_for_others() {
    let group = "networking.k8s.io";
    for (part, value, expected) in [
        ("operation", json!("PATCH"), "`CONNECT`, found `PATCH`"),
        ("operation", json!("create"), "found `create`"),
        ("operation", json!("DELETE "), "found `DELETE `"),
        ("operation", json!(""), "found ``"),
        (
            "kind",
            gvk(group, "v1", "networkpolicy"),
            "spelt `NetworkPolicy`",
        ),
        (
            "kind",
            gvk("Networking.k8s.io", "v1", "NetworkPolicy"),
            "found `NetworkPolicy` of `Networking.k8s.io`",
        ),
        ("kind", gvk("", "", ""), "expected a kind"),
        ("kind", gvk(group, "v1", "Ingress"), "of one type"),
        ("kind", gvk("", "v1", "NetworkPolicy"), "of one type"),
        (
            "kind",
            gvk(group, "v1beta1", "NetworkPolicy"),
            "of one type",
        ),
        (
            "resource",
            gvr(group, "v1", "NetworkPolicies"),
            "spelt `networkpolicies`",
        ),
        ("resource", gvr(group, "v1", "ingresses"), "of one type"),
        (
            "resource",
            gvr("openbao.org", "v1", "openbaoclusters"),
            "of one type",
        ),
        (
            "resource",
            gvr(group, "v2", "networkpolicies"),
            "of one type",
        ),
        ("namespace", json!(""), "expected `request.namespace`"),
        ("namespace", Value::Null, "expected `request.namespace`"),
    ] {
        let message = denied(&review_with(part, value.clone()));
        assert!(message.contains(expected), "{part} {value}: {message}");
    }
    let mut without = review();
    without["request"]
        .as_object_mut()
        .unwrap()
        .remove("namespace");
    denied(&without);
}

#[test]
fn another_spelling_is_denied_also_if_no_resource_is_named() {
    for kind in [
        gvk("networking.k8s.io", "v1", "networkPolicy"),
        gvk("openbao.org", "v1alpha1", "openbaocluster"),
        gvk("OPENBAO.org", "v1alpha1", "OpenBaoRestore"),
    ] {
        let mut review = review_with("kind", kind);
        review["request"]
            .as_object_mut()
            .unwrap()
            .remove("resource");
        denied(&review);
    }
}

#[test]
fn what_is_not_ours_passes_with_whatever_name_its_api_takes() {
    let reviews = [
        (
            gvk("rbac.authorization.k8s.io", "v1", "ClusterRole"),
            gvr("rbac.authorization.k8s.io", "v1", "clusterroles"),
            "",
        ),
        (
            gvk("crd.projectcalico.org", "v1", "NetworkPolicy"),
            gvr("crd.projectcalico.org", "v1", "networkpolicies"),
            "",
        ),
        (
            gvk("networking.k8s.io", "v1", "Ingress"),
            gvr("networking.k8s.io", "v1", "ingresses"),
            "",
        ),
        (
            gvk("autoscaling", "v1", "Scale"),
            gvr("openbao.org", "v1alpha1", "openbaoclusters"),
            "scale",
        ),
    ];
    for (kind, resource, subresource) in reviews {
        let mut review = review_with("kind", kind);
        review["request"]["resource"] = resource;
        review["request"]["subResource"] = json!(subresource);
        review["request"]["name"] = json!("system:Auth_Delegator");
        review["request"]["namespace"] = json!("");
        for point in WebhookKind::ALL {
            let (_, response) = answered(&admission(), point, &review);
            assert_eq!(response, json!({"uid": UID, "allowed": true}), "{review}");
        }
    }
}

/// The review with another name or namespace, in the request and in the object.
fn renamed(field: &str, text: &str) -> [Value; 2] {
    let in_request = review_with(field, json!(text));
    let mut in_object = review();
    in_object["request"]["object"]["metadata"][field] = json!(text);
    [in_request, in_object]
}

#[test]
fn an_invalid_name_is_denied_and_shown_escaped() {
    for (field, text, shown) in [
        ("name", "Web", "found `Web`"),
        ("name", "web_1", "found `web_1`"),
        ("name", "-web", "found `-web`"),
        ("name", "web/../x", "found `web/../x`"),
        (
            "name",
            "web\nINFO `Reviewed` \u{202e}",
            r"found `web\nINFO \u{60}Reviewed\u{60} \u{202e}`",
        ),
        ("namespace", "shop.a", "found `shop.a`"),
        ("namespace", "shop\u{1b}[31m", r"found `shop\u{1b}[31m`"),
    ] {
        for review in renamed(field, text) {
            let message = denied(&review);
            assert!(message.ends_with(shown), "{message}");
        }
    }
    for (field, length) in [("name", 254), ("namespace", 64), ("name", 5_000)] {
        for review in renamed(field, &"a".repeat(length)) {
            let message = denied(&review);
            let shown = format!("found `{}`", "a".repeat(length.min(100)));
            assert!(message.ends_with(&shown), "{message}");
        }
    }
}

#[test]
fn a_deletion_is_held_to_the_name_of_the_old_object() {
    let mut deletion = review_with("operation", json!("DELETE"));
    let request = deletion["request"].as_object_mut().unwrap();
    let object = request.insert("object".into(), Value::Null).unwrap();
    request.insert("oldObject".into(), object);
    // As in the deletion of a collection.
    request.insert("name".into(), json!(""));
    for dry_run in [false, true] {
        deletion["request"]["dryRun"] = json!(dry_run);
        let (answer, response) = answered(&admission(), WebhookKind::Validate, &deletion);
        assert_eq!(response["allowed"], true, "{response}");
        assert_eq!(answer.record.name, "web");
    }
    deletion["request"]["oldObject"]["metadata"]["name"] = json!("We b");
    let message = denied(&deletion);
    assert!(
        message.contains("`request.oldObject.metadata.name`"),
        "{message}"
    );
}

#[test]
fn a_name_that_the_server_is_to_make_may_be_absent() {
    let mut review = review_with("name", json!(""));
    review["request"]["object"]["metadata"] = json!({"generateName": "web-", "namespace": "shop"});
    let (answer, response) = answered(&admission(), WebhookKind::Validate, &review);
    assert_eq!(response["allowed"], true, "{response}");
    assert_eq!(answer.record.resolution, Resolution::Allow);
    let longest = format!("{}.{}", "a".repeat(189), "0".repeat(63));
    for review in [
        review_with("name", json!(longest)),
        review_with("name", json!("web.example-1.x")),
    ] {
        let (answer, _) = answered(&admission(), WebhookKind::Validate, &review);
        assert_ne!(answer.record.resolution, Resolution::Malformed);
    }
}
