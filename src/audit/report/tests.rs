use std::sync::Arc;

use super::*;
use crate::inventory::Kind;

fn finding(code: Code, level: Level, name: &str) -> Finding {
    let object = ObjectRef {
        kind: Kind::NetworkPolicy,
        namespace: "bao".into(),
        name: name.into(),
    };
    Finding::new(code, level, &object, "spec.ingress[0]").because("opens it".to_owned())
}

fn report(findings: &[Finding]) -> Value {
    let results = Results::of(findings, &ReviewConfig::default());
    Report::new("bao", &results).value
}

fn waived(finding: Finding) -> Finding {
    let waiver = "{codes: [OBP201], namespace: bao, object: NetworkPolicy/web, \
        reason: 'PROJ-812, moves', until: 2027-01-31}";
    let waiver: Waiver = serde_saphyr::from_str(waiver).unwrap();
    Finding {
        waiver: Some(Arc::new(waiver)),
        ..finding
    }
}

#[test]
fn each_level_has_its_result_and_what_proves_nothing_is_an_error() {
    let findings = [
        finding(Code::Obp201, Level::Deny, "a"),
        finding(Code::Obp201, Level::Warn, "b"),
        finding(Code::Obp105, Level::Audit, "c"),
        finding(Code::Obp401, Level::Deny, "d"),
        finding(Code::Obp402, Level::Warn, "e"),
        finding(Code::Obp403, Level::Warn, "f"),
        waived(finding(Code::Obp201, Level::Warn, "g")),
    ];
    let report = report(&findings);
    let results = report["results"].as_array().unwrap();
    let shown: Vec<[&str; 3]> = results
        .iter()
        .map(|result| {
            let text = |value: &'_ Value| -> &str { Box::leak(value.as_str().unwrap().into()) };
            [
                text(&result["resources"][0]["name"]),
                text(&result["result"]),
                text(&result["severity"]),
            ]
        })
        .collect();
    assert_eq!(
        shown,
        [
            ["a", "fail", "high"],
            ["d", "error", "high"],
            ["e", "error", "medium"],
            ["f", "error", "medium"],
            ["c", "warn", "low"],
            ["b", "warn", "medium"],
            ["g", "skip", "medium"],
        ]
    );
    assert_eq!(
        report["summary"],
        json!({"pass": 0, "fail": 1, "error": 3, "warn": 2, "skip": 1})
    );
    let properties = &results[6]["properties"];
    assert_eq!(properties["waivedUntil"], "2027-01-31");
    assert_eq!(properties["waiverReason"], "PROJ-812, moves");
    assert_eq!(
        results[0]["resources"],
        json!([{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "namespace": "bao", "name": "a"}])
    );
    assert_eq!(results[0]["rule"], "OBP201");
}

#[test]
fn of_many_findings_the_worst_are_kept_and_all_are_counted() {
    let mut findings: Vec<Finding> = (0..5_000)
        .map(|number| finding(Code::Obp404, Level::Warn, &format!("warned-{number}")))
        .collect();
    findings.extend((0..3).map(|number| finding(Code::Obp201, Level::Deny, &format!("{number}"))));
    let long = "x".repeat(100_000);
    for finding in &mut findings {
        *finding = finding.clone().because(long.clone());
        finding.path.clone_from(&long);
    }
    let report = report(&findings);
    let results = report["results"].as_array().unwrap();
    assert_eq!(results.len(), MAX_RESULTS);
    assert!(results[..3].iter().all(|result| result["result"] == "fail"));
    assert_eq!(report["summary"]["warn"], 5_000);
    assert_eq!(report["metadata"]["annotations"][LEFT_OUT], "4747");
    let size = report.to_string().len();
    assert!(size < 400_000, "{size} bytes");
}

#[test]
fn the_content_changes_with_the_findings_and_not_with_their_order() {
    let (a, b) = (
        finding(Code::Obp201, Level::Deny, "a"),
        finding(Code::Obp202, Level::Deny, "b"),
    );
    let content = |findings: &[Finding]| {
        let results = Results::of(findings, &ReviewConfig::default());
        Report::new("bao", &results).content
    };
    let one = content(&[a.clone(), b.clone()]);
    assert_eq!(one, content(&[b.clone(), a.clone()]));
    assert_ne!(one, content(&[a]));
    let config = ReviewConfig::default();
    let parts = [
        Results::of(std::slice::from_ref(&b), &config),
        Results::default(),
    ];
    let merged = Results::merged(parts.iter());
    assert_eq!(Report::new("bao", &merged).content, content(&[b]));
    assert!(!merged.is_empty() && parts[1].is_empty());
}
