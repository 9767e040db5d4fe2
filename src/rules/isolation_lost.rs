//! OBP102: pods lose their isolation in a direction, so that every connection is allowed.

use super::core_connection_cut::deletion_prefix;
use super::policy_change::{PolicyChange, WriteState, everything, isolated, whole};
use super::remedy::{Change, ClusterEdit, PolicyEdit, Rank, Remedy};
use super::{Cause, Finding, Onset, Place};
use crate::config::ReviewConfig;
use crate::inventory::cluster::{RESTORE_ORIGIN, is_restored_into};
use crate::inventory::{Meta, ObjectRef};
use netpol::cover::Exhausted;
use netpol::{Direction, Region};

/// One finding for each direction in which the write removes isolation.
pub fn check(change: &PolicyChange<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for direction in Direction::ALL {
        match lost(change, direction) {
            Ok(Some(piece)) => findings.push(finding(change, direction, &piece)),
            Ok(None) => {}
            Err(exhausted) => findings.push(change.undecided("isolation", &exhausted)),
        }
    }
    findings
}

/// The finding that a cluster gets the annotation of a restored cluster: from then on the operator writes no
/// policy for it. Only the operator sets it, on a cluster that it creates.
pub fn by_mark(
    object: &ObjectRef,
    before: Option<&Meta>,
    after: &Meta,
    config: &ReviewConfig,
) -> Option<Finding> {
    let baseline = config.baseline;
    let was_there = before.is_some_and(|before| is_restored_into(before, baseline));
    let is_added = !was_there && is_restored_into(after, baseline);
    is_added.then(|| Finding {
        cluster: Some(object.clone()),
        place: Place::Metadata,
        reason: format!(
            "with the annotation `{RESTORE_ORIGIN}` the operator does not maintain the policies that isolate the \
             cluster's pods; only the operator sets this annotation, on clusters that it creates for a restore"
        ),
        help: "leave out the annotation".to_owned(),
        remedies: vec![Remedy::new(
            Rank::PutBack,
            "leave out the annotation",
            Change::Cluster(
                object.clone(),
                ClusterEdit::NoAnnotation(RESTORE_ORIGIN.into()),
            ),
        )],
        ..Finding::of(
            Cause::IsolationLost,
            Onset::Introduced,
            object,
            format!("metadata.annotations[{RESTORE_ORIGIN}]"),
        )
    })
}

/// The part of the zone that only this policy isolated, and no longer does. Only isolation by the written
/// policy can be lost, since other policies do not change. Policies that will be collected with their owner
/// do not count.
fn lost(change: &PolicyChange<'_>, direction: Direction) -> Result<Option<Region>, Exhausted> {
    let Some(before) = change
        .before
        .selected
        .as_ref()
        .filter(|before| before.isolates(direction))
    else {
        return Ok(None);
    };
    let after = isolated(change.lasting(WriteState::After), direction);
    change.outside(whole(&before.part), after)
}

/// A connection that is newly allowed and not permitted by the ceiling; `None` if the ceiling permits all.
fn newly_open(change: &PolicyChange<'_>, direction: Direction, piece: &Region) -> Option<Region> {
    let mut open = everything(&piece.subject).into_iter();
    let beyond = |area: Region| change.outside((&area).into(), change.ceiling(direction));
    open.find_map(|area| beyond(area).ok().flatten())
}

/// The policy types or the podSelector of the old policy.
fn isolate(change: &PolicyChange<'_>, direction: Direction) -> Option<Remedy> {
    let (before, after) = (change.before.policy?, change.after.policy?);
    let (what, edit) = if after.isolates(direction) {
        ("podSelector", PolicyEdit::Selector(before.pods.clone()))
    } else {
        ("policyTypes", PolicyEdit::types_with(after, direction))
    };
    Some(Remedy::new(
        Rank::PutBack,
        format!("keep the {what}"),
        Change::Policy(change.object.clone(), edit),
    ))
}

fn finding(change: &PolicyChange<'_>, direction: Direction, piece: &Region) -> Finding {
    let region = newly_open(change, direction, piece);
    let policy_type = direction.policy_type();
    // The operator can be uninstalled with its policies, and its pods are not protected by this product alone.
    let cause = if change.cluster.is_cluster() {
        Cause::IsolationLost
    } else {
        Cause::OperatorIsolationLost
    };
    Finding {
        merges: true,
        witness: region.and_then(|region| change.witness(direction, &region)),
        help: format!(
            "{}isolate the pods by another policy first",
            deletion_prefix(change)
        ),
        remedies: isolate(change, direction).into_iter().collect(),
        ..change.finding(cause, Onset::Introduced, "spec").about_pods(
            "no policy isolates ",
            change.cluster,
            &format!(" for {policy_type} after this write, so every connection is open"),
        )
    }
}
