//! The review of an OpenBaoCluster write: its declarations, and existing policies that select its pods.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::compiled::CompiledSnapshot;
use super::request::Edit;
use super::restore_target::{self, Paths, Planned};
use super::rules::{self, Check};
use super::{advice, replay};
use crate::advice::opened::Openings;
use crate::baseline::{ClusterPerimeter, Zone};
use crate::code::EnforcementPoint;
use crate::config::Baseline;
use crate::inventory::{Cluster, Fact, NamespaceFacts, ObjectRef};
use crate::rules::declaration::{self, Declaration, redundant};
use crate::rules::policy_name::{self, ClusterState};
use crate::rules::{Finding, Onset, excluded_namespace, existing_policy, input};
use netpol::Direction;
use netpol::cover::Budget;

/// A cluster write that can be read.
pub(super) struct ClusterReview<'a> {
    pub(super) compiled: &'a CompiledSnapshot,
    pub(super) edit: &'a Edit<Cluster>,
    pub(super) object: &'a ObjectRef,
    pub(super) before: Option<&'a Cluster>,
    pub(super) after: &'a Cluster,
    /// Its declarations. Rules about declared values use those of ingress.
    pub(super) ingress: Declaration<'a>,
    pub(super) egress: Declaration<'a>,
    /// Rules that the operator opens for it, before and after the write.
    pub(super) openings_before: Option<Openings<'a>>,
    pub(super) openings: Openings<'a>,
    pub(super) budget: &'a Cell<Budget>,
    pub(super) point: EnforcementPoint,
}

/// All findings about a cluster write.
pub(super) fn findings(
    compiled: &CompiledSnapshot,
    edit: &Edit<Cluster>,
    point: EnforcementPoint,
    budget: &Cell<Budget>,
) -> Vec<Finding> {
    let broken = match &edit.after {
        None => return Vec::new(),
        Some(Fact::Unreadable(broken)) => Some(broken),
        Some(Fact::Read(after)) => after.broken.as_ref(),
    };
    if let Some(broken) = broken {
        return input::unreadable(&edit.object, broken, Onset::Introduced);
    }
    let Some(after) = edit.after.as_ref().and_then(Fact::read) else {
        return Vec::new();
    };
    let before = edit.before.as_ref().and_then(Fact::read);
    let before = before.map(AsRef::as_ref);
    let (object, config) = (&edit.object, &*compiled.config);
    let declaration =
        |direction| Declaration::new(object, config, direction, after, before, budget);
    let known = advice::known(compiled);
    let write = ClusterReview {
        compiled,
        edit,
        object,
        before,
        after,
        ingress: declaration(Direction::Ingress),
        egress: declaration(Direction::Egress),
        openings_before: before.map(|before| Openings::new(before, known)),
        openings: Openings::new(after, known),
        budget,
        point,
    };
    let spec_changed = edit.before.is_none() || edit.spec_changed;
    let mut findings = Vec::new();
    for check in rules::checks() {
        match check {
            Check::Cluster(check) => findings.extend(check(&write, &findings)),
            Check::SpecChanged(check) if spec_changed => {
                findings.extend(check(&write, &findings));
            }
            _ => {}
        }
    }
    findings.extend(declared(&write.ingress));
    findings.extend(declared(&write.egress));
    findings
}

/// Findings about the declared rules of one direction.
fn declared(declaration: &Declaration<'_>) -> Vec<Finding> {
    if let Some(too_many) = declaration::too_many(declaration) {
        return vec![too_many];
    }
    let mut findings = Vec::new();
    for check in rules::checks() {
        if let Check::Declared(check) = check {
            findings.extend(check(declaration, &findings));
        }
    }
    replay::of_declaration(declaration, findings)
}

/// OBP505.
pub(super) fn excluded(write: &ClusterReview<'_>, _: &[Finding]) -> Vec<Finding> {
    if write.edit.before.is_some() {
        return Vec::new();
    }
    let config = &write.compiled.config;
    let found = excluded_namespace::check(config, write.object, write.point);
    found.into_iter().collect()
}

/// OBP314.
pub(super) fn redundant(write: &ClusterReview<'_>, _: &[Finding]) -> Vec<Finding> {
    let api_server = &write.compiled.snapshot.api_server;
    let declarations = [&write.ingress, &write.egress].into_iter();
    declarations
        .flat_map(|declaration| redundant::check(declaration, write.after, api_server))
        .collect()
}

/// Field paths of the labels of pods in a cluster's restore tests.
const TEST_LABELS: Paths = Paths {
    servers: "spec.backup.restoreTest.clusterTemplate.podMetadata.labels",
    jobs: "spec.backup.target.workloadIdentity.podLabels",
};

/// OBP203: existing policies that select pods of the clusters which the operator creates for restore tests.
pub(super) fn restore_tests(write: &ClusterReview<'_>, _: &[Finding]) -> Vec<Finding> {
    let Some(tests) = Planned::by_tests(write.after) else {
        return Vec::new();
    };
    let before = write.before.and_then(Planned::by_tests);
    let tests = (before.as_ref(), &tests);
    restore_target::existing_policies(
        write.compiled,
        write.object,
        tests,
        &TEST_LABELS,
        write.budget,
    )
}

/// OBP311.
pub(super) fn names(write: &ClusterReview<'_>, _: &[Finding]) -> Vec<Finding> {
    let state = if write.edit.before.is_none() {
        ClusterState::Created
    } else {
        ClusterState::Updated
    };
    let facts = write.compiled.facts(&write.object.namespace);
    facts.map_or_else(Vec::new, |facts| {
        policy_name::check(
            write.object,
            write.after,
            state,
            facts,
            &write.compiled.config,
        )
    })
}

/// A violation of a ceiling by an existing policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The finding.
    pub(crate) finding: Finding,
    /// The policy, if it can be checked.
    pub(crate) policy: Option<Arc<str>>,
    /// Field path of the rule in that policy, if there is an example connection.
    pub(crate) path: Option<String>,
}

/// The policies that the operator will rewrite for the cluster as written. The newest operator does not
/// overwrite other users' policies, and renders none for a restored cluster.
fn rewritten(
    compiled: &CompiledSnapshot,
    edit: &Edit<Cluster>,
    after: &Cluster,
) -> BTreeSet<Arc<str>> {
    let baseline = compiled.config.baseline;
    if !after.is_rendered(baseline) {
        return BTreeSet::new();
    }
    let takes_over = baseline.features().takes_over_policies || edit.before.is_some();
    let facts = compiled.facts(&edit.object.namespace);
    let is_kept = |name: &Arc<str>| {
        let stored = facts.and_then(|facts| facts.policies.get(name));
        takes_over || stored.is_none_or(|policy| policy_name::is_owned(policy.meta(), after))
    };
    managed_names(&edit.object, baseline)
        .filter(is_kept)
        .collect()
}

/// The names of a cluster's managed policies.
pub(super) fn managed_names(
    object: &ObjectRef,
    baseline: Baseline,
) -> impl Iterator<Item = Arc<str>> {
    let zones = Zone::of_cluster(baseline).iter();
    zones.filter_map(|pods| pods.policy_name(&object.name).map(Arc::from))
}

/// OBP203: policies of the namespace that violate the perimeter of the cluster as written.
pub(super) fn existing(write: &ClusterReview<'_>, _: &[Finding]) -> Vec<Finding> {
    let skipped = rewritten(write.compiled, write.edit, write.after);
    let violations = violations(write.compiled, write.edit, &skipped, write.budget).into_iter();
    violations.map(|violation| violation.finding).collect()
}

/// The perimeters of a cluster before and after the write.
pub(super) fn perimeters<'a>(
    compiled: &'a CompiledSnapshot,
    edit: &Edit<Cluster>,
) -> Option<(Option<ClusterPerimeter>, Cow<'a, ClusterPerimeter>)> {
    let none = NamespaceFacts::default();
    let facts = compiled.facts(&edit.object.namespace).unwrap_or(&none);
    let regions = compiled.regions(&edit.object.namespace, facts);
    let perimeter = |cluster: &Fact<Cluster>| {
        let api_server = &compiled.snapshot.api_server;
        ClusterPerimeter::of(
            cluster,
            (facts, &regions),
            &compiled.config,
            api_server,
            &[],
        )
    };
    let after = edit.after.as_ref()?;
    let stored = facts.clusters.get(&edit.object.name).and_then(Fact::read);
    let is_stored = |after| stored.is_some_and(|stored| Arc::ptr_eq(stored, after));
    let mut known = compiled.perimeters(&edit.object.namespace).iter();
    let known = known.find(|known| known.object == edit.object);
    let after = match known {
        Some(known) if after.read().is_some_and(is_stored) => Cow::Borrowed(known),
        _ => Cow::Owned(perimeter(after)),
    };
    Some((edit.before.as_ref().map(perimeter), after))
}

/// Violations of the perimeter of the cluster as written by policies of its namespace. Those in `aside` are skipped.
/// They take at most half of the budget: declarations then cannot prevent a decision about them, nor the other way
/// round.
pub(super) fn violations(
    compiled: &CompiledSnapshot,
    edit: &Edit<Cluster>,
    skipped: &BTreeSet<Arc<str>>,
    budget: &Cell<Budget>,
) -> Vec<Violation> {
    if compiled.facts(&edit.object.namespace).is_none() {
        return Vec::new();
    }
    let Some((before, after)) = perimeters(compiled, edit) else {
        return Vec::new();
    };
    let mut left = budget.get();
    let half = compiled.config.proof_budget.div_ceil(2);
    let found = left.within(half, |budget| {
        existing_policy::check(
            &edit.object,
            &compiled.config,
            before.as_ref(),
            &after,
            skipped,
            budget,
        )
    });
    budget.set(left);
    let tunnels = &compiled.config.tunnel_ports;
    let mut violations: Vec<Violation> = Vec::new();
    let mut of_policy: BTreeMap<&Arc<str>, Vec<usize>> = BTreeMap::new();
    for (zone, policy, finding) in found {
        let finding = replay::of_existing(zone, policy, finding, tunnels);
        let known = of_policy.entry(&policy.name).or_default();
        let same = known.iter().find(|at| {
            let known = &violations[**at].finding;
            known.code == finding.code && known.level <= finding.level
        });
        if let Some(same) = same {
            // One connection per policy is enough.
            violations[*same].finding.include(&after, &finding.pods);
            continue;
        }
        known.push(violations.len());
        violations.push(Violation {
            path: replay::rule_path(policy, &finding, tunnels),
            policy: Some(policy.name.clone()),
            finding,
        });
    }
    let undecided = existing_policy::undecided(&edit.object, before.as_ref(), &after, skipped);
    violations.extend(undecided.into_iter().map(|finding| Violation {
        finding,
        policy: None,
        path: None,
    }));
    violations
}
