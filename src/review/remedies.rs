//! Remedies of a denial. Each is applied and reviewed, and only those are kept after which nothing denies.
//!
//! The proofs of all these reviews share the budget of the first one, and their number is bounded, so a write
//! cannot multiply its cost. If the budget is used up, no remedy is shown.

mod changes;
mod declarations;
mod narrow;
mod ordered;
mod policies;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use changes::Changes;
pub(super) use declarations::{declarations, overreaches};

use super::compiled::CompiledSnapshot;
use super::level::WriterClass;
use super::request::{Edit, Operation, Request, Subject, Writer};
use super::verdict::{Outcome, Verdict};
use crate::code::EnforcementPoint;
use crate::config::{ReviewConfig, Zone};
use crate::inventory::{Cluster, Fact, Kind, NamespaceFacts, ObjectRef, Policy};
use crate::rules::declaration::everyone;
use crate::rules::remedy::{Change, ClusterEdit, PolicyEdit, Rank, Remedy, exclude};
use crate::rules::{Code, Finding, Level, Onset};
use netpol::cover::Budget;

/// Maximum number of findings of one denial that get remedies.
const MAX_FINDINGS: usize = 16;

/// Maximum number of additional reviews for one denial.
const MAX_REVIEWS: usize = 12;

/// Cost of compiling the perimeters of a namespace, in comparisons for each policy in it.
const COMPILED: usize = 100;

/// A denied write, and the remaining budget of its review.
struct Denied<'a> {
    compiled: &'a CompiledSnapshot,
    request: &'a Request,
    class: WriterClass,
    budget: &'a Cell<Budget>,
}

/// Keeps the remedies of each finding that work, and adds those that follow from the facts.
pub(super) fn attach(
    compiled: &CompiledSnapshot,
    request: &Request,
    class: WriterClass,
    verdict: &mut Verdict,
    budget: &Cell<Budget>,
) {
    let mut proposed = Vec::new();
    for finding in &mut verdict.findings {
        let own = std::mem::take(&mut finding.remedies);
        if finding.level == Level::Deny {
            proposed.push((finding, own));
        }
    }
    let denied = Denied {
        compiled,
        request,
        class,
        budget,
    };
    if request.point == EnforcementPoint::Audit || proposed.is_empty() {
        return;
    }
    let is_few = proposed.len() <= MAX_FINDINGS;
    let all_pods = proposed.iter().flat_map(|(finding, _)| &finding.pods);
    let all_pods: BTreeSet<Zone> = all_pods.copied().collect();
    let of_all = denied.excluding(&Vec::from_iter(all_pods));
    let proposals: Vec<Vec<Remedy>> = proposed
        .iter_mut()
        .map(|(finding, own)| {
            if !is_few {
                return of_all.iter().cloned().collect();
            }
            let mut all = std::mem::take(own);
            all.retain(|remedy| !denied.is_wide(remedy));
            all.extend(denied.suggested(finding));
            all.sort_by_key(|remedy| remedy.rank);
            all
        })
        .collect();
    let without_remedy = proposed.iter().zip(&proposals);
    let without_remedy = without_remedy.filter(|(_, proposals)| proposals.is_empty());
    let unresolved: Vec<(Code, String)> = without_remedy
        .map(|((finding, _), _)| (finding.code, finding.path.clone()))
        .collect();
    let kept = denied.accepted(&proposals, &unresolved);
    for ((finding, _), mut kept) in proposed.into_iter().zip(kept) {
        kept.sort_by_key(|remedy| remedy.rank);
        finding.remedies = kept.into_iter().cloned().collect();
    }
}

impl Denied<'_> {
    /// Remedies for a finding that follow from the facts.
    fn suggested(&self, finding: &Finding) -> Vec<Remedy> {
        match &self.request.subject {
            Subject::Policy(edit) => match edit.after.as_ref().and_then(Fact::read) {
                Some(after) => policies::suggested(self, finding, after),
                None => Vec::new(),
            },
            Subject::Cluster(_) | Subject::Restore(_) | Subject::Ordered(_) => Vec::new(),
        }
    }

    /// One remedy for any number of rules that open too much.
    fn excluding(&self, pods: &[Zone]) -> Option<Remedy> {
        let Subject::Policy(edit) = &self.request.subject else {
            return None;
        };
        let after = edit.after.as_ref().and_then(Fact::read)?;
        exclude(&edit.object, after, pods)
    }

    /// For each finding the remedies of plans after which nothing denies, except findings without a known
    /// remedy.
    fn accepted<'a>(
        &self,
        proposals: &'a [Vec<Remedy>],
        unresolved: &[(Code, String)],
    ) -> Vec<Vec<&'a Remedy>> {
        let mut kept: Vec<Vec<&Remedy>> = vec![Vec::new(); proposals.len()];
        let mut tried: Vec<Vec<Option<&Remedy>>> = Vec::new();
        let mut wanted: Vec<&Remedy> = proposals.iter().flatten().collect();
        wanted.sort_by_key(|remedy| remedy.rank);
        wanted.dedup();
        for wanted in wanted {
            let plan = plan(wanted, proposals, &kept);
            if tried.contains(&plan) {
                continue;
            }
            // It is shown only if there is no better remedy.
            let is_last =
                matches!(wanted.change, Change::Policy(..)) && wanted.rank == Rank::LeaveOut;
            if is_last && kept.iter().all(|kept| !kept.is_empty()) {
                continue;
            }
            if tried.len() == MAX_REVIEWS || self.budget.get().is_spent() {
                break;
            }
            let planned: Vec<&Remedy> = plan.iter().flatten().copied().collect();
            if self.passes(&planned, unresolved) {
                for (kept, remedy) in kept.iter_mut().zip(&plan) {
                    if let Some(remedy) = remedy
                        && !kept.contains(remedy)
                    {
                        kept.push(remedy);
                    }
                }
            }
            tried.push(plan);
        }
        kept
    }

    /// Returns true if nothing denies after these changes: neither the write itself, except for findings without a
    /// known remedy, nor the writes of the other objects that the changes affect.
    fn passes(&self, plan: &[&Remedy], unresolved: &[(Code, String)]) -> bool {
        let changes = Changes::of(plan);
        let own = self.request.object();
        let Some(compiled) = self.changed_config(&changes) else {
            return false;
        };
        let Some(compiled) = self.before(compiled, &changes) else {
            return false;
        };
        let mut facts: Vec<(Arc<str>, NamespaceFacts)> = Vec::new();
        let mut compiled = compiled;
        for object in changes.objects.iter().filter(|object| **object != own) {
            if !changes.ordered(object).is_empty() {
                match self.with_ordered(&compiled, object, &changes) {
                    Some(after) => compiled = after,
                    None => return false,
                }
                continue;
            }
            let Some((edit, namespace)) = self.other(&compiled, object, &changes) else {
                return false;
            };
            let verdict = self.reviewed(&compiled, &edit, WriterClass::Everyone);
            if verdict.outcome() == Outcome::Deny || opens_too_much(&verdict) || cuts_off(&verdict)
            {
                return false;
            }
            facts.push((object.namespace.clone(), namespace));
        }
        let Some(request) = self.edited(&changes) else {
            return false;
        };
        let compiled = if facts.is_empty() {
            compiled
        } else if self.compile(&own.namespace) {
            compiled.with_facts(facts)
        } else {
            return false;
        };
        let verdict = self.reviewed(&compiled, &request, self.class);
        let mut denied = verdict.findings.iter();
        let is_unresolved = |finding: &Finding| {
            let mut unresolved = unresolved.iter();
            unresolved.any(|(code, path)| *code == finding.code && *path == finding.path)
        };
        denied.all(|finding| finding.level != Level::Deny || is_unresolved(finding))
            && (changes.clusters(own).is_empty() || !opens_too_much(&verdict))
    }

    fn reviewed(
        &self,
        compiled: &CompiledSnapshot,
        request: &Request,
        class: WriterClass,
    ) -> Verdict {
        super::evaluate(compiled, request, class, self.budget)
    }

    /// Takes the cost of compiling a namespace from the budget. Returns false if too little is left.
    fn compile(&self, namespace: &str) -> bool {
        let facts = self.compiled.facts(namespace);
        let policies = facts.map_or(0, |facts| facts.policies.len() * facts.clusters.len());
        self.spend(COMPILED * (1 + policies))
    }

    /// Takes comparisons from the budget. Returns false if too few are left.
    fn spend(&self, comparisons: usize) -> bool {
        let mut budget = self.budget.get();
        let enough = budget.spend(comparisons);
        self.budget.set(budget);
        enough
    }

    /// The facts with the changed settings.
    fn changed_config(&self, changes: &Changes<'_>) -> Option<CompiledSnapshot> {
        if changes.settings.is_empty() {
            return Some(self.compiled.clone());
        }
        let own = &self.request.object().namespace;
        let namespaces = self.compiled.namespaces_near(own);
        if !namespaces.iter().all(|namespace| self.compile(namespace)) {
            return None;
        }
        let mut config = ReviewConfig::clone(&self.compiled.config);
        for setting in &changes.settings {
            setting.apply(&mut config);
        }
        Some(self.compiled.with_config(config, &namespaces))
    }

    /// The facts before the write of a cluster, if other objects change first. In files the cluster is
    /// already among the facts.
    fn before(
        &self,
        compiled: CompiledSnapshot,
        changes: &Changes<'_>,
    ) -> Option<CompiledSnapshot> {
        let own = self.request.object();
        let Subject::Cluster(edit) = &self.request.subject else {
            return Some(compiled);
        };
        // The cluster is unknown if its namespace is.
        let Some(known) = compiled.facts(&own.namespace) else {
            return Some(compiled);
        };
        if changes.objects.iter().all(|object| **object == *own)
            || known.clusters.get(&own.name) == edit.before.as_ref()
        {
            return Some(compiled);
        }
        let mut facts = known.clone();
        match &edit.before {
            Some(before) => facts.clusters.insert(own.name.clone(), before.clone()),
            None => facts.clusters.remove(&own.name),
        };
        self.compile(&own.namespace)
            .then(|| compiled.with_facts(vec![(own.namespace.clone(), facts)]))
    }

    /// The write of another object that the plan changes, and the namespace's facts after it.
    fn other(
        &self,
        compiled: &CompiledSnapshot,
        object: &ObjectRef,
        changes: &Changes<'_>,
    ) -> Option<(Request, NamespaceFacts)> {
        let mut facts = compiled.facts(&object.namespace)?.clone();
        let subject = if let Some(fact) = facts.policies.get_mut(&object.name)
            && object.kind == Kind::NetworkPolicy
        {
            let before = fact.clone();
            let after = PolicyEdit::apply(&changes.policies(object), before.read()?);
            *fact = Fact::Read(after.into());
            Subject::Policy(written(object, Some(before), fact.clone()))
        } else {
            let fact = facts.clusters.get_mut(&object.name)?;
            let before = fact.clone();
            let after = ClusterEdit::apply(&changes.clusters(object), before.read()?);
            *fact = Fact::Read(after.into());
            Subject::Cluster(written(object, Some(before), fact.clone()))
        };
        let request = Request {
            operation: Operation::Update,
            writer: Writer::default(),
            point: self.request.point,
            subject,
        };
        Some((request, facts))
    }

    /// The write with the changes to its own object.
    fn edited(&self, changes: &Changes<'_>) -> Option<Request> {
        let mut request = self.request.clone();
        match &mut request.subject {
            Subject::Policy(edit) => {
                let edits = changes.policies(&edit.object);
                if !edits.is_empty() {
                    let after = edit.after.as_ref()?.read()?;
                    let after: Arc<Policy> = PolicyEdit::apply(&edits, after).into();
                    edit.spec_changed = differs(edit.before.as_ref(), &after, Policy::same_spec);
                    edit.after = Some(Fact::Read(after));
                }
            }
            Subject::Cluster(edit) => {
                let edits = changes.clusters(&edit.object);
                if !edits.is_empty() {
                    let after = edit.after.as_ref()?.read()?;
                    let after: Arc<Cluster> = ClusterEdit::apply(&edits, after).into();
                    edit.spec_changed = differs(edit.before.as_ref(), &after, Cluster::same_spec);
                    edit.after = Some(Fact::Read(after));
                }
            }
            Subject::Ordered(edit) => ordered::apply(edit, changes)?,
            Subject::Restore(_) => {}
        }
        Some(request)
    }
}

/// A remedy for each finding: one like `wanted` if possible, or else one that is known to work, or else the
/// first that is only about that finding. `None` for a finding without remedies.
fn plan<'a>(
    wanted: &'a Remedy,
    proposals: &'a [Vec<Remedy>],
    kept: &[Vec<&'a Remedy>],
) -> Vec<Option<&'a Remedy>> {
    let of_finding = |(own, kept): (&'a Vec<Remedy>, &Vec<&'a Remedy>)| {
        let same = own.iter().find(|remedy| *remedy == wanted);
        let alike = own.iter().find(|remedy| remedy.rank == wanted.rank);
        let known = kept.iter().copied();
        let mut known = known.filter(|remedy| remedy.rank != Rank::Exclude);
        let known = known.next();
        let other = own.iter().find(|remedy| remedy.rank != Rank::Exclude);
        let other = other.filter(|_| wanted.rank != Rank::Exclude);
        same.or(alike).or(known).or(other)
    };
    proposals.iter().zip(kept).map(of_finding).collect()
}

fn written<T>(object: &ObjectRef, before: Option<Fact<T>>, after: Fact<T>) -> Edit<T>
where
    Fact<T>: Clone,
{
    Edit {
        object: object.clone(),
        before,
        after: Some(after),
        spec_changed: true,
    }
}

fn differs<T>(before: Option<&Fact<T>>, after: &T, same_spec: impl Fn(&T, &T) -> bool) -> bool {
    before
        .and_then(Fact::read)
        .is_none_or(|before| !same_spec(before, after))
}

/// Returns true if a declaration opens the cluster to everyone or to all addresses. This is never proposed,
/// even if it only warns.
fn opens_too_much(verdict: &Verdict) -> bool {
    let mut introduced = verdict.findings.iter();
    introduced.any(|finding| {
        finding.onset == Onset::Introduced && everyone::CODES.contains(&finding.code)
    })
}

/// Returns true if a declaration closes the way to an endpoint, such as that of backups: the first egress rule of
/// a Development cluster ends the fallback of its jobs.
fn cuts_off(verdict: &Verdict) -> bool {
    let mut introduced = verdict.findings.iter();
    introduced.any(|finding| finding.onset == Onset::Introduced && finding.code == Code::Obp605)
}
