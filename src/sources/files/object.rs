//! Conversion of documents into objects, and checks for values that are not valid in the API.

use k8s_openapi::api::networking::v1::NetworkPolicySpec;
use serde::Deserialize as _;
use serde_json::Value;

use super::{LoadError, Origin};
use crate::inventory::rules::{is_dns_label, is_dns_subdomain};
use crate::inventory::workload::{CLUSTER_LABEL, Workload};
use crate::inventory::{Kind, KindUse, Object, read};

/// Default namespace of objects without one.
pub const DEFAULT_NAMESPACE: &str = "default";

/// Maximum edit distance at which a kind is taken for a misspelling, such as `NetworkPolicies`. No other kind
/// of these groups is that similar.
const NEAR: usize = 3;

/// A classified document.
pub(super) enum Document {
    /// An object of a known kind.
    Known(Box<KnownObject>),
    /// An object of another kind: kind and `apiVersion`.
    Other(String, String),
    /// Not an object: `apiVersion` and `kind` are missing.
    NoObject,
}

/// An object of a known kind.
pub(super) struct KnownObject {
    pub(super) object: Object,
    /// True if the default namespace was used.
    pub(super) is_defaulted: bool,
    /// The problem of a name that no API server takes, though it is a plain one.
    pub(super) misnamed: Option<LoadError>,
}

/// Reads a document. The namespace defaults to `namespace`, or else to `default`.
///
/// An object that the API server names itself gets a name with `*`, which no other object has; `generated` counts
/// them.
pub(super) fn read(
    written: &mut Value,
    namespace: Option<&str>,
    origin: &Origin,
    generated: &mut usize,
) -> Result<Document, LoadError> {
    let text = |field: &str| {
        let text = written.get(field).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let (version, name) = (text("apiVersion"), text("kind"));
    if version.is_empty() || name.is_empty() {
        return incomplete(&version, &name, origin).map_or(Ok(Document::NoObject), Err);
    }
    if let Some(error) = impossible_version(&version, &name, origin) {
        return Err(error);
    }
    let Some(kind) = read::kind(&version, &name) else {
        return misspelt(&version, &name, origin).map_or(Ok(Document::Other(name, version)), Err);
    };
    let misnamed = if is_strict(kind) {
        check_names(kind, written, origin)?
    } else {
        None
    };
    name_generated(kind, written, generated);
    empty_nulls(written);
    let is_nowhere = !kind.is_cluster_scoped() && metadata(written, "namespace").is_none();
    let is_defaulted = is_nowhere && namespace.is_none();
    if is_nowhere && let Some(namespace) = namespace {
        set(written, "namespace", namespace);
    }
    if kind.has_pods() {
        check_pod_labels(kind, written, origin)?;
    }
    // `None` is an EndpointSlice without a Service, or a pod without the label of a cluster.
    let Some(object) = read::object(written) else {
        return Ok(Document::Other(name, version));
    };
    let reference = object.reference();
    if reference.name.is_empty() && !is_strict(kind) {
        return Ok(Document::Other(name, version));
    }
    // Nobody writes a Namespace under a name that is not known yet.
    if reference.name.is_empty() || reference.is_generated() && !may_be_generated(kind) {
        return Err(LoadError::Nameless {
            kind: kind.as_str(),
            origin: origin.clone(),
        });
    }
    Ok(Document::Known(Box::new(KnownObject {
        is_defaulted: is_defaulted && !object.is_beside(),
        misnamed,
        object,
    })))
}

/// False for an object of a judged kind that the API server could not decode. Others may still be invalid.
pub(super) fn is_decoded(object: &Object, written: &Value) -> bool {
    let Some(broken) = object.unreadable() else {
        return true;
    };
    if broken.version.is_some() || broken.too_large.is_some() {
        return true;
    }
    match object {
        Object::Policy(_) => written
            .get("spec")
            .is_none_or(|spec| NetworkPolicySpec::deserialize(spec).is_ok()),
        _ => false,
    }
}

/// Returns true if the API server may choose the name of an object.
fn may_be_generated(kind: Kind) -> bool {
    kind.is_reviewed() || !is_strict(kind)
}

/// Names an object that has a `generateName` only.
fn name_generated(kind: Kind, written: &mut Value, generated: &mut usize) {
    if !may_be_generated(kind) || metadata(written, "name").is_some() {
        return;
    }
    let Some(prefix) = metadata(written, "generateName").and_then(Value::as_str) else {
        return;
    };
    *generated += 1;
    let name = match *generated {
        1 => format!("{prefix}*"),
        number => format!("{prefix}*{number}"),
    };
    set(written, "name", &name);
}

/// The number in a name that [`name_generated`] made, from 1.
pub(super) fn generated_number(name: &str) -> Option<usize> {
    let (_, number) = name.split_once('*')?;
    Some(number.parse().unwrap_or(1))
}

/// Makes null values of labels and annotations empty text, as the API server reads them.
fn empty_nulls(written: &mut Value) {
    let Value::Object(fields) = written else {
        if let Value::Array(items) = written {
            items.iter_mut().for_each(empty_nulls);
        }
        return;
    };
    for (name, value) in fields {
        let labels = value
            .as_object_mut()
            .filter(|_| matches!(name.as_str(), "labels" | "annotations" | "matchLabels"));
        if let Some(labels) = labels {
            for value in labels.values_mut().filter(|value| value.is_null()) {
                *value = Value::String(String::new());
            }
        } else {
            empty_nulls(value);
        }
    }
}

/// True for a kind whose documents must be well-formed. A policy that no proof uses, a pod and a template are read if
/// they are one.
fn is_strict(kind: Kind) -> bool {
    !matches!(kind.used_for(), KindUse::Seen | KindUse::Pods) && kind != Kind::EndpointSlice
}

fn strict_kinds() -> impl Iterator<Item = Kind> {
    Kind::ALL.into_iter().filter(|kind| is_strict(*kind))
}

/// The error of a document with only one of `apiVersion` and `kind`.
fn incomplete(version: &str, name: &str, origin: &Origin) -> Option<LoadError> {
    let group = version.split_once('/').map(|(group, _)| group);
    let kind = strict_kinds().find(|kind| {
        name.eq_ignore_ascii_case(kind.as_str()) || name.is_empty() && group == Some(kind.group())
    })?;
    // Other APIs also have kinds called Namespace or Service.
    let is_telling = !kind.group().is_empty();
    is_telling.then(|| LoadError::Incomplete {
        expected: if name.is_empty() {
            "kind"
        } else {
            "apiVersion"
        },
        other: if name.is_empty() { version } else { name }.to_owned(),
        origin: origin.clone(),
    })
}

/// The error of an `apiVersion` that no API server serves with this kind: one with a blank, without a version, or
/// with a group that is nearly the kind's. Other APIs also have kinds of these names, in groups of their own.
fn impossible_version(version: &str, name: &str, origin: &Origin) -> Option<LoadError> {
    let kind = strict_kinds().find(|kind| kind.as_str() == name.trim())?;
    let (group, number) = version.split_once('/').unwrap_or(("", version));
    let is_group = group == kind.group();
    let is_valid =
        is_dns_label(number) && (is_group || group.is_empty() || is_dns_subdomain(group));
    let is_served = match (kind.group().is_empty(), group.is_empty()) {
        // The core group has only its own kinds.
        (false, true) => false,
        (true, false) => true,
        _ => is_group || strsim::damerau_levenshtein(group, kind.group()) > NEAR,
    };
    if is_valid && is_served && !is_removed(kind, version) {
        return None;
    }
    let known = kind.first_version();
    let group = kind.group();
    let separator = if group.is_empty() { "" } else { "/" };
    Some(LoadError::ImpossibleVersion {
        expected: format!("{group}{separator}{known}"),
        kind: kind.as_str(),
        found: version.to_owned(),
        origin: origin.clone(),
    })
}

/// Returns true for a version that Kubernetes removed: 1.16 was the first release without it.
fn is_removed(kind: Kind, version: &str) -> bool {
    kind == Kind::NetworkPolicy && version == "extensions/v1beta1"
}

/// The error of a misspelt kind, which does not exist in the API.
fn misspelt(version: &str, name: &str, origin: &Origin) -> Option<LoadError> {
    let (group, _) = version.split_once('/')?;
    let kind = strict_kinds().find(|kind| {
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

/// Rejects names that are not valid in the API, as in a template that was not rendered. A plain name of an object, such as
/// one with a capital letter, is only returned: the rest of the object can be checked. Services are not checked: nearly
/// all are ignored.
fn check_names(
    kind: Kind,
    written: &Value,
    origin: &Origin,
) -> Result<Option<LoadError>, LoadError> {
    let mut misnamed = None;
    if kind == Kind::Service {
        return Ok(misnamed);
    }
    let label = "a DNS label (up to 63 of `a-z`, `0-9` and `-`)";
    let subdomain = "a DNS subdomain (up to 253 of `a-z`, `0-9`, `-` and `.`)";
    let is_namespace = kind == Kind::Namespace;
    let name = if is_namespace { label } else { subdomain };
    let fields = [
        ("metadata.namespace", label),
        ("metadata.name", name),
        ("metadata.generateName", name),
    ];
    for (path, expected) in fields {
        let field = path.trim_start_matches("metadata.");
        if field == "namespace" && kind.is_cluster_scoped() {
            continue;
        }
        let Some(found) = metadata(written, field) else {
            continue;
        };
        let is_name = |text: &str| {
            let generated = format!("{text}0");
            let text = if field == "generateName" {
                &generated
            } else {
                text
            };
            if expected == label {
                is_dns_label(text)
            } else {
                is_dns_subdomain(text)
            }
        };
        if !found.as_str().is_some_and(is_name) {
            let shown: String = found.to_string().chars().take(100).collect();
            let problem = LoadError::Impossible {
                kind: kind.as_str(),
                field: path,
                expected,
                found: shown.trim_matches('"').to_owned(),
                origin: Box::new(origin.clone()),
            };
            if is_namespace || field == "namespace" || !found.as_str().is_some_and(is_plain) {
                return Err(problem);
            }
            misnamed = Some(problem);
        }
    }
    Ok(misnamed)
}

/// True for a text of letters, digits and the signs of names.
fn is_plain(name: &str) -> bool {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    name.len() <= 253 && name.bytes().all(is_sign)
}

/// Checks that the labels of pods can be read. Labels that are absent are no error.
fn check_pod_labels(kind: Kind, written: &Value, origin: &Origin) -> Result<(), LoadError> {
    let path = Workload::labels_path(kind);
    let impossible = |field, expected, found: &Value| {
        let shown: String = found.to_string().chars().take(100).collect();
        Err(LoadError::Impossible {
            kind: kind.as_str(),
            field,
            expected,
            found: shown,
            origin: Box::new(origin.clone()),
        })
    };
    let mut value = written;
    let mut read = 0;
    for field in path.split('.') {
        read += field.len() + usize::from(read > 0);
        match value.get(field) {
            None | Some(Value::Null) => return Ok(()),
            Some(inner @ Value::Object(_)) => value = inner,
            Some(other) => return impossible(&path[..read], "an object", other),
        }
    }
    let mut labels = value
        .as_object()
        .into_iter()
        .flat_map(|labels| labels.values());
    match labels.find(|label| !label.is_string()) {
        Some(_) if value.get(CLUSTER_LABEL).is_some() => {
            impossible(path, "an object of texts", value)
        }
        _ => Ok(()),
    }
}

fn set(written: &mut Value, field: &str, text: &str) {
    let metadata = written.get_mut("metadata").and_then(Value::as_object_mut);
    if let Some(metadata) = metadata {
        metadata.insert(field.to_owned(), text.into());
    }
}
