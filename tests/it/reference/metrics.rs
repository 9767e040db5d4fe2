//! `docs/reference/metrics.md`: the metrics of `/metrics`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use openbao_perimeter::admission::WebhookKind;
use openbao_perimeter::audit::metrics::{BaselineDoubt, ConnectionEnd, Reload, SettingsReload};
use openbao_perimeter::audit::{Metrics, Record, Resolution, WOULD_DENY, WOULD_REPAIR};
use openbao_perimeter::code::{Code, Level};
use openbao_perimeter::config::{Baseline, EnforcementMode};
use openbao_perimeter::inventory::{Kind, Snapshot};
use openbao_perimeter::review::CompiledSnapshot;

use super::{assert_fresh, code, page, table};

/// A scrape after every metric was counted once, since a metric with labels is absent before.
fn counted() -> String {
    let metrics = Metrics::new();
    let record = Record {
        findings: vec![(Code::Obp101, Level::Deny)],
        waived: vec![Code::Obp101],
        ..Record::of(WebhookKind::Validate, Resolution::Deny)
    };
    metrics.reviewed(&record, Duration::ZERO);
    metrics.rejected("overloaded");
    metrics.would_deny("overloaded");
    metrics.connected();
    metrics.disconnected(ConnectionEnd::Closed);
    metrics.certificate_reloaded(Reload::Swapped);
    metrics.client_ca_reloaded(Reload::Swapped);
    metrics.rotation_stepped("any");
    metrics.certificate_expires(0, Some(0));
    metrics.inventory(&Snapshot::default(), &Snapshot::default());
    metrics.layers(&CompiledSnapshot::compile(
        None,
        Arc::default(),
        Arc::default(),
    ));
    metrics.cluster.watch_succeeded(Kind::NetworkPolicy, 0);
    metrics.cluster.served(Kind::OpenBaoCluster, None);
    metrics
        .cluster
        .audited(&[((Code::Obp101, Level::Deny), 1)].into());
    metrics.cluster.drift("any", 0);
    metrics.text().unwrap()
}

#[derive(Default)]
struct Metric {
    kind: String,
    help: String,
    labels: Vec<String>,
}

/// The metrics of an OpenMetrics text, in its order.
fn metrics(text: &str) -> Vec<(String, Metric)> {
    let mut order: Vec<String> = Vec::new();
    let mut found: BTreeMap<String, Metric> = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            order.push(name.to_owned());
            help.clone_into(&mut found.entry(name.to_owned()).or_default().help);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            kind.clone_into(&mut found.entry(name.to_owned()).or_default().kind);
        } else if let Some((sample, rest)) = line.split_once('{') {
            let labels = rest.split_once('}').unwrap().0;
            let names = labels.split(',').filter_map(|label| label.split_once('='));
            let name = order.iter().rfind(|name| sample.starts_with(name.as_str()));
            let metric = found.get_mut(name.unwrap()).unwrap();
            if metric.labels.is_empty() {
                metric.labels = names
                    .map(|(name, _)| name.to_owned())
                    .filter(|name| name != "le")
                    .collect();
            }
        }
    }
    order
        .into_iter()
        .map(|name| {
            let metric = found.remove(&name).unwrap();
            (name, metric)
        })
        .collect()
}

/// The values of a label, if the set is small and closed.
fn values(metric: &str, label: &str) -> String {
    let listed = |words: Vec<&str>| {
        let words: Vec<String> = words.into_iter().map(code).collect();
        format!("{}: {}", code(label), words.join(", "))
    };
    match label {
        "point" => listed(WebhookKind::ALL.map(WebhookKind::as_str).to_vec()),
        "level" => listed(
            [Level::Deny, Level::Warn, Level::Audit]
                .map(Level::as_str)
                .to_vec(),
        ),
        "outcome" if metric.ends_with("_reviews") => {
            // Requests without a verdict are counted by `rejected_requests`.
            let counted = Resolution::ALL.into_iter();
            let counted = counted.filter(|end| *end != Resolution::Unreviewed);
            let counted = counted.map(Resolution::as_str);
            listed(counted.chain([WOULD_DENY, WOULD_REPAIR]).collect())
        }
        "outcome" if metric.ends_with("_settings_reloads") => {
            listed(SettingsReload::ALL.map(SettingsReload::as_str).to_vec())
        }
        "outcome" if metric.ends_with("_reports") => listed(vec![
            "written",
            "deleted",
            "unserved",
            "forbidden",
            "foreign",
            "failed",
        ]),
        "state" => listed(vec!["active", "ending", "expired", "unused"]),
        "baseline" => listed(Baseline::ALL.map(Baseline::as_str).to_vec()),
        "doubt" => listed(BaselineDoubt::ALL.map(BaselineDoubt::as_str).to_vec()),
        "value" => listed(EnforcementMode::ALL.map(EnforcementMode::as_str).to_vec()),
        "code" if metric.ends_with("_would_deny") => {
            format!(
                "{}: a code of [the rules](rules.md), or a reason",
                code(label)
            )
        }
        "code" => format!("{}: a code of [the rules](rules.md)", code(label)),
        _ => code(label),
    }
}

#[test]
fn the_page_about_metrics_is_fresh() {
    let about = "In OpenMetrics format at `/metrics` of the address in [`metricsListen`](settings.md). Labels come from \
                 closed sets, so their number stays small. A counter is shown with `_total` behind its name.";
    let mut text = page("Metrics", "`src/audit/metrics.rs`", about);
    let rows = metrics(&counted()).into_iter().map(|(name, metric)| {
        let labels: Vec<String> = metric
            .labels
            .iter()
            .map(|label| values(&name, label))
            .collect();
        vec![code(&name), metric.kind, labels.join("; "), metric.help]
    });
    table(
        &mut text,
        &["metric", "type", "labels", "what it says"],
        rows,
    );
    assert_fresh("docs/reference/metrics.md", &text);
}

#[test]
fn every_metric_that_is_registered_has_its_line() {
    let sources = [
        include_str!("../../../src/audit/metrics.rs"),
        include_str!("../../../src/audit/metrics/baseline.rs"),
        include_str!("../../../src/audit/metrics/certificates.rs"),
        include_str!("../../../src/audit/metrics/cluster.rs"),
        include_str!("../../../src/audit/metrics/connections.rs"),
        include_str!("../../../src/audit/metrics/enforcement.rs"),
        include_str!("../../../src/audit/metrics/reports.rs"),
        include_str!("../../../src/audit/metrics/settings.rs"),
        include_str!("../../../src/audit/metrics/tiers.rs"),
        include_str!("../../../src/audit/metrics/waivers.rs"),
    ];
    let registered = sources
        .iter()
        .map(|source| source.matches("all.register(").count());
    let metrics = metrics(&counted());
    // Process metrics are read at each scrape.
    let ours = metrics
        .iter()
        .filter(|(name, _)| name.starts_with("openbao_perimeter_"));
    assert_eq!(ours.count(), registered.sum::<usize>());
}
