//! Report of `check` as annotations of a GitHub workflow.

use std::fmt::Write as _;

use super::report::{DENIED, Report, Reported, WARNING};
use crate::printable;

/// Annotations of one kind that GitHub shows for a step.
const SHOWN: usize = 10;

/// Annotations: one for each unreadable input and each of the ten worst findings, and the number of the others.
pub(super) fn of(report: &Report) -> String {
    let mut text = String::new();
    for problem in report.unreadable.iter().take(SHOWN) {
        let _ = writeln!(text, "::error title=unreadable input::{}", data(problem));
    }
    let findings = report.worst_first();
    for found in findings.iter().take(SHOWN) {
        let _ = writeln!(text, "{}", annotation(found));
    }
    let more = findings.len().saturating_sub(SHOWN);
    if more > 0 {
        let _ = writeln!(text, "and {more} more; other outputs have all of them");
    }
    text
}

fn annotation(found: &Reported) -> String {
    let command = match found.level {
        DENIED => "error",
        WARNING => "warning",
        _ => "notice",
    };
    let mut properties = Vec::new();
    if let Some(file) = found.artifact() {
        properties.push(format!("file={}", property(file)));
    }
    let is_line = found.source.is_none();
    if let Some(line) = found.field_line.or(found.line).filter(|_| is_line) {
        properties.push(format!("line={line}"));
    }
    if let Some(column) = found.field_column.filter(|_| is_line) {
        properties.push(format!("col={column}"));
    }
    let title = property(&format!("{} {}", found.code, found.name));
    properties.push(format!("title={title}"));
    let field = match found.field.as_str() {
        "" => String::new(),
        field => format!(", {field}"),
    };
    let mut message = format!("{}{field}: {}", found.target(), found.reason);
    if let Some(example) = found.example() {
        let _ = write!(message, "\n{example}");
    }
    if let Some(step) = found.steps.first() {
        let _ = write!(message, "\nto do: {}\n{}", step.heading, step.yaml);
    }
    let properties = properties.join(",");
    format!("::{command} {properties}::{}", data(message.trim_end()))
}

/// Text of a workflow command, which ends at a line break.
fn data(text: &str) -> String {
    let text = printable::lines(text).replace('%', "%25");
    text.replace('\n', "%0A")
}

/// A property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
