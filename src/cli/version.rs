//! `version`: of the program, and what it was built for.

use serde::Serialize;

use super::output::TextOrJson;
use super::{ExitStatus, Failure, text};
use crate::config::Baseline;

/// Arguments of `version`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: TextOrJson,
}

#[derive(Serialize)]
struct Program {
    name: &'static str,
    version: &'static str,
    baselines: Vec<&'static str>,
}

/// Prints the version.
pub(crate) fn run(args: &Args) -> Result<ExitStatus, Failure> {
    let program = Program {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        baselines: Baseline::ALL.map(Baseline::as_str).to_vec(),
    };
    let printed = match args.output {
        TextOrJson::Text => format!("{} {}\n", program.name, program.version),
        TextOrJson::Json => serde_json::to_string_pretty(&program)? + "\n",
    };
    text::print(&printed)?;
    Ok(ExitStatus::Fine)
}
