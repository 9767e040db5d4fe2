//! Settings as a settings file, with the source of each value.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::{Flags, Given, Keys, SettingsError, SettingsFile};

impl<F: Flags> Given<F> {
    /// All settings, as YAML that is a settings file itself. The source of each value is a comment behind it.
    ///
    /// # Errors
    /// A path is not UTF-8.
    pub(crate) fn print(&self, file: Option<&SettingsFile>) -> Result<String, SettingsError> {
        let Keys(keys) = Keys::of(&self.with(file))?;
        let mut text = String::new();
        let mut groups: Vec<&str> = Vec::new();
        for (key, value) in &keys {
            let mut parts: Vec<&str> = key.split('.').collect();
            let name = parts.pop().unwrap_or_default();
            open(&mut text, &groups, &parts);
            groups = parts;
            let indent = "  ".repeat(groups.len());
            if value.is_null() {
                let _never = writeln!(text, "{indent}# {name}: not set");
            } else {
                let origin = self.origin(key, file).to_string();
                lines(&mut text, &indent, &entry(name, value)?, &origin);
            }
        }
        Ok(text)
    }
}

/// Begins the groups that were not open before.
fn open(text: &mut String, before: &[&str], groups: &[&str]) {
    let same = before.iter().zip(groups);
    let same = same.take_while(|(before, group)| before == group).count();
    for (depth, group) in groups.iter().enumerate().skip(same) {
        let _never = writeln!(text, "{}{group}:", "  ".repeat(depth));
    }
}

fn entry(name: &str, value: &Value) -> Result<String, SettingsError> {
    let entry = BTreeMap::from([(name, value)]);
    serde_saphyr::to_string(&entry).map_err(|error| SettingsError::Write {
        problem: error.to_string(),
    })
}

fn lines(text: &mut String, indent: &str, entry: &str, origin: &str) {
    for (at, line) in entry.lines().enumerate() {
        let _never = match at {
            0 => writeln!(text, "{indent}{line}  # {origin}"),
            _ => writeln!(text, "{indent}{line}"),
        };
    }
}

#[cfg(test)]
mod tests;
