//! Fields that the API does not have.
//!
//! An API server drops them before anything is stored, so they show in files only, and in a custom
//! resource whose definition keeps unknown fields. An OpenBaoCluster may have fields of a newer
//! operator; only `spec.network`, which is known completely, and names close to `network` count.
//!
//! ```
//! use openbao_perimeter::inventory::{Kind, unknown};
//!
//! let written = serde_json::json!({"spec": {"ingress": [{"form": [{"podSelector": {}}]}]}});
//! let found = unknown::fields(Kind::NetworkPolicy, &written);
//! assert_eq!(found[0].path, "spec.ingress[0].form");
//! assert_eq!(found[0].nearest, "from");
//! ```

use std::borrow::Cow;

use serde_json::Value;

use super::Kind;
use super::rules::{FieldPath, shown};

#[cfg(test)]
mod tests;

/// A field that the API does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownField {
    /// Field path from the object's root.
    pub path: String,
    /// Its own name.
    pub name: String,
    /// The known field that comes nearest: a name beside it, `from[].podSelector` where the field
    /// belongs one level deeper, or a whole path where it belongs further up.
    pub nearest: String,
    /// Its value as JSON, shortened.
    pub value: String,
}

/// Unknown fields that are listed of one object.
const LISTED: usize = 100;

/// Characters of an unknown name that are shown.
const NAME_LENGTH: usize = 63;

/// Edits by which a name may differ from the one that was meant.
const NEAR: usize = 2;

/// Fields that are known at a place.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// Anything: a plain value, a map of labels, or what no rule looks at.
    Any,
    /// An object with these fields and no other.
    Fields(&'static [Field]),
    /// An object with these fields, and others whose names are not close to theirs.
    Open(&'static [Field]),
    /// A list of such elements.
    List(&'static Shape),
}

/// The name of a field, and what may stand there.
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
    /// Of the kinds that are judged.
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

/// The unknown fields of an object of a kind that is judged, in order of their paths.
pub fn fields(kind: Kind, written: &Value) -> Vec<UnknownField> {
    let mut found = Vec::new();
    visit(Shape::of(kind), written, None, None, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// An object on the way to a value.
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
                let name = printable(name);
                let path = at.map_or_else(|| FieldPath::root(&name), |at| at.field(&name));
                let mut fields = known.iter();
                if let Some((_, shape)) = fields.find(|(known, _)| **known == *name) {
                    visit(*shape, value, Some(&path), Some(&level), found);
                } else if found.len() < LISTED
                    && (matches!(shape, Fields(_)) || is_near(known, &name))
                {
                    found.push(UnknownField {
                        path: path.to_string(),
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

/// A name as it may be shown: a file may have anything for a key.
fn printable(name: &str) -> Cow<'_, str> {
    if name.len() <= NAME_LENGTH && name.chars().all(|c| c.is_ascii_graphic()) {
        return name.into();
    }
    let shown = name.chars().flat_map(char::escape_default);
    shown.take(NAME_LENGTH).collect()
}

/// How many edits make one of the other. Capital letters are none; a beginning is as near as the
/// longest edit that still is near.
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

/// Whether a name is close to one of these.
fn is_near(known: &'static [Field], name: &str) -> bool {
    // Three edits lead from `networking` to `network`.
    closest(known, name).is_some_and(|(edits, _)| edits <= NEAR + 1)
}

/// The known field that was probably meant: one beside it that is spelt alike, one of this very name
/// one level deeper or further up, as happens where the indentation is wrong; else the nearest beside it.
fn nearest(level: &Level<'_>, name: &str) -> String {
    let beside = closest(level.known, name);
    if let Some((0..=NEAR, known)) = beside {
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
    beside
        .map(|(_, known)| known.to_owned())
        .unwrap_or_default()
}
