//! Report of `check` for people: grouped by object, each message with the line it is about.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anstyle::Style;

use super::report::{NotJudged, Report, Reported, Shown, Summary};
use crate::cli::namespace::named;
use crate::cli::text::{BAD, DOUBTFUL, MARK, STRONG, styled, wrapped};
use crate::show::conditions::Condition;

/// The whole report.
pub(super) fn of(report: &Report, is_explained: bool) -> String {
    let mut text = String::new();
    for group in groups(&report.findings) {
        object(&mut text, &group, is_explained);
    }
    for accepted in &report.accepted {
        let entries = accepted.entries.join(" and ");
        let line = format!(
            "{}, {} lies in {entries} of {}",
            accepted.object, accepted.field, accepted.cluster
        );
        let _ = writeln!(text, "{}", wrapped(&line, "", "  "));
    }
    for policy in &report.counted_as_rendered {
        let line = format!("note: {policy} is in no file and counts as the operator renders it");
        let _ = writeln!(text, "{}", wrapped(&line, "", "  "));
    }
    unjudged(&mut text, &report.unjudged);
    for note in &report.notes {
        let _ = writeln!(text, "{}", wrapped(&format!("note: {note}"), "", "  "));
    }
    for checkpoints in &report.checkpoints {
        let conditions = checkpoints.conditions.iter().map(Condition::short);
        let conditions: Vec<String> = conditions.collect();
        let line = format!("{}: {}", checkpoints.object, conditions.join("; "));
        let _ = writeln!(text, "{}", wrapped(&line, "", "  "));
    }
    summary(&mut text, &report.summary);
    text
}

/// Objects that could not be judged, with one line for all that have the same reason.
fn unjudged(text: &mut String, all: &[NotJudged]) {
    let mut by_reason: BTreeMap<&str, Vec<&NotJudged>> = BTreeMap::new();
    for unjudged in all {
        by_reason
            .entry(&unjudged.reason)
            .or_default()
            .push(unjudged);
    }
    for (reason, objects) in by_reason {
        let verb = if objects.len() == 1 { "was" } else { "were" };
        let objects = named(objects.iter().map(|object| object.name()));
        let line = format!(
            "note: {objects} {verb} not judged: {reason}; give it with `--inventory` or among the files"
        );
        let _ = writeln!(text, "{}", wrapped(&line, "", "  "));
    }
}

/// The findings by object, in the order in which each object comes first; what is said twice of one
/// object is left out the second time.
fn groups(findings: &[Reported]) -> Vec<Vec<&Reported>> {
    let mut groups: Vec<Vec<&Reported>> = Vec::new();
    let mut said = BTreeSet::new();
    for finding in findings {
        let name = |finding: &Reported| {
            (
                finding.kind,
                finding.namespace.clone(),
                finding.object.clone(),
            )
        };
        let words = (name(finding), finding.code, &finding.field, &finding.reason);
        if !said.insert(words) {
            continue;
        }
        let mut known = groups.iter_mut();
        match known.find(|group| {
            group
                .first()
                .is_some_and(|first| name(first) == name(finding))
        }) {
            Some(group) => group.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    groups
}

fn object(text: &mut String, findings: &[&Reported], is_explained: bool) {
    let Some(first) = findings.first() else {
        return;
    };
    let separator = if first.namespace.is_empty() { "" } else { "/" };
    let name = format!(
        "{} {}{separator}{}",
        first.kind, first.namespace, first.object
    );
    let counts: Vec<String> = [
        ("denied", "denied"),
        ("warning", "warned of"),
        ("note", "noted"),
    ]
    .into_iter()
    .filter_map(|(level, word)| {
        let count = findings
            .iter()
            .filter(|finding| finding.level == level)
            .count();
        (count > 0).then(|| format!("{count} {word}"))
    })
    .collect();
    let _ = writeln!(text, "{}: {}\n", styled(STRONG, &name), counts.join(", "));
    for found in findings {
        finding(text, found, is_explained);
        text.push('\n');
    }
}

fn level(finding: &Reported) -> Style {
    match finding.level {
        "denied" => BAD,
        "warning" => DOUBTFUL,
        _ => MARK,
    }
}

fn finding(text: &mut String, found: &Reported, is_explained: bool) {
    let head = format!("{}[{}]", found.level, found.code);
    let place = if found.field.is_empty() {
        String::new()
    } else {
        format!(": {}", found.field)
    };
    let _ = writeln!(
        text,
        "{} {}{place}",
        styled(level(found), &head),
        found.name
    );
    // As wide as the number of the line, so that the marks stand in one column.
    let margin = found
        .shown
        .as_ref()
        .map_or(2, |shown| shown.place.line.to_string().len());
    match (&found.file, &found.shown, found.line) {
        (Some(file), Some(shown), _) => excerpt(text, file, shown, margin, level(found)),
        (Some(file), None, Some(line)) => {
            let _ = writeln!(text, "{:margin$}{} {file}:{line}", "", styled(MARK, "-->"));
        }
        _ => {}
    }
    let begun = text.lines().count();
    said(text, &found.reason, margin);
    if let Some(connection) = &found.connection {
        let only_where = found
            .only_if
            .map(|difference| format!(", only where {difference}"));
        let only_where = only_where.unwrap_or_default();
        let label = found.example_label;
        said(text, &format!("{label}: {connection}{only_where}"), margin);
    }
    to_do(text, found, (margin, begun), is_explained);
}

/// The place, its line, and marks under the part that is meant.
fn excerpt(text: &mut String, file: &str, shown: &Shown, margin: usize, style: Style) {
    let place = shown.place;
    let arrow = styled(MARK, "-->");
    let bar = styled(MARK, "|");
    let number = styled(MARK, &place.line.to_string());
    let _ = writeln!(
        text,
        "{:margin$}{arrow} {file}:{}:{}",
        "", place.line, place.column
    );
    let _ = writeln!(text, "{:margin$} {bar}", "");
    let line = &shown.text;
    let before = place.column - 1 - shown.skipped;
    let rest = line.chars().count().saturating_sub(before);
    let length = place.length.min(rest).max(1);
    let marks = styled(style, &"^".repeat(length));
    let _ = writeln!(text, "{number} {bar} {line}");
    let _ = writeln!(text, "{:margin$} {bar} {:before$}{marks}", "", "");
}

/// One thing that is said of a finding.
fn said(text: &mut String, words: &str, margin: usize) {
    let first = format!("{:margin$} = ", "");
    let rest = " ".repeat(margin + 3);
    let line = wrapped(words, &first, &rest);
    let mark = format!("{:margin$} {} ", "", styled(MARK, "="));
    let _ = writeln!(text, "{mark}{}", line.strip_prefix(&first).unwrap_or(&line));
}

/// Lines of a finding beside its excerpt, and remedies that are printed unless all are asked for.
const LINES: usize = 14;
const REMEDIES: usize = 2;

/// The best remedies: sentences in lines that fit, YAML as it is.
fn to_do(text: &mut String, found: &Reported, (margin, begun): (usize, usize), is_explained: bool) {
    let indent = " ".repeat(margin + 3);
    let most = if is_explained {
        found.steps.len()
    } else {
        REMEDIES
    };
    for (at, step) in found.steps.iter().take(most).enumerate() {
        let word = if at == 0 { "to do" } else { "or" };
        let mut lines = String::new();
        said(&mut lines, &format!("{word}: {}", step.heading), margin);
        for line in step.yaml.lines() {
            let _ = writeln!(lines, "{indent}  {line}");
        }
        // The first line stands above the excerpt.
        let used = 1 + text.lines().count() - begun;
        if is_explained || used + lines.lines().count() <= LINES {
            text.push_str(&lines);
        } else if at == 0 {
            let kept: Vec<&str> = lines.lines().take(LINES.saturating_sub(1 + used)).collect();
            let _ = writeln!(text, "{}", kept.join("\n"));
            let _ = writeln!(text, "{indent}  # … `--explain` prints all of it");
        }
    }
}

fn summary(text: &mut String, summary: &Summary) {
    let Summary {
        judged,
        denied,
        warned,
        skipped,
        unjudged,
    } = *summary;
    let count = |number: usize, word: &str, style: Style| {
        let words = format!("{number} {word}");
        if number > 0 {
            styled(style, &words)
        } else {
            words
        }
    };
    let unjudged = match unjudged {
        0 => String::new(),
        number => format!("; {}", count(number, "not judged", DOUBTFUL)),
    };
    let _ = writeln!(
        text,
        "judged {judged}: {}, {}; {skipped} of other kinds skipped{unjudged}",
        count(denied, "denied", BAD),
        count(warned, "with warnings", DOUBTFUL)
    );
}
