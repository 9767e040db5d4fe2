//! The review of an OpenBaoCluster write: its declarations, and existing policies that select its pods.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::advice;
use super::level::WriterClass;
use super::replay;
use super::request::Edit;
use super::restore_target::{self, Paths, Planned};
use super::world::CompiledSnapshot;
use crate::baseline::{ClusterPerimeter, Pods};
use crate::config::Baseline;
use crate::inventory::{Cluster, Fact, ObjectRef};
use crate::rules::declaration::{self, Declaration, redundant};
use crate::rules::policy_name::{self, Age};
use crate::rules::{Finding, Level, ambiguous_cidr, existing_policy, input, isolation_lost};
use netpol::Direction;
use netpol::cover::Budget;

/// All findings about a cluster write.
pub(super) fn findings(
    world: &CompiledSnapshot,
    class: WriterClass,
    edit: &Edit<Cluster>,
    budget: &Cell<Budget>,
) -> Vec<Finding> {
    let mut findings = marked(world, class, edit);
    let broken = match &edit.after {
        None => return Vec::new(),
        Some(Fact::Unreadable(broken)) => Some(broken),
        Some(Fact::Read(after)) => after.broken.as_ref(),
    };
    if let Some(broken) = broken {
        findings.extend(input::unreadable(&edit.object, broken, Level::Deny));
        return findings;
    }
    let Some(after) = edit.after.as_ref().and_then(Fact::read) else {
        return findings;
    };
    let before = edit.before.as_ref().and_then(Fact::read);
    let before = before.map(AsRef::as_ref);
    let api_server = &world.snapshot.api_server;
    findings.extend(ambiguous_cidr::in_cluster(&edit.object, after, before));
    // First, since it takes at most half of the budget: declarations then cannot prevent a decision about existing
    // policies, nor the other way round.
    if edit.before.is_none() || edit.spec_changed {
        findings.extend(existing_policies(
            world,
            edit,
            &rewritten(world, edit, after),
            budget,
        ));
    }
    findings.extend(restore_tests(world, &edit.object, (before, after), budget));
    for direction in Direction::ALL {
        let declared = Declaration::new(
            &edit.object,
            &world.config,
            direction,
            after,
            before,
            budget,
        );
        if direction == Direction::Ingress {
            findings.extend(declaration::values(&declared, after, before));
        }
        findings.extend(redundant::check(&declared, after, api_server));
        let limit = declaration::limit(&declared);
        findings.extend(replay::of_declaration(&declared, limit));
    }
    findings.extend(names_taken(world, edit, after));
    if edit.before.is_none() || edit.spec_changed {
        findings.extend(advice::of_cluster(world, &edit.object, after, before));
    }
    findings
}

/// Findings about the mark by which the operator keeps up no policies: metadata, which are known of a cluster that
/// cannot be read too.
fn marked(world: &CompiledSnapshot, class: WriterClass, edit: &Edit<Cluster>) -> Vec<Finding> {
    let Some(after) = &edit.after else {
        return Vec::new();
    };
    if class == WriterClass::Operator {
        return Vec::new();
    }
    let before = edit.before.as_ref().map(Fact::<Cluster>::meta);
    let marked = isolation_lost::by_mark(&edit.object, before, after.meta(), &world.config);
    marked.into_iter().collect()
}

/// Field paths of the labels of pods in a cluster's restore tests.
const TEST_LABELS: Paths = Paths {
    servers: "spec.backup.restoreTest.clusterTemplate.podMetadata.labels",
    jobs: "spec.backup.target.workloadIdentity.podLabels",
};

/// Findings about existing policies that select pods of the clusters which the operator creates for restore
/// tests.
fn restore_tests(
    world: &CompiledSnapshot,
    object: &ObjectRef,
    (before, after): (Option<&Cluster>, &Cluster),
    budget: &Cell<Budget>,
) -> Vec<Finding> {
    let Some(tests) = Planned::by_tests(after) else {
        return Vec::new();
    };
    let before = before.and_then(Planned::by_tests);
    let tests = (before.as_ref(), &tests);
    restore_target::existing_policies(world, object, tests, &TEST_LABELS, budget)
}

/// Findings about names of the cluster's policies that are already taken.
fn names_taken(world: &CompiledSnapshot, edit: &Edit<Cluster>, after: &Cluster) -> Vec<Finding> {
    let age = if edit.before.is_none() {
        Age::New
    } else {
        Age::Old
    };
    let facts = world.facts(&edit.object.namespace);
    facts.map_or_else(Vec::new, |facts| {
        policy_name::check(&edit.object, after, age, facts, &world.config)
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
    world: &CompiledSnapshot,
    edit: &Edit<Cluster>,
    after: &Cluster,
) -> BTreeSet<Arc<str>> {
    let baseline = world.config.baseline;
    if !after.is_rendered(baseline) {
        return BTreeSet::new();
    }
    let takes_over = baseline.features().takes_over_policies || edit.before.is_some();
    let facts = world.facts(&edit.object.namespace);
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
    let zones = Pods::of_cluster(baseline).iter();
    zones.filter_map(|pods| pods.policy_name(&object.name).map(Arc::from))
}

/// Findings about policies of the namespace that violate the perimeter of the cluster as written. Those in
/// `aside` are skipped.
fn existing_policies(
    world: &CompiledSnapshot,
    edit: &Edit<Cluster>,
    aside: &BTreeSet<Arc<str>>,
    budget: &Cell<Budget>,
) -> Vec<Finding> {
    let violations = violations(world, edit, aside, budget).into_iter();
    violations.map(|violations| violations.finding).collect()
}

/// The same with the policies and their rules.
pub(super) fn violations(
    world: &CompiledSnapshot,
    edit: &Edit<Cluster>,
    aside: &BTreeSet<Arc<str>>,
    budget: &Cell<Budget>,
) -> Vec<Violation> {
    let Some(facts) = world.facts(&edit.object.namespace) else {
        return Vec::new();
    };
    let regions = world.regions(&edit.object.namespace, facts);
    let perimeter = |cluster: &Fact<Cluster>| {
        let api_server = &world.snapshot.api_server;
        ClusterPerimeter::of(cluster, (facts, &regions), &world.config, api_server, &[])
    };
    let Some(after) = edit.after.as_ref().map(perimeter) else {
        return Vec::new();
    };
    let before = edit.before.as_ref().map(perimeter);
    let mut left = budget.get();
    let half = world.config.proof_budget.div_ceil(2);
    let found = left.within(half, |budget| {
        existing_policy::check(
            &edit.object,
            &world.config,
            before.as_ref(),
            &after,
            aside,
            budget,
        )
    });
    budget.set(left);
    let tunnels = &world.config.tunnel_ports;
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
    let unjudged = existing_policy::undecided(&edit.object, before.as_ref(), &after, aside);
    violations.extend(unjudged.into_iter().map(|finding| Violation {
        finding,
        policy: None,
        path: None,
    }));
    violations
}
