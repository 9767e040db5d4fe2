//! The command line: commands and exit status.

pub(crate) mod certs;
pub(crate) mod check;
pub mod crds;
pub(crate) mod explain;
pub(crate) mod input;
mod live;
mod namespace;
mod print_config;
pub(crate) mod render;
pub(crate) mod review;
pub(crate) mod serve;
pub(crate) mod show;
mod text;
mod typed;

use std::error::Error;
use std::process::{ExitCode, Termination};

use clap::{Parser, Subcommand};

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
    /// Judge manifests in files, for CI: their final state, or an edit
    Check(check::Args),
    /// Print the NetworkPolicies that the operator renders for OpenBaoClusters
    Render(render::Args),
    /// Show the perimeter of OpenBaoClusters: each row of the allowlist and its state
    Show(show::Args),
    /// Print the page of a rule, or the list of all rules
    Explain(explain::Args),
    /// Print the CustomResourceDefinitions that tests and trials use
    Crds,
    /// Make certificates, or say what is in one
    Certs(certs::Args),
}

/// Exit status of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// 0: nothing was denied.
    Fine,
    /// 1: something was denied, or `check --strict` could not judge something.
    Denied,
    /// 2: it could not run.
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
            Command::Check(args) => check::run(args),
            Command::Render(args) => render::run(args),
            Command::Show(args) => show::run(&args),
            Command::Explain(args) => explain::run(&args),
            Command::Certs(args) => certs::run(args),
            Command::Crds => crds::run().map(|()| ExitStatus::Fine).map_err(Into::into),
        };
        ended.unwrap_or_else(|failure| {
            eprintln!("error: {}", with_causes(&*failure));
            ExitStatus::CouldNotRun
        })
    }
}

/// An error with its causes, in one line.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    std::iter::successors(error.source(), |cause| (*cause).source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
