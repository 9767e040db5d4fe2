//! Conversion of an AdmissionReview into a [`Request`], if its kind is reviewed.
//!
//! Every input has a result. An object that cannot be read, is missing, or is not the one that the request
//! names becomes [`Fact::Unreadable`], which the review denies. Nothing is parsed that does not affect the
//! answer.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::envelope::Envelope;
use super::strict;
use crate::code::EnforcementPoint;
use crate::inventory::meta::GENERATED;
use crate::inventory::{
    Cluster, Fact, Kind, Malformed, Meta, ObjectRef, OtherPolicy, Policy, Restore, Unreadable, read,
};
use crate::review::{Edit, Operation, Request, Subject, Writer};

/// Action for an AdmissionReview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// Review the request.
    Reviewed(Request),
    /// Allow it: another kind, a subresource, or an operation without review.
    Untouched,
    /// Deny it: it has values that no API server sends, or a name that is not valid.
    Malformed(String),
}

/// Decodes an AdmissionReview.
pub fn decode(envelope: &Envelope<'_>) -> Decoded {
    read(envelope).unwrap_or_else(Decoded::Malformed)
}

fn read(envelope: &Envelope<'_>) -> Result<Decoded, String> {
    let Some(kind) = strict::reviewed_kind(envelope)? else {
        return Ok(Decoded::Untouched);
    };
    let operation = match (&*envelope.operation, kind) {
        ("CREATE", _) => Operation::Create,
        ("UPDATE", Kind::NetworkPolicy | Kind::OpenBaoCluster | Kind::OpenBaoRestore) => {
            Operation::Update
        }
        ("DELETE", Kind::NetworkPolicy) => Operation::Delete,
        ("UPDATE", other) if other.is_ordered() => Operation::Update,
        ("DELETE", other) if other.is_ordered() => Operation::Delete,
        _ => return Ok(Decoded::Untouched),
    };
    let subject = match kind {
        Kind::NetworkPolicy => Subject::Policy(edit(envelope, kind, operation)?),
        Kind::OpenBaoRestore => Subject::Restore(edit(envelope, kind, operation)?),
        other if other.is_ordered() => Subject::Ordered(edit(envelope, kind, operation)?),
        _ => Subject::Cluster(edit(envelope, kind, operation)?),
    };
    Ok(Decoded::Reviewed(Request {
        operation,
        writer: Writer {
            name: envelope.user.name.to_string(),
            groups: envelope
                .user
                .groups
                .iter()
                .map(ToString::to_string)
                .collect(),
            ..Writer::default()
        },
        point: EnforcementPoint::Webhook,
        subject,
    }))
}

/// A kind under review: conversion of its objects, and checks against the request.
trait ReviewedKind: Clone {
    fn read(json: &[u8], fallback: &ObjectRef) -> Fact<Self>;
    fn meta(&self) -> &Meta;
    fn meta_mut(&mut self) -> &mut Meta;
    /// Returns true if the known parts of both specs are equal.
    fn same_spec(&self, other: &Self) -> bool;
}

impl ReviewedKind for Policy {
    fn read(json: &[u8], fallback: &ObjectRef) -> Fact<Self> {
        read::policy(json, fallback)
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn same_spec(&self, other: &Self) -> bool {
        self.pods == other.pods
            && self.policy_types == other.policy_types
            && self.ingress == other.ingress
            && self.egress == other.egress
    }
}

impl ReviewedKind for Cluster {
    fn read(json: &[u8], fallback: &ObjectRef) -> Fact<Self> {
        read::written_cluster(json, fallback)
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn same_spec(&self, other: &Self) -> bool {
        // Other parts of the cluster may differ. The JSON decides then.
        self.network == other.network && self.profile == other.profile
    }
}

impl ReviewedKind for Restore {
    fn read(json: &[u8], fallback: &ObjectRef) -> Fact<Self> {
        read::restore(json, fallback)
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn same_spec(&self, other: &Self) -> bool {
        Self::same_spec(self, other)
    }
}

impl ReviewedKind for OtherPolicy {
    fn read(json: &[u8], fallback: &ObjectRef) -> Fact<Self> {
        read::other_policy(json, fallback)
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn same_spec(&self, other: &Self) -> bool {
        self.ordered == other.ordered
    }
}

fn edit<T: ReviewedKind>(
    envelope: &Envelope<'_>,
    kind: Kind,
    operation: Operation,
) -> Result<Edit<T>, String> {
    let mut object = ObjectRef {
        kind,
        namespace: Arc::from(&*envelope.namespace),
        name: Arc::from(&*envelope.name),
    };
    let (old, new) = match operation {
        Operation::Create => (None, Some(envelope.object)),
        Operation::Update => (Some(envelope.old_object), Some(envelope.object)),
        Operation::Delete => (Some(envelope.old_object), None),
    };
    let mut fact = |at: &str, json: Option<&RawValue>| {
        let fact = fact(at, json, &object, &envelope.kind.version)?;
        let found = meta(&fact);
        // The request has no name if it is generated, or for the deletion of a collection. The object has it.
        for (requested, found) in [
            (&mut object.namespace, &found.namespace),
            (&mut object.name, &found.name),
        ] {
            if requested.is_empty() {
                *requested = Arc::clone(found);
            }
        }
        Ok::<_, String>(fact)
    };
    let after = new
        .map(|json| fact("request.object.metadata", json))
        .transpose()?;
    let before = old
        .map(|json| fact("request.oldObject.metadata", json))
        .transpose()?;
    let spec_changed = match (&before, &after) {
        (Some(before), Some(after)) => {
            spec_changed(before, after, envelope.old_object, envelope.object)
        }
        _ => true,
    };
    Ok(Edit {
        object,
        before,
        after,
        spec_changed,
    })
}

fn meta<T: ReviewedKind>(fact: &Fact<T>) -> &Meta {
    match fact {
        Fact::Read(object) => object.meta(),
        Fact::Unreadable(broken) => &broken.meta,
    }
}

/// One object of the request, checked against the request. `at` is the field path of its metadata.
fn fact<T: ReviewedKind>(
    at: &str,
    json: Option<&RawValue>,
    requested: &ObjectRef,
    version: &str,
) -> Result<Fact<T>, String> {
    let broken = |meta: Meta, path: &str, value: String, problem: String| {
        Fact::Unreadable(Arc::new(Unreadable {
            meta,
            problems: vec![Malformed {
                path: path.to_owned(),
                value,
                problem,
            }],
            version: None,
            too_large: None,
            pods: None,
        }))
    };
    let empty_meta = || Meta {
        namespace: Arc::clone(&requested.namespace),
        name: Arc::clone(&requested.name),
        ..Meta::default()
    };
    let Some(json) = json else {
        let problem = "expected an object, found none".to_owned();
        return Ok(broken(empty_meta(), "", "null".to_owned(), problem));
    };
    let json = json.get().as_bytes();
    let mut fact = if requested.kind.is_read_in(requested.kind.group(), version) {
        T::read(json, requested)
    } else {
        let version = strict::escaped(version);
        Fact::Unreadable(read::other_version(json, requested, &version).into())
    };
    let found = meta(&fact);
    // The API server adds letters and digits to the prefix of a name that it generates.
    let generated = found.name.strip_suffix(GENERATED);
    let generated = generated.filter(|_| requested.name.is_empty());
    let name = generated.map_or_else(|| found.name.to_string(), |prefix| format!("{prefix}0"));
    strict::named(at, &found.namespace, &name)?;
    for (path, requested, found) in [
        ("metadata.namespace", &requested.namespace, &found.namespace),
        ("metadata.name", &requested.name, &found.name),
    ] {
        if !requested.is_empty() && !found.is_empty() && requested != found {
            let problem = format!("expected `{requested}` as the request says, found `{found}`");
            return Ok(broken(empty_meta(), path, found.to_string(), problem));
        }
    }
    if let Fact::Read(object) = &mut fact
        && (object.meta().namespace.is_empty() || object.meta().name.is_empty())
    {
        let meta = Arc::make_mut(object).meta_mut();
        for (known, requested) in [
            (&mut meta.namespace, &requested.namespace),
            (&mut meta.name, &requested.name),
        ] {
            if known.is_empty() {
                *known = Arc::clone(requested);
            }
        }
    }
    Ok(fact)
}

/// Returns true if the specs differ as JSON. Equal text and different facts are checked first, since this is
/// fast.
fn spec_changed<T: ReviewedKind>(
    before: &Fact<T>,
    after: &Fact<T>,
    old: Option<&RawValue>,
    new: Option<&RawValue>,
) -> bool {
    if let (Fact::Read(before), Fact::Read(after)) = (before, after)
        && !before.same_spec(after)
    {
        return true;
    }
    let (Some(old), Some(new)) = (spec(old), spec(new)) else {
        return true;
    };
    if old == new {
        return false;
    }
    let is_bounded = |spec: &str| read::value_count::is_bounded(spec.as_bytes());
    if !is_bounded(old) || !is_bounded(new) {
        return true;
    }
    let value = |spec| serde_json::from_str::<Value>(spec);
    match (value(old), value(new)) {
        (Ok(old), Ok(new)) => old != new,
        // A spec that is nested too deeply to compare counts as changed.
        _ => true,
    }
}

/// The text of an object's `spec`, `null` if it has none; `None` if there is no object.
fn spec(object: Option<&RawValue>) -> Option<&str> {
    #[derive(Deserialize)]
    struct Spec<'a> {
        #[serde(borrow, default)]
        spec: Option<&'a RawValue>,
    }
    let object: Spec<'_> = serde_json::from_str(object?.get()).ok()?;
    Some(object.spec.map_or("null", RawValue::get))
}
