//! What an object is called, read without the rest of it.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::super::meta::Text;
use super::super::{Kind, ObjectRef};

/// The names of an object from an API server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Namespace; empty for what is in none.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Its `resourceVersion`, as it was written.
    pub version: String,
}

impl Outline {
    /// The version as a number, by which versions of one kind are ordered; 0 where it is none.
    pub fn number(&self) -> u64 {
        self.version.parse().unwrap_or_default()
    }

    /// The object, with the names of `other` where it has none.
    pub(super) fn or(&self, other: &ObjectRef) -> ObjectRef {
        let named =
            |own: &Arc<str>, other: &Arc<str>| if own.is_empty() { other } else { own }.clone();
        ObjectRef {
            kind: other.kind,
            namespace: named(&self.namespace, &other.namespace),
            name: named(&self.name, &other.name),
        }
    }

    /// The object, where it is of this kind.
    pub fn of_kind(&self, kind: Kind) -> ObjectRef {
        ObjectRef {
            kind,
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

/// The names of an object; `None` where it has no metadata that could be read.
pub fn outline(json: &[u8]) -> Option<Outline> {
    serde_json::from_slice::<Written>(json)
        .ok()
        .map(Outline::from)
}

/// The same, of a value.
pub(super) fn of_value(value: &Value) -> Option<Outline> {
    Written::deserialize(value).ok().map(Outline::from)
}

#[derive(Deserialize)]
struct Written {
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: Text,
    namespace: Text,
    resource_version: String,
}

impl From<Written> for Outline {
    fn from(Written { metadata }: Written) -> Self {
        Self {
            namespace: metadata.namespace.0,
            name: metadata.name.0,
            version: metadata.resource_version,
        }
    }
}
