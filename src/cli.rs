//! The command line: commands and exit status.

pub(crate) mod can;
pub(crate) mod certs;
pub(crate) mod check;
pub(crate) mod completion;
pub mod crds;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod input;
mod live;
mod namespace;
pub mod output;
mod print_config;
mod project;
pub(crate) mod render;
pub(crate) mod review;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod suggest;
mod text;
mod today;
mod typed;
pub(crate) mod version;

use std::error::Error;
use std::path::PathBuf;
use std::process::{ExitCode, Termination};

use clap::{Parser, Subcommand};

use crate::printable;
pub use check::schema as report_schema;
pub use show::schema as view_schema;

/// Guards the network perimeter of OpenBao clusters.
#[derive(Debug, Parser)]
#[command(name = "openbao-perimeter", version, about)]
pub struct Cli {
    /// Command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the admission webhooks
    Serve(serve::Args),
    /// Answer one AdmissionReview: standard input to standard output
    Review(review::Args),
    /// Check manifests in files, for CI: their final state, or a change
    Check(check::Args),
    /// Print declarations and waivers after which `check` denies nothing, as YAML to review
    Suggest(suggest::Args),
    /// Print the NetworkPolicies that the operator renders for OpenBaoClusters
    Render(render::Args),
    /// Show the perimeter of OpenBaoClusters: each row of the allowlist and its state
    Show(show::Args),
    /// Say whether a connection is allowed, and by which policy or what is missing
    Can(can::Args),
    /// Print the page of a rule, or the list of all rules
    Explain(explain::Args),
    /// Print objects for a cluster, made from the settings
    Export(export::Args),
    /// Print the CustomResourceDefinitions that tests and trials use
    Crds,
    /// Create and inspect certificates
    Certs(certs::Args),
    /// Print the completion script of a shell
    Completion(completion::Args),
    /// Write manual pages to a folder
    #[command(hide = true)]
    Man(completion::ManArgs),
    /// Print the version
    Version(version::Args),
}

/// Exit status of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// 0: nothing was denied; the answer of `can` is yes.
    Fine,
    /// 1: something was denied, or found that `--fail-on` or `--strict` counts; the answer of `can` is no.
    Denied,
    /// 2: it could not run, or there is no answer.
    CouldNotRun,
}

impl Termination for ExitStatus {
    fn report(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Fine => 0,
            Self::Denied => 1,
            Self::CouldNotRun => 2,
        })
    }
}

/// Error of a command that could not run, with its causes.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

impl Cli {
    /// Runs the command. The error of one that could not run goes to standard error.
    pub fn run(self) -> ExitStatus {
        let ended = match self.command {
            Command::Serve(args) => serve::run(args),
            Command::Review(args) => review::run(&args),
            Command::Check(args) => check::run(&args),
            Command::Suggest(args) => suggest::run(&args),
            Command::Render(args) => render::run(&args),
            Command::Show(args) => show::run(&args),
            Command::Can(args) => can::run(&args),
            Command::Completion(args) => completion::run(&args),
            Command::Man(args) => completion::man(&args),
            Command::Version(args) => version::run(&args),
            Command::Explain(args) => explain::run(&args),
            Command::Export(args) => export::run(&args),
            Command::Certs(args) => certs::run(args),
            Command::Crds => crds::run().map(|()| ExitStatus::Fine).map_err(Into::into),
        };
        ended.unwrap_or_else(|failure| {
            tell("error", &with_causes(&*failure));
            ExitStatus::CouldNotRun
        })
    }
}

/// Prints a line about the run to standard error. Names in it may come from files, so it is escaped.
fn tell(level: &str, text: &str) {
    let text = format!("{level}: {}", printable::lines(text));
    eprintln!("{}", text::without_commands(&text));
}

/// Name of the program as kubectl finds a plugin.
const PLUGIN: &str = "kubectl-openbao_perimeter";

/// Name under which the program was started: its own, or that of the plugin of kubectl.
fn program() -> String {
    let started = std::env::args_os().next().map(PathBuf::from);
    let name = started.as_ref().and_then(|path| path.file_stem());
    match name {
        Some(name) if name == PLUGIN => PLUGIN.to_owned(),
        _ => env!("CARGO_PKG_NAME").to_owned(),
    }
}

/// An error with its causes, in one line.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    std::iter::successors(error.source(), |cause| (*cause).source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
