//! OBP103 and OBP104: a managed policy is deleted, or selects other pods. Its owners are checked in
//! [`policy_owner`](super::policy_owner).

use super::policy_change::{PolicyChange, Side};
use super::remedy::{Change, PolicyEdit, Rank, Remedy};
use super::text::pods_of;
use super::{Cause, Code, Finding, Onset, Place};
use crate::baseline::MANAGED_LABELS;
use crate::inventory::Meta;
use netpol::Direction;

/// The finding that a managed policy is deleted while its cluster exists. It replaces the findings about each
/// core rule, and uses one of their connections.
pub fn deleted(change: &PolicyChange<'_>, findings: Vec<Finding>) -> Vec<Finding> {
    let mut shown = findings
        .iter()
        .filter_map(|finding| Some((finding.witness.clone()?, finding.only_if)));
    let (witness, only_if) = shown.next().unzip();
    let deleted = Finding {
        reason: format!(
            "the operator manages this policy for {}; without it these pods have no perimeter until the next reconcile",
            pods_of(change.cluster, change.zone.pods),
        ),
        witness,
        only_if: only_if.flatten(),
        help: format!(
            "not possible while {0} exists: the policy is deleted together with it. To open more, declare it in {0}",
            change.cluster.object
        ),
        example_label: "affected connection",
        ..change.finding(Cause::ManagedPolicyDeleted, Onset::Introduced, "")
    };
    let others = findings
        .into_iter()
        .filter(|finding| finding.code != Code::Obp101);
    others.chain([deleted]).collect()
}

/// Findings that a managed policy no longer has the same pods or directions, or loses its labels.
pub fn retargeted(change: &PolicyChange<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = selector(change).into_iter().collect();
    findings.extend(
        Direction::ALL
            .into_iter()
            .filter_map(|direction| policy_type(change, direction)),
    );
    if let (Some(before), Some(after)) = (change.before.policy, change.after.policy) {
        findings.extend(labels(change, &before.meta, &after.meta));
    }
    findings
}

fn selector(change: &PolicyChange<'_>) -> Option<Finding> {
    let expected = change.zone.rendered.as_ref()?;
    let set = |state: &Side<'_>| state.policy.map(|policy| policy.pods.label_set());
    let after = set(&change.after)?;
    if after == expected.pods.label_set() {
        return None;
    }
    let onset = Onset::of(set(&change.before).is_some_and(|before| before == after));
    Some(Finding {
        merges: true,
        remedies: vec![put_back(
            change,
            "podSelector",
            PolicyEdit::Selector(expected.pods.clone()),
        )],
        help: "put the podSelector back".to_owned(),
        ..change
            .finding(Cause::ManagedPolicyRetargeted, onset, "spec.podSelector")
            .about_pods(
                "the managed policy no longer selects exactly ",
                change.cluster,
                "",
            )
    })
}

fn policy_type(change: &PolicyChange<'_>, direction: Direction) -> Option<Finding> {
    change.zone.rendered.as_ref()?;
    if change.after.policy?.isolates(direction) {
        return None;
    }
    let had = change
        .before
        .policy
        .is_none_or(|before| before.isolates(direction));
    let policy_type = direction.policy_type();
    Some(Finding {
        merges: true,
        reason: format!("the managed policy no longer isolates its pods for {policy_type}"),
        remedies: vec![put_back(
            change,
            "policy type",
            PolicyEdit::types_with(change.after.policy?, direction),
        )],
        help: format!("put `{policy_type}` back into spec.policyTypes"),
        ..change.finding(
            Cause::ManagedPolicyRetargeted,
            Onset::of(!had),
            "spec.policyTypes",
        )
    })
}

/// The labels by which the operator recognises its objects.
fn labels(change: &PolicyChange<'_>, before: &Meta, after: &Meta) -> Vec<Finding> {
    let changed = MANAGED_LABELS.iter().filter_map(|key| {
        let old = before.labels.get(*key)?;
        (after.labels.get(*key) != Some(old)).then_some((key, old))
    });
    changed
        .map(|(key, old)| Finding {
            place: Place::Metadata,
            merges: true,
            reason: format!("the managed label `{key}` was `{old}`; without it the operator no longer recognises the policy"),
            remedies: vec![put_back(
                change,
                "label",
                PolicyEdit::Label((*key).into(), old.clone()),
            )],
            help: format!("put the label back: `{key}: {old}`"),
            ..change.finding(
                Cause::ManagedPolicyRetargeted,
                Onset::Introduced,
                format!("metadata.labels[{key}]"),
            )
        })
        .collect()
}

fn put_back(change: &PolicyChange<'_>, what: &str, edit: PolicyEdit) -> Remedy {
    let change = Change::Policy(change.object.clone(), edit);
    Remedy::new(Rank::PutBack, format!("put the {what} back"), change)
}
