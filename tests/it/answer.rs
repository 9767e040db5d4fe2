//! Responses for verdicts and repairs, and decoded requests.

use k8s_openapi::ByteString;
use netpol::Direction;
use netpol::rule::{PortEntry, Rule, Selector};
use openbao_perimeter::admission::decode::{Decoded, decode};
use openbao_perimeter::admission::{envelope, patch, respond};
use openbao_perimeter::config::EnforcementMode;
use openbao_perimeter::inventory::Policy;
use openbao_perimeter::inventory::{Fact, Kind, ObjectRef};
use openbao_perimeter::review::{Edit, Operation, Repair, Repairs, Request, Subject, Verdict};
use openbao_perimeter::rules::{Code, Finding, Level};
use serde_json::{Value, json};

use crate::support::{UID, review, review_with};

fn finding(level: Level, number: usize) -> Finding {
    let object = ObjectRef {
        kind: Kind::NetworkPolicy,
        namespace: "bao".into(),
        name: "open".into(),
    };
    let path = format!("spec.ingress[{number}]");
    Finding {
        reason: "lets everyone in".into(),
        ..Finding::new(Code::Obp201, level, &object, path)
    }
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

#[test]
fn a_denial_has_code_reason_and_one_cause_per_finding() {
    let verdict = Verdict::new(vec![finding(Level::Deny, 0), finding(Level::Deny, 1)]);
    let response = json(&respond::reviewed(
        UID,
        &verdict,
        Some("v0.1"),
        EnforcementMode::Deny,
    ))["response"]
        .clone();
    assert_eq!(response["allowed"], false);
    let status = &response["status"];
    assert_eq!(status["code"], 403);
    assert_eq!(status["reason"], "Forbidden");
    assert_eq!(status["status"], "Failure");
    let first = json!({
        "reason": "OBP201", "field": "spec.ingress[0]", "message": "lets everyone in"
    });
    assert_eq!(status["details"]["causes"][0], first);
    assert_eq!(status["details"]["causes"].as_array().unwrap().len(), 2);
    let notes = json!({"verdict": "deny", "codes": "OBP201", "baseline": "v0.1"});
    assert_eq!(response["auditAnnotations"], notes);
}

#[test]
fn warnings_beyond_ten_are_counted() {
    for (findings, lines, last) in [(1, 1, None), (10, 10, None), (13, 11, Some("and 3 more"))] {
        let verdict = Verdict::new((0..findings).map(|at| finding(Level::Warn, at)).collect());
        let response = json(&respond::reviewed(
            UID,
            &verdict,
            None,
            EnforcementMode::Deny,
        ))["response"]
            .clone();
        let warnings = response["warnings"].as_array().unwrap();
        assert_eq!(response["allowed"], true);
        assert_eq!(warnings.len(), lines, "{findings}");
        if let Some(last) = last {
            assert_eq!(warnings[lines - 1], last);
        }
    }
}

fn decoded(review: &Value) -> Request {
    let body = review.to_string();
    match decode(&envelope::open(body.as_bytes()).unwrap()) {
        Decoded::Reviewed(request) => request,
        Decoded::Untouched | Decoded::Malformed(_) => panic!("expected {body} to be judged"),
    }
}

fn policy(request: &Request) -> &Edit<Policy> {
    match &request.subject {
        Subject::Policy(edit) => edit,
        _ => panic!("expected a policy"),
    }
}

#[test]
fn a_deletion_without_a_name_is_named_by_the_old_object() {
    let mut review = review_with("operation", json!("DELETE"));
    let request = review["request"].as_object_mut().unwrap();
    let object = request.insert("object".into(), Value::Null).unwrap();
    request.insert("oldObject".into(), object);
    request.remove("name");
    let request = decoded(&review);
    let edit = policy(&request);
    assert_eq!(request.operation, Operation::Delete);
    assert_eq!(
        (&*edit.object.namespace, &*edit.object.name),
        ("shop", "web")
    );
    assert!(edit.after.is_none() && edit.before.as_ref().unwrap().read().is_some());
}

#[test]
fn an_object_that_is_not_the_one_named_is_unreadable() {
    for (part, path) in [
        ("name", "metadata.name"),
        ("namespace", "metadata.namespace"),
    ] {
        let request = decoded(&review_with(part, json!("other")));
        let Some(Fact::Unreadable(broken)) = &policy(&request).after else {
            panic!("expected {part} to make it unreadable");
        };
        assert_eq!(broken.problems[0].path, path);
    }
}

#[test]
fn a_missing_or_broken_object_and_an_unknown_version_are_unreadable() {
    let v2 = json!({"group": "networking.k8s.io", "version": "v2", "kind": "NetworkPolicy"});
    for (part, value) in [
        ("object", Value::Null),
        ("object", json!(7)),
        ("object", json!({"metadata": {"name": 1}})),
        (
            "object",
            json!({"metadata": {"name": "web"}, "spec": {"ingress": "all"}}),
        ),
        ("kind", v2),
    ] {
        let mut review = review_with(part, value.clone());
        // An API server sets the version in both.
        review["request"]["resource"]["version"] = review["request"]["kind"]["version"].clone();
        let request = decoded(&review);
        let edit = policy(&request);
        assert!(matches!(edit.after, Some(Fact::Unreadable(_))), "{value}");
        assert_eq!(&*edit.object.name, "web", "{value}");
    }
}

#[test]
fn a_spec_is_compared_as_a_value_also_where_it_cannot_be_read() {
    let broken = json!({"podSelector": 7, "x": [1]});
    let spec = review()["request"]["object"]["spec"].clone();
    let wider = json!({"podSelector": {}, "policyTypes": ["Ingress"]});
    for (old, new, changed) in [
        (spec.clone(), spec.clone(), false),
        (spec.clone(), wider, true),
        (broken.clone(), broken.clone(), false),
        (broken.clone(), json!({"podSelector": 7, "x": [2]}), true),
        (spec, broken, true),
        (Value::Null, Value::Null, false),
    ] {
        let mut review = review_with("operation", json!("UPDATE"));
        review["request"]["oldObject"] = review["request"]["object"].clone();
        review["request"]["oldObject"]["spec"] = old.clone();
        review["request"]["object"]["spec"] = new.clone();
        let request = decoded(&review);
        assert_eq!(policy(&request).spec_changed, changed, "{old} -> {new}");
    }
    // A different order of keys and different whitespace are no change.
    let (old, new) = (
        r#"{"podSelector":7,"x":1}"#,
        r#"{ "x":1, "podSelector":7 }"#,
    );
    let body = review_with("operation", json!("UPDATE"))
        .to_string()
        .replace(
            r#""oldObject":null"#,
            &format!(r#""oldObject":{{"spec":{old}}}"#),
        );
    let at = body.find(r#""spec":{"podSelector":{"#).unwrap();
    let end = at + body[at..].find(r#""Ingress"]}"#).unwrap() + r#""Ingress"]}"#.len();
    let body = format!(r#"{}"spec":{new}{}"#, &body[..at], &body[end..]);
    let Decoded::Reviewed(request) = decode(&envelope::open(body.as_bytes()).unwrap()) else {
        panic!("expected {body} to be judged");
    };
    assert!(!policy(&request).spec_changed, "{body}");
}

/// The object after the patch in the response.
fn patched(spec: Value, repairs: Vec<Repair>) -> (Value, Value) {
    let mut review = review_with("operation", json!("UPDATE"));
    review["request"]["object"]["spec"] = spec;
    review["request"]["oldObject"] = review["request"]["object"].clone();
    let body = review.to_string();
    let envelope = envelope::open(body.as_bytes()).unwrap();
    let repairs = Repairs {
        repairs,
        warnings: vec!["restored".into()],
        ..Repairs::default()
    };
    let patch = patch::patch(&repairs, &decoded(&review), envelope.object).unwrap();
    let response =
        json(&respond::repaired(UID, Some(&patch), &repairs.warnings))["response"].clone();
    assert_eq!(response["patchType"], "JSONPatch");
    assert_eq!(response["warnings"], json!(["restored"]));
    let bytes: ByteString = serde_json::from_value(response["patch"].clone()).unwrap();
    let patch: json_patch::Patch = serde_json::from_slice(&bytes.0).unwrap();
    let mut object = review["request"]["object"].clone();
    json_patch::patch(&mut object, &patch).unwrap();
    (object["spec"].clone(), serde_json::to_value(patch).unwrap())
}

fn rule(port: u16) -> Rule {
    Rule {
        peers: Vec::new(),
        ports: vec![PortEntry::tcp(port)],
    }
}

#[test]
fn rules_are_inserted_and_nothing_of_the_users_is_touched() {
    let written = json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 1}]}]});
    let back = |direction, at, port| Repair::Rule {
        direction,
        at,
        rule: rule(port),
    };
    let repairs = vec![
        back(Direction::Ingress, 0, 8200),
        back(Direction::Ingress, 2, 8201),
        back(Direction::Egress, 0, 53),
        back(Direction::Egress, 1, 443),
        egress_type(1),
    ];
    let (spec, patch) = patched(written, repairs);
    assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(spec["ingress"][1], json!({"ports": [{"port": 1}]}));
    let ports = |list: &Value| -> Vec<u64> {
        let rules = list.as_array().unwrap().iter();
        rules
            .map(|rule| rule["ports"][0]["port"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(ports(&spec["ingress"]), [8200, 1, 8201]);
    assert_eq!(ports(&spec["egress"]), [53, 443]);
    let paths: Vec<&str> = patch
        .as_array()
        .unwrap()
        .iter()
        .map(|operation| operation["path"].as_str().unwrap())
        .collect();
    let expected = [
        "/spec/policyTypes/1",
        "/spec/ingress/0",
        "/spec/ingress/2",
        "/spec/egress",
        "/spec/egress/1",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn a_selector_is_replaced_or_added() {
    let selector = Selector::labels([("app", "bao")]);
    for (written, operation) in [
        (
            json!({"podSelector": {"matchLabels": {"app": "x"}}}),
            "replace",
        ),
        (json!({}), "add"),
    ] {
        let (spec, patch) = patched(written, vec![Repair::PodSelector(selector.clone())]);
        assert_eq!(spec["podSelector"], json!({"matchLabels": {"app": "bao"}}));
        assert_eq!(patch[0]["op"], operation);
    }
}

#[test]
fn writing_one_missing_policy_type_keeps_the_defaulted_one() {
    for written in [
        json!({"podSelector": {}}),
        json!({"podSelector": {}, "policyTypes": []}),
    ] {
        let (spec, _) = patched(written, vec![egress_type(1)]);
        assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
    }
}

#[test]
fn a_policy_type_that_is_there_twice_leaves_room_for_the_other() {
    let written = json!({"podSelector": {}, "policyTypes": ["Ingress", "Ingress"]});
    let (spec, _) = patched(written, vec![egress_type(1)]);
    assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
}

fn egress_type(at: usize) -> Repair {
    Repair::PolicyType {
        direction: Direction::Egress,
        at,
    }
}
