//! Findings as text: the message of a denial, and warnings that fit a header.

mod message;

use crate::baseline::{CLUSTER_LABEL, MANAGED_LABELS, NAME_LABEL, OPERATOR_NAME};
use crate::printable;
use crate::rules::Finding;
use netpol::connection::{Endpoint, LabelPairs};
use netpol::{Connection, Direction};

pub use message::{Step, long, message, steps};

/// Maximum length of a warning that every client shows completely (API server documentation, "Warnings").
const WARNING_LENGTH: usize = 256;
/// Maximum length of the waiver in a warning.
const WAIVED_LENGTH: usize = 100;
/// Minimum length of a reason in a warning.
const MIN_REASON: usize = 80;

/// The example connection of a finding, with its condition.
pub fn example(finding: &Finding) -> Option<String> {
    let shown = finding.witness.as_ref().map(connection)?;
    Some(shown + &only_where(finding))
}

/// Condition of a connection that exists under one reading only.
fn only_where(finding: &Finding) -> String {
    finding
        .only_if
        .map(|difference| format!(", only where {difference}"))
        .unwrap_or_default()
}

/// One finding on one line, short enough for a warning header.
pub fn warning(finding: &Finding) -> String {
    line("", finding)
}

/// A finding that would deny the write if denials were enforced, on one line.
pub fn would_deny(finding: &Finding) -> String {
    line(WOULD_DENY, finding)
}

/// Beginning of a warning in place of a denial.
pub(crate) const WOULD_DENY: &str = "would be denied: ";

fn line(beginning: &str, finding: &Finding) -> String {
    let witness = example(finding)
        .map(|example| format!(" ({example})"))
        .unwrap_or_default();
    let place = if finding.path.is_empty() {
        String::new()
    } else {
        format!(" {}", finding.path)
    };
    let head = format!("{beginning}{}{place}: ", finding.code);
    let waived = cut(&waived(finding), WAIVED_LENGTH);
    // The connection is the evidence. If there is not enough room, the reason is shortened.
    let taken = [&head, &witness, &waived].map(|text| text.chars().count());
    let taken = taken.into_iter().sum();
    let room = WARNING_LENGTH.saturating_sub(taken).max(MIN_REASON);
    let reason = cut(&finding.reason, room);
    shorten(&format!("{head}{reason}{witness}{waived}"))
}

/// The reason of a finding, with the waiver by which it does not deny.
pub fn reason(finding: &Finding) -> String {
    format!("{}{}", finding.reason, waived(finding))
}

/// The waiver of a finding; empty if it has none.
fn waived(finding: &Finding) -> String {
    let waiver = finding.waiver.as_ref();
    let text = waiver.map(|waiver| {
        let why = printable::line(&waiver.reason);
        format!("; waived until {}: {why}", waiver.until)
    });
    text.unwrap_or_default()
}

/// The text on one line, shortened for a warning header.
pub fn shorten(text: &str) -> String {
    cut(&printable::line(&text.replace('\n', " ")), WARNING_LENGTH)
}

fn cut(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    text.chars().take(length - 1).chain(['…']).collect()
}

/// A connection as text. The protected pod is described by its cluster and by labels that distinguish it from
/// others.
pub fn connection(connection: &Connection) -> String {
    let subject = protected_pod(&connection.subject);
    let peer = match &connection.peer {
        Endpoint::Pod { labels, .. } if is_managed(labels) => protected_pod(labels),
        peer => peer.to_string(),
    };
    let (source, destination) = match connection.direction {
        Direction::Ingress => (peer, subject),
        Direction::Egress => (subject, peer),
    };
    format!(
        "{source} -> {destination}, {} {}",
        connection.protocol, connection.port
    )
}

fn is_managed(labels: &LabelPairs) -> bool {
    MANAGED_LABELS
        .iter()
        .all(|key| labels.iter().any(|(own, _)| &**own == *key))
}

fn protected_pod(labels: &LabelPairs) -> String {
    let value = |wanted: &str| {
        let mut labels = labels.iter();
        let found = labels.find(|(key, _)| &**key == wanted);
        found.map(|(_, value)| &**value)
    };
    let owner_text = match value(CLUSTER_LABEL) {
        None if value(NAME_LABEL) == Some(OPERATOR_NAME) => "a pod of the operator".to_owned(),
        cluster => format!("a pod of OpenBaoCluster `{}`", cluster.unwrap_or_default()),
    };
    let extra_labels = labels
        .iter()
        .filter(|(key, _)| !MANAGED_LABELS.contains(&&**key));
    let extra_labels: Vec<String> = extra_labels
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    if extra_labels.is_empty() {
        owner_text
    } else {
        format!("{owner_text} labelled {}", extra_labels.join(","))
    }
}
