//! The review of an OpenBaoRestore: its cluster, its network path to the snapshot, and the contract for
//! Hardened clusters.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::advice::known as known_facts;
use super::cluster::managed_names;
use super::replay;
use super::request::Edit;
use super::restore_target::{self, Paths, Planned};
use super::world::CompiledSnapshot;
use crate::advice::checkpoint;
use crate::advice::endpoint_not_covered::{self, DialContext};
use crate::advice::opened::Openings;
use crate::baseline::{ClusterPerimeter, Pods};
use crate::inventory::restore::RestoreInto;
use crate::inventory::{Checkpoint, Cluster, Fact, Kind, NamespaceFacts, ObjectRef, Restore};
use crate::rules::declaration::hardened;
use crate::rules::{Code, Finding, Level, Onset, existing_policy, input};
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

/// All findings about a restore. A write with an unchanged spec has none.
pub(super) fn findings(
    world: &CompiledSnapshot,
    edit: &Edit<Restore>,
    budget: &Cell<Budget>,
) -> Vec<Finding> {
    let restore = match &edit.after {
        Some(Fact::Read(restore)) => restore,
        Some(Fact::Unreadable(broken)) => {
            return input::unreadable(&edit.object, broken, Level::Deny);
        }
        None => return Vec::new(),
    };
    if edit.before.is_some() && !edit.spec_changed {
        return Vec::new();
    }
    let before = edit.before.as_ref().and_then(Fact::read);
    let name = match &restore.into {
        RestoreInto::Cluster(name) => name,
        RestoreInto::Fresh(target) => {
            let after = Planned {
                target,
                job_labels: &restore.needs.pod_labels,
            };
            let before = before.and_then(|before| Planned::by_restore(before));
            let edit_of = (before.as_ref(), &after);
            return restore_target::existing_policies(
                world,
                &edit.object,
                edit_of,
                &TARGET_LABELS,
                budget,
            );
        }
        RestoreInto::Nothing => {
            return vec![untold(&edit.object, "it names no cluster to restore into")];
        }
    };
    let cluster = world.snapshot.cluster(&edit.object.namespace, name);
    match cluster {
        Some(Fact::Read(cluster)) => {
            let before = before.filter(|before| before.is_into(name));
            into_cluster(world, &edit.object, (before, restore), cluster, budget)
        }
        Some(Fact::Unreadable(_)) => {
            let said = format!("OpenBaoCluster `{name}` cannot be read");
            vec![untold(&edit.object, &said)]
        }
        None => {
            let said = format!("no OpenBaoCluster `{name}` is known in this namespace");
            vec![untold(&edit.object, &said)]
        }
    }
}

fn untold(object: &ObjectRef, said: &str) -> Finding {
    Finding {
        reason: format!(
            "{said}, so neither {} nor its egress can be told",
            Checkpoint::RestoreConfiguration
        ),
        help: "name an OpenBaoCluster of the same namespace in spec.cluster".to_owned(),
        ..Finding::advice(Code::Obp604, object, "spec.cluster")
    }
}

fn into_cluster<'a>(
    world: &CompiledSnapshot,
    object: &'a ObjectRef,
    (before, restore): (Option<&'a Arc<Restore>>, &'a Arc<Restore>),
    cluster: &'a Arc<Cluster>,
    budget: &Cell<Budget>,
) -> Vec<Finding> {
    let contract =
        |restore: &Restore| hardened::of_restore(object, restore, cluster, &world.config, budget);
    let known = before.map_or_else(Vec::new, |before| contract(before));
    let mut findings = contract(restore);
    for finding in &mut findings {
        if known.contains(finding) {
            finding.onset = Onset::PreExisting;
        }
    }
    let condition = checkpoint::of_restore(restore, cluster, &world.config);
    let is_told = |reason: &str| !findings.is_empty() && reason == CONTRACT;
    let condition = condition.filter(|condition| !is_told(condition.reason));
    let condition = condition
        .and_then(|condition| checkpoint::finding(object, &condition, restore.live.first(), None));
    findings.extend(condition.map(|finding| Finding {
        cluster: Some(reference(cluster)),
        ..finding
    }));
    let openings = Openings::new(cluster, known_facts(world));
    let context = |restore: &'a Restore| DialContext {
        object,
        pods: Pods::Jobs,
        openings: &openings,
        dial_targets: &restore.needs.dial_targets,
    };
    let old = before.map(|before| context(before));
    findings.extend(endpoint_not_covered::check(context(restore), old));
    let labels = (before, restore);
    findings.extend(existing_policies(world, object, labels, cluster, budget));
    findings
}

/// Findings about policies of the namespace that allow too much for the jobs of the cluster, now that some
/// jobs have the labels of this restore.
fn existing_policies(
    world: &CompiledSnapshot,
    object: &ObjectRef,
    (before, restore): (Option<&Arc<Restore>>, &Arc<Restore>),
    cluster: &Arc<Cluster>,
    budget: &Cell<Budget>,
) -> Vec<Finding> {
    let Some(facts) = world.facts(&object.namespace) else {
        return Vec::new();
    };
    if restore.needs.pod_labels.is_empty() {
        return Vec::new();
    }
    let regions = world.regions(&object.namespace, facts);
    let perimeter = |facts: &NamespaceFacts| {
        let api_server = &world.snapshot.api_server;
        let cluster = Fact::Read(cluster.clone());
        ClusterPerimeter::of(&cluster, (facts, &regions), &world.config, api_server, &[])
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
    let aside = if cluster.is_rendered(world.config.baseline) {
        managed_names(&after.object, world.config.baseline).collect()
    } else {
        BTreeSet::new()
    };
    let mut left = budget.get();
    let config = &world.config;
    let found = existing_policy::check(object, config, Some(&before), &after, &aside, &mut left);
    budget.set(left);
    // Connections that a policy already opened to the cluster's pods are not due to this restore.
    let new = found.into_iter().filter(|(zone, policy, finding)| {
        let mut zones = before.zones.iter();
        let old = zones.find(|old| old.pods == zone.pods);
        let mut known = old.iter().flat_map(|old| &old.selected);
        finding.level == Level::Deny || known.all(|known| known.name != policy.name)
    });
    let told = |(zone, policy, finding)| Finding {
        cluster: Some(after.object.clone()),
        path: POD_LABELS.to_owned(),
        ..replay::of_existing(zone, policy, finding, &config.tunnel_ports)
    };
    let unjudged = existing_policy::undecided(object, Some(&before), &after, &aside);
    let unjudged = unjudged.into_iter();
    let unjudged = unjudged.filter(|finding| finding.level == Level::Deny);
    let unjudged = unjudged.map(|finding| Finding {
        cluster: Some(after.object.clone()),
        path: POD_LABELS.to_owned(),
        ..finding
    });
    new.map(told).chain(unjudged).collect()
}

fn reference(cluster: &Cluster) -> ObjectRef {
    ObjectRef {
        kind: Kind::OpenBaoCluster,
        namespace: cluster.meta.namespace.clone(),
        name: cluster.meta.name.clone(),
    }
}
