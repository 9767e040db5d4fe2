//! What of a policy's metadata matters when there are no facts yet.

use super::request::{Edit, Request, Subject};
use crate::baseline::MANAGED_LABELS;
use crate::inventory::cluster::is_restored_into;
use crate::inventory::{Cluster, Fact, Meta, Policy};
use crate::posture::Edition;

/// How the names of all managed policies end, whatever their cluster is called.
const MANAGED_SUFFIX: &str = "-network-policy";

/// Whether the write changes, on a policy that may be a managed one, a label or owner by which the
/// operator finds it; whether it is one only the facts could tell. Or whether it marks a cluster so that
/// the operator keeps up no policies for it.
pub(super) fn may_leave_its_manager(request: &Request, edition: Edition) -> bool {
    let edit = match &request.subject {
        Subject::Policy(edit) => edit,
        Subject::Cluster(edit) => {
            let marked = [&edit.before, &edit.after].map(|fact| {
                let cluster: Option<&Fact<Cluster>> = fact.as_ref();
                cluster.map(|cluster| is_restored_into(cluster.meta(), edition))
            });
            return marked == [Some(false), Some(true)];
        }
        Subject::Restore(_) => return false,
    };
    let (Some(before), Some(after)) = (&edit.before, &edit.after) else {
        return false;
    };
    edit.object.name.ends_with(MANAGED_SUFFIX) && changes(before.meta(), after.meta())
}

/// Whether the write changes who owns the policy.
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
    let owners = |meta: &Meta| {
        let clusters = |owner: &&crate::inventory::Owner| &*owner.kind == "OpenBaoCluster";
        meta.owners.iter().filter(clusters).cloned().collect()
    };
    let (before, after): (Vec<_>, Vec<_>) = (owners(before), owners(after));
    labels || before != after
}
