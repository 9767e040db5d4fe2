//! The settings file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{ServerConfig, SettingsError};
use crate::inventory::read::maps_only::MapsOnly;

/// Keys of earlier releases, with their present form.
const RENAMED: [(&str, &str); 2] = [
    ("shutdownDelaySeconds", "shutdownDelay: 2s"),
    ("staleAfterSeconds", "staleAfter: 5m"),
];

/// A settings file as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingsFile {
    /// Path of the file.
    pub(crate) path: PathBuf,
    /// Contents, for comparison.
    pub(crate) text: String,
    /// The file's settings, with defaults for the rest.
    pub(crate) config: ServerConfig,
    written: Value,
    /// Keys that another file sets instead, with its path.
    overridden: BTreeMap<&'static str, PathBuf>,
}

impl SettingsFile {
    /// Reads and parses a file.
    ///
    /// # Errors
    /// The file cannot be read, or is not one of settings.
    pub(crate) fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = fs::read_to_string(path).map_err(|source| SettingsError::Read {
            file: path.to_owned(),
            source,
        })?;
        Self::parse(path, text)
    }

    /// Parses the contents of a file.
    ///
    /// # Errors
    /// They are not settings.
    pub(crate) fn parse(path: &Path, text: String) -> Result<Self, SettingsError> {
        let mut file = Self {
            path: path.to_owned(),
            config: Self::understand(path, &text)?,
            // Text that makes settings makes a value too.
            written: serde_saphyr::from_str(&text).unwrap_or_default(),
            text,
            overridden: BTreeMap::new(),
        };
        // One body of the largest size is always taken.
        if !file.sets("limits.maxBytesInFlight") {
            let limits = &mut file.config.limits;
            limits.bytes_in_flight = limits.bytes_in_flight.max(limits.body_bytes);
        }
        Ok(file)
    }

    /// Decodes the contents of a file of settings. An empty one, or one of comments only, sets nothing.
    ///
    /// # Errors
    /// They are not such settings.
    pub(crate) fn understand<T: DeserializeOwned + Default>(
        path: &Path,
        text: &str,
    ) -> Result<T, SettingsError> {
        // The level `off` is a word, and no boolean of old YAML.
        let options = serde_saphyr::options! { strict_booleans: true };
        let error = |problem: String| SettingsError::Understand {
            file: path.to_owned(),
            problem,
        };
        // Decoding to a tree first: the code for a struct straight from YAML takes minutes to optimize.
        let tree = serde_saphyr::from_str_with_options::<Value>(text, options);
        let tree = tree.map_err(|found| error(found.to_string()))?;
        if tree.is_null() {
            return Ok(T::default());
        }
        serde_path_to_error::deserialize(MapsOnly(tree)).map_err(|found| {
            let problem = found.inner().to_string();
            let hint = hint(&problem);
            error(match found.path().to_string().as_str() {
                "." => format!("{problem}{hint}"),
                at => format!("{at}: {problem}{hint}"),
            })
        })
    }

    /// Notes that the value of a key is from another file.
    pub(crate) fn override_by(&mut self, path: &Path, key: &'static str) {
        self.overridden.insert(key, path.to_owned());
    }

    /// The file that sets this key, if one does.
    pub(super) fn source(&self, key: &str) -> Option<&Path> {
        let other = self.overridden.get(key).map(PathBuf::as_path);
        other.or_else(|| self.sets(key).then_some(&*self.path))
    }

    /// Whether the file sets this key, `review.widths.blockV4`.
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

/// The known key or word that is nearest to the unknown one of serde's message: "unknown field `x`, expected one of
/// `a`, `b`".
fn hint(problem: &str) -> String {
    let kind = match problem {
        _ if problem.starts_with("unknown field `") => "key",
        _ if problem.starts_with("unknown variant `") => "word",
        _ => return String::new(),
    };
    let mut quoted = problem.split('`').skip(1).step_by(2);
    let Some(found) = quoted.next() else {
        return String::new();
    };
    if let Some((_, now)) = RENAMED.into_iter().find(|(old, _)| *old == found) {
        return format!("; it is now written as `{now}`");
    }
    if let Some(path) = super::Keys::path_of(found) {
        return format!("; write it as `{path}`");
    }
    let nearest = quoted.min_by_key(|known| strsim::damerau_levenshtein(known, found));
    nearest.map_or_else(String::new, |nearest| {
        format!("; the known {kind} nearest to `{found}` is `{nearest}`")
    })
}
