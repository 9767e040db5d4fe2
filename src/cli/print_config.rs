//! `--print-config`: the settings in force, with the source of each.

use std::io::Write as _;

use super::Failure;
use crate::settings::{Flags, Given, SettingsFile};

/// Prints a settings file with all settings in force.
pub(super) fn print<F: Flags>(
    given: &Given<F>,
    file: Option<&SettingsFile>,
) -> Result<(), Failure> {
    let text = given.print(file)?;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}
