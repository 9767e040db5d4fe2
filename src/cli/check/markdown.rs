//! Report of `check` as Markdown, for the comment of a pull request.

use std::fmt::Write as _;

use super::report::{DENIED, Report, Reported};

/// Findings that a comment has room for: GitHub takes 65,536 characters.
const ROWS: usize = 50;

/// A heading with the result, a table of findings, and remedies of those that deny.
pub(super) fn of(report: &Report) -> String {
    let summary = &report.summary;
    let result = if summary.denied > 0 {
        format!("{} of {} objects denied", summary.denied, summary.judged)
    } else {
        format!("{} objects checked, none denied", summary.judged)
    };
    let mut text = format!("### OpenBao perimeter: {result}\n");
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
        let _ = writeln!(
            text,
            "\n{} was not checked: {}",
            unjudged.name(),
            unjudged.reason
        );
    }
    for note in &report.notes {
        let _ = writeln!(text, "\nNote: {note}");
    }
    text
}

fn row(text: &mut String, found: &Reported) {
    let place = match (&found.file, found.field_line.or(found.line)) {
        (Some(file), Some(line)) => format!("`{file}:{line}`"),
        _ => String::new(),
    };
    let object = match found.field.as_str() {
        "" => found.target(),
        field => format!("{}, `{field}`", found.target()),
    };
    let example = found.example();
    let example = example.map(|example| format!("; {example}"));
    let problem = format!("{}{}", found.reason, example.unwrap_or_default());
    let rule = format!("{} {}", found.code, found.name);
    let cells = [found.level, &rule, &object, &place, &problem].map(cell);
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

/// Text of a cell. The names come from manifests, so nothing in them may be markup.
pub(super) fn cell(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| {
            if crate::printable::is_deceptive(c) {
                ' '
            } else {
                c
            }
        })
        .collect();
    let line = line
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    line.replace('|', "\\|").replace('@', "&#64;")
}

fn remedy(text: &mut String, found: &Reported) {
    let Some(step) = found.steps.first() else {
        return;
    };
    let title = cell(&format!(
        "{}: {} {}",
        found.target(),
        found.code,
        found.field
    ));
    let _ = writeln!(
        text,
        "\n<details><summary>{title}</summary>\n\n{}\n",
        cell(&step.heading)
    );
    if !step.yaml.is_empty() {
        let _ = writeln!(text, "````yaml\n{}\n````\n", step.yaml);
    }
    text.push_str("</details>\n");
}
