//! Report of `check` for people: grouped by object, each message with the line it is about.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Element, Level, Origin, Renderer, Snippet};
use anstyle::Style;

use super::joined::Summary;
use super::report::{Checkpoints, DENIED, NOTE, Report, Reported, Shown, WARNING};
use super::unchecked::Unchecked;
use crate::cli::namespace::named;
use crate::cli::output::OutputArgs;
use crate::cli::text::{self, BAD, DOUBTFUL, MARK, STRONG, styled, wrapped};
use crate::printable;
use crate::show::conditions::Condition;
use crate::sources::files::place::Place;

/// The edits that were made and the findings that fail the run, and nothing else.
pub(super) fn quiet(report: &Report, args: &OutputArgs) -> String {
    let mut text = fixed(report);
    for group in groups(report.failing(args)) {
        object(&mut text, &group, args.explain);
    }
    text
}

fn fixed(report: &Report) -> String {
    let mut text = String::new();
    for fixed in &report.fixed {
        let line = format!("fixed: {}", fixed.text());
        let _ = writeln!(text, "{}", wrapped(&line, "", "  "));
    }
    text
}

/// The whole report.
pub(super) fn of(report: &Report, is_explained: bool) -> String {
    let mut text = fixed(report);
    for group in groups(report.findings.iter()) {
        object(&mut text, &group, is_explained);
    }
    for accepted in &report.accepted {
        let entries = accepted.entries.join(" and ");
        let line = format!(
            "{}, {} is permitted by {entries} of {}",
            accepted.object, accepted.field, accepted.cluster
        );
        let _ = writeln!(text, "{}", wrapped(&line, "", "  "));
    }
    let rendered = &report.counted_as_rendered;
    if !rendered.is_empty() {
        let (verb, noun) = match rendered.len() {
            1 => ("is", "policy"),
            _ => ("are", "policies"),
        };
        let policies = named(rendered.iter().cloned());
        let line =
            format!("note: {policies} {verb} not in the files: assuming the rendered {noun}");
        let _ = writeln!(text, "{}", wrapped(&line, "", "  "));
    }
    unchecked(&mut text, &report.unjudged);
    for note in &report.notes {
        let note = format!("note: {}", printable::line(note));
        let _ = writeln!(text, "{}", wrapped(&note, "", "  "));
    }
    checkpoints(&mut text, &report.checkpoints);
    if let Some(diff) = &report.connectivity {
        text.push_str(&diff.text());
    }
    let line = format!("baseline {}: {}", report.baseline, report.baseline_reason);
    let _ = writeln!(text, "{}", wrapped(&printable::line(&line), "", "  "));
    summary(&mut text, &report.summary);
    text
}

/// The status checkpoints, with one line for all objects that have the same.
fn checkpoints(text: &mut String, all: &[Checkpoints]) {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for checkpoints in all {
        let conditions = checkpoints.conditions.iter().map(Condition::short);
        let conditions = conditions.collect::<Vec<_>>().join("; ");
        match groups.iter_mut().find(|(known, _)| *known == conditions) {
            Some((_, objects)) => objects.push(checkpoints.object.clone()),
            None => groups.push((conditions, vec![checkpoints.object.clone()])),
        }
    }
    for (conditions, objects) in groups {
        let line = format!("{}: {conditions}", named(objects.into_iter()));
        let _ = writeln!(text, "{}", wrapped(&line, "", "  "));
    }
}

/// Objects that could not be checked, with one line for all that have the same reason.
fn unchecked(text: &mut String, all: &[Unchecked]) {
    let mut by_reason: BTreeMap<(&str, &str), Vec<&Unchecked>> = BTreeMap::new();
    for object in all {
        let reason = (object.reason.as_str(), object.help());
        by_reason.entry(reason).or_default().push(object);
    }
    for ((reason, help), objects) in by_reason {
        // Versions of an object have one name.
        let mut known = BTreeSet::new();
        let names = objects.iter().map(|object| object.name());
        let names: Vec<String> = names.filter(|name| known.insert(name.clone())).collect();
        let verb = if names.len() == 1 { "was" } else { "were" };
        let objects = named(names.into_iter());
        let line = format!("note: {objects} {verb} not checked: {reason}; {help}");
        let _ = writeln!(text, "{}", wrapped(&line, "", "  "));
    }
}

/// The findings by object, in the order in which each object comes first.
fn groups<'a>(findings: impl Iterator<Item = &'a Reported>) -> Vec<Vec<&'a Reported>> {
    let mut groups: Vec<Vec<&Reported>> = Vec::new();
    let mut known = BTreeMap::new();
    for finding in findings {
        let name = (finding.kind, &finding.namespace, &finding.object);
        let at = *known.entry(name).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[at].push(finding);
    }
    groups
}

fn object(text: &mut String, findings: &[&Reported], is_explained: bool) {
    let Some(first) = findings.first() else {
        return;
    };
    let counts: Vec<String> = [(DENIED, "denied"), (WARNING, "warning"), (NOTE, "noted")]
        .into_iter()
        .filter_map(|(level, noun)| {
            let count = findings
                .iter()
                .filter(|finding| finding.level == level)
                .count();
            let plural = if level == WARNING && count > 1 {
                "s"
            } else {
                ""
            };
            (count > 0).then(|| format!("{count} {noun}{plural}"))
        })
        .collect();
    let _ = writeln!(
        text,
        "{}: {}\n",
        styled(STRONG, &printable::line(&first.target())),
        counts.join(", ")
    );
    let printed = printed(findings);
    let mut steps = Printed::new();
    for found in &printed {
        finding(text, found, &mut steps, is_explained);
        text.push('\n');
    }
    let more = findings.len() - printed.len();
    if more > 0 {
        let line = format!(
            "… and {more} more of {}; `-o json` prints all of them",
            first.target()
        );
        let line = wrapped(&printable::line(&line), "", "  ");
        let _ = writeln!(text, "{line}\n");
    }
}

/// Findings of one object that are printed.
const PRINTED: usize = 20;

/// The findings that are printed, in their order. If there are too many, those that deny go first.
fn printed<'a>(findings: &[&'a Reported]) -> Vec<&'a Reported> {
    let is_denial = |finding: &&&Reported| finding.level == DENIED;
    let all = findings.iter().filter(is_denial).count();
    let (mut denials, mut others) = (all.min(PRINTED), PRINTED.saturating_sub(all));
    let printed = findings.iter().copied().filter(|finding| {
        let left = if is_denial(&finding) {
            &mut denials
        } else {
            &mut others
        };
        let is_left = *left > 0;
        *left = left.saturating_sub(1);
        is_left
    });
    printed.collect()
}

fn level(finding: &Reported) -> Level<'static> {
    match finding.level {
        DENIED => Level::ERROR.with_name(DENIED),
        WARNING => Level::WARNING,
        _ => Level::NOTE,
    }
}

/// The fields for which remedies of an object are printed, by file, heading and YAML.
type Printed<'a> = BTreeMap<(Option<&'a str>, &'a str, &'a str), &'a str>;

fn finding<'a>(
    text: &mut String,
    found: &'a Reported,
    printed: &mut Printed<'a>,
    is_explained: bool,
) {
    let place = if found.field.is_empty() {
        String::new()
    } else {
        format!(": {}", found.field)
    };
    let title = format!("{}{}", found.name, printable::line(&place));
    let group = level(found).primary_title(title).id(found.code);
    let file = found.file.as_ref().map(|file| printable::line(file));
    let group = match (&file, &found.shown, found.line) {
        (Some(file), Some(shown), _) => group.element(excerpt(file, shown)),
        (Some(file), None, Some(line)) => group.element(Origin::path(&**file).line(line)),
        _ => group.elements(Vec::<Element<'_>>::new()),
    };
    // As wide as the number of the line, and the mark of a message.
    let number = found.shown.as_ref().map(|shown| shown.place.line);
    let margin = number.map_or(0, |number| number.to_string().len()) + 3;
    let source = found.source.iter();
    let source = source.map(|source| fitting(&format!("made from {source}"), margin));
    let mut messages: Vec<String> = source.collect();
    messages.push(fitting(&found.reason, margin));
    messages.extend(found.example().map(|example| fitting(&example, margin)));
    let effective = found.effective.iter();
    messages.extend(effective.map(|text| fitting(&format!("note: {text}"), margin)));
    let lines = messages.iter().map(|message| message.lines().count()).sum();
    messages.extend(to_do(found, printed, (lines, margin), is_explained));
    let messages = messages
        .into_iter()
        .map(|message| Level::NOTE.no_name().message(message));
    let rendered = renderer().render(&[group.elements(messages)]);
    let _ = writeln!(text, "{rendered}");
}

fn renderer() -> Renderer {
    Renderer::styled()
        .term_width(text::width())
        .error(BAD)
        .warning(DOUBTFUL)
        .note(MARK)
        .context(MARK)
        .line_num(MARK)
        .emphasis(Style::new())
}

/// The line with the place, and marks under the part that is meant. Only the place of a line that is too long.
fn excerpt<'a>(file: &'a str, shown: &'a Shown) -> Element<'a> {
    let Place {
        line,
        column,
        length,
    } = shown.place;
    let Some(text) = &shown.text else {
        return Origin::path(file).line(line).char_column(column).into();
    };
    let byte = |at: usize| {
        let mut starts = text.char_indices().map(|(byte, _)| byte);
        starts.nth(at).unwrap_or(text.len())
    };
    let first = column.saturating_sub(1);
    let marks = AnnotationKind::Primary.span(byte(first)..byte(first + length.max(1)));
    let snippet = Snippet::source(text).line_start(line).path(file);
    snippet.annotation(marks).into()
}

/// A message in lines that fit beside the margin.
fn fitting(words: &str, margin: usize) -> String {
    let indent = " ".repeat(margin);
    let line = wrapped(words, &indent, &indent);
    let lines: Vec<&str> = line.lines().map(str::trim_start).collect();
    lines.join("\n")
}

/// Lines of messages of a finding, and remedies that are printed unless all are asked for.
const LINES: usize = 14;
const REMEDIES: usize = 2;

/// The best remedies: sentences in lines that fit, YAML as it is. One that was printed before is only named.
fn to_do<'a>(
    found: &'a Reported,
    printed: &mut Printed<'a>,
    (mut used, margin): (usize, usize),
    is_explained: bool,
) -> Vec<String> {
    let most = if is_explained {
        found.steps.len()
    } else {
        REMEDIES
    };
    let mut messages = Vec::new();
    for (at, step) in found.steps.iter().take(most).enumerate() {
        let prefix = if at == 0 { "to do" } else { "or" };
        let key = (found.file.as_deref(), &*step.heading, &*step.yaml);
        let action = step.heading.split_once("; ");
        let (heading, yaml) = match (action, printed.get(&key)) {
            (Some((action, _)), Some(field)) => (format!("{action}, as for {field}"), ""),
            _ => (step.heading.clone(), &*step.yaml),
        };
        let heading = fitting(&format!("{prefix}: {heading}"), margin);
        let yaml = yaml.lines().map(|line| format!("  {line}"));
        let mut lines: Vec<String> = heading.lines().map(str::to_owned).chain(yaml).collect();
        // The title and the line of the place are counted too.
        let room = LINES.saturating_sub(2 + used);
        if !is_explained && lines.len() > room {
            if at > 0 {
                continue;
            }
            lines.truncate(room.saturating_sub(1));
            lines.push("  # … `--explain` prints all of it".to_owned());
        } else {
            printed.entry(key).or_insert(&found.field);
        }
        used += lines.len();
        messages.push(lines.join("\n"));
    }
    messages
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
        number => format!("; {}", count(number, "not checked", DOUBTFUL)),
    };
    let _ = writeln!(
        text,
        "checked {judged}: {}, {}; {skipped} of other kinds skipped{unjudged}",
        count(denied, "denied", BAD),
        count(warned, "with warnings", DOUBTFUL)
    );
}
