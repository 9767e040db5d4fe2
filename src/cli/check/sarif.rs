//! Report of `check` as SARIF 2.1.0.

use std::fmt::Write as _;

use serde_sarif::sarif::{
    ArtifactChange, ArtifactContent, ArtifactLocation, Fix as SarifFix, Invocation, Location,
    LogicalLocation, Message, MultiformatMessageString, Notification, PhysicalLocation, Region,
    Replacement, ReportingDescriptor, Result as Found, ResultLevel, Run, SCHEMA_URL, Sarif, Tool,
    ToolComponent, Version,
};

use super::report::{DENIED, Fix, Report, Reported, WARNING};
use crate::code::Code;
use crate::printable;

/// Address of the repository; empty while Cargo.toml names none.
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// The log, with the rules that findings are about.
pub(super) fn of(report: &Report) -> Result<String, serde_json::Error> {
    let codes: Vec<Code> = Code::ALL
        .into_iter()
        .filter(|code| {
            report
                .findings
                .iter()
                .any(|found| found.code == code.as_str())
        })
        .collect();
    let mut driver = ToolComponent::builder()
        .name(env!("CARGO_PKG_NAME"))
        .version(env!("CARGO_PKG_VERSION"))
        .semantic_version(env!("CARGO_PKG_VERSION"))
        .rules(codes.iter().copied().map(rule).collect::<Vec<_>>())
        .build();
    driver.information_uri = (!REPOSITORY.is_empty()).then(|| REPOSITORY.to_owned());
    let notifications = report.unreadable.iter().map(|problem| {
        Notification::builder()
            .level("error")
            .message(Message::builder().text(plain(problem)).build())
            .build()
    });
    let invocation = Invocation::builder()
        .execution_successful(report.unreadable.is_empty())
        .tool_execution_notifications(notifications.collect::<Vec<_>>())
        .build();
    let run = Run::builder()
        .tool(Tool::builder().driver(driver).build())
        .invocations(vec![invocation])
        .column_kind("unicodeCodePoints")
        .results(
            report
                .findings
                .iter()
                .map(|found| result(found, &codes))
                .collect::<Vec<_>>(),
        )
        .build();
    let log = Sarif::builder()
        .schema(SCHEMA_URL)
        .version(Version::V2_1_0.to_string())
        .runs(vec![run])
        .build();
    serde_json::to_string_pretty(&log).map(|text| text + "\n")
}

fn rule(code: Code) -> ReportingDescriptor {
    let text = |text: &str| MultiformatMessageString::builder().text(text).build();
    let page = code.page();
    let help = MultiformatMessageString::builder()
        .text(page)
        .markdown(page)
        .build();
    let mut rule = ReportingDescriptor::builder()
        .id(code.as_str())
        .name(code.name())
        .short_description(text(code.rule().summary))
        .full_description(text(code.rule().summary))
        .help(help)
        .build();
    rule.help_uri = (!REPOSITORY.is_empty())
        .then(|| format!("{REPOSITORY}/blob/main/docs/rules/{}.md", code.as_str()));
    rule
}

fn result(found: &Reported, codes: &[Code]) -> Found {
    let level = match found.level {
        DENIED => ResultLevel::Error,
        WARNING => ResultLevel::Warning,
        _ => ResultLevel::Note,
    };
    let mut words = format!("{}: {}", found.target(), found.reason);
    for more in found.example().into_iter().chain(to_do(found)) {
        words.push('\n');
        words.push_str(&more);
    }
    let index = codes.iter().position(|code| code.as_str() == found.code);
    let mut result = Found::builder()
        .rule_id(found.code)
        .level(level)
        .message(Message::builder().text(plain(&words)).build())
        .locations(vec![location(found)])
        .build();
    result.fixes = found.fix.as_ref().map(|remedy| vec![fix(remedy)]);
    result.rule_index = index.and_then(|index| i64::try_from(index).ok());
    result
}

/// A remedy as replacements in files.
fn fix(remedy: &Fix) -> SarifFix {
    let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let changes = remedy.edits.iter().map(|(file, edit)| {
        let region = Region::builder()
            .start_line(number(edit.start.0))
            .start_column(number(edit.start.1))
            .end_line(number(edit.end.0))
            .end_column(number(edit.end.1))
            .build();
        let text = ArtifactContent::builder().text(edit.text.as_str()).build();
        let replacement = Replacement::builder()
            .deleted_region(region)
            .inserted_content(text)
            .build();
        ArtifactChange::builder()
            .artifact_location(ArtifactLocation::builder().uri(uri(file)).build())
            .replacements(vec![replacement])
            .build()
    });
    SarifFix::builder()
        .description(Message::builder().text(plain(&remedy.heading)).build())
        .artifact_changes(changes.collect::<Vec<_>>())
        .build()
}

/// Text of a message, in which nothing is a link.
fn plain(text: &str) -> String {
    printable::lines(text).replace("](", "] (")
}

fn to_do(found: &Reported) -> Option<String> {
    let step = found.steps.first()?;
    Some(
        format!("to do: {}\n{}", step.heading, step.yaml)
            .trim_end()
            .to_owned(),
    )
}

fn location(found: &Reported) -> Location {
    let object = format!("{} {}", found.target(), found.field);
    let logical = LogicalLocation::builder()
        .name(found.object.as_str())
        .fully_qualified_name(object.trim_end())
        .kind("resource")
        .build();
    let mut location = Location::builder().logical_locations(vec![logical]).build();
    location.physical_location = found.artifact().map(|file| {
        let artifact = ArtifactLocation::builder().uri(uri(file)).build();
        let mut physical = PhysicalLocation::builder()
            .artifact_location(artifact)
            .build();
        physical.region = region(found).filter(|_| found.source.is_none());
        physical
    });
    location
}

fn region(found: &Reported) -> Option<Region> {
    let number = |number: usize| i64::try_from(number).ok();
    let line = number(found.field_line.or(found.line)?)?;
    let mut region = Region::builder().start_line(line).build();
    if let Some(place) = found.shown.as_ref().map(|shown| shown.place) {
        region.start_column = number(place.column);
        region.end_column = number(place.column + place.length.max(1));
    }
    Some(region)
}

/// The path as a URI: relative ones are relative to the folder of the run.
fn uri(file: &str) -> String {
    let mut uri = String::new();
    for byte in file.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    if file.starts_with('/') {
        uri.insert_str(0, "file://");
    }
    uri
}
