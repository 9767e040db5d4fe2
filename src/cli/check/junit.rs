//! Report of `check` as JUnit: one suite for each file, one test case for each object.

use std::collections::BTreeMap;

use quick_junit::{NonSuccessKind, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::report::{DENIED, Report, Reported};
use crate::cli::output::OutputArgs;
use crate::printable;

/// The document.
pub(super) fn of(report: &Report, args: &OutputArgs) -> Result<String, SerializeError> {
    let mut by_object: BTreeMap<String, Vec<&Reported>> = BTreeMap::new();
    for found in &report.findings {
        by_object.entry(found.target()).or_default().push(found);
    }
    let mut suites: BTreeMap<String, TestSuite> = BTreeMap::new();
    let mut add = |file: Option<&String>, case: TestCase| {
        let name = printable::line(file.map_or("inventory", String::as_str));
        let suite = suites.entry(name.to_string());
        suite
            .or_insert_with(|| TestSuite::new(&*name))
            .add_test_case(case);
    };
    for judged in &report.judged {
        let name = judged.name();
        let reason = report.unjudged.iter().find(|object| object.name() == name);
        let status = match (by_object.remove(&name), reason) {
            (None, Some(unjudged)) => {
                let mut status = TestCaseStatus::skipped();
                status.set_message(&*printable::line(&unjudged.reason));
                status
            }
            (findings, _) => status(&findings.unwrap_or_default(), args),
        };
        add(judged.file.as_ref(), case(name, judged.kind, status));
    }
    for (name, findings) in by_object {
        let first = findings.first();
        let file = first.and_then(|found| found.file.as_ref());
        let kind = first.map_or("", |found| found.kind);
        add(file, case(name, kind, status(&findings, args)));
    }
    for problem in &report.unreadable {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(&*printable::line(problem));
        add(None, case("unreadable input".to_owned(), "", status));
    }
    let mut document = quick_junit::Report::new(env!("CARGO_PKG_NAME"));
    document.add_test_suites(suites.into_values());
    document.to_string()
}

fn case(name: String, kind: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(kind);
    case
}

/// A failure where findings fail the run. Others are its description.
fn status(findings: &[&Reported], args: &OutputArgs) -> TestCaseStatus {
    let failing = findings.iter().filter(|found| args.fails(found.level));
    let codes: Vec<&str> = failing.map(|found| found.code).collect();
    let mut status = if codes.is_empty() {
        TestCaseStatus::success()
    } else {
        TestCaseStatus::non_success(NonSuccessKind::Failure)
    };
    let lines: Vec<String> = findings.iter().map(|found| line(found)).collect();
    if let Some(code) = codes.first() {
        status.set_message(codes.join(", ")).set_type(*code);
        status.set_description(&*printable::lines(&lines.join("\n")));
    }
    status
}

fn line(found: &Reported) -> String {
    let place = match (&found.file, found.field_line.or(found.line)) {
        (Some(file), Some(line)) => format!("{}:{line}: ", printable::line(file)),
        _ => String::new(),
    };
    let example = found.example();
    let example = example.map(|example| format!("; {example}"));
    let step = found.steps.first().filter(|_| found.level == DENIED);
    let step = step.map(|step| format!("\n  to do: {}\n{}", step.heading, indented(&step.yaml)));
    format!(
        "{place}{}[{}] {}: {}{}{}",
        found.level,
        found.code,
        found.field,
        found.reason,
        example.unwrap_or_default(),
        step.unwrap_or_default()
    )
}

fn indented(yaml: &str) -> String {
    let lines: Vec<String> = yaml.lines().map(|line| format!("    {line}")).collect();
    lines.join("\n")
}
