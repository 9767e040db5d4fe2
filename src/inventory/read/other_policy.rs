//! Policies of other kinds, of which only the pods that they select are read.
//!
//! An invalid requirement of a selector is dropped, as some implementations do: without it the selector may select
//! more pods. Others select none then. Where a selector cannot be read, or has too many parts, any pods may be
//! selected.

mod calico;
mod cilium;
mod network_policy_api;
#[cfg(test)]
mod tests;
mod tier_policy;

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::decode::Source;
use crate::inventory::other_policy::{Effect, Part, Subject};
use crate::inventory::rules::{is_label_key, is_label_value};
use crate::inventory::{Fact, Kind, Meta, ObjectRef, OtherPolicy, Unreadable};
use netpol::label::{LabelSet, Values};

/// Maximum number of parts that are kept of a selector, and of selectors that are kept of a policy.
const FEW: usize = 64;

/// A policy of one of these kinds. Name and namespace default to those of `fallback`.
pub(super) fn read(source: Source<'_>, fallback: &ObjectRef) -> Fact<OtherPolicy> {
    match fallback.kind {
        Kind::CiliumNetworkPolicy | Kind::CiliumClusterwideNetworkPolicy => {
            cilium::read(source, fallback)
        }
        Kind::CalicoNetworkPolicy | Kind::CalicoGlobalNetworkPolicy => {
            calico::read(source, fallback)
        }
        Kind::AntreaNetworkPolicy | Kind::AntreaClusterNetworkPolicy => {
            existing(source, fallback, Effect::Antrea, Subject::unknown)
        }
        // It is about all pods of its namespace.
        Kind::EgressFirewall => existing(source, fallback, Effect::EgressFirewall, |namespace| {
            Subject::of(Part::whole(namespace))
        }),
        _ => network_policy_api::read(source, fallback),
    }
}

/// A policy of which only the existence is read.
fn existing(
    source: Source<'_>,
    fallback: &ObjectRef,
    effect: Effect,
    subject: fn(&str) -> Subject,
) -> Fact<OtherPolicy> {
    let read = source.decode::<IgnoredAny, IgnoredAny>(fallback);
    fact(read.map(|(meta, _, _)| {
        let subject = subject(&meta.namespace);
        of(&meta, subject, effect)
    }))
}

/// A policy with this spec.
fn with_spec<S: DeserializeOwned + Default>(
    source: Source<'_>,
    fallback: &ObjectRef,
    read: impl Fn(&Meta, S) -> (Subject, Effect),
) -> Fact<OtherPolicy> {
    let written = source.decode::<S, IgnoredAny>(fallback);
    fact(written.map(|(meta, spec, _)| {
        let (subject, effect) = read(&meta, spec.unwrap_or_default());
        of(&meta, subject, effect)
    }))
}

fn of(meta: &Meta, subject: Subject, effect: Effect) -> OtherPolicy {
    let subject = if subject.parts.len() > FEW || subject.parts.iter().any(is_large) {
        Subject::unknown(&meta.namespace)
    } else {
        subject
    };
    OtherPolicy {
        meta: names(meta),
        subject,
        effect,
        ordered: None,
    }
}

fn is_large(part: &Part) -> bool {
    part.namespaces.weight() + part.pods.weight() > FEW
}

/// The fact. Of an object that cannot be read, only the names are kept.
fn fact(read: Result<OtherPolicy, Box<Unreadable>>) -> Fact<OtherPolicy> {
    let read = read.map_err(|mut broken| {
        broken.meta = names(&broken.meta);
        broken
    });
    read.into()
}

/// The names of an object.
pub(super) fn names(meta: &Meta) -> Meta {
    Meta {
        namespace: Arc::clone(&meta.namespace),
        name: Arc::clone(&meta.name),
        ..Meta::default()
    }
}

/// A label that a selector asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    /// A label of the pod.
    Pod(Arc<str>),
    /// A label of its namespace.
    Namespace(Arc<str>),
    /// One that every pod has with this value.
    Always(&'static str),
    /// One that no pod has.
    Never,
    /// One of which nothing is known here, such as the service account.
    Unknown,
}

/// Requirements that all hold.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirements {
    keys: Vec<(Key, Values)>,
    /// False if a requirement was dropped.
    is_certain: bool,
}

impl Requirements {
    /// The requirements of a selector, with the meaning of each key.
    fn of(selector: &LabelSelector, meaning: impl Fn(&str) -> Option<Key>) -> Self {
        let labels = selector.match_labels.iter().flatten();
        let expressions = selector.match_expressions.iter().flatten();
        let labels = labels.map(|(key, value)| {
            let values = is_label_value(value).then(|| Values::one_of([value.as_str()]));
            (key, values)
        });
        let expressions = expressions.map(|asked| (&asked.key, values(asked)));
        let mut read = Self {
            keys: Vec::new(),
            is_certain: true,
        };
        for (key, values) in labels.chain(expressions) {
            match meaning(key).zip(values) {
                Some(known) if read.keys.len() < FEW => read.keys.push(known),
                _ => read.is_certain = false,
            }
        }
        read
    }

    /// The same with the requirements of another selector.
    fn and(mut self, other: Self) -> Self {
        self.keys.extend(other.keys);
        self.is_certain &= other.is_certain;
        self
    }

    /// The pods of a namespace, or of all namespaces if it is empty, that have these labels; `None` if no pod
    /// can have them.
    fn part(self, namespace: &str) -> Option<Part> {
        let whole = Part::whole(namespace);
        let mut is_certain = self.is_certain;
        let (mut namespaces, mut pods) = (Vec::new(), Vec::new());
        for (key, values) in self.keys {
            match key {
                Key::Pod(key) => pods.push((key, values)),
                Key::Namespace(key) => namespaces.push((key, values)),
                Key::Always(value) if !values.contains(Some(value)) => return None,
                Key::Never if !values.allows_absent() => return None,
                Key::Always(_) | Key::Never => {}
                Key::Unknown => is_certain = false,
            }
        }
        Some(Part {
            namespaces: LabelSet::all_of(namespaces)?.intersect(&whole.namespaces)?,
            pods: LabelSet::all_of(pods)?,
            is_certain,
        })
    }
}

/// The values of a requirement; `None` if it is invalid.
fn values(asked: &LabelSelectorRequirement) -> Option<Values> {
    let listed = asked.values.as_deref().unwrap_or_default();
    if listed.len() > FEW || !listed.iter().all(|value| is_label_value(value)) {
        return None;
    }
    let values = || listed.iter().map(String::as_str);
    match (asked.operator.as_str(), listed.is_empty()) {
        ("In", false) => Some(Values::one_of(values())),
        ("NotIn", false) => Some(Values::none_of_or_absent(values())),
        ("Exists", true) => Some(Values::present()),
        ("DoesNotExist", true) => Some(Values::absent()),
        _ => None,
    }
}

/// A label of a pod; `None` if no label can have the key.
fn pod_key(key: &str) -> Option<Key> {
    is_label_key(key).then(|| Key::Pod(key.into()))
}

/// A label of a namespace; `None` if no label can have the key.
fn namespace_key(key: &str) -> Option<Key> {
    is_label_key(key).then(|| Key::Namespace(key.into()))
}
