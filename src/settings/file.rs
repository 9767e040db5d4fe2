//! The file of settings.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Settings, SettingsError, known};

/// A file of settings as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds, for comparison.
    pub text: String,
    /// What that sets.
    pub settings: Settings,
    written: Value,
}

impl SettingsFile {
    /// Reads and understands a file.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = fs::read_to_string(path).map_err(|source| SettingsError::Read {
            file: path.to_owned(),
            source,
        })?;
        Self::parse(path, text)
    }

    /// Understands what a file holds.
    pub fn parse(path: &Path, text: String) -> Result<Self, SettingsError> {
        Ok(Self {
            path: path.to_owned(),
            settings: Settings::from_yaml(path, &text)?,
            // What makes settings makes a value too.
            written: serde_saphyr::from_str(&text).unwrap_or_default(),
            text,
        })
    }

    /// Whether it sets this key, `review.widths.blockV4`.
    pub(super) fn sets(&self, key: &str) -> bool {
        let value = key
            .split('.')
            .try_fold(&self.written, |value, part| value.get(part));
        match value {
            None | Some(Value::Null) => false,
            // Outside of `review` an empty list is one that is not set.
            Some(Value::Array(items)) => !items.is_empty() || key.starts_with("review."),
            Some(_) => true,
        }
    }
}

impl Settings {
    pub(super) fn from_yaml(path: &Path, text: &str) -> Result<Self, SettingsError> {
        // The level `off` is a word, and no boolean of old YAML.
        let options = serde_saphyr::options! { strict_booleans: true };
        // An empty file, or one of comments only, sets nothing.
        serde_saphyr::from_str_with_options::<Option<Self>>(text, options)
            .map(Option::unwrap_or_default)
            .map_err(|problem| SettingsError::Understand {
                file: path.to_owned(),
                problem: known::hinted::<Self>(&problem.to_string(), text),
            })
    }
}
