//! `--print-config`: the settings in force, with where each comes from.

use std::io::Write as _;

use super::{Failure, limits};
use crate::settings::{Flags, Given, SettingsFile};

/// Prints a file of settings that sets all that is in force.
pub(super) fn print<F: Flags>(
    given: &Given<F>,
    file: Option<&SettingsFile>,
) -> Result<(), Failure> {
    let limits = limits::effective(given.with(file).limits)?;
    let text = given.print(file, limits)?;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}
