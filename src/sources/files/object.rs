//! Documents as objects: which of them are ours, and what no API server would take.

use serde_json::Value;

use super::{LoadError, Origin};
use crate::inventory::rules::{is_dns_label, is_dns_subdomain};
use crate::inventory::{Kind, Object, read};

/// The namespace of objects that name none, where nobody says otherwise.
pub const DEFAULT_NAMESPACE: &str = "default";

/// Edits by which a kind may differ from ours and still mean it: `NetworkPolicies`. No other kind of
/// these groups comes that near.
const NEAR: usize = 3;

/// A document, as far as it concerns us.
pub(super) enum Document {
    /// An object that the inventory keeps.
    Ours(Box<Ours>),
    /// An object of a kind that it does not keep: kind and `apiVersion`.
    Other(String, String),
    /// No object: `apiVersion` and `kind` are missing.
    NoObject,
}

/// An object that the inventory keeps.
pub(super) struct Ours {
    pub(super) object: Object,
    /// Whether it names no namespace, and nobody said which is meant.
    pub(super) is_defaulted: bool,
}

/// Reads a document. An object without a namespace is in `namespace`, else in the default one.
pub(super) fn read(
    written: &mut Value,
    namespace: Option<&str>,
    origin: &Origin,
) -> Result<Document, LoadError> {
    let text = |field: &str| {
        let text = written.get(field).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let (version, name) = (text("apiVersion"), text("kind"));
    if version.is_empty() || name.is_empty() {
        return halfway(&version, &name, origin).map_or(Ok(Document::NoObject), Err);
    }
    let Some(kind) = read::kind(&version, &name) else {
        return misspelt(&version, &name, origin).map_or(Ok(Document::Other(name, version)), Err);
    };
    check_names(kind, written, origin)?;
    let is_nowhere = !kind.is_cluster_scoped() && metadata(written, "namespace").is_none();
    if is_nowhere && let Some(namespace) = namespace {
        place(written, namespace);
    }
    Ok(match read::object(written) {
        Some(object) => Document::Ours(Box::new(Ours {
            object,
            is_defaulted: is_nowhere && namespace.is_none(),
        })),
        // A Service other than the API server's.
        None => Document::Other(name, version),
    })
}

/// A document that says half of what makes it an object of ours.
fn halfway(version: &str, name: &str, origin: &Origin) -> Option<LoadError> {
    let group = version.split_once('/').map(|(group, _)| group);
    let mut kinds = Kind::ALL.into_iter();
    let kind = kinds.find(|kind| {
        name.eq_ignore_ascii_case(kind.as_str()) || name.is_empty() && group == Some(kind.group())
    })?;
    // Other things than a Namespace or Service of Kubernetes are called so.
    let is_telling = !kind.group().is_empty();
    is_telling.then(|| LoadError::Halfway {
        expected: if name.is_empty() {
            "kind"
        } else {
            "apiVersion"
        },
        beside: if name.is_empty() { version } else { name }.to_owned(),
        origin: origin.clone(),
    })
}

/// A kind of ours in another spelling, which no API server has.
fn misspelt(version: &str, name: &str, origin: &Origin) -> Option<LoadError> {
    let (group, _) = version.split_once('/')?;
    let mut kinds = Kind::ALL.into_iter();
    let kind = kinds.find(|kind| {
        kind.group() == group
            && (name.eq_ignore_ascii_case(kind.as_str())
                || strsim::damerau_levenshtein(name, kind.as_str()) <= NEAR)
    })?;
    Some(LoadError::Misspelt {
        expected: kind.as_str(),
        found: name.to_owned(),
        origin: origin.clone(),
    })
}

fn metadata<'a>(written: &'a Value, field: &str) -> Option<&'a Value> {
    let value = written.get("metadata")?.get(field)?;
    let is_there = !value.is_null() && value.as_str() != Some("");
    is_there.then_some(value)
}

/// Names that no API server would take: most of all of a template that was not rendered. Of Services
/// nearly none is ours.
fn check_names(kind: Kind, written: &Value, origin: &Origin) -> Result<(), LoadError> {
    if kind == Kind::Service {
        return Ok(());
    }
    let label = "a DNS label (up to 63 of `a-z`, `0-9` and `-`)";
    let subdomain = "a DNS subdomain (up to 253 of `a-z`, `0-9`, `-` and `.`)";
    let is_namespace = kind == Kind::Namespace;
    let name = if is_namespace { label } else { subdomain };
    for (field, expected) in [("namespace", label), ("name", name)] {
        if field == "namespace" && kind.is_cluster_scoped() {
            continue;
        }
        let Some(found) = metadata(written, field) else {
            continue;
        };
        let is_name = |text: &str| {
            if expected == label {
                is_dns_label(text)
            } else {
                is_dns_subdomain(text)
            }
        };
        if !found.as_str().is_some_and(is_name) {
            let shown: String = found.to_string().chars().take(100).collect();
            return Err(LoadError::Impossible {
                kind: kind.as_str(),
                field,
                expected,
                found: shown.trim_matches('"').to_owned(),
                origin: Box::new(origin.clone()),
            });
        }
    }
    Ok(())
}

fn place(written: &mut Value, namespace: &str) {
    let metadata = written.get_mut("metadata").and_then(Value::as_object_mut);
    if let Some(metadata) = metadata {
        metadata.insert("namespace".to_owned(), namespace.into());
    }
}
