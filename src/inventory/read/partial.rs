//! An OpenBaoCluster with some fields that do not decode. The other fields still count, so that one bad field
//! does not hide everything that the cluster declares.
//!
//! A field is dropped as a whole, never in part: a rule without its ports would allow more than what was
//! written.

use serde_json::{Map, Value};

use super::decode::{lenient_meta, misfit};
use super::maps_only::{self, MapsOnly};
use crate::inventory::crd::{OpenBaoClusterSpec, OpenBaoClusterStatus};
use crate::inventory::{Malformed, Meta, ObjectRef, Unreadable};

/// Fields whose own fields are read one by one.
const OPENED: [&[&str]; 5] = [
    &["network"],
    &["podMetadata"],
    &["readReplicas"],
    &["backup"],
    &["backup", "target"],
];

/// The parts of a cluster that could be read.
pub(super) struct PartialCluster {
    pub(super) meta: Meta,
    pub(super) uid: Option<String>,
    pub(super) spec: OpenBaoClusterSpec,
    pub(super) status: Option<OpenBaoClusterStatus>,
    /// All fields that could not be read.
    pub(super) broken: Unreadable,
}

/// Reads an object field by field after decoding it as a whole has failed with `whole`. `None` if it is not
/// an object.
pub(super) fn read(
    value: &Value,
    fallback: &ObjectRef,
    whole: &Unreadable,
) -> Option<PartialCluster> {
    let object = value.as_object()?;
    let field = |name: &str| object.get(name).unwrap_or(&Value::Null);
    let meta = lenient_meta(field("metadata"), fallback);
    let mut problems = Vec::new();
    let kept = match field("spec") {
        Value::Object(spec) => kept(spec, &mut Vec::new(), &mut problems),
        Value::Null => Map::new(),
        _ => {
            problems.extend(whole.problems.iter().cloned());
            Map::new()
        }
    };
    if problems.is_empty() {
        // The metadata does not decode.
        problems.extend(whole.problems.iter().cloned());
    }
    let uid = field("metadata").get("uid").and_then(Value::as_str);
    Some(PartialCluster {
        uid: uid.filter(|uid| !uid.is_empty()).map(str::to_owned),
        spec: maps_only::from_value(&Value::Object(kept)).unwrap_or_default(),
        status: maps_only::from_value(field("status")).unwrap_or_default(),
        broken: Unreadable {
            meta: meta.clone(),
            version: None,
            too_large: None,
            pods: None,
            problems,
        },
        meta,
    })
}

/// The fields that decode. Problems with the others are added to `problems`.
fn kept<'a>(
    fields: &'a Map<String, Value>,
    path: &mut Vec<&'a str>,
    problems: &mut Vec<Malformed>,
) -> Map<String, Value> {
    let mut kept = Map::new();
    for (name, value) in fields {
        path.push(name);
        match value {
            Value::Object(inner) if OPENED.contains(&&path[..]) => {
                let inner = self::kept(inner, path, problems);
                kept.insert(name.clone(), inner.into());
            }
            _ => match alone(path, value) {
                None => {
                    kept.insert(name.clone(), value.clone());
                }
                Some(problem) => problems.push(problem),
            },
        }
        path.pop();
    }
    kept
}

/// The problem with a field of the spec; `None` if it decodes.
fn alone(path: &[&str], value: &Value) -> Option<Malformed> {
    let spec = path.iter().rev().fold(value.clone(), |inner, name| {
        Value::from_iter([((*name).to_owned(), inner)])
    });
    let error = serde_path_to_error::deserialize::<_, OpenBaoClusterSpec>(MapsOnly(&spec)).err()?;
    let problem = misfit(&spec, &error);
    Some(Malformed {
        path: format!("spec.{}", problem.path),
        ..problem
    })
}
