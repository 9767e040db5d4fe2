//! Names of an object, read without the rest of it.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::super::meta::Text;
use super::super::{Kind, ObjectRef};
use super::maps_only;

/// The names of an object from an API server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Namespace; empty for cluster-scoped objects.
    pub(crate) namespace: Arc<str>,
    /// Name.
    pub(crate) name: Arc<str>,
    /// Its `resourceVersion` as written.
    pub(crate) version: String,
}

impl Outline {
    /// The version as a number, which orders versions of one kind; 0 if it is not a number.
    pub(crate) fn number(&self) -> u64 {
        self.version.parse().unwrap_or_default()
    }

    /// The object. Missing names are those of `other`.
    pub(super) fn or(&self, other: &ObjectRef) -> ObjectRef {
        let named =
            |own: &Arc<str>, other: &Arc<str>| if own.is_empty() { other } else { own }.clone();
        ObjectRef {
            kind: other.kind,
            namespace: named(&self.namespace, &other.namespace),
            name: named(&self.name, &other.name),
        }
    }

    /// A reference to the object, given its kind.
    pub(crate) fn of_kind(&self, kind: Kind) -> ObjectRef {
        ObjectRef {
            kind,
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

/// The names of an object; `None` if its metadata cannot be read.
pub fn outline(json: &[u8]) -> Option<Outline> {
    maps_only::from_slice::<RawNames>(json)
        .ok()
        .map(Outline::from)
}

/// The names of an object given as a value.
pub(super) fn of_value(value: &Value) -> Option<Outline> {
    maps_only::from_value::<RawNames>(value)
        .ok()
        .map(Outline::from)
}

#[derive(Deserialize)]
struct RawNames {
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: Text,
    namespace: Text,
    resource_version: String,
}

impl From<RawNames> for Outline {
    fn from(RawNames { metadata }: RawNames) -> Self {
        Self {
            namespace: metadata.namespace.0,
            name: metadata.name.0,
            version: metadata.resource_version,
        }
    }
}
