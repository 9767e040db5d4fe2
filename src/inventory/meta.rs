//! Decoding of metadata into the shared texts of [`Meta`].
//!
//! `managedFields` and annotations of other domains (`last-applied-configuration` repeats the whole object)
//! are skipped without allocation. A `null` is the same as a missing field, as for the API server.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::{Labels, Meta, ObjectRef, Owner};
use netpol::label::labels;

/// The domain of the annotations that reviews use.
pub(crate) const DOMAIN: &str = "openbao.org/";

/// End of the name of an object whose name the API server will generate from `generateName`. No other name ends
/// like this.
pub(crate) const GENERATED: char = '*';

/// The `metadata` of any object as written. The uid has type `U`: only owners need theirs.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, expecting = "an object")]
pub(super) struct RawMeta<U = IgnoredAny> {
    /// `metadata.uid`; absent in a manifest that no API server has seen.
    pub(super) uid: Option<U>,
    name: Option<Text>,
    generate_name: Option<Text>,
    namespace: Option<Text>,
    labels: Option<Texts<All>>,
    annotations: Option<Texts<OwnDomain>>,
    owner_references: Option<Vec<RawOwner>>,
    deletion_timestamp: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, expecting = "an object")]
struct RawOwner {
    api_version: Option<Text>,
    kind: Option<Text>,
    name: Option<Text>,
    uid: Option<Text>,
    controller: Option<bool>,
}

impl<U> RawMeta<U> {
    /// The fact. Name and namespace default to those of `fallback`.
    pub(super) fn or(self, fallback: &ObjectRef) -> Meta {
        let named = |text: Option<Text>, otherwise: &Arc<str>| {
            text.map(|text| text.0)
                .filter(|text| !text.is_empty())
                .unwrap_or_else(|| otherwise.clone())
        };
        let mut name = named(self.name, &fallback.name);
        let prefix = self.generate_name.unwrap_or_default().0;
        if name.is_empty() && !prefix.is_empty() {
            name = format!("{prefix}{GENERATED}").into();
        }
        Meta {
            namespace: named(self.namespace, &fallback.namespace),
            name,
            labels: self.labels.unwrap_or_default().texts,
            annotations: self.annotations.unwrap_or_default().texts,
            owners: self
                .owner_references
                .unwrap_or_default()
                .into_iter()
                .map(Owner::from)
                .collect(),
            deleting: self.deletion_timestamp.is_some(),
            unknown: Vec::new(),
        }
    }
}

impl From<RawOwner> for Owner {
    fn from(written: RawOwner) -> Self {
        let text = |text: Option<Text>| text.unwrap_or_default().0;
        Self {
            api_version: text(written.api_version),
            kind: text(written.kind),
            name: text(written.name),
            uid: text(written.uid),
            controller: written.controller.unwrap_or_default(),
        }
    }
}

/// A text that is decoded into an `Arc<str>` without a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text(pub(super) Arc<str>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.into()))
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

/// The keys of a map of texts that are kept.
trait Keep {
    fn keeps(key: &str) -> bool;
}

#[derive(Debug, Default)]
struct All;

impl Keep for All {
    fn keeps(_: &str) -> bool {
        true
    }
}

#[derive(Debug, Default)]
struct OwnDomain;

impl Keep for OwnDomain {
    fn keeps(key: &str) -> bool {
        key.starts_with(DOMAIN)
    }
}

/// A map of texts without the keys that are not kept.
#[derive(Debug, Default)]
struct Texts<K> {
    texts: Labels,
    keep: PhantomData<K>,
}

impl<'de, K: Keep> Deserialize<'de> for Texts<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<K>(PhantomData<K>);
        impl<'de, K: Keep> Visitor<'de> for Reader<K> {
            type Value = Texts<K>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts<K>, A::Error> {
                let mut texts = Vec::new();
                while let Some(Text(key)) = map.next_key()? {
                    if K::keeps(&key) {
                        let text: Option<Text> = map.next_value()?;
                        texts.push((key, text.unwrap_or_default().0));
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Texts {
                    texts: labels(texts),
                    keep: PhantomData,
                })
            }
        }
        deserializer.deserialize_map(Reader(PhantomData))
    }
}
