//! Changes of a policy's metadata that matter without facts.

use super::request::{Edit, Request, Subject};
use crate::baseline::MANAGED_LABELS;
use crate::config::Baseline;
use crate::inventory::cluster::is_restored_into;
use crate::inventory::{Cluster, Fact, Meta, Policy};

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
        Subject::Restore(_) => return false,
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
