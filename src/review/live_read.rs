//! Whether a verdict rests on facts that a lagging watch may have wrong, so that it is worth to ask
//! the API server before it is given.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::level::WriterClass;
use super::metadata::is_managed_name;
use super::policy;
use super::request::{Edit, Operation, Request, Subject};
use super::restore_target;
use super::verdict::{Outcome, Verdict};
use super::world::CompiledSnapshot;
use crate::inventory::{Fact, Policy};
use crate::rules::{Code, Level};

/// What would be different if the facts of the [namespaces] were others than those known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedsLiveRead {
    /// It is refused because of them: a declaration, a policy or a deletion may not have been
    /// heard of yet.
    Denied,
    /// It is allowed because there is no cluster: one may have been made just now.
    NoCluster,
    /// It rests on policies of which only stubs are kept.
    Unread,
}

/// The doubt about a verdict. There is none about the writes of the operator and the system, which
/// are not refused, and about a refusal that the object itself is reason enough for.
pub fn live_read(
    world: &CompiledSnapshot,
    request: &Request,
    verdict: &Verdict,
) -> Option<NeedsLiveRead> {
    if WriterClass::of(&request.writer, &world.config) != WriterClass::Everyone {
        return None;
    }
    if rests_on_stubs(world, request) {
        return Some(NeedsLiveRead::Unread);
    }
    match (verdict.outcome(), &request.subject) {
        (Outcome::Deny, _) => {
            let mut refusals = verdict
                .findings
                .iter()
                .filter(|finding| finding.level == Level::Deny);
            refusals
                .all(|finding| rests_on_facts(request, finding.code))
                .then_some(NeedsLiveRead::Denied)
        }
        (Outcome::Allow | Outcome::Warn, Subject::Policy(edit)) => {
            let known = world.facts(&edit.object.namespace);
            let is_alone = known.is_none_or(|facts| facts.clusters.is_empty());
            (is_alone && could_select(world, edit)).then_some(NeedsLiveRead::NoCluster)
        }
        (Outcome::Allow | Outcome::Warn, Subject::Cluster(_) | Subject::Restore(_)) => None,
    }
}

/// The namespaces that a verdict rests on: that of the object, and that of a cluster which the operator is to make for it.
pub fn namespaces(world: &CompiledSnapshot, request: &Request) -> BTreeSet<Arc<str>> {
    let planned = restore_target::namespace(world, request);
    let all = planned.into_iter().chain([&request.object().namespace]);
    all.cloned().collect()
}

/// Whether the verdict rests on policies of a namespace that were not read: of a policy that may select pods of a
/// cluster, of a cluster whose pods they may select, of a restore, and of what has labels for a cluster that is to be made.
fn rests_on_stubs(world: &CompiledSnapshot, request: &Request) -> bool {
    let namespace = &request.object().namespace;
    let perimeters = world.perimeters(namespace);
    let has_stubs = |name: &Arc<str>| {
        let facts = world.facts(name);
        facts.is_some_and(|facts| !facts.stubs.is_empty())
    };
    if restore_target::namespace(world, request).is_some_and(has_stubs) {
        return true;
    }
    if !has_stubs(namespace) {
        return false;
    }
    match &request.subject {
        Subject::Policy(edit) => policy::concerns(perimeters, edit),
        Subject::Cluster(edit) => edit.before.is_none() || edit.spec_changed,
        Subject::Restore(_) => !perimeters.is_empty(),
    }
}

/// Whether a finding of this rule could be another with other facts. A rule that is not named here
/// is taken to: at worst something is read for nothing.
const fn rests_on_facts(request: &Request, code: Code) -> bool {
    match code {
        // The contract that a restore is held to is its cluster's.
        Code::Obp310 => matches!(request.subject, Subject::Restore(_)),
        // What is undecided of a cluster or a restore may be about a policy that is gone.
        Code::Obp402 => !matches!(request.subject, Subject::Policy(_)),
        // The facts may know what the request deletes.
        Code::Obp401 => matches!(request.operation, Operation::Delete),
        Code::Obp301
        | Code::Obp302
        | Code::Obp303
        | Code::Obp304
        | Code::Obp305
        | Code::Obp306
        | Code::Obp307
        | Code::Obp308
        | Code::Obp309
        | Code::Obp312
        | Code::Obp313
        | Code::Obp315
        | Code::Obp316
        | Code::Obp317
        | Code::Obp403 => false,
        _ => true,
    }
}

/// Whether the policy selects or selected pods that a cluster of any name could have, or has owners
/// under the name of a managed one. Labels that a cluster chooses for its pods are not known before the
/// cluster is.
fn could_select(world: &CompiledSnapshot, edit: &Edit<Policy>) -> bool {
    let mut facts = edit.after.iter();
    if is_managed_name(&edit.object.name) && facts.any(|after| !after.meta().owners.is_empty()) {
        return true;
    }
    let zone = &world.of_any_cluster;
    let selects = |fact: &Fact<Policy>| match fact {
        Fact::Unreadable(_) => true,
        Fact::Read(policy) => {
            let pods = policy.pods.label_set();
            pods.is_some_and(|pods| zone.select(&pods).is_some())
        }
    };
    edit.before.iter().chain(&edit.after).any(selects)
}
