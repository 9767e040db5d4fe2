//! Words that several rules need.

use crate::baseline::{ClusterPerimeter, Zone};
use crate::inventory::ObjectRef;
use crate::inventory::dependencies::StorageFault;

/// Pods of a cluster, for messages.
pub fn pods_of(cluster: &ClusterPerimeter, pods: Zone) -> String {
    groups_of(cluster, &[pods])
}

/// Several groups of pods of a cluster, for messages.
pub fn groups_of(cluster: &ClusterPerimeter, pods: &[Zone]) -> String {
    pods_named(&cluster.object, pods)
}

/// Several groups of pods of a cluster whose perimeter is not at hand, for messages.
pub(crate) fn pods_named(cluster: &ObjectRef, pods: &[Zone]) -> String {
    let names: Vec<&str> = pods.iter().map(|pods| pods.describe()).collect();
    format!("the {} pods of {cluster}", names.join(", "))
}

/// The fault of an object storage that a Hardened cluster does not accept, as a clause.
pub(crate) fn storage_fault(what: &StorageFault) -> String {
    match what {
        StorageFault::Unverified => {
            "the certificate of the object storage is not verified".to_owned()
        }
        StorageFault::Scheme(scheme) if scheme.is_empty() => {
            "the object storage's URL has no scheme, where `https` or `s3` is expected".to_owned()
        }
        StorageFault::Scheme(scheme) => {
            format!(
                "the object storage's URL has the scheme `{scheme}`, where `https` or `s3` is expected"
            )
        }
        StorageFault::PlainToService => {
            "the object storage is a Service that is reached over plain HTTP".to_owned()
        }
    }
}
