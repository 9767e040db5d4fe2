//! The review of an OpenBaoRestore: its cluster, its network path to the snapshot, and the contract for
//! Hardened clusters.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::advice::known as known_facts;
use super::cluster::managed_names;
use super::compiled::CompiledSnapshot;
use super::replay;
use super::request::Edit;
use super::restore_target::{self, Paths, Planned};
use super::rules::{self, Check};
use crate::advice::checkpoint;
use crate::advice::endpoint_not_covered::{self, DialContext};
use crate::advice::opened::Openings;
use crate::baseline::{ClusterPerimeter, Zone};
use crate::inventory::dependencies::DialTarget;
use crate::inventory::restore::RestoreInto;
use crate::inventory::{Checkpoint, Cluster, Fact, Kind, NamespaceFacts, ObjectRef, Restore};
use crate::rules::declaration::hardened;
use crate::rules::{Cause, Code, Finding, Level, Onset, existing_policy, input};
use netpol::cover::Budget;

/// Reason of the condition that OBP310 already reports if the contract denies.
const CONTRACT: &str = "NetworkEgressRulesRequired";

/// Field path of the labels of a restore's jobs.
const POD_LABELS: &str = "spec.source.target.workloadIdentity.podLabels";

/// Field paths of the labels of pods in a cluster that is created for it.
const TARGET_LABELS: Paths = Paths {
    servers: "spec.clusterTemplate.podMetadata.labels",
    jobs: POD_LABELS,
};

/// A restore write that can be read.
pub(super) struct RestoreReview<'a> {
    compiled: &'a CompiledSnapshot,
    object: &'a ObjectRef,
    before: Option<&'a Arc<Restore>>,
    restore: &'a Arc<Restore>,
    /// The existing cluster that it restores into.
    cluster: Option<&'a Arc<Cluster>>,
    /// A clause about the cluster, if it is not known.
    problem: Option<String>,
    budget: &'a Cell<Budget>,
}

impl<'a> RestoreReview<'a> {
    /// The cluster, and the restore before the write if it was into the same one.
    fn target_cluster(&self) -> Option<(&'a Arc<Cluster>, Option<&'a Arc<Restore>>)> {
        let cluster = self.cluster?;
        let before = self.before;
        Some((
            cluster,
            before.filter(|before| before.is_into(&cluster.meta.name)),
        ))
    }
}

/// All findings about a restore. A write with an unchanged spec has none.
pub(super) fn findings(
    compiled: &CompiledSnapshot,
    edit: &Edit<Restore>,
    budget: &Cell<Budget>,
) -> Vec<Finding> {
    let restore = match &edit.after {
        Some(Fact::Read(restore)) => restore,
        Some(Fact::Unreadable(broken)) => {
            return input::unreadable(&edit.object, broken, Onset::Introduced);
        }
        None => return Vec::new(),
    };
    if edit.before.is_some() && !edit.spec_changed {
        return Vec::new();
    }
    let cluster = match &restore.into {
        RestoreInto::Cluster(name) => compiled.snapshot.cluster(&edit.object.namespace, name),
        RestoreInto::Fresh(_) | RestoreInto::Nothing => None,
    };
    let problem = match (&restore.into, cluster) {
        (RestoreInto::Fresh(_), _) | (RestoreInto::Cluster(_), Some(Fact::Read(_))) => None,
        (RestoreInto::Nothing, _) => Some("it names no cluster to restore into".to_owned()),
        (RestoreInto::Cluster(name), Some(Fact::Unreadable(_))) => {
            Some(format!("OpenBaoCluster `{name}` cannot be read"))
        }
        (RestoreInto::Cluster(name), None) => Some(format!(
            "no OpenBaoCluster `{name}` is known in this namespace"
        )),
    };
    let write = RestoreReview {
        compiled,
        object: &edit.object,
        before: edit.before.as_ref().and_then(Fact::read),
        restore,
        cluster: cluster.and_then(Fact::read),
        problem,
        budget,
    };
    let mut findings = Vec::new();
    for check in rules::checks() {
        if let Check::Restore(check) = check {
            findings.extend(check(&write, &findings));
        }
    }
    findings
}

/// OBP203: policies that select pods because of the labels in the restore.
pub(super) fn existing(write: &RestoreReview<'_>, _: &[Finding]) -> Vec<Finding> {
    if let Some((cluster, before)) = write.target_cluster() {
        let labels = (before, write.restore);
        return existing_policies(write.compiled, write.object, labels, cluster, write.budget);
    }
    let Some(after) = Planned::by_restore(write.restore) else {
        return Vec::new();
    };
    let before = write.before.and_then(|before| Planned::by_restore(before));
    let planned = (before.as_ref(), &after);
    let (compiled, object) = (write.compiled, write.object);
    restore_target::existing_policies(compiled, object, planned, &TARGET_LABELS, write.budget)
}

/// OBP310: the contract of the cluster.
pub(super) fn contract(write: &RestoreReview<'_>, _: &[Finding]) -> Vec<Finding> {
    let Some((cluster, before)) = write.target_cluster() else {
        return Vec::new();
    };
    let config = &write.compiled.config;
    let of = |restore: &Restore| {
        hardened::of_restore(write.object, restore, cluster, config, write.budget)
    };
    let known = before.map_or_else(Vec::new, |before| of(before));
    let mut findings = of(write.restore);
    for finding in &mut findings {
        if known.contains(finding) {
            finding.onset = Onset::PreExisting;
        }
    }
    findings
}

/// OBP604: the status condition, unless the contract denies for the same reason.
pub(super) fn condition(write: &RestoreReview<'_>, found: &[Finding]) -> Vec<Finding> {
    if let Some(problem) = &write.problem {
        return vec![unknown_cluster(write.object, problem)];
    }
    let Some(cluster) = write.cluster else {
        return Vec::new();
    };
    let is_reported = found.iter().any(|finding| finding.code == Code::Obp310);
    let condition = checkpoint::of_restore(write.restore, cluster, &write.compiled.config);
    let condition = condition.filter(|found| !is_reported || found.reason != CONTRACT);
    let live = write.restore.live.first();
    let finding =
        condition.and_then(|condition| checkpoint::finding(write.object, &condition, live, None));
    let finding = finding.map(|finding| Finding {
        cluster: Some(reference(cluster)),
        ..finding
    });
    finding.into_iter().collect()
}

fn unknown_cluster(object: &ObjectRef, problem: &str) -> Finding {
    Finding {
        reason: format!(
            "{problem}, so the condition {} and the egress of the job are not known",
            Checkpoint::RestoreConfiguration
        ),
        help: "name an OpenBaoCluster of the same namespace in spec.cluster".to_owned(),
        ..Finding::of(
            Cause::RestoreConfigurationNotReady,
            Onset::Introduced,
            object,
            "spec.cluster",
        )
    }
}

/// OBP605: services that the restore connects to.
pub(super) fn endpoints(write: &RestoreReview<'_>, _: &[Finding]) -> Vec<Finding> {
    let Some((cluster, before)) = write.target_cluster() else {
        return Vec::new();
    };
    let openings = Openings::new(cluster, known_facts(write.compiled));
    let context = |restore| DialContext {
        object: write.object,
        pods: Zone::Jobs,
        openings: &openings,
        dial_targets: dial_targets(restore),
    };
    endpoint_not_covered::check(context(write.restore), before.map(context))
}

fn dial_targets(restore: &Arc<Restore>) -> &[DialTarget] {
    &restore.needs.dial_targets
}

/// Findings about policies of the namespace that allow too much for the jobs of the cluster, now that some
/// jobs have the labels of this restore.
fn existing_policies(
    compiled: &CompiledSnapshot,
    object: &ObjectRef,
    (before, restore): (Option<&Arc<Restore>>, &Arc<Restore>),
    cluster: &Arc<Cluster>,
    budget: &Cell<Budget>,
) -> Vec<Finding> {
    let Some(facts) = compiled.facts(&object.namespace) else {
        return Vec::new();
    };
    if restore.needs.pod_labels.is_empty() {
        return Vec::new();
    }
    let regions = compiled.regions(&object.namespace, facts);
    let perimeter = |facts: &NamespaceFacts| {
        let api_server = &compiled.snapshot.api_server;
        let cluster = Fact::Read(cluster.clone());
        ClusterPerimeter::of(
            &cluster,
            (facts, &regions),
            &compiled.config,
            api_server,
            &[],
        )
    };
    let mut facts = facts.clone();
    // In files, the new restore is already among the facts.
    facts.restores.remove(&object.name);
    let restores = &mut facts.restores;
    restores.extend(before.map(|before| (object.name.clone(), Fact::Read(before.clone()))));
    let before = perimeter(&facts);
    let restores = &mut facts.restores;
    restores.insert(object.name.clone(), Fact::Read(restore.clone()));
    let after = perimeter(&facts);
    let skipped = if cluster.is_rendered(compiled.config.baseline) {
        managed_names(&after.object, compiled.config.baseline).collect()
    } else {
        BTreeSet::new()
    };
    let mut left = budget.get();
    let config = &compiled.config;
    let found = existing_policy::check(object, config, Some(&before), &after, &skipped, &mut left);
    budget.set(left);
    // Connections that a policy already opened to the cluster's pods are not due to this restore.
    let new = found.into_iter().filter(|(zone, policy, finding)| {
        let mut zones = before.zones.iter();
        let old = zones.find(|old| old.pods == zone.pods);
        let mut known = old.iter().flat_map(|old| &old.selected);
        finding.level == Level::Deny || known.all(|known| known.name != policy.name)
    });
    let reported = |(zone, policy, finding)| Finding {
        cluster: Some(after.object.clone()),
        path: POD_LABELS.to_owned(),
        ..replay::of_existing(zone, policy, finding, &config.tunnel_ports)
    };
    let undecided = existing_policy::undecided(object, Some(&before), &after, &skipped);
    let undecided = undecided.into_iter();
    let undecided = undecided.filter(|finding| finding.level == Level::Deny);
    let undecided = undecided.map(|finding| Finding {
        cluster: Some(after.object.clone()),
        path: POD_LABELS.to_owned(),
        ..finding
    });
    new.map(reported).chain(undecided).collect()
}

fn reference(cluster: &Cluster) -> ObjectRef {
    ObjectRef {
        kind: Kind::OpenBaoCluster,
        namespace: cluster.meta.namespace.clone(),
        name: cluster.meta.name.clone(),
    }
}
