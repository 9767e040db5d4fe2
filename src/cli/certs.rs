//! `certs`: makes certificates as files, and says what is in one.

mod inspect;
mod make;

use std::io;
use std::path::PathBuf;

use super::{ExitStatus, Failure};

/// Arguments of `certs`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands about certificates.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Create a CA and a certificate as files; if DIR has a CA, a new certificate from that CA
    Make(make::Args),
    /// Show the names and the validity of a certificate; exit status 1 if it should be replaced
    Inspect(inspect::Args),
}

/// Error of files that cannot be used.
#[derive(Debug, thiserror::Error)]
enum FileError {
    /// A folder or file cannot be written.
    #[error("cannot write `{path}`")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A file holds no certificate.
    #[error("expected a PEM certificate in `{path}`, found none")]
    NoCertificate { path: PathBuf },
    /// A file holds no key.
    #[error("expected a PEM private key in `{path}`, found none")]
    NoKey { path: PathBuf },
    /// Half a CA.
    #[error("expected both `ca.crt` and `ca.key` in `{dir}` or neither, found one")]
    IncompleteCa { dir: PathBuf },
    /// A CA that cannot sign.
    #[error("the CA in `{dir}` has expired or has another key; move `ca.crt` and `ca.key` away")]
    UnusableCa { dir: PathBuf },
}

/// Runs the command.
pub(super) fn run(args: Args) -> Result<ExitStatus, Failure> {
    let now = webhook_certs::now();
    match args.command {
        Command::Make(args) => make::run(&args, now),
        Command::Inspect(args) => inspect::run(&args, now),
    }
}
