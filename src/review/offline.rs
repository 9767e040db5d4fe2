//! Reviews of manifests in files: of a final state, or of the edit between two states.
//!
//! Each object is reviewed with all others in their final state, so two edits that violate a perimeter only
//! together are both reported.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use super::cluster::Violation;
use super::cluster::{managed_names, violations};
use super::compiled::CompiledSnapshot;
use super::level::WriterClass;
use super::request::{Edit, Operation, Request, Subject, Writer};
use super::verdict::Verdict;
use super::{isolation, other_policies, review_as, waivers, workload};
use crate::code::EnforcementPoint;
use crate::inventory::cluster::is_restored_into;
use crate::inventory::{
    Cluster, Fact, Kind, NamespaceFacts, Object, ObjectRef, OtherPolicy, Policy, Restore,
};
pub use crate::rules::default_deny_absent::Missing;
use crate::rules::inside_ceiling::Proof;
use crate::rules::{Finding, beyond_ceiling};
use netpol::cover::Budget;

/// Objects by reference.
pub type Objects = BTreeMap<ObjectRef, Object>;

/// Findings about one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewedObject {
    /// The object.
    pub object: ObjectRef,
    /// The verdict.
    pub verdict: Verdict,
}

/// Reviews a final state. Managed policies are compared with those that the operator renders, and other
/// violations count as new. `compiled` contains these objects. `beside` contains all but their policies:
/// clusters and restores are reviewed in it, since each of these policies is reviewed itself. `missing` is
/// the treatment of managed policies that are not among the objects. In a dump of a cluster, for which the
/// snapshots count [nothing as rendered](CompiledSnapshot::as_stored), they are absent.
pub fn final_state(
    compiled: &CompiledSnapshot,
    beside: &CompiledSnapshot,
    writer: &Writer,
    objects: &Objects,
    missing: Missing,
) -> Vec<ReviewedObject> {
    let review_object = |(reference, object): (&ObjectRef, &Object)| {
        let by = if is_managed(compiled, reference) {
            By::Stored
        } else if missing == Missing::Absent && is_restored(compiled, object) {
            By::Operator
        } else {
            By::Writer(writer)
        };
        let beside = match reference.kind {
            Kind::OpenBaoCluster | Kind::OpenBaoRestore => beside,
            _ => compiled,
        };
        if let Object::Workload(pod) = object
            && (missing, reference.kind) == (Missing::Absent, Kind::Pod)
        {
            return Some(ReviewedObject {
                object: reference.clone(),
                verdict: workload::stored(compiled, objects, reference, pod),
            });
        }
        let reviewed = review_object(beside, by, reference, &Pair::state(object))?;
        Some(with_isolation(compiled, reviewed, missing))
    };
    let unread = other_policies::unread(compiled, EnforcementPoint::Check).into_iter();
    let unread = unread.map(|finding| ReviewedObject {
        object: finding.object.clone(),
        verdict: Verdict::new(vec![finding]),
    });
    // Thousands of objects are usual.
    let mut reviewed = Vec::with_capacity(objects.len());
    reviewed.extend(objects.iter().filter_map(review_object).chain(unread));
    waivers::add(&compiled.config, &mut reviewed, objects);
    reviewed
}

/// A cluster's verdict with findings about isolation by its policies.
fn with_isolation(
    compiled: &CompiledSnapshot,
    reviewed: ReviewedObject,
    missing: Missing,
) -> ReviewedObject {
    let mut perimeters = compiled.perimeters(&reviewed.object.namespace).iter();
    let Some(cluster) = perimeters.find(|cluster| cluster.object == reviewed.object) else {
        return reviewed;
    };
    if cluster.unread_version.is_some() {
        return reviewed;
    }
    let mut findings = reviewed.verdict.findings;
    findings.extend(isolation(
        compiled,
        cluster,
        EnforcementPoint::Check,
        missing,
    ));
    ReviewedObject {
        verdict: Verdict::new(findings),
        object: reviewed.object,
    }
}

/// Reviews the edit from `before` to `after`. `compiled` contains the objects of `after`. `respecified` are
/// objects whose specs differ as written: facts may be equal, but a write of them is a change.
pub fn edit_between(
    compiled: &CompiledSnapshot,
    writer: &Writer,
    before: &Objects,
    after: &Objects,
    respecified: &BTreeSet<ObjectRef>,
) -> Vec<ReviewedObject> {
    let mut names: Vec<&ObjectRef> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let changed = names
        .into_iter()
        .filter(|name| respecified.contains(name) || before.get(*name) != after.get(*name));
    changed
        .filter_map(|name| {
            let pair = Pair {
                before: before.get(name),
                after: after.get(name),
                respecified: respecified.contains(name),
            };
            review_object(compiled, By::Writer(writer), name, &pair)
        })
        .collect()
}

/// The proofs for the rules of each policy.
pub fn explain(compiled: &CompiledSnapshot, objects: &Objects) -> Vec<Proof> {
    let edits = objects.iter().filter_map(|(reference, object)| {
        let Object::Policy(fact) = object else {
            return None;
        };
        Some(Edit {
            object: reference.clone(),
            before: None,
            after: Some(fact.clone()),
            spec_changed: true,
        })
    });
    edits
        .flat_map(|edit| super::policy::proofs(compiled, &edit))
        .collect()
}

/// The managed policies that are in no file and count as the operator renders them.
pub fn counted_as_rendered(compiled: &CompiledSnapshot) -> Vec<ObjectRef> {
    let perimeters = compiled
        .snapshot
        .namespaces
        .keys()
        .flat_map(|namespace| compiled.perimeters(namespace));
    let zones =
        perimeters.flat_map(|cluster| cluster.zones.iter().map(move |zone| (cluster, zone)));
    let missing = zones.flat_map(|(cluster, zone)| {
        let rendered = zone.selected.iter().filter(|policy| policy.rendered);
        rendered.map(|policy| ObjectRef {
            kind: Kind::NetworkPolicy,
            namespace: cluster.object.namespace.clone(),
            name: policy.name.clone(),
        })
    });
    missing.collect()
}

/// The violations of a cluster's ceiling by stored policies of its namespace, including managed policies that
/// were opened. Each policy is reviewed as in a final state, so it has the same codes here and there.
pub fn stored_violations(compiled: &CompiledSnapshot, cluster: &ObjectRef) -> Vec<Violation> {
    let Some(facts) = compiled.facts(&cluster.namespace) else {
        return Vec::new();
    };
    let writer = Writer::default();
    let reviewed = facts.policies.values().filter_map(|policy| {
        let object = Object::Policy(policy.clone());
        let reference = object.reference();
        let by = if is_managed(compiled, &reference) {
            By::Stored
        } else {
            By::Writer(&writer)
        };
        review_object(compiled, by, &reference, &Pair::state(&object))
    });
    let beyond = reviewed.flat_map(|reviewed| reviewed.verdict.findings);
    let beyond = beyond.filter(|finding| {
        beyond_ceiling::CODES.contains(&finding.code)
            && finding.cluster.as_ref().is_none_or(|own| own == cluster)
    });
    let mut beyond: Vec<Finding> = beyond.collect();
    beyond.sort_by_key(|finding| finding.code);
    let beyond: Vec<Violation> = beyond
        .into_iter()
        .map(|finding| Violation {
            policy: Some(finding.object.name.clone()),
            path: Some(finding.path.clone()).filter(|path| !path.is_empty()),
            finding,
        })
        .collect();
    let known: BTreeSet<Option<Arc<str>>> = beyond.iter().map(|own| own.policy.clone()).collect();
    let mut others = too_large(compiled, cluster, facts);
    others.retain(|other| !known.contains(&other.policy));
    beyond.into_iter().chain(others).collect()
}

/// Violations by policies that are too large for a review of their own.
fn too_large(
    compiled: &CompiledSnapshot,
    cluster: &ObjectRef,
    facts: &NamespaceFacts,
) -> Vec<Violation> {
    let edit = Edit {
        object: cluster.clone(),
        before: None,
        after: facts.clusters.get(&cluster.name).cloned(),
        spec_changed: true,
    };
    let budget = Cell::new(Budget::new(compiled.config.proof_budget));
    let managed: BTreeSet<Arc<str>> = managed_names(cluster, compiled.config.baseline).collect();
    let mut found = violations(compiled, &edit, &managed, &budget);
    // Nobody has tried what they propose.
    for violation in &mut found {
        violation.finding.remedies.clear();
    }
    found
}

/// True for a cluster that only the operator makes.
fn is_restored(compiled: &CompiledSnapshot, object: &Object) -> bool {
    matches!(object, Object::Cluster(fact) if is_restored_into(fact.meta(), compiled.config.baseline))
}

fn is_managed(compiled: &CompiledSnapshot, reference: &ObjectRef) -> bool {
    reference.kind == Kind::NetworkPolicy
        && compiled
            .perimeters(&reference.namespace)
            .iter()
            .any(|cluster| cluster.managed(&reference.name).is_some())
}

/// The user of a write.
#[derive(Clone, Copy)]
enum By<'a> {
    /// This user.
    Writer(&'a Writer),
    /// No user: a stored managed policy.
    Stored,
    /// The operator.
    Operator,
}

/// An object before and after an edit.
struct Pair<'a> {
    before: Option<&'a Object>,
    after: Option<&'a Object>,
    /// True if the specs differ as written, even if the facts are equal.
    respecified: bool,
}

impl<'a> Pair<'a> {
    /// An object of a final state.
    const fn state(object: &'a Object) -> Self {
        Self {
            before: None,
            after: Some(object),
            respecified: false,
        }
    }
}

fn review_object(
    compiled: &CompiledSnapshot,
    by: By<'_>,
    reference: &ObjectRef,
    pair: &Pair<'_>,
) -> Option<ReviewedObject> {
    let (class, writer) = match by {
        By::Writer(writer) => (WriterClass::of(writer, &compiled.config), writer.clone()),
        By::Stored => (WriterClass::Stored, Writer::default()),
        By::Operator => (WriterClass::Operator, Writer::default()),
    };
    let operation = match (pair.before, pair.after) {
        (None, _) => Operation::Create,
        (Some(_), Some(_)) => Operation::Update,
        (Some(_), None) => Operation::Delete,
    };
    if let Some(Object::OtherPolicy(_, policy)) = pair.after
        && policy.read().is_none_or(|policy| policy.ordered.is_none())
    {
        let point = EnforcementPoint::Check;
        let findings = other_policies::of_policy(compiled, reference, policy, point);
        return (!findings.is_empty()).then(|| ReviewedObject {
            object: reference.clone(),
            verdict: Verdict::new(findings),
        });
    }
    if let Some(Object::Workload(after)) = pair.after {
        let before = match pair.before {
            Some(Object::Workload(before)) => Some(&**before),
            _ => None,
        };
        let verdict = workload::review(compiled, &writer, reference, before, after)?;
        return Some(ReviewedObject {
            object: reference.clone(),
            verdict,
        });
    }
    let subject = match pair.before.or(pair.after)? {
        Object::Policy(_) => Subject::Policy(edit(reference, pair, policy, Policy::same_spec)),
        Object::Cluster(_) => Subject::Cluster(edit(reference, pair, cluster, Cluster::same_spec)),
        Object::Restore(_) => Subject::Restore(edit(reference, pair, restore, Restore::same_spec)),
        Object::OtherPolicy(..) => Subject::Ordered(edit(reference, pair, other, |old, new| {
            old.ordered == new.ordered
        })),
        _ => return None,
    };
    let request = Request {
        operation,
        writer,
        point: EnforcementPoint::Check,
        subject,
    };
    Some(ReviewedObject {
        object: reference.clone(),
        verdict: review_as(compiled, &request, class),
    })
}

fn edit<T>(
    reference: &ObjectRef,
    pair: &Pair<'_>,
    fact: impl Fn(&Object) -> Option<&Fact<T>>,
    same_spec: impl Fn(&T, &T) -> bool,
) -> Edit<T>
where
    Fact<T>: Clone + PartialEq,
{
    let (before, after) = (pair.before.and_then(&fact), pair.after.and_then(&fact));
    let unchanged = match (before, after) {
        (Some(Fact::Read(before)), Some(Fact::Read(after))) => same_spec(before, after),
        // Compared as written, see `respecified`. Metadata is no part of the spec.
        (Some(Fact::Unreadable(before)), Some(Fact::Unreadable(after))) => {
            before.problems == after.problems
        }
        _ => before == after,
    };
    Edit {
        object: reference.clone(),
        before: before.cloned(),
        after: after.cloned(),
        spec_changed: pair.respecified || !unchanged,
    }
}

fn policy(object: &Object) -> Option<&Fact<Policy>> {
    match object {
        Object::Policy(fact) => Some(fact),
        _ => None,
    }
}

fn cluster(object: &Object) -> Option<&Fact<Cluster>> {
    match object {
        Object::Cluster(fact) => Some(fact),
        _ => None,
    }
}

fn other(object: &Object) -> Option<&Fact<OtherPolicy>> {
    match object {
        Object::OtherPolicy(_, fact) => Some(fact),
        _ => None,
    }
}

fn restore(object: &Object) -> Option<&Fact<Restore>> {
    match object {
        Object::Restore(fact) => Some(fact),
        _ => None,
    }
}
