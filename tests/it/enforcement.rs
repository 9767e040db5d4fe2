//! The cap over answers: decisions stay, denials are not enforced.

use std::sync::Arc;

use k8s_openapi::jiff::civil::{Date, date};
use openbao_perimeter::admission::{Admission, Answer, Protocol, Rejection, WebhookKind};
use openbao_perimeter::audit::{Metrics, Resolution};
use openbao_perimeter::config::{EnforcementMode, ReviewConfig};
use openbao_perimeter::review::CompiledSnapshot;
use openbao_perimeter::settings::ServerConfig;
use openbao_perimeter::sources::files;
use serde_json::{Value, json};

use crate::support::{review, review_with};

const TODAY: Date = date(2026, 12, 1);
const DENIED: &str = include_str!("../../manifests/examples/reviews/refused.json");
const REPAIRED: &str = include_str!("../../manifests/examples/reviews/repaired.json");

/// The configuration of a settings file with these keys below `review`.
fn config(review: &str) -> ReviewConfig {
    let text = format!("review: {{{review}}}");
    let settings: ServerConfig = serde_saphyr::from_str(&text).unwrap();
    settings.review_config().unwrap().on(TODAY)
}

/// A handler with the facts of the example.
fn admission(config: ReviewConfig) -> Admission {
    let config = Arc::new(config);
    let facts = files::load("manifests/examples/inventory".as_ref()).unwrap();
    let admission = Admission::new(Arc::clone(&config));
    admission.publish(CompiledSnapshot::compile(None, Arc::new(facts), config));
    admission
}

/// A handler without facts: OBP403.
fn without_facts(config: ReviewConfig) -> Admission {
    Admission::new(Arc::new(config))
}

fn response(answer: &Answer) -> Value {
    assert_eq!(answer.protocol, Protocol::Review);
    let review: Value = serde_json::from_slice(&answer.body).unwrap();
    review["response"].clone()
}

fn warnings(response: &Value) -> Vec<&str> {
    let lines = response["warnings"].as_array().into_iter().flatten();
    lines.filter_map(Value::as_str).collect()
}

/// Every denial: its name, and the answer under a configuration.
fn denials(config: &ReviewConfig) -> Vec<(&'static str, Answer)> {
    let validate = WebhookKind::Validate;
    let mut answers = vec![
        (
            "OBP201",
            admission(config.clone()).answer(validate, DENIED.as_bytes()),
        ),
        (
            "OBP403",
            without_facts(config.clone()).answer(validate, review().to_string().as_bytes()),
        ),
        (
            "malformed",
            admission(config.clone()).answer(
                validate,
                review_with("kind", json!(7)).to_string().as_bytes(),
            ),
        ),
    ];
    let body = review().to_string();
    for why in [
        Rejection::Overloaded,
        Rejection::TooLate,
        Rejection::TooSlow,
        Rejection::Panicked,
    ] {
        let answer = admission(config.clone()).rejected(validate, body.as_bytes(), why);
        answers.push(("without a verdict", answer));
    }
    answers
}

#[test]
fn a_cap_allows_every_denial_and_says_it_in_the_audit_annotations() {
    for (what, answer) in denials(&config("")) {
        let response = response(&answer);
        assert_eq!(response["allowed"], false, "{what}");
        assert!(response["auditAnnotations"]["would"].is_null(), "{what}");
        assert!(answer.record.is_denial(), "{what}");
    }
    for mode in ["warn", "audit"] {
        for (what, answer) in denials(&config(&format!("enforcement: {mode}"))) {
            let response = response(&answer);
            assert_eq!(response["uid"], json!(answer.record.uid), "{what}");
            assert_eq!(response["allowed"], true, "{what}");
            assert!(response["status"].is_null(), "{what}");
            let notes = &response["auditAnnotations"];
            assert_eq!(
                (&notes["verdict"], &notes["would"]),
                (&json!("allow"), &json!("deny"))
            );
            assert_eq!(notes["enforcement"], mode, "{what}");
            let lines = warnings(&response);
            let is_said = lines
                .iter()
                .any(|line| line.starts_with("would be denied: "));
            assert_eq!(is_said, mode == "warn", "{what}: {lines:?}");
            assert_eq!(lines.is_empty(), mode == "audit", "{what}: {lines:?}");
            assert!(!answer.record.is_denial(), "{what}");
            // The decision is still what it was.
            assert_ne!(answer.record.resolution, Resolution::Allow, "{what}");
        }
    }
}

#[test]
fn the_warning_in_place_of_a_denial_has_code_field_and_reason() {
    let answer =
        admission(config("enforcement: warn")).answer(WebhookKind::Validate, DENIED.as_bytes());
    let response = response(&answer);
    let first = warnings(&response)[0];
    assert!(
        first.starts_with("would be denied: OBP201 spec.ingress[0]: "),
        "{first}"
    );
    assert!(first.chars().count() <= 256, "{first}");
    assert_eq!(response["auditAnnotations"]["codes"], "OBP201");
}

#[test]
fn a_body_that_is_too_large_stays_an_http_error() {
    let answer = admission(config("enforcement: audit")).rejected(
        WebhookKind::Validate,
        review().to_string().as_bytes(),
        Rejection::TooLarge(1),
    );
    assert_eq!(answer.protocol, Protocol::NotAReview);
}

#[test]
fn under_a_cap_nothing_is_mutated() {
    let repaired = |review: &str| {
        let answer = admission(config(review)).answer(WebhookKind::Mutate, REPAIRED.as_bytes());
        (response(&answer), answer.record)
    };
    let (response, record) = repaired("");
    assert!(response["patch"].is_string() && record.resolution == Resolution::Repair);
    let (response, _) = repaired("enforcement: warn");
    assert!(response["patch"].is_null() && response["patchType"].is_null());
    assert_eq!(response["auditAnnotations"]["would"], "repair");
    let lines = warnings(&response);
    assert!(
        !lines.is_empty()
            && lines
                .iter()
                .all(|line| line.starts_with("would be repaired: "))
    );
    let (response, _) = repaired("enforcement: audit");
    assert!(response["patch"].is_null() && warnings(&response).is_empty());
    assert_eq!(response["auditAnnotations"]["would"], "repair");
}

#[test]
fn the_first_entry_of_a_namespace_counts_until_its_last_day() {
    let entries = "enforcementByNamespace: [
        {namespaces: [shop, 'dev-*'], enforcement: warn, until: 2026-12-01},
        {namespaces: ['dev-*'], enforcement: audit, until: 2027-01-31},
        {namespaces: ['prod-*'], enforcement: deny}]";
    let (deny, warn, audit) = (
        EnforcementMode::Deny,
        EnforcementMode::Warn,
        EnforcementMode::Audit,
    );
    let strict = config(entries);
    let lax = config(&format!("enforcement: audit, {entries}"));
    for (namespace, today, of_strict, of_lax) in [
        ("shop", TODAY, warn, warn),
        ("shop", date(2026, 12, 2), deny, audit),
        ("shopping", TODAY, deny, audit),
        ("dev-1", TODAY, warn, warn),
        ("dev-1", date(2026, 12, 2), audit, audit),
        ("dev-1", date(2027, 2, 1), deny, audit),
        ("dev", TODAY, deny, audit),
        ("prod-1", date(2099, 1, 1), deny, deny),
        // A write without a namespace follows the global value.
        ("", TODAY, deny, audit),
    ] {
        let strict = strict.clone().on(today).enforcement_in(namespace);
        let lax = lax.clone().on(today).enforcement_in(namespace);
        assert_eq!((strict, lax), (of_strict, of_lax), "{namespace} {today}");
    }
    // Without a date no exemption counts.
    let undated = ReviewConfig {
        today: None,
        ..strict
    };
    assert_eq!(undated.enforcement_in("shop"), deny);
}

#[test]
fn a_namespace_is_warned_and_its_neighbour_is_denied() {
    let admission = without_facts(config(
        "enforcementByNamespace: [{namespaces: ['dev-*'], enforcement: warn, until: 2027-01-31}]",
    ));
    for (namespace, allowed) in [("dev-1", true), ("prod", false)] {
        for body in [
            review_with("namespace", json!(namespace)),
            // The namespace of a malformed review is known as well.
            {
                let mut review = review_with("namespace", json!(namespace));
                review["request"]["userInfo"] = json!([]);
                review
            },
        ] {
            let answer = admission.answer(WebhookKind::Validate, body.to_string().as_bytes());
            assert_eq!(response(&answer)["allowed"], allowed, "{namespace}");
        }
    }
}

#[test]
fn an_exemption_has_namespaces_and_an_end() {
    for (text, expected) in [
        ("enforcement: dryrun", "expected one of deny, warn, audit"),
        (
            "enforcementByNamespace: [{namespaces: [a], enforcement: warn}]",
            "`until` with the last day of `warn`",
        ),
        (
            "enforcementByNamespace: [{namespaces: [], enforcement: deny}]",
            "at least one name",
        ),
        (
            "enforcementByNamespace: [{namespaces: ['*'], enforcement: deny}]",
            "found `*`",
        ),
        (
            "enforcementByNamespace: [{namespaces: ['a*b'], enforcement: deny}]",
            "found `a*b`",
        ),
        (
            "enforcementByNamespace: [{namespaces: [a], enforcement: warn, until: tomorrow}]",
            "a date such as `2027-03-31`, found `tomorrow`",
        ),
    ] {
        let text = format!("review: {{{text}}}");
        let settings: Result<ServerConfig, _> = serde_saphyr::from_str(&text);
        let problem = match settings {
            Ok(settings) => settings.review_config().unwrap_err().to_string(),
            Err(problem) => problem.to_string(),
        };
        assert!(problem.contains(expected), "{text}: {problem}");
    }
}

#[test]
fn what_would_be_denied_is_counted_by_code() {
    let metrics = Metrics::new();
    let answer =
        admission(config("enforcement: audit")).answer(WebhookKind::Validate, DENIED.as_bytes());
    metrics.reviewed(&answer.record, std::time::Duration::ZERO);
    metrics.enforces(EnforcementMode::Audit);
    let text = metrics.text().unwrap();
    for sample in [
        "openbao_perimeter_would_deny_total{code=\"OBP201\"} 1",
        "outcome=\"would-deny\"} 1",
        "openbao_perimeter_enforcement{value=\"audit\"} 1",
        "openbao_perimeter_enforcement{value=\"deny\"} 0",
    ] {
        assert!(text.contains(sample), "{sample}: {text}");
    }
}
