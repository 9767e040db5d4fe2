//! OBP401 and OBP403: the object cannot be read, or the facts for a review are missing.

use super::{Cause, Finding, Onset, Place, size};
use crate::inventory::{Kind, ObjectRef, Unreadable};

/// One finding for each problem of an object that cannot be read.
pub(crate) fn unreadable(object: &ObjectRef, broken: &Unreadable, onset: Onset) -> Vec<Finding> {
    if let Some(version) = &broken.version {
        let (kind, read) = (object.kind, object.kind.versions().join(" or "));
        return vec![Finding {
            reason: unread(object, version),
            help: format!(
                "{UPGRADE}, or write it as {}/{read} where that is served",
                kind.group()
            ),
            ..Finding::of(Cause::UnreadableObject, onset, object, "apiVersion")
        }];
    }
    if let (Some(large), Kind::NetworkPolicy) = (&broken.too_large, object.kind) {
        return vec![size::finding(object, large, onset)];
    }
    let one = |problem: &crate::inventory::Malformed| Finding {
        reason: format!("cannot be reviewed: {}", problem.problem),
        help: match problem.value.as_str() {
            "" => "correct the object".to_owned(),
            value => format!("correct the value {value}"),
        },
        ..Finding::of(Cause::UnreadableObject, onset, object, problem.path.clone())
    };
    broken.problems.iter().map(one).collect()
}

/// The finding that an OpenBaoCluster is served in an unsupported version, so that nothing can be proved
/// about a policy that may select its pods.
pub(crate) fn unread_cluster(object: &ObjectRef, cluster: &ObjectRef, version: &str) -> Finding {
    Finding {
        cluster: Some(cluster.clone()),
        reason: format!("may select OpenBao pods, and {}", unread(cluster, version)),
        help: UPGRADE.to_owned(),
        ..Finding::of(Cause::InventoryNotReady, Onset::Introduced, object, "")
    }
}

fn unread(object: &ObjectRef, version: &str) -> String {
    let (kind, name) = (object.kind.as_str(), &object.name);
    format!("{kind} {name} is served as {version}, which this release cannot read")
}

/// Remedy for an object in an unsupported version.
const UPGRADE: &str = "upgrade openbao-perimeter";

/// The warning that another object of the namespace cannot be read or is too large to prove.
pub(crate) fn unreadable_policy(object: &ObjectRef) -> Finding {
    Finding {
        reason: format!(
            "{} `{}` of the namespace cannot be read or is too large, so this review does not rely on it",
            object.kind.as_str(),
            object.name
        ),
        help: "correct or delete it".to_owned(),
        ..Finding::of(Cause::UnreadableNeighbour, Onset::PreExisting, object, "")
    }
}

/// The warning that some fields of an OpenBaoCluster of the namespace cannot be read.
pub(crate) fn partly_read(broken: &Unreadable) -> Finding {
    let object = ObjectRef {
        kind: Kind::OpenBaoCluster,
        namespace: broken.meta.namespace.clone(),
        name: broken.meta.name.clone(),
    };
    let fields: Vec<&str> = broken
        .problems
        .iter()
        .map(|problem| problem.path.as_str())
        .collect();
    Finding {
        reason: format!(
            "OpenBaoCluster `{}` of the namespace has unreadable fields: {}; their last known values count, or \
             none",
            object.name,
            fields.join(", ")
        ),
        help: "correct it".to_owned(),
        ..Finding::of(
            Cause::UnreadableNeighbour,
            Onset::PreExisting,
            &object,
            fields.first().copied().unwrap_or_default(),
        )
    }
}

/// The finding that metadata which defines managed policies changes, and no facts show whether the policy is
/// managed.
pub(crate) fn not_ready_for_metadata(object: &ObjectRef) -> Finding {
    Finding {
        path: "metadata".to_owned(),
        place: Place::Metadata,
        ..not_ready(object)
    }
}

/// The finding that facts are missing or too old.
pub(crate) fn not_ready(object: &ObjectRef) -> Finding {
    Finding {
        reason: "the server has not read all OpenBaoClusters and NetworkPolicies yet, so it cannot decide"
            .to_owned(),
        help: "try again in a moment; if it persists, ask the platform team to check /readyz?verbose of \
               openbao-perimeter"
            .to_owned(),
        ..Finding::of(Cause::InventoryNotReady, Onset::Introduced, object, "")
    }
}

/// The finding that a verdict needs a live read, which failed.
pub(crate) fn not_read(object: &ObjectRef) -> Finding {
    let reason = match object.kind {
        Kind::NetworkPolicy => {
            "the policy could select OpenBao pods, and the API server could not be asked which OpenBaoClusters and \
             policies are in the namespace now"
        }
        _ => {
            "the API server could not be asked which policies are now in the namespace of the pods"
        }
    };
    Finding {
        reason: reason.to_owned(),
        ..not_ready(object)
    }
}
