//! Names of namespaces in settings, exact or with `*` at the end.

use std::sync::Arc;

use netpol::label::is_dns_label;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of a namespace, or a prefix of names with `*` behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct NamespacePattern(Arc<str>);

/// Error of a text that is no such pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the name of a namespace, or a prefix of names with `*` behind it, found `{0}`")]
pub struct NotAPattern(String);

impl NamespacePattern {
    /// The text, as written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The prefix before `*`; `None` for an exact name.
    pub(crate) fn prefix(&self) -> Option<&str> {
        self.0.strip_suffix('*')
    }

    /// Returns true if a namespace has this name or prefix.
    pub(crate) fn matches(&self, namespace: &str) -> bool {
        match self.prefix() {
            Some(prefix) => namespace.starts_with(prefix),
            None => *self.0 == *namespace,
        }
    }
}

/// Returns true if a namespace matches one of the patterns.
pub(crate) fn matches_one(patterns: &[NamespacePattern], namespace: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(namespace))
}

impl TryFrom<String> for NamespacePattern {
    type Error = NotAPattern;

    fn try_from(text: String) -> Result<Self, NotAPattern> {
        // A name that the prefix could begin.
        let name = match text.strip_suffix('*') {
            Some("") => String::new(),
            Some(prefix) => format!("{prefix}a"),
            None => text.clone(),
        };
        if is_dns_label(&name) {
            Ok(Self(text.into()))
        } else {
            Err(NotAPattern(text))
        }
    }
}

impl From<NamespacePattern> for String {
    fn from(NamespacePattern(text): NamespacePattern) -> Self {
        text.to_string()
    }
}
