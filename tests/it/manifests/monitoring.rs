//! Alerts and dashboard, compared with `/metrics` of the real binary. Here it reads a folder. Metrics of a
//! server in a cluster are tested in `e2e::monitoring`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use axum::http::StatusCode;
use serde_json::Value;

use super::overlays::{INSTALLS, one, rendered};
use crate::cli::Serving;
use crate::support::{BOTH, ask, connect_to, fetch, post};

const FOLDER: &str = "manifests/monitoring";
/// Absent for an ephemeral certificate, which has no CA file.
pub(crate) const NOT_EPHEMERAL: &str = "openbao_perimeter_certificate_ca_expiry_timestamp_seconds";

fn alerts() -> Vec<Value> {
    let text = fs::read_to_string(format!("{FOLDER}/alerts.yaml")).unwrap();
    let file: Value = serde_saphyr::from_str(&text).unwrap();
    let groups = file["groups"].as_array().unwrap().iter();
    groups
        .flat_map(|group| group["rules"].as_array().unwrap())
        .cloned()
        .collect()
}

/// Every text below a key at any depth.
fn texts(value: &Value, key: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| texts(item, key, found)),
        Value::Object(fields) => {
            for (name, below) in fields {
                match below.as_str() {
                    Some(text) if name == key => found.push(text.to_owned()),
                    _ => texts(below, key, found),
                }
            }
        }
        _ => {}
    }
}

/// Every query of the alerts and the dashboard.
fn queries() -> Vec<String> {
    let text = fs::read_to_string(format!("{FOLDER}/dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let mut found = Vec::new();
    texts(&dashboard, "expr", &mut found);
    texts(&dashboard, "definition", &mut found);
    for alert in alerts() {
        texts(&alert, "expr", &mut found);
    }
    found
}

/// The metrics and labels that a query uses.
#[derive(Debug, PartialEq, Eq)]
struct Use {
    name: String,
    /// Labels and their values, if they are given.
    labels: BTreeSet<(String, Option<String>)>,
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The metrics in a query, with the labels of their selectors. Labels of `by (…)` apply to all.
fn uses(query: &str) -> Vec<Use> {
    let mut grouped = BTreeSet::new();
    for group in query.split(" by (").skip(1) {
        let names = group.split(')').next().unwrap().split(", ");
        grouped.extend(names.map(|name| (name.to_owned(), None)));
    }
    let mut found = Vec::new();
    let words = query.split(|c: char| !c.is_ascii() || !is_word(c as u8));
    let starts = |word: &str| word.as_ptr() as usize - query.as_ptr() as usize;
    let is_metric = |word: &&str| {
        ["openbao_perimeter_", "process_"]
            .iter()
            .any(|p| word.starts_with(p))
    };
    for word in words.filter(is_metric) {
        let after = &query[starts(word) + word.len()..];
        let selector = after
            .strip_prefix('{')
            .and_then(|rest| rest.split('}').next());
        let mut labels = grouped.clone();
        for matcher in selector.into_iter().flat_map(|text| text.split(',')) {
            let (label, values) = matcher.split_once('=').unwrap();
            let values = values.trim_start_matches('~').trim_matches('"');
            for value in values.split('|').filter(|value| !value.starts_with('$')) {
                labels.insert((label.to_owned(), Some(value.to_owned())));
            }
        }
        // Prometheus adds it.
        labels.retain(|(label, _)| label != "instance");
        found.push(Use {
            name: word.to_owned(),
            labels,
        });
    }
    found
}

/// The samples of a scrape by name, each with its labels.
fn samples(text: &str) -> BTreeMap<String, Vec<BTreeMap<String, String>>> {
    let mut samples: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for line in text.lines() {
        if line.starts_with(|first: char| first.is_ascii_lowercase()) {
            let name = line.split(['{', ' ']).next().unwrap();
            let labels = line.split_once('{').map_or("", |(_, rest)| rest);
            let labels = labels.split('}').next().unwrap().split(',');
            let labels = labels.filter_map(|label| label.split_once('='));
            let labels =
                labels.map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()));
            samples
                .entry(name.to_owned())
                .or_default()
                .push(labels.collect());
        }
    }
    samples
}

/// Checks every query against a scrape. Returns metrics that the scrape does not have.
pub(crate) fn absent(scrape: &str) -> BTreeSet<String> {
    let samples = samples(scrape);
    let mut absent = BTreeSet::new();
    let reference = fs::read_to_string("docs/reference/metrics.md").unwrap();
    let queries = queries();
    assert!(queries.len() > 40, "{}", queries.len());
    for query in queries {
        for Use { name, labels } in uses(&query) {
            let Some(found) = samples.get(&name) else {
                let is_known = reference.contains(&format!("`{name}`"));
                assert!(is_known, "no metric `{name}`: {query}");
                absent.insert(name);
                continue;
            };
            for (label, value) in labels {
                let fits = |sample: &BTreeMap<String, String>| match &value {
                    Some(value) => sample.get(&label) == Some(value),
                    None => sample.contains_key(&label),
                };
                assert!(
                    found.iter().any(fits),
                    "no {label} {value:?} of `{name}`: {query}"
                );
            }
        }
    }
    absent
}

#[test]
fn a_query_says_which_metrics_and_labels_it_needs() {
    let query = r#"sum by (le, code) (rate(process_a{x="1",y=~"2|3",instance=~"$instance"}[5m])) / openbao_perimeter_b"#;
    let grouped = [("le", None), ("code", None)];
    let selected = [("x", Some("1")), ("y", Some("2")), ("y", Some("3"))];
    let owned = |labels: &[(&str, Option<&str>)]| {
        let labels = labels.iter();
        labels
            .map(|(l, v)| ((*l).to_owned(), v.map(str::to_owned)))
            .collect()
    };
    let expected = [
        Use {
            name: "process_a".to_owned(),
            labels: owned(&[&grouped[..], &selected[..]].concat()),
        },
        Use {
            name: "openbao_perimeter_b".to_owned(),
            labels: owned(&grouped),
        },
    ];
    assert_eq!(uses(query), expected);
}

#[tokio::test]
async fn every_metric_of_alerts_and_dashboard_is_served_with_its_labels() {
    let serving = Serving::start_with("monitoring", &[]).await;
    let ca = fs::read_to_string(&serving.ca).unwrap();
    let review = fs::read("manifests/examples/reviews/refused.json").unwrap();
    let stream = connect_to(serving.reviews, &ca, BOTH).await.unwrap();
    assert_eq!(
        ask(stream, post("/validate", review)).await.0,
        StatusCode::OK
    );
    let (status, scrape) = fetch(serving.metrics, "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    let only_in_a_cluster = [
        NOT_EPHEMERAL,
        "openbao_perimeter_audit_findings",
        "openbao_perimeter_registration_drift",
        "openbao_perimeter_watch_last_event_timestamp_seconds",
    ];
    assert_eq!(absent(&scrape), only_in_a_cluster.map(str::to_owned).into());
    assert!(scrape.contains("\nopenbao_perimeter_ready 1\n"), "{scrape}");
}

#[test]
fn every_alert_is_played_and_said_what_to_do_about() {
    let played = fs::read_to_string(format!("{FOLDER}/alerts.test.yaml")).unwrap();
    let page = fs::read_to_string("docs/operations/monitoring.md").unwrap();
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        assert!(played.contains(&format!("alertname=\"{name}\"")), "{name}");
        let short = name.strip_prefix("OpenBaoPerimeter").unwrap();
        assert!(page.contains(&format!("`{short}`")), "{name}");
    }
}

#[test]
#[cfg_attr(
    not(has_promtool),
    ignore = "promtool is not installed (Debian: prometheus; touch build.rs once it is)"
)]
fn promtool_plays_the_alerts() {
    let file = format!("{FOLDER}/alerts.test.yaml");
    let mut command = Command::new("promtool");
    let output = command.args(["test", "rules", &file]).output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{}", said.concat());
}

#[test]
fn the_example_for_the_prometheus_operator_finds_the_service() {
    let text = fs::read_to_string(format!("{FOLDER}/servicemonitor.yaml")).unwrap();
    let monitor: Value = serde_saphyr::from_str(&text).unwrap();
    let service: Value = one(&rendered(INSTALLS[0]), "Service");
    let selected = &monitor["spec"]["selector"]["matchLabels"];
    assert_eq!(selected, &service["metadata"]["labels"]);
    assert_eq!(
        monitor["metadata"]["namespace"],
        service["metadata"]["namespace"]
    );
    let port = &monitor["spec"]["endpoints"][0]["port"];
    let ports = service["spec"]["ports"].as_array().unwrap();
    assert!(ports.iter().any(|found| found["name"] == *port));
}
