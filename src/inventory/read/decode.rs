//! Decoding of text or a value into the typed parts of an object, or into its problems.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use serde_json::value::RawValue;

use super::maps_only::{self, MapsOnly};
use super::{outline, value_count};
use crate::inventory::meta::RawMeta;
use crate::inventory::rules::shown;
use crate::inventory::size::TooLarge;
use crate::inventory::{Malformed, Meta, ObjectRef, Unreadable, stub};
use netpol::rule::Selector;

/// The parts of an object that matter for its kind.
#[derive(Debug, Deserialize)]
#[serde(
    expecting = "an object",
    bound = "S: Deserialize<'de>, T: Deserialize<'de>, U: Deserialize<'de> + Default"
)]
struct RawObject<S, T, U> {
    #[serde(default = "Option::default")]
    metadata: Option<RawMeta<U>>,
    #[serde(default = "Option::default")]
    spec: Option<S>,
    #[serde(default = "Option::default")]
    status: Option<T>,
}

/// Input of the decoder.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    Json(&'a [u8]),
    Value(&'a Value),
}

/// Metadata, spec and status.
pub(super) type Parts<S, T> = (Meta, Option<S>, Option<T>);
/// Metadata, spec and status, and the uid.
pub(super) type WithUid<S, T, U> = (Parts<S, T>, Option<U>);

impl<'a> Source<'a> {
    /// The parts of the object. Metadata is completed from `fallback`.
    pub(super) fn decode<S, T>(self, fallback: &ObjectRef) -> Result<Parts<S, T>, Box<Unreadable>>
    where
        S: DeserializeOwned,
        T: DeserializeOwned,
    {
        let read = self.decode_with_uid::<S, T, IgnoredAny>(fallback);
        read.map(|(parts, _)| parts)
    }

    /// The parts of the object and its uid.
    pub(super) fn decode_with_uid<S, T, U>(
        self,
        fallback: &ObjectRef,
    ) -> Result<WithUid<S, T, U>, Box<Unreadable>>
    where
        S: DeserializeOwned,
        T: DeserializeOwned,
        U: DeserializeOwned + Default,
    {
        if let Some(size) = self.too_large() {
            return Err(Box::new(self.oversize(size, fallback)));
        }
        let written = match self {
            Self::Json(json) => maps_only::from_slice::<RawObject<S, T, U>>(json),
            Self::Value(value) => maps_only::from_value::<RawObject<S, T, U>>(value),
        };
        match written {
            Ok(written) => {
                let mut metadata = written.metadata.unwrap_or_default();
                let uid = metadata.uid.take();
                Ok(((metadata.or(fallback), written.spec, written.status), uid))
            }
            Err(error) => Err(self.explain::<RawObject<S, T, U>>(fallback, &error)),
        }
    }

    /// Other fields of an object that was decoded.
    pub(super) fn fields<T: DeserializeOwned>(
        self,
        fallback: &ObjectRef,
    ) -> Result<T, Box<Unreadable>> {
        let read = match self {
            Self::Json(json) => maps_only::from_slice::<T>(json),
            Self::Value(value) => maps_only::from_value::<T>(value),
        };
        read.map_err(|error| self.explain::<T>(fallback, &error))
    }

    /// The object as a value, if it is small enough to be read.
    pub(super) fn value(self) -> Option<Cow<'a, Value>> {
        match self {
            _ if self.too_large().is_some() => None,
            Self::Value(value) => Some(Cow::Borrowed(value)),
            Self::Json(json) => serde_json::from_slice(json).ok().map(Cow::Owned),
        }
    }

    fn too_large(self) -> Option<TooLarge> {
        let found = match self {
            Self::Json(json) if value_count::is_bounded(json) => return None,
            Self::Json(json) => value_count::count(json),
            Self::Value(value) => value_count::of_value(value),
        };
        (found > value_count::VALUES).then(|| TooLarge {
            path: String::new(),
            what: "values",
            found,
            cap: value_count::VALUES,
        })
    }

    /// Only the metadata of an object with too many values is read, or its names if the metadata has too many.
    fn oversize(self, size: TooLarge, fallback: &ObjectRef) -> Unreadable {
        let meta = self.bounded_meta(fallback).unwrap_or_else(|| {
            let outline = match self {
                Self::Json(json) => outline::outline(json),
                Self::Value(value) => outline::of_value(value),
            };
            let named = outline.map_or_else(|| fallback.clone(), |outline| outline.or(fallback));
            RawMeta::<IgnoredAny>::default().or(&named)
        });
        Unreadable::too_large(meta, size, None)
    }

    /// The metadata, if it has not too many values.
    fn bounded_meta(self, fallback: &ObjectRef) -> Option<Meta> {
        #[derive(Deserialize)]
        struct Object<'a> {
            #[serde(borrow)]
            metadata: &'a RawValue,
        }
        let read: RawMeta = match self {
            Self::Json(json) => {
                let object: Object<'_> = maps_only::from_slice(json).ok()?;
                let metadata = object.metadata.get().as_bytes();
                let is_bounded = value_count::is_bounded(metadata);
                is_bounded.then(|| maps_only::from_slice(metadata))?.ok()?
            }
            Self::Value(value) => {
                let metadata = value.get("metadata")?;
                let is_bounded = value_count::of_value(metadata) <= value_count::VALUES;
                is_bounded.then(|| maps_only::from_value(metadata))?.ok()?
            }
        };
        Some(read.or(fallback))
    }

    /// For a NetworkPolicy, the pods that it selects, even if the rest cannot be read.
    pub(super) fn pods(self) -> Option<Selector> {
        match self {
            Self::Json(json) => stub::selector_of(json),
            Self::Value(value) => stub::selector_in(value),
        }
    }

    /// The problem of an object that does not decode, and the metadata that can be read.
    fn explain<W: DeserializeOwned>(
        self,
        fallback: &ObjectRef,
        error: &serde_json::Error,
    ) -> Box<Unreadable> {
        // Text that is not JSON has no value to point into.
        let value = match self {
            Self::Value(value) => Some(Cow::Borrowed(value)),
            Self::Json(json) => serde_json::from_slice(json).ok().map(Cow::Owned),
        };
        let misfit_at = |value| serde_path_to_error::deserialize::<_, W>(MapsOnly(value)).err();
        let at = value.as_deref().and_then(misfit_at);
        let value = value.unwrap_or_default();
        let metadata = value.get("metadata").unwrap_or(&Value::Null);
        let problem = at.map_or_else(
            || Malformed {
                path: String::new(),
                value: String::new(),
                problem: expectation(&error.to_string()),
            },
            |at| misfit(&value, &at),
        );
        Box::new(Unreadable {
            meta: lenient_meta(metadata, fallback),
            problems: vec![problem],
            version: None,
            too_large: None,
            pods: None,
        })
    }
}

/// The field at which decoding stopped.
pub(super) fn misfit(
    root: &Value,
    error: &serde_path_to_error::Error<serde_json::Error>,
) -> Malformed {
    use serde_path_to_error::Segment;
    let mut value = Some(root);
    for segment in error.path() {
        value = match segment {
            Segment::Seq { index } => value.and_then(|value| value.get(index)),
            Segment::Map { key } => value.and_then(|value| value.get(key)),
            Segment::Enum { .. } | Segment::Unknown => None,
        };
    }
    let path = error.path().to_string();
    Malformed {
        path: if path == "." { String::new() } else { path },
        value: value.map(shown).unwrap_or_default(),
        problem: expectation(&error.inner().to_string()),
    }
}

/// Converts serde's `invalid type: X, expected Y` to `expected Y, found X`. Other texts are unchanged.
fn expectation(text: &str) -> String {
    let parts = text.split_once(", expected ");
    let found = parts.and_then(|(found, expected)| Some((found.split_once(": ")?.1, expected)));
    match found {
        Some((found, expected)) => {
            let [found, expected] = [found, expected].map(|text| text.replace("sequence", "list"));
            if found == "map" && expected == "a list" {
                return "expected a list, found a map; write `- ` before the first key of each element".to_owned();
            }
            format!("expected {expected}, found {found}")
        }
        None => text.to_owned(),
    }
}

/// The fields of the metadata that can be decoded.
pub(super) fn lenient_meta(metadata: &Value, fallback: &ObjectRef) -> Meta {
    if let Ok(whole) = maps_only::from_value::<RawMeta>(metadata) {
        return whole.or(fallback);
    }
    let mut kept = serde_json::Map::new();
    for (field, value) in metadata.as_object().into_iter().flatten() {
        let alone = Value::from_iter([(field.clone(), value.clone())]);
        if maps_only::from_value::<RawMeta>(&alone).is_ok() {
            kept.insert(field.clone(), value.clone());
        }
    }
    maps_only::from_value::<RawMeta>(&Value::Object(kept))
        .unwrap_or_default()
        .or(fallback)
}
