//! Findings about stored objects, whenever and by whomever they were written: the enforcement point `audit`.
//!
//! Each object of a namespace is reviewed as if it were written now, with all others present. So the combined
//! effect of two concurrent writes is found, even if each of them alone was allowed.

use super::compiled::CompiledSnapshot;
use super::level::WriterClass;
use super::request::{Edit, Operation, Request, Subject, Writer};
use super::verdict::Verdict;
use super::{isolation, level, ordered, other_policies, review_as, waivers};
use crate::code::EnforcementPoint;
use crate::inventory::{Cluster, Fact, Kind, NamespaceFacts, ObjectRef, Policy};
use crate::rules::default_deny_absent::Missing;
use crate::rules::{Finding, Onset, input};

/// All findings about the objects of a namespace, or about the cluster-scoped objects if it is empty, unique and in a stable order. Managed policies are compared
/// with those that the operator renders. There are none if there is nothing to guard.
pub fn audit_namespace(compiled: &CompiledSnapshot, namespace: &str) -> Vec<Finding> {
    let others = other_policies::of_namespace(compiled, namespace, EnforcementPoint::Audit);
    if namespace.is_empty() {
        let mut budget = compiled.ordered_budget();
        let point = EnforcementPoint::Audit;
        let ordered = ordered::of_state(compiled, point, &mut budget);
        // Another metric counts unused waivers, for which the findings of all namespaces are needed.
        let waivers = waivers(&compiled.config, point, &std::iter::empty(), |_| false);
        let all = others.into_iter().chain(ordered).chain(waivers);
        return Verdict::new(all.collect()).findings;
    }
    let Some(facts) = compiled.facts(namespace) else {
        return Verdict::new(others).findings;
    };
    if compiled.perimeters(namespace).is_empty() {
        return Vec::new();
    }
    let objects = facts.policies.len() + facts.clusters.len();
    let compiled = &compiled.with_proof_budget(share(compiled.config.proof_budget, objects));
    let policies = facts
        .policies
        .values()
        .flat_map(|policy| of_policy(compiled, policy));
    let clusters = of_clusters(compiled, namespace, facts);
    let perimeters = compiled.perimeters(namespace).iter();
    let perimeters = perimeters.filter(|cluster| cluster.unread_version.is_none());
    let bare = perimeters
        .flat_map(|cluster| isolation(compiled, cluster, EnforcementPoint::Audit, Missing::Absent));
    let found = policies.chain(clusters).chain(bare).chain(others);
    Verdict::new(found.collect()).findings
}

/// Work limit of one review where a namespace has this many objects. All of them together may take as much as
/// a hundred reviews; the ordinary one needs a few steps.
fn share(proof_budget: u32, objects: usize) -> u32 {
    let reviews = u32::try_from(objects.div_ceil(100)).unwrap_or(u32::MAX);
    proof_budget.div_ceil(reviews.max(1))
}

fn of_policy(compiled: &CompiledSnapshot, policy: &Fact<Policy>) -> Vec<Finding> {
    let meta = policy.meta();
    let object = ObjectRef {
        kind: Kind::NetworkPolicy,
        namespace: meta.namespace.clone(),
        name: meta.name.clone(),
    };
    let mut perimeters = compiled.perimeters(&object.namespace).iter();
    let is_managed = perimeters.any(|cluster| cluster.managed(&object.name).is_some());
    let class = if is_managed {
        WriterClass::Stored
    } else {
        WriterClass::Everyone
    };
    reviewed(compiled, class, Subject::Policy(written(object, policy)))
}

/// Clusters are reviewed without policies, since findings about each policy are reported with the policy.
fn of_clusters(
    compiled: &CompiledSnapshot,
    namespace: &str,
    facts: &NamespaceFacts,
) -> Vec<Finding> {
    if facts.clusters.is_empty() {
        return Vec::new();
    }
    let snapshot = compiled.snapshot.without_policies(namespace);
    let beside =
        CompiledSnapshot::compile(Some(compiled), snapshot.into(), compiled.config.clone());
    let one = |cluster: &Fact<Cluster>| {
        let meta = cluster.meta();
        let object = ObjectRef {
            kind: Kind::OpenBaoCluster,
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
        };
        if let Fact::Unreadable(broken) = cluster
            && broken.version.is_some()
        {
            // No perimeter is violated. Another alert reports that nothing can be proved about the object.
            let findings = input::unreadable(&object, broken, Onset::PreExisting);
            return level::of_state(&compiled.config, EnforcementPoint::Audit, findings);
        }
        reviewed(
            &beside,
            WriterClass::Everyone,
            Subject::Cluster(written(object, cluster)),
        )
    };
    facts.clusters.values().flat_map(one).collect()
}

fn reviewed(compiled: &CompiledSnapshot, class: WriterClass, subject: Subject) -> Vec<Finding> {
    let request = Request {
        operation: Operation::Create,
        writer: Writer::default(),
        point: EnforcementPoint::Audit,
        subject,
    };
    review_as(compiled, &request, class).findings
}

fn written<T>(object: ObjectRef, fact: &Fact<T>) -> Edit<T>
where
    Fact<T>: Clone,
{
    Edit {
        object,
        before: None,
        after: Some(fact.clone()),
        spec_changed: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_reviews_of_a_namespace_share_what_a_hundred_may_take() {
        for (objects, budget) in [
            (0, 900),
            (1, 900),
            (100, 900),
            (101, 450),
            (900, 100),
            (2_000_000, 1),
        ] {
            assert_eq!(share(900, objects), budget, "{objects}");
        }
    }
}
