//! Detection of verdicts that may be wrong because a watch lags, so that a live read is worthwhile.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::compiled::CompiledSnapshot;
use super::level::WriterClass;
use super::metadata::is_managed_name;
use super::policy;
use super::request::{Edit, Operation, Request, Subject};
use super::restore_target;
use super::rules::Basis;
use super::verdict::{Outcome, Verdict};
use crate::inventory::{Fact, Policy};
use crate::rules::{Code, Level};

/// Reason for a live read of the [namespaces].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedsLiveRead {
    /// The write is denied because of facts: a declaration, a policy or a deletion may not be known yet.
    Denied,
    /// The write is allowed because there is no cluster. One may just have been created.
    NoCluster,
    /// The verdict depends on policies of which only stubs are known.
    Unread,
}

/// The reason for a live read before a verdict, if any. There is none for the operator and the system, which
/// are not denied, and for denials that do not depend on facts.
pub fn live_read(
    compiled: &CompiledSnapshot,
    request: &Request,
    verdict: &Verdict,
) -> Option<NeedsLiveRead> {
    if WriterClass::of(&request.writer, &compiled.config) != WriterClass::Everyone {
        return None;
    }
    if rests_on_stubs(compiled, request) {
        return Some(NeedsLiveRead::Unread);
    }
    match (verdict.outcome(), &request.subject) {
        (Outcome::Deny, _) => {
            let mut denials = verdict
                .findings
                .iter()
                .filter(|finding| finding.level == Level::Deny);
            denials
                .all(|finding| rests_on_facts(request, finding.code))
                .then_some(NeedsLiveRead::Denied)
        }
        (Outcome::Allow | Outcome::Warn, Subject::Policy(edit)) => {
            let known = compiled.facts(&edit.object.namespace);
            let is_alone = known.is_none_or(|facts| facts.clusters.is_empty());
            (is_alone && could_select(compiled, edit)).then_some(NeedsLiveRead::NoCluster)
        }
        (Outcome::Allow | Outcome::Warn, _) => None,
    }
}

/// The namespaces that a verdict depends on: that of the object, and that of a cluster which the operator
/// will create for it.
pub fn namespaces(compiled: &CompiledSnapshot, request: &Request) -> BTreeSet<Arc<str>> {
    let planned = restore_target::namespace(compiled, request);
    let all = planned.into_iter().chain([&request.object().namespace]);
    all.cloned().collect()
}

/// Returns true if the verdict depends on policies that were not read: for a policy that may select pods of a
/// cluster, a cluster whose pods they may select, a restore, and an object with labels for a cluster that
/// will be created.
fn rests_on_stubs(compiled: &CompiledSnapshot, request: &Request) -> bool {
    let namespace = &request.object().namespace;
    let perimeters = compiled.perimeters(namespace);
    let has_stubs = |name: &Arc<str>| {
        let facts = compiled.facts(name);
        facts.is_some_and(|facts| !facts.stubs.is_empty())
    };
    if restore_target::namespace(compiled, request).is_some_and(has_stubs) {
        return true;
    }
    if !has_stubs(namespace) {
        return false;
    }
    match &request.subject {
        Subject::Policy(edit) => policy::concerns(perimeters, edit),
        Subject::Cluster(edit) => edit.before.is_none() || edit.spec_changed,
        Subject::Restore(_) => !perimeters.is_empty(),
        // Its findings only warn.
        Subject::Ordered(_) => false,
    }
}

/// Returns true if a finding of this rule could be different with other facts.
fn rests_on_facts(request: &Request, code: Code) -> bool {
    match code.rule().basis {
        Basis::Object => false,
        Basis::Facts => true,
        Basis::FactsOfRestore => matches!(request.subject, Subject::Restore(_)),
        Basis::FactsUnlessPolicy => !matches!(request.subject, Subject::Policy(_)),
        Basis::FactsOfDeletion => matches!(request.operation, Operation::Delete),
    }
}

/// Returns true if the policy selects or selected pods that a cluster of any name could have, or if it has
/// owners and the name of a managed policy. Labels that a cluster chooses for its pods are unknown before the
/// cluster is.
fn could_select(compiled: &CompiledSnapshot, edit: &Edit<Policy>) -> bool {
    let mut facts = edit.after.iter();
    if is_managed_name(&edit.object.name) && facts.any(|after| !after.meta().owners.is_empty()) {
        return true;
    }
    let zone = &compiled.of_any_cluster;
    let selects = |fact: &Fact<Policy>| match fact {
        Fact::Unreadable(_) => true,
        Fact::Read(policy) => {
            let pods = policy.pods.label_set();
            pods.is_some_and(|pods| zone.select(&pods).is_some())
        }
    };
    edit.before.iter().chain(&edit.after).any(selects)
}
