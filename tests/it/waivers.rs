//! Waivers of the settings: known findings that warn until a day.

use std::fs;
use std::sync::Arc;

use k8s_openapi::jiff::civil::{Date, date};
use openbao_perimeter::admission::{Admission, WebhookKind};
use openbao_perimeter::audit::Metrics;
use openbao_perimeter::config::ReviewConfig;
use openbao_perimeter::review::CompiledSnapshot;
use openbao_perimeter::settings::ServerConfig;
use openbao_perimeter::sources::files;
use serde_json::Value;

use crate::cli::Serving;
use crate::cli_views::INVENTORY;
use crate::support::{fetch, folder, run_with};

const DENIED: &str = include_str!("../../manifests/examples/reviews/refused.json");
const WAIVER: &str = "{codes: [OBP201], namespace: bao, object: NetworkPolicy/NAME, \
    reason: 'PROJ-812, moves to trustedIngressPeers', until: 2027-01-31}";

/// The name of the policy that the example review writes.
fn name() -> String {
    let review: Value = serde_json::from_str(DENIED).unwrap();
    review["request"]["object"]["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn waiver() -> String {
    WAIVER.replace("NAME", &name())
}

fn settings(waivers: &str) -> Result<ServerConfig, String> {
    let text = format!("review: {{waivers: [{waivers}]}}");
    serde_saphyr::from_str(&text).map_err(|error| error.to_string())
}

fn config(waivers: &str, today: Date) -> ReviewConfig {
    settings(waivers)
        .unwrap()
        .review_config()
        .unwrap()
        .on(today)
}

/// The response to the example review, with the facts of the example.
fn answer(config: ReviewConfig, metrics: &Metrics) -> Value {
    let config = Arc::new(config);
    let facts = files::load("manifests/examples/inventory".as_ref()).unwrap();
    let admission = Admission::new(Arc::clone(&config));
    admission.publish(CompiledSnapshot::compile(None, Arc::new(facts), config));
    let answer = admission.answer(WebhookKind::Validate, DENIED.as_bytes());
    metrics.reviewed(&answer.record, std::time::Duration::ZERO);
    let review: Value = serde_json::from_slice(&answer.body).unwrap();
    review["response"].clone()
}

#[test]
fn a_waived_finding_warns_with_its_code_until_its_last_day() {
    let metrics = Metrics::new();
    for (today, allowed) in [
        (date(2026, 12, 1), true),
        (date(2027, 1, 31), true),
        (date(2027, 2, 1), false),
    ] {
        let response = answer(config(&waiver(), today), &metrics);
        assert_eq!(response["allowed"], allowed, "{today}");
        if allowed {
            let warning = response["warnings"][0].as_str().unwrap();
            assert!(warning.starts_with("OBP201 "), "{warning}");
            assert!(
                warning
                    .ends_with("; waived until 2027-01-31: PROJ-812, moves to trustedIngressPeers"),
                "{warning}"
            );
            assert!(warning.chars().count() <= 256, "{warning}");
            assert_eq!(response["auditAnnotations"]["codes"], "OBP201");
        }
    }
    let text = metrics.text().unwrap();
    let counted = "openbao_perimeter_waived_total{code=\"OBP201\"} 2";
    assert!(text.contains(counted), "{text}");
    // Without a date nothing is waived.
    let undated = settings(&waiver()).unwrap().review_config().unwrap();
    assert_eq!(answer(undated, &metrics)["allowed"], false);
}

#[test]
fn only_the_named_object_cluster_and_code_are_waived() {
    let today = date(2026, 12, 1);
    let by_cluster = waiver().replace(&format!("object: NetworkPolicy/{}", name()), "cluster: bao");
    for (waiver, allowed) in [
        (by_cluster.clone(), true),
        (by_cluster.replace("cluster: bao", "cluster: other"), false),
        (waiver().replace("OBP201", "ingress-beyond-ceiling"), true),
        (
            waiver().replace("NetworkPolicy/", "NetworkPolicy.networking.k8s.io/"),
            true,
        ),
        (
            waiver().replace("NetworkPolicy/", "NetworkPolicy.projectcalico.org/"),
            false,
        ),
        (waiver().replace("OBP201", "OBP202"), false),
        (waiver().replace("namespace: bao", "namespace: shop"), false),
        (waiver().replace(&name(), "other"), false),
    ] {
        let response = answer(config(&waiver, today), &Metrics::new());
        assert_eq!(response["allowed"], allowed, "{waiver}");
    }
}

#[test]
fn a_waiver_that_says_too_little_or_too_much_is_an_error_at_its_key() {
    let long = format!("'{}'", "x".repeat(501));
    for (from, to, key, expected) in [
        ("OBP201", "'OBP2*'", "", "found `OBP2*`"),
        (
            "[OBP201]",
            "[]",
            "review.waivers[0].codes",
            "at least one code",
        ),
        (
            "OBP201",
            "OBP403",
            "review.waivers[0].codes",
            "other than OBP401 to OBP403",
        ),
        (
            "OBP201",
            "OBP101",
            "review.waivers[0].object",
            "`cluster` instead of `object`",
        ),
        (
            "'PROJ-812, moves to trustedIngressPeers'",
            "soon",
            "review.waivers[0].reason",
            "10 to 500 characters",
        ),
        (
            "'PROJ-812, moves to trustedIngressPeers'",
            &long,
            "review.waivers[0].reason",
            "found `501`",
        ),
        (
            "namespace: bao, ",
            "",
            "review.waivers[0].namespace",
            "the namespace of the object",
        ),
        ("object: NetworkPolicy/open", "x: 1", "", "unknown field"),
        (
            "NetworkPolicy/open",
            "NetworkPolicy",
            "",
            "`NetworkPolicy/web`",
        ),
        (
            "NetworkPolicy/open",
            "Secret/open",
            "review.waivers[0].object",
            "a kind that openbao-perimeter reads",
        ),
        (
            "NetworkPolicy/open",
            "ClusterNetworkPolicy/open",
            "review.waivers[0].namespace",
            "no namespace for a cluster-scoped object",
        ),
        (
            "object: NetworkPolicy/open, ",
            "",
            "review.waivers[0].object",
            "one of `object` and `cluster`",
        ),
        (
            "object:",
            "cluster: bao, object:",
            "review.waivers[0].cluster",
            "one of `object` and `cluster`",
        ),
        ("until: 2027-01-31", "until: soon", "", "a date such as"),
    ] {
        let text = WAIVER.replace("NAME", "open");
        assert!(text.contains(from), "{from}");
        let text = text.replace(from, to);
        let problem = match settings(&text) {
            Ok(settings) => settings.review_config().unwrap_err().to_string(),
            Err(problem) => problem,
        };
        assert!(
            problem.contains(key) && problem.contains(expected),
            "{text}: {problem}"
        );
    }
    let many = vec![waiver(); 101].join(", ");
    let problem = settings(&many)
        .unwrap()
        .review_config()
        .unwrap_err()
        .to_string();
    assert!(problem.contains("at most 100 waivers"), "{problem}");
}

#[test]
fn check_reports_what_is_waived_and_what_has_expired_on_a_day() {
    let folder = folder("waivers-check");
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let review: Value = serde_json::from_str(DENIED).unwrap();
    let policy = write("policy.yaml", &review["request"]["object"].to_string());
    let settings = write(
        "settings.yaml",
        &format!("review: {{waivers: [{}]}}\n", waiver()),
    );
    let check = |day: &str| {
        let args = [
            "check",
            &policy,
            "--inventory",
            INVENTORY,
            "--config",
            &settings,
            "--now",
            day,
        ];
        run_with(&[], &args)
    };
    let (status, out, err) = check("2026-12-01");
    assert_eq!(status, Some(0), "{out}{err}");
    assert!(out.contains("waived until 2027-01-31: PROJ-812"), "{out}");
    assert!(!out.contains("OBP701") && !out.contains("OBP702"), "{out}");
    let (status, out, _) = check("2027-01-20");
    assert!(status == Some(0) && out.contains("note[OBP701]"), "{out}");
    let (status, out, _) = check("2027-02-01");
    assert!(status == Some(1) && out.contains("denied[OBP201]"), "{out}");
    assert!(
        out.contains("warning[OBP701]") && out.contains("ended after 2027-01-31"),
        "{out}"
    );
    // More than a year ahead.
    let (status, _, err) = check("2025-01-01");
    assert!(
        status == Some(2) && err.contains("review.waivers[0].until"),
        "{err}"
    );
    let (_, out, err) = run_with(
        &[],
        &[
            "show",
            "--inventory",
            INVENTORY,
            "-f",
            &policy,
            "--config",
            &settings,
        ],
    );
    assert!(
        out.contains("waived until") || out.contains("OBP201"),
        "{out}{err}"
    );
}

/// The server starts although a waiver has expired, and says so.
#[tokio::test]
async fn an_expired_waiver_stops_no_start_and_is_reported() {
    let expired = waiver().replace("2027-01-31", "2026-01-31");
    let text = format!(
        "review: {{waivers: [{expired}, {}]}}\n",
        waiver().replace("2027-01-31", "2099-01-31")
    );
    let serving = Serving::configured(
        "waivers-expired",
        &format!(
            "{}\n",
            text.replace("review: {", "review: {maxWaiverDays: 60000, ")
        ),
    )
    .await;
    let (_, verbose) = fetch(serving.probes, "/readyz?verbose").await;
    assert!(
        verbose.contains("[!]waivers warning: the waiver of OBP201 for NetworkPolicy/"),
        "{verbose}"
    );
    assert!(verbose.contains("ended after 2026-01-31"), "{verbose}");
    let (_, metrics) = fetch(serving.metrics, "/metrics").await;
    for sample in [
        "waivers{state=\"expired\"} 1",
        "waivers{state=\"active\"} 1",
        "waivers{state=\"ending\"} 0",
    ] {
        assert!(
            metrics.contains(&format!("openbao_perimeter_{sample}\n")),
            "{sample}: {metrics}"
        );
    }
    assert!(
        metrics.contains("openbao_perimeter_waiver_ends_seconds 4073587200\n"),
        "{metrics}"
    );
}
