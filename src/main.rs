//! The command `openbao-perimeter`.

use openbao_perimeter::cli::{Cli, ExitStatus};

fn main() -> ExitStatus {
    Cli::typed().run()
}
