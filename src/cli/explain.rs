//! `explain`: the catalogue of rules, and the page of one.

use std::fmt::Write as _;

use clap_complete::{ArgValueCandidates, CompletionCandidate};
use serde::Serialize;

use super::output::TextOrJson;
use super::text::{STRONG, page, print, styled, wrapped};
use super::{ExitStatus, Failure};
use crate::code::Code;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Code or name of a rule, such as `OBP201`; without one all rules are listed
    #[arg(value_name = "CODE", add = ArgValueCandidates::new(codes))]
    pub(crate) code: Option<Code>,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: TextOrJson,
}

/// A rule as JSON.
#[derive(Serialize)]
struct Rule {
    code: &'static str,
    name: &'static str,
    default_level: String,
    summary: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<&'static str>,
}

impl Rule {
    fn of(code: Code) -> Self {
        Self {
            code: code.as_str(),
            name: code.name(),
            default_level: code.default_level(),
            summary: code.rule().summary,
            explanation: None,
        }
    }
}

/// Prints the page of a rule, or the list of all.
pub(crate) fn run(args: &Args) -> Result<ExitStatus, Failure> {
    let text = match (args.code, args.output) {
        (None, TextOrJson::Text) => list(),
        (Some(code), TextOrJson::Text) => page(code.page()),
        (None, TextOrJson::Json) => json(Code::ALL.map(Rule::of).as_slice())?,
        (Some(code), TextOrJson::Json) => json(&Rule {
            explanation: Some(code.page()),
            ..Rule::of(code)
        })?,
    };
    print(&text)?;
    Ok(ExitStatus::Fine)
}

fn json(value: &(impl Serialize + ?Sized)) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(value).map(|text| text + "\n")
}

/// Codes that complete, each with the name of its rule.
fn codes() -> Vec<CompletionCandidate> {
    let candidate =
        |code: Code| CompletionCandidate::new(code.as_str()).help(Some(code.name().into()));
    Code::ALL.map(candidate).into_iter().collect()
}

fn list() -> String {
    let mut text = String::new();
    for code in Code::ALL {
        let head = styled(STRONG, &format!("{code} {}", code.name()));
        let _ = writeln!(text, "{head} ({})", code.default_level());
        let _ = writeln!(text, "{}", wrapped(code.rule().summary, "    ", "    "));
    }
    text
}
