//! Settings as a list of keys, to print and to compare.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{ServerConfig, SettingsError};

/// Keys that take effect at run time when the file changes, with all below them.
pub const LIVE: [&str; 9] = [
    "apiServerAddresses",
    "baseline",
    "cluster.events",
    "identity.accounts",
    "identity.level",
    "logFilter",
    "operatorAccounts",
    "operatorNamespace",
    "review",
];

/// Keys whose values are maps with keys of their own.
const MAPS: [&str; 2] = ["review.levels", "review.metricsNamespaceLabels"];

/// Each key by its path, `review.widths.blockV4`, with its value; those that are not set with null.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys(pub(super) BTreeMap<String, Value>);

/// Keys with different values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Those that take effect at run time.
    pub(crate) live: Vec<String>,
    /// Those that need a restart.
    pub(crate) fixed: Vec<String>,
}

impl Keys {
    /// The keys of these settings, with all defaults.
    ///
    /// # Errors
    /// A path is not UTF-8.
    pub(crate) fn of(config: &ServerConfig) -> Result<Self, SettingsError> {
        let tree =
            serde_json::to_value(config.effective()).map_err(|error| SettingsError::Write {
                problem: error.to_string(),
            })?;
        let mut keys = BTreeMap::new();
        walk(String::new(), tree, &mut keys);
        Ok(Self(keys))
    }

    /// The path of the first nested key with this name.
    pub(super) fn path_of(name: &str) -> Option<String> {
        let all = Self::of(&ServerConfig::default()).ok()?;
        all.0.keys().find_map(|path| {
            let parts: Vec<&str> = path.split('.').collect();
            let at = parts.iter().skip(1).position(|part| *part == name)?;
            Some(parts.get(..at + 2)?.join("."))
        })
    }

    /// The keys that differ.
    pub(crate) fn difference(&self, other: &Self) -> Difference {
        let mut difference = Difference::default();
        let keys: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        for key in keys {
            if self.0.get(key) == other.0.get(key) {
                continue;
            }
            let list = if is_live(key) {
                &mut difference.live
            } else {
                &mut difference.fixed
            };
            list.push(key.clone());
        }
        difference
    }
}

fn is_live(key: &str) -> bool {
    let below = |live: &str| {
        key.strip_prefix(live)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    LIVE.into_iter().any(below)
}

fn walk(path: String, value: Value, keys: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) if !MAPS.contains(&path.as_str()) => {
            for (key, value) in fields {
                let path = if path.is_empty() {
                    key
                } else {
                    format!("{path}.{key}")
                };
                walk(path, value, keys);
            }
        }
        value => {
            keys.insert(path, value);
        }
    }
}
