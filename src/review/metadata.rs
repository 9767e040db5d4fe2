//! Metadata of the written object, and its changes that matter without facts.

use super::level::WriterClass;
use super::request::{Edit, Request, Subject};
use crate::baseline::MANAGED_LABELS;
use crate::code::EnforcementPoint;
use crate::config::{Baseline, ReviewConfig};
use crate::inventory::cluster::is_restored_into;
use crate::inventory::{Cluster, Fact, Kind, Meta, Policy};
use crate::rules::{Finding, isolation_lost, unknown_field};

/// The metadata of an object that is written.
pub(super) struct MetadataReview<'a> {
    pub(super) request: &'a Request,
    pub(super) config: &'a ReviewConfig,
    pub(super) class: WriterClass,
    pub(super) before: Option<&'a Meta>,
    pub(super) after: &'a Meta,
}

impl MetadataReview<'_> {
    /// Returns true if the unknown fields are checked: they or the spec change.
    pub(super) fn has_new_fields(&self) -> bool {
        let is_kept = |before: &Meta| before.unknown == self.after.unknown;
        !self.before.is_some_and(is_kept) || self.request.spec_changed()
    }
}

/// OBP102: the mark of a restored cluster, for which the operator keeps up no policies. It is known of a cluster that
/// cannot be read too. The audit does not know who set it.
pub(super) fn restored(write: &MetadataReview<'_>) -> Vec<Finding> {
    let object = write.request.object();
    let is_stored = write.request.point == EnforcementPoint::Audit;
    if object.kind != Kind::OpenBaoCluster || is_stored || write.class == WriterClass::Operator {
        return Vec::new();
    }
    let marked = isolation_lost::by_mark(object, write.before, write.after, write.config);
    marked.into_iter().collect()
}

/// OBP316.
pub(super) fn unknown_fields(write: &MetadataReview<'_>) -> Vec<Finding> {
    if !write.has_new_fields() {
        return Vec::new();
    }
    unknown_field::check(write.request.object(), write.after, write.before)
}

/// Suffix of the names of all managed policies.
const MANAGED_SUFFIX: &str = "-network-policy";

/// Returns true if the write has a change whose effect depends on facts: a label or an owner of a possible
/// managed policy, a new owner of any policy, which may be the only one that isolates its pods, or the
/// annotation of a restored cluster.
pub(super) fn may_leave_its_manager(request: &Request, baseline: Baseline) -> bool {
    let edit = match &request.subject {
        Subject::Policy(edit) => edit,
        Subject::Cluster(edit) => {
            let marked = [&edit.before, &edit.after].map(|fact| {
                let cluster: Option<&Fact<Cluster>> = fact.as_ref();
                cluster.map(|cluster| is_restored_into(cluster.meta(), baseline))
            });
            return marked == [Some(false), Some(true)];
        }
        Subject::Restore(_) | Subject::Ordered(_) => return false,
    };
    let (Some(before), Some(after)) = (&edit.before, &edit.after) else {
        return false;
    };
    let (before, after) = (before.meta(), after.meta());
    let mut owners = after.owners.iter();
    let is_added = owners.any(|owner| !before.owners.contains(owner));
    is_added || (is_managed_name(&edit.object.name) && changes(before, after))
}

/// Returns true if a policy with this name may be a managed one.
pub(super) fn is_managed_name(name: &str) -> bool {
    name.ends_with(MANAGED_SUFFIX)
}

/// Returns true if the write changes the owners of the policy.
pub(super) fn changes_owners(edit: &Edit<Policy>) -> bool {
    match (&edit.before, &edit.after) {
        (Some(before), Some(after)) => before.meta().owners != after.meta().owners,
        _ => false,
    }
}

fn changes(before: &Meta, after: &Meta) -> bool {
    let labels = MANAGED_LABELS
        .iter()
        .any(|key| before.labels.get(*key) != after.labels.get(*key));
    labels || before.owners != after.owners
}
