//! Fields that are not in the API.
//!
//! An API server drops them before it stores an object. So they occur only in files and in custom resources
//! whose CRD keeps unknown fields. An OpenBaoCluster may have fields of a newer operator, so only fields of
//! `spec.network`, which are all known, and names similar to `network` are reported.

use std::borrow::Cow;

use serde_json::Value;

use super::Kind;
use super::rules::{FieldPath, shown};

#[cfg(test)]
mod tests;

/// A field that is not in the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownField {
    /// Field path from the object's root.
    pub(crate) path: String,
    /// Its name.
    pub(crate) name: String,
    /// The most similar known field: one at the same level, `from[].podSelector` if the field belongs one
    /// level deeper, or a full path if it belongs further up.
    pub(crate) nearest: String,
    /// Its value as JSON, shortened.
    pub(crate) value: String,
}

/// Maximum number of unknown fields listed per object.
const LISTED: usize = 100;

/// Maximum length of an unknown name in messages, in characters.
const NAME_LENGTH: usize = 63;

/// Maximum edit distance to the intended name.
const NEAR: usize = 2;

/// The known fields at a path.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// Any value: a plain value, a map of labels, or a part that no rule uses.
    Any,
    /// An object with exactly these fields.
    Fields(&'static [Field]),
    /// An object with these fields. Other fields are unknown only if their name is similar to one of these.
    Open(&'static [Field]),
    /// A list with elements of this shape.
    List(&'static Shape),
}

/// Name and shape of a field.
type Field = (&'static str, Shape);

use Shape::{Any, Fields, List, Open};

const SELECTOR: Shape = Fields(&[
    ("matchLabels", Any),
    (
        "matchExpressions",
        List(&Fields(&[("key", Any), ("operator", Any), ("values", Any)])),
    ),
]);

const PEER: Shape = Fields(&[
    ("podSelector", SELECTOR),
    ("namespaceSelector", SELECTOR),
    ("ipBlock", Fields(&[("cidr", Any), ("except", Any)])),
]);

const PORTS: Shape = List(&Fields(&[
    ("port", Any),
    ("protocol", Any),
    ("endPort", Any),
]));

const INGRESS: Shape = List(&Fields(&[("from", List(&PEER)), ("ports", PORTS)]));

const EGRESS: Shape = List(&Fields(&[("to", List(&PEER)), ("ports", PORTS)]));

const POLICY_SPEC: Shape = Fields(&[
    ("podSelector", SELECTOR),
    ("policyTypes", Any),
    ("ingress", INGRESS),
    ("egress", EGRESS),
]);

const NETWORK: Shape = Fields(&[
    ("apiServerCIDR", Any),
    ("apiServerEndpointIPs", Any),
    ("dnsNamespace", Any),
    ("dnsEndpointIPs", Any),
    ("egressRules", EGRESS),
    ("ingressRules", INGRESS),
    ("trustedIngressPeers", List(&PEER)),
]);

const METADATA: Shape = Fields(&[
    ("annotations", Any),
    ("creationTimestamp", Any),
    ("deletionGracePeriodSeconds", Any),
    ("deletionTimestamp", Any),
    ("finalizers", Any),
    ("generateName", Any),
    ("generation", Any),
    ("labels", Any),
    ("managedFields", Any),
    ("name", Any),
    ("namespace", Any),
    (
        "ownerReferences",
        List(&Fields(&[
            ("apiVersion", Any),
            ("blockOwnerDeletion", Any),
            ("controller", Any),
            ("kind", Any),
            ("name", Any),
            ("uid", Any),
        ])),
    ),
    ("resourceVersion", Any),
    ("selfLink", Any),
    ("uid", Any),
]);

/// The fields of an object with this `spec`. Old API servers show a `status` of NetworkPolicies.
macro_rules! object {
    ($spec:expr) => {
        Fields(&[
            ("apiVersion", Any),
            ("kind", Any),
            ("metadata", METADATA),
            ("spec", $spec),
            ("status", Any),
        ])
    };
}

const POLICY: Shape = object!(POLICY_SPEC);
const CLUSTER: Shape = object!(Open(&[("network", NETWORK)]));
const RESTORE: Shape = object!(Any);

impl Shape {
    /// The fields of a kind.
    const fn of(kind: Kind) -> Self {
        match kind {
            Kind::NetworkPolicy => POLICY,
            Kind::OpenBaoCluster => CLUSTER,
            Kind::OpenBaoRestore => RESTORE,
            _ => Any,
        }
    }

    /// The fields of the object, or of the elements of the list.
    const fn known(&self) -> &'static [Field] {
        match self {
            Any => &[],
            Fields(known) | Open(known) => known,
            List(element) => element.known(),
        }
    }
}

/// The unknown fields of an object, sorted by path.
pub(crate) fn fields(kind: Kind, written: &Value) -> Vec<UnknownField> {
    let mut found = Vec::new();
    visit(Shape::of(kind), written, None, None, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// An object on the path to a value.
#[derive(Clone, Copy)]
struct Level<'a> {
    at: Option<&'a FieldPath<'a>>,
    known: &'static [Field],
    above: Option<&'a Level<'a>>,
}

impl Level<'_> {
    fn has(&self, name: &str) -> bool {
        self.known.iter().any(|(known, _)| *known == name)
    }
}

fn visit(
    shape: Shape,
    value: &Value,
    at: Option<&FieldPath<'_>>,
    above: Option<&Level<'_>>,
    found: &mut Vec<UnknownField>,
) {
    match (shape, value) {
        (List(element), Value::Array(elements)) => {
            let Some(at) = at else { return };
            for (index, value) in elements.iter().enumerate() {
                visit(*element, value, Some(&at.index(index)), above, found);
            }
        }
        (Fields(known) | Open(known), Value::Object(written)) => {
            let level = Level { at, known, above };
            for (name, value) in written {
                let mut fields = known.iter();
                if let Some((name, shape)) = fields.find(|(known, _)| known == name) {
                    visit(*shape, value, Some(&below(at, name)), Some(&level), found);
                    continue;
                }
                let name = printable(name);
                if found.len() < LISTED && (matches!(shape, Fields(_)) || is_near(known, &name)) {
                    found.push(UnknownField {
                        path: below(at, &name).to_string(),
                        nearest: nearest(&level, &name),
                        name: name.into_owned(),
                        value: shown(value),
                    });
                }
            }
        }
        _ => {}
    }
}

fn below<'a>(at: Option<&'a FieldPath<'a>>, name: &'a str) -> FieldPath<'a> {
    at.map_or_else(|| FieldPath::root(name), |at| at.field(name))
}

/// A name without control characters: a file can have any text as a key.
fn printable(name: &str) -> Cow<'_, str> {
    if name.len() <= NAME_LENGTH && name.chars().all(|c| c.is_ascii_graphic()) {
        return name.into();
    }
    let shown = name.chars().flat_map(char::escape_default);
    shown.take(NAME_LENGTH).collect()
}

/// Edit distance. Upper and lower case are equal. A name that starts like the known one counts as the largest
/// distance that is still similar.
fn edits(known: &str, name: &str) -> usize {
    let (known, name) = (known.to_ascii_lowercase(), name.to_ascii_lowercase());
    let edits = strsim::damerau_levenshtein(&known, &name);
    if name.len() >= NEAR && known.starts_with(&name) {
        edits.min(NEAR)
    } else {
        edits
    }
}

fn closest(known: &'static [Field], name: &str) -> Option<(usize, &'static str)> {
    let known = known.iter().map(|(known, _)| (edits(known, name), *known));
    known.min_by_key(|(edits, _)| *edits)
}

/// Returns true if a name is similar to one of these.
fn is_near(known: &'static [Field], name: &str) -> bool {
    // Three edits lead from `networking` to `network`.
    closest(known, name).is_some_and(|(edits, _)| edits <= NEAR + 1)
}

/// The known field that was probably meant: a similar name at the same level; or the same name one level
/// deeper or further up, as after wrong indentation; or else the most similar name at the same level.
fn nearest(level: &Level<'_>, name: &str) -> String {
    let similar = closest(level.known, name);
    if let Some((0..=NEAR, known)) = similar {
        return known.to_owned();
    }
    let mut deeper = level.known.iter();
    let deeper = deeper.find(|(_, shape)| shape.known().iter().any(|(known, _)| *known == name));
    if let Some((field, shape)) = deeper {
        let list = if matches!(shape, List(_)) { "[]" } else { "" };
        return format!("{field}{list}.{name}");
    }
    let mut above = std::iter::successors(level.above, |level| level.above);
    if let Some(above) = above.find(|level| level.has(name)) {
        return above
            .at
            .map_or_else(|| name.to_owned(), |at| at.field(name).to_string());
    }
    similar
        .map(|(_, known)| known.to_owned())
        .unwrap_or_default()
}
