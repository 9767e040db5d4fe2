//! Log lines of the running server.

use std::fs;

use axum::http::StatusCode;
use serde_json::Value;

use crate::cli::Serving;
use crate::support::{BOTH, ask, connect_to, fetch, post};

/// The reviews to send: file, enforcement point, and their log field.
const SENT: [(&str, &str, &str); 3] = [
    ("allowed", "/validate", "allow"),
    ("refused", "/validate", "deny"),
    ("repaired", "/mutate", "repair"),
];

fn sent(name: &str) -> String {
    fs::read_to_string(format!("manifests/examples/reviews/{name}.json")).unwrap()
}

/// The log of a server with these arguments after one review of each kind and a malformed body.
async fn logged(folder: &str, more: &[&str]) -> String {
    let serving = Serving::start_with(folder, more).await;
    let ca = fs::read_to_string(&serving.ca).unwrap();
    let log = serving.ca.with_file_name("log");
    let bodies = SENT.map(|(name, path, _)| (path, sent(name)));
    let none = (
        "/validate",
        r#"{"request": {"uid": "a", "kind": 1}}"#.to_owned(),
    );
    for (path, body) in bodies.into_iter().chain([none]) {
        let stream = connect_to(serving.reviews, &ca, BOTH).await.unwrap();
        let (status, answer) = ask(stream, post(path, body)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    serving.terminate();
    assert_eq!(serving.ended(), Some(0));
    fs::read_to_string(log).unwrap()
}

#[tokio::test]
async fn as_json_each_review_is_one_line_with_its_fields_and_nothing_of_its_object() {
    let log = logged("logs-json", &["--log-format", "json"]).await;
    let lines = log
        .lines()
        .map(|line| serde_json::from_str(line).expect(line));
    let lines: Vec<Value> = lines.collect();
    let with_message = |message: &str| -> Vec<&Value> {
        let of = |line: &&Value| line["message"] == message;
        lines.iter().filter(of).collect()
    };
    let reviewed = with_message("Reviewed");
    assert_eq!(reviewed.len(), SENT.len(), "{log}");
    for (fields, (name, path, outcome)) in reviewed.iter().zip(SENT) {
        let review: Value = serde_json::from_str(&sent(name)).unwrap();
        let request = &review["request"];
        assert_eq!(fields["level"], "INFO");
        assert_eq!(fields["point"], path[1..]);
        assert_eq!(fields["outcome"], outcome);
        for field in ["uid", "operation", "namespace", "name"] {
            assert_eq!(fields[field], request[field], "{field}");
        }
        assert_eq!(fields["kind"], request["kind"]["kind"]);
        assert_eq!(fields["user"], request["userInfo"]["username"]);
        assert_eq!(fields["dry_run"], request["dryRun"] == true);
        assert!(fields["duration_us"].is_u64(), "{fields}");
        let codes = fields["codes"].as_str().unwrap();
        assert_eq!(codes.contains("OBP"), outcome == "deny", "{codes}");
        for field in ["field", "reason", "connection"] {
            let is_reported = fields[field].as_str().is_some_and(|text| !text.is_empty());
            assert_eq!(is_reported, outcome == "deny", "{field}: {fields}");
        }
    }
    let malformed = with_message("answered a malformed AdmissionReview");
    assert_eq!(malformed.len(), 1, "{log}");
    assert_eq!(malformed[0]["outcome"], "malformed");
    assert!(!log.contains("podSelector"), "{log}");
}

#[tokio::test]
async fn what_is_turned_away_unread_is_logged_and_counted() {
    let serving = Serving::start_with("logs-unread", &[]).await;
    let ca = fs::read_to_string(&serving.ca).unwrap();
    let log = serving.ca.with_file_name("log");
    let mut request = post("/mutate", "name=web");
    let form = "application/x-www-form-urlencoded".parse().unwrap();
    request.headers_mut().insert("content-type", form);
    let stream = connect_to(serving.reviews, &ca, BOTH).await.unwrap();
    assert_eq!(
        ask(stream, request).await.0,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    let (_, scrape) = fetch(serving.metrics, "/metrics").await;
    for sample in [
        r#"rejected_requests_total{outcome="media-type"} 1"#,
        r#"review_duration_seconds_count{point="mutate",outcome="media-type"} 1"#,
    ] {
        assert!(scrape.contains(sample), "{scrape}");
    }
    serving.terminate();
    assert_eq!(serving.ended(), Some(0));
    let log = fs::read_to_string(log).unwrap();
    let mut lines = log.lines();
    let line = lines.find(|line| line.contains("without a verdict"));
    let line = line.unwrap_or_else(|| panic!("{log}"));
    for field in [r#"point="mutate""#, r#"why="media-type""#] {
        assert!(line.contains(field), "{field}: {line}");
    }
}

#[tokio::test]
async fn as_text_each_review_is_one_line_and_a_filter_leaves_it_out() {
    let log = logged("logs-text", &[]).await;
    let reviewed = log.lines().filter(|line| line.contains("Reviewed")).count();
    assert_eq!(reviewed, SENT.len(), "{log}");
    // A malformed body is still logged, since its sender needs attention.
    let log = logged("logs-filter", &["--log-filter", "warn"]).await;
    assert!(!log.contains("Reviewed"), "{log}");
    assert!(log.contains("AdmissionReview"), "{log}");
}
