//! The command `openbao-perimeter`.

use clap::Parser as _;
use openbao_perimeter::cli::{Cli, ExitStatus};

fn main() -> ExitStatus {
    Cli::parse().run()
}
