//! OBP104: a policy gets an owner that the operator would not set.
//!
//! Garbage collection deletes an object when all of its owners are deleted, and keeps it while one of them
//! exists. An object has at most one controller. So owners decide how long a policy exists, and a policy that
//! its cluster does not own is not relied on ([`lasts`]).

use super::policy_change::PolicyChange;
use super::remedy::{Change, PolicyEdit, Rank, Remedy};
use super::{Cause, Code, Finding, Onset, Place};
use crate::baseline::{ClusterPerimeter, OWNER_API_VERSION, OWNER_UID};
use crate::config::Baseline;
use crate::inventory::{Kind, Meta, ObjectRef, Owner};

/// Field path of the owner references.
const PATH: &str = "metadata.ownerReferences";

/// Remedy for the owners of a managed policy.
const RIGHT_OWNER: &str = "leave metadata.ownerReferences as the operator writes them";

/// The owners of a policy before and after a write.
#[derive(Clone, Copy, Debug)]
pub struct Owners<'a> {
    /// The policy.
    pub object: &'a ObjectRef,
    /// Its metadata before; `None` if it did not exist.
    pub before: Option<&'a Meta>,
    /// Its metadata after.
    pub after: &'a Meta,
}

/// Returns true if an owner reference is for the cluster itself.
fn is_own(owner: &Owner, cluster: &ClusterPerimeter) -> bool {
    let group = owner.api_version.split_once('/').map(|(group, _)| group);
    cluster.is_cluster()
        && group == Some(Kind::OpenBaoCluster.group())
        && &*owner.kind == Kind::OpenBaoCluster.as_str()
        && owner.name == cluster.object.name
        && cluster.uid.as_ref().is_none_or(|uid| *uid == owner.uid)
}

/// The same where the uid of the cluster may be unknown: then it is the one in the old owner references, if there
/// was one.
fn is_known_own(owner: &Owner, old: &[Owner], cluster: &ClusterPerimeter) -> bool {
    let mut own = old.iter().filter(|old| is_own(old, cluster)).peekable();
    is_own(owner, cluster)
        && (cluster.uid.is_some() || own.peek().is_none() || own.any(|old| old.uid == owner.uid))
}

/// Returns true if an owner reference is the one that the operator writes.
fn is_as_written(owner: &Owner, cluster: &ClusterPerimeter) -> bool {
    is_own(owner, cluster) && owner.controller && &*owner.api_version == OWNER_API_VERSION
}

/// Returns true if a policy exists until a user deletes it: it is not being deleted, and it has no owner
/// except the cluster. For policies of the operator's own pods, owners are whatever installed them, and are
/// ignored.
pub fn lasts(policy: &Meta, cluster: &ClusterPerimeter) -> bool {
    let foreign = |owner: &Owner| !is_own(owner, cluster);
    !cluster.is_cluster() || !(policy.deleting || policy.owners.iter().any(foreign))
}

impl<'a> Owners<'a> {
    /// Owner references to other objects than the cluster that the write adds.
    fn added(&self, cluster: &ClusterPerimeter) -> impl Iterator<Item = &'a Owner> {
        let old = self.before.map_or(&[][..], |before| &before.owners);
        let new = self.after.owners.iter();
        let is_another = move |owner: &Owner| !is_known_own(owner, old, cluster);
        new.filter(move |owner| !old.contains(owner) && is_another(owner))
    }

    fn finding(&self, cluster: &ClusterPerimeter, onset: Onset) -> Finding {
        Finding {
            cluster: Some(cluster.object.clone()),
            place: Place::Metadata,
            ..Finding::of(Cause::ManagedPolicyRetargeted, onset, self.object, PATH)
        }
    }
}

/// Findings about the owners of a managed policy. A change to something that the operator would not write
/// denies; earlier differences warn.
pub fn of_managed(
    owners: &Owners<'_>,
    cluster: &ClusterPerimeter,
    baseline: Baseline,
) -> Vec<Finding> {
    let old = owners.before.map_or(&[][..], |before| &before.owners);
    let new = &owners.after.owners;
    let is_right =
        |owner: &Owner| is_as_written(owner, cluster) && is_known_own(owner, old, cluster);
    let is_kept = new.iter().any(is_right);
    let gone = old
        .iter()
        .filter(|owner| is_own(owner, cluster) && !new.contains(owner) && !is_kept);
    let gone = gone.map(|owner| {
        format!(
            "the owner reference to OpenBaoCluster `{}` was removed or changed",
            owner.name
        )
    });
    let wrong = new.iter().filter(|owner| !is_right(owner));
    let (known, added): (Vec<&Owner>, Vec<&Owner>) = wrong.partition(|owner| old.contains(owner));
    let added = added
        .into_iter()
        .map(|owner| describe_wrong_owner(owner, cluster));
    let mut problems: Vec<String> = gone.chain(added).collect();
    let unproved = |meta: &Meta| !is_proved(meta, cluster, baseline);
    let was_unproved = owners.before.is_some_and(unproved);
    if problems.is_empty() && unproved(owners.after) && !was_unproved {
        problems.push(format!(
            "neither an owner reference nor the annotation `{OWNER_UID}` marks the policy as that of {}, so the \
             operator would stop instead of taking it over",
            cluster.object
        ));
    }
    let denied = (!problems.is_empty()).then(|| Finding {
        reason: problems.join("; "),
        help: RIGHT_OWNER.to_owned(),
        remedies: vec![right_owner(owners, cluster)],
        ..owners.finding(cluster, Onset::Introduced)
    });
    let known: Vec<String> = known
        .into_iter()
        .map(|owner| describe_wrong_owner(owner, cluster))
        .collect();
    let warned = (!known.is_empty()).then(|| Finding {
        reason: format!("{} (already before this write)", known.join("; ")),
        help: RIGHT_OWNER.to_owned(),
        remedies: vec![right_owner(owners, cluster)],
        ..owners.finding(cluster, Onset::PreExisting)
    });
    denied.into_iter().chain(warned).collect()
}

/// Returns true if the newest operator recognises the policy as its own. Older ones overwrite any policy with
/// the name.
fn is_proved(policy: &Meta, cluster: &ClusterPerimeter, baseline: Baseline) -> bool {
    let Some(uid) = &cluster.uid else { return true };
    let is_rendered = cluster.zones.iter().any(|zone| zone.rendered.is_some());
    let owned = policy
        .owners
        .iter()
        .any(|owner| owner.controller && owner.uid == *uid);
    let marked = policy.annotations.get(OWNER_UID) == Some(uid);
    !baseline.features().marks_owner || !is_rendered || owned || marked
}

/// The effect of an owner that the operator would not write.
fn describe_wrong_owner(owner: &Owner, cluster: &ClusterPerimeter) -> String {
    let named = named(owner);
    let is_named_so = owner.kind.as_ref() == Kind::OpenBaoCluster.as_str()
        && owner.name == cluster.object.name
        && !is_own(owner, cluster);
    if is_as_written(owner, cluster) {
        format!(
            "the owner reference to {named} has a different uid than before, so garbage collection deletes the \
             policy at once or never"
        )
    } else if is_own(owner, cluster) {
        let expected = format!("apiVersion `{OWNER_API_VERSION}` and `controller: true`");
        format!(
            "the owner reference to {named} differs from the one that the operator writes, with {expected}"
        )
    } else if is_named_so {
        format!(
            "owner {named} with apiVersion `{}` and uid `{}` is not {}, so garbage collection deletes the policy at \
             once or never",
            owner.api_version, owner.uid, cluster.object
        )
    } else if owner.controller {
        format!(
            "{named} controls the policy, and an object can have only one controller, so the operator can no longer write it"
        )
    } else {
        format!(
            "{named} owns the policy, so garbage collection deletes the policy with it, or keeps the policy after {} is gone",
            cluster.object
        )
    }
}

/// An owner, for messages.
fn named(owner: &Owner) -> String {
    format!("{} `{}`", owner.kind, owner.name)
}

/// Makes the owners of a managed policy what the operator writes.
fn right_owner(owners: &Owners<'_>, cluster: &ClusterPerimeter) -> Remedy {
    let old = owners.before.map_or(&[][..], |before| &before.owners);
    let mut known = old.iter().filter(|owner| is_own(owner, cluster));
    let uid = cluster.uid.as_ref();
    let uid = uid.or_else(|| known.next().map(|owner| &owner.uid));
    let own = uid.map(|uid| Owner {
        api_version: OWNER_API_VERSION.into(),
        kind: Kind::OpenBaoCluster.as_str().into(),
        name: cluster.object.name.clone(),
        uid: uid.clone(),
        controller: true,
    });
    set_owners(owners.object, own.into_iter().collect())
}

fn set_owners(object: &ObjectRef, owners: Vec<Owner>) -> Remedy {
    Remedy::new(
        Rank::PutBack,
        "keep the owners that the operator writes",
        Change::Policy(object.clone(), PolicyEdit::Owners(owners)),
    )
}

/// Leaves the owners out that the write adds.
fn old_owners(owners: &Owners<'_>, cluster: &ClusterPerimeter) -> Remedy {
    let added: Vec<&Owner> = owners.added(cluster).collect();
    let kept = owners.after.owners.iter();
    let kept = kept.filter(|owner| !added.contains(owner)).cloned();
    Remedy {
        action: "leave the new owner out".to_owned(),
        ..set_owners(owners.object, kept.collect())
    }
}

/// The first owner that the write adds, other than the cluster, whose deletion may delete the policy.
pub fn added_owner<'a>(change: &PolicyChange<'a>) -> Option<&'a Owner> {
    owners_of(change)?.added(change.cluster).next()
}

fn owners_of<'a>(change: &PolicyChange<'a>) -> Option<Owners<'a>> {
    Some(Owners {
        object: change.object,
        before: change.before.policy.map(|policy| &policy.meta),
        after: &change.after.policy?.meta,
    })
}

/// The finding that a policy on which pods depend gets another owner. `lost` is the effect of its garbage
/// collection.
pub fn owner_added(change: &PolicyChange<'_>, owner: &Owner, lost: Finding) -> Finding {
    let owner = named(owner);
    let (verb, what) = match lost.code {
        Code::Obp101 => ("lets ", " have a connection that they need"),
        Code::Obp102 => ("isolates ", ""),
        _ => ("may isolate ", " or let them have what they need"),
    };
    let before = format!("garbage collection deletes the policy with {owner}, and it alone {verb}");
    let (cause, onset) = if change.cluster.is_cluster() {
        (Cause::ManagedPolicyRetargeted, Onset::Introduced)
    } else {
        (Cause::OperatorPolicyOwned, Onset::PreExisting)
    };
    Finding {
        place: Place::Metadata,
        merges: true,
        witness: lost.witness,
        only_if: lost.only_if,
        help: "first add another policy for these pods, without owners".to_owned(),
        remedies: owners_of(change)
            .map(|owners| old_owners(&owners, change.cluster))
            .into_iter()
            .collect(),
        ..change
            .finding(cause, onset, PATH)
            .about_pods(&before, change.cluster, what)
    }
}

/// The finding that a policy gets an owner, and that it cannot be proved whether pods depend on the policy.
pub fn unproved(owners: &Owners<'_>, cluster: &ClusterPerimeter) -> Option<Finding> {
    let owner = named(owners.added(cluster).next()?);
    Some(Finding {
        reason: format!(
            "garbage collection deletes the policy with {owner}, and whether it alone isolates pods of {} cannot be \
             proved",
            cluster.object
        ),
        help: format!("leave {owner} out of metadata.ownerReferences"),
        remedies: vec![old_owners(owners, cluster)],
        ..owners.finding(cluster, Onset::Introduced)
    })
}
