//! OBP203 for clusters that the newest operator makes to restore into, judged where their templates are
//! written: their pods carry the labels of the template, in a namespace that need not be the writer's.
//!
//! Nobody but the operator writes such a cluster itself, and it is never denied.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::replay;
use super::world::World;
use crate::baseline::{ClusterPerimeter, Pods};
use crate::inventory::cluster::RESTORE_ORIGIN;
use crate::inventory::restore::RestoreTarget;
use crate::inventory::{Cluster, Fact, Labels, Meta, NamespaceFacts, ObjectRef};
use crate::perimeter::cover::Budget;
use crate::posture::Edition;
use crate::rules::{Finding, Level, existing_policy};

/// A cluster that is still to be made.
pub(super) struct Planned<'a> {
    /// The template's part of it.
    pub(super) target: &'a RestoreTarget,
    /// The labels of its jobs beyond the operator's own.
    pub(super) job_labels: &'a Labels,
}

/// Field paths of the labels of a planned cluster.
pub(super) struct Paths {
    /// Those of its server pods.
    pub(super) servers: &'static str,
    /// Those of its jobs.
    pub(super) jobs: &'static str,
}

impl Planned<'_> {
    /// The cluster as the operator will make it. A name that it makes up is `name` here.
    fn cluster(&self, name: &Arc<str>) -> Cluster {
        let name = Some(&self.target.name)
            .filter(|own| !own.is_empty())
            .unwrap_or(name);
        Cluster {
            meta: Meta {
                namespace: self.target.namespace.clone(),
                name: name.clone(),
                annotations: [(RESTORE_ORIGIN.into(), "planned".into())].into(),
                ..Meta::default()
            },
            pod_labels: vec![self.target.pod_labels.clone()],
            job_labels: self.job_labels.clone(),
            ..Cluster::default()
        }
    }

    /// Whether it is a cluster of the same name in the same namespace.
    fn is_same(&self, other: &Planned<'_>) -> bool {
        (&self.target.namespace, &self.target.name) == (&other.target.namespace, &other.target.name)
    }
}

/// Findings about policies of the target's namespace that its pods come under because of the labels that
/// `object` gives them. What the labels before the write did is known.
pub(super) fn brought_to_bear(
    world: &World,
    object: &ObjectRef,
    (before, after): (Option<&Planned<'_>>, &Planned<'_>),
    paths: &Paths,
    budget: &Cell<Budget>,
) -> Vec<Finding> {
    let facts = world.facts(&after.target.namespace);
    if world.posture.baseline != Edition::Next {
        return Vec::new();
    }
    let Some(facts) = facts else {
        return Vec::new();
    };
    let planned = after.cluster(&object.name);
    let unlabelled = Cluster {
        pod_labels: Vec::new(),
        job_labels: Labels::new(),
        ..planned.clone()
    };
    let before = before.filter(|before| before.is_same(after));
    let before = before.map_or(unlabelled, |before| before.cluster(&object.name));
    // The labels of the restore itself are those of the planned jobs.
    let facts = NamespaceFacts {
        restores: BTreeMap::default(),
        ..facts.clone()
    };
    let regions = world.regions(&after.target.namespace, &facts);
    let perimeter = |cluster: Cluster| {
        let cluster = Fact::Read(Arc::new(cluster));
        let (api_server, facts) = (&world.snapshot.api_server, (&facts, &*regions));
        ClusterPerimeter::of(&cluster, facts, &world.posture, api_server, &[])
    };
    let (before, after) = (perimeter(before), perimeter(planned));
    let mut left = budget.get();
    let part = world.posture.proof_budget.div_ceil(4);
    let found = left.within(part, |budget| {
        let aside = BTreeSet::new();
        existing_policy::check(
            object,
            &world.posture,
            Some(&before),
            &after,
            &aside,
            budget,
        )
    });
    budget.set(left);
    let elsewhere = if after.object.namespace == object.namespace {
        String::new()
    } else {
        format!("in namespace `{}`: ", after.object.namespace)
    };
    // What a policy opens to a cluster without these labels is not for the labels to answer.
    let new = found
        .into_iter()
        .filter(|(_, _, finding)| finding.level == Level::Deny);
    let told = new.map(|(zone, policy, finding)| {
        let tunnels = &world.posture.tunnel_ports;
        let finding = replay::of_existing(zone, policy, finding, tunnels);
        Finding {
            path: match zone.pods {
                Pods::Jobs => paths.jobs,
                Pods::Workload | Pods::Controller => paths.servers,
            }
            .to_owned(),
            reason: format!("{elsewhere}{}", finding.reason),
            ..finding
        }
    });
    told.collect()
}
