//! Report of `check` as Markdown, for the comment of a pull request.

use std::fmt::Write as _;

use super::report::{DENIED, Report, Reported};
use crate::printable::{self, is_deceptive};

/// Findings that a comment has room for: GitHub takes 65,536 characters.
const ROWS: usize = 50;

/// A heading with the result, a table of findings, and remedies of those that deny.
pub(super) fn of(report: &Report) -> String {
    let summary = &report.summary;
    let mut result = if summary.denied > 0 {
        format!("{} of {} objects denied", summary.denied, summary.judged)
    } else {
        format!("{} objects checked, none denied", summary.judged)
    };
    if !report.unreadable.is_empty() {
        let _ = write!(result, ", {} could not be read", report.unreadable.len());
    }
    let mut text = format!("### OpenBao perimeter: {result}\n");
    for problem in &report.unreadable {
        let _ = writeln!(text, "\n**Could not be read:** {}", cell(problem));
    }
    let findings = report.worst_first();
    if !findings.is_empty() {
        text.push_str(
            "\n| Level | Rule | Object | Place | Problem |\n| --- | --- | --- | --- | --- |\n",
        );
    }
    for found in findings.iter().take(ROWS) {
        row(&mut text, found);
    }
    let more = findings.len().saturating_sub(ROWS);
    if more > 0 {
        let _ = writeln!(text, "\nand {more} more");
    }
    let denied = findings.iter().take(ROWS);
    for found in denied.filter(|found| found.level == DENIED) {
        remedy(&mut text, found);
    }
    if let Some(diff) = &report.connectivity {
        text.push_str(&diff.markdown());
    }
    for unjudged in &report.unjudged {
        let line = format!("{} was not checked: {}", unjudged.name(), unjudged.reason);
        let _ = writeln!(text, "\n{}", cell(&line));
    }
    for note in &report.notes {
        let _ = writeln!(text, "\n{}", cell(&format!("Note: {note}")));
    }
    text
}

fn row(text: &mut String, found: &Reported) {
    let place = match (&found.file, found.field_line.or(found.line)) {
        (Some(file), Some(line)) => code(&format!("{file}:{line}")),
        _ => String::new(),
    };
    let mut object = cell(&found.target());
    if !found.field.is_empty() {
        let _ = write!(object, ", {}", code(&found.field));
    }
    let example = found.example();
    let example = example.map(|example| format!("; {example}"));
    let problem = format!("{}{}", found.reason, example.unwrap_or_default());
    let rule = format!("{} {}", found.code, found.name);
    let (rule, problem) = (cell(&rule), cell(&problem));
    let cells = [found.level, &rule, &object, &place, &problem];
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

/// Text of a cell or a paragraph. Names come from manifests, so nothing but code in backticks is markup.
pub(super) fn cell(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // The last one is not closed.
    if parts.len().is_multiple_of(2) {
        return escaped(&text.replace('`', "'"));
    }
    let parts = parts.into_iter().enumerate();
    let parts = parts.map(|(at, part)| match at % 2 {
        0 => escaped(part),
        _ => code(part),
    });
    parts.collect()
}

/// Text as code.
fn code(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let text = plain(text).replace('`', "'").replace('|', "\\|");
    format!("`{text}`")
}

/// Text without markup, links, HTML and mentions.
fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '\\' | '[' | ']' | '|' => shown.extend(['\\', c]),
            // No more a mention, which an entity would be.
            '@' => shown.push_str("`@`"),
            _ => shown.push(c),
        }
    }
    html(&shown)
}

/// Text inside an element of HTML.
fn html(text: &str) -> String {
    let text = text.replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}

/// One line without characters that deceive.
fn plain(text: &str) -> String {
    let plain = text.chars().map(|c| if is_deceptive(c) { ' ' } else { c });
    plain.collect()
}

fn remedy(text: &mut String, found: &Reported) {
    let Some(step) = found.steps.first() else {
        return;
    };
    let title = format!("{}: {} {}", found.target(), found.code, found.field);
    let title = html(&plain(&title)).replace('@', "`@`");
    let _ = writeln!(
        text,
        "\n<details><summary>{title}</summary>\n\n{}\n",
        cell(&step.heading)
    );
    if !step.yaml.is_empty() {
        let yaml = printable::lines(&step.yaml);
        // A fence is longer than all in it.
        let runs = yaml.split(|c| c != '`').map(str::len);
        let fence = "`".repeat(runs.max().unwrap_or_default().max(3) + 1);
        let _ = writeln!(text, "{fence}yaml\n{yaml}\n{fence}\n");
    }
    text.push_str("</details>\n");
}
