//! The namespace of objects in files that name none.

use std::path::Path;

use crate::inventory::restore::RestoreInto;
use crate::inventory::{Kind, ObjectRef, Snapshot};
use crate::review::CompiledSnapshot;
use crate::sources::files::{self, DEFAULT_NAMESPACE, LoadError};
use netpol::label::is_dns_label;

/// Objects that a note names.
const NAMED: usize = 3;

/// Namespace of objects in files that name none.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct NamespaceArg {
    /// Namespace of objects without `metadata.namespace`
    #[arg(short, long, value_name = "NAMESPACE", value_parser = label)]
    pub(crate) namespace: Option<String>,
}

fn label(text: &str) -> Result<String, String> {
    if is_dns_label(text) {
        Ok(text.to_owned())
    } else {
        Err("expected a DNS label (up to 63 of `a-z`, `0-9` and `-`)".to_owned())
    }
}

/// The facts of an inventory; objects that are taken to be in the default namespace are reported.
pub(super) fn facts(inventory: &Path) -> Result<Snapshot, LoadError> {
    let manifests = files::inventory(inventory)?;
    if let Some(note) = note(&manifests.defaulted) {
        super::tell("note", &note);
    }
    Ok(manifests.into_snapshot())
}

/// Note that these objects are taken to be in the default namespace.
pub(super) fn note(defaulted: &[ObjectRef]) -> Option<String> {
    let (verb, pronoun) = match defaulted {
        [] => return None,
        [_] => ("has", "is"),
        _ => ("have", "are"),
    };
    Some(format!(
        "{} {verb} no metadata.namespace and {pronoun} taken to be in `{DEFAULT_NAMESPACE}`",
        named(defaulted.iter().map(ToString::to_string))
    ))
}

/// Reason for which an object is not checked: there is nothing to guard in the namespace of a policy, or the cluster
/// of a restore is not known.
pub(super) fn unguarded_reason(compiled: &CompiledSnapshot, object: &ObjectRef) -> Option<String> {
    let namespace = &object.namespace;
    match object.kind {
        Kind::NetworkPolicy => compiled.perimeters(namespace).is_empty().then(|| {
            let known = compiled.snapshot.references(Kind::OpenBaoCluster);
            let elsewhere = if known.is_empty() {
                String::new()
            } else {
                let known = known.iter();
                let known = known.map(|own| format!("{}/{}", own.namespace, own.name));
                format!(" (known: {})", named(known))
            };
            format!("no OpenBaoCluster is known in namespace {namespace}{elsewhere}")
        }),
        Kind::OpenBaoRestore => {
            let restore = compiled.snapshot.restore(namespace, &object.name)?.read()?;
            let RestoreInto::Cluster(name) = &restore.into else {
                return None;
            };
            let is_known = compiled.snapshot.cluster(namespace, name).is_some();
            (!is_known)
                .then(|| format!("no OpenBaoCluster {name} is known in namespace {namespace}"))
        }
        _ => None,
    }
}

/// The first of some objects, and how many more there are.
pub(super) fn named(objects: impl ExactSizeIterator<Item = String>) -> String {
    let more = objects.len().saturating_sub(NAMED);
    let named: Vec<String> = objects.take(NAMED).collect();
    match (&named[..], more) {
        ([rest @ .., last], 0) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        (all, 0) => all.join(", "),
        (all, more) => format!("{} and {more} more", all.join(", ")),
    }
}
