//! OBP203 for clusters that the newest operator will create for restores, reviewed where their templates are
//! written: their pods have the labels of the template, in a namespace that need not be the user's.
//!
//! Only the operator writes such a cluster, and it is never denied.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::compiled::CompiledSnapshot;
use super::replay;
use super::request::{Edit, Request, Subject};
use crate::baseline::{ClusterPerimeter, Zone};
use crate::inventory::cluster::RESTORE_ORIGIN;
use crate::inventory::restore::{RestoreInto, RestoreTarget};
use crate::inventory::{Cluster, Fact, Labels, Meta, NamespaceFacts, ObjectRef, Restore};
use crate::rules::{Finding, Level, existing_policy};
use netpol::cover::Budget;

/// A cluster that will be created.
pub(super) struct Planned<'a> {
    /// The part in the template.
    pub(super) target: &'a RestoreTarget,
    /// Labels of its jobs, in addition to the operator's.
    pub(super) job_labels: &'a Labels,
}

/// Field paths of the labels of a planned cluster.
pub(super) struct Paths {
    /// Path of the labels of its server pods.
    pub(super) servers: &'static str,
    /// Path of the labels of its jobs.
    pub(super) jobs: &'static str,
}

impl<'a> Planned<'a> {
    /// The cluster that a restore will create.
    pub(super) fn by_restore(restore: &'a Restore) -> Option<Self> {
        match &restore.into {
            RestoreInto::Fresh(target) => Some(Self {
                target,
                job_labels: &restore.needs.pod_labels,
            }),
            RestoreInto::Cluster(_) | RestoreInto::Nothing => None,
        }
    }

    /// The clusters that will be created for restore tests of a cluster.
    pub(super) fn by_tests(cluster: &'a Cluster) -> Option<Self> {
        Some(Self {
            target: cluster.restore_test.as_ref()?,
            job_labels: &cluster.job_labels,
        })
    }

    /// The cluster as the operator will create it. `name` is used if the operator generates the name.
    fn cluster(&self, name: &Arc<str>) -> Cluster {
        let name = Some(&self.target.name)
            .filter(|own| !own.is_empty())
            .unwrap_or(name);
        Cluster {
            meta: Meta {
                namespace: self.target.namespace.clone(),
                name: name.clone(),
                annotations: [(RESTORE_ORIGIN.into(), "planned".into())]
                    .into_iter()
                    .collect(),
                ..Meta::default()
            },
            pod_labels: vec![self.target.pod_labels.clone()],
            job_labels: self.job_labels.clone(),
            ..Cluster::default()
        }
    }

    /// Returns true if it has the same name and namespace.
    fn is_same(&self, other: &Planned<'_>) -> bool {
        (&self.target.namespace, &self.target.name) == (&other.target.namespace, &other.target.name)
    }

    /// Returns true if the labels of its pods differ from those before.
    fn is_relabelled(&self, before: Option<&Planned<'_>>) -> bool {
        let before = before.filter(|before| before.is_same(self));
        before.map_or_else(
            || !self.target.pod_labels.is_empty() || !self.job_labels.is_empty(),
            |before| {
                let labels = (&before.target.pod_labels, before.job_labels);
                labels != (&self.target.pod_labels, self.job_labels)
            },
        )
    }
}

/// The namespace of the clusters that will be created for the object, if its policies matter: the write
/// changes the labels of pods there.
pub(super) fn namespace<'a>(
    compiled: &CompiledSnapshot,
    request: &'a Request,
) -> Option<&'a Arc<str>> {
    fn of<'a, T>(
        edit: &'a Edit<T>,
        planned: impl Fn(&'a T) -> Option<Planned<'a>>,
    ) -> Option<&'a Arc<str>>
    where
        Fact<T>: Clone,
    {
        let after = planned(edit.after.as_ref()?.read()?)?;
        let before = edit.before.as_ref().and_then(Fact::read);
        let before = before.and_then(|before| planned(before));
        let is_judged = edit.before.is_none() || edit.spec_changed;
        (is_judged && after.is_relabelled(before.as_ref())).then_some(&after.target.namespace)
    }
    let namespace = match &request.subject {
        Subject::Policy(_) | Subject::Ordered(_) => None,
        Subject::Cluster(edit) => of(edit, Planned::by_tests),
        Subject::Restore(edit) => of(edit, Planned::by_restore),
    };
    let is_made = compiled.config.baseline.features().restores_into_clusters;
    // A namespace that does not exist is not read.
    namespace.filter(|name| is_made && compiled.facts(name).is_some())
}

/// Findings about policies of the target's namespace that select its pods because of the labels in `object`.
/// The effect of the labels before the write is known.
pub(super) fn existing_policies(
    compiled: &CompiledSnapshot,
    object: &ObjectRef,
    (before, after): (Option<&Planned<'_>>, &Planned<'_>),
    paths: &Paths,
    budget: &Cell<Budget>,
) -> Vec<Finding> {
    let facts = compiled.facts(&after.target.namespace);
    if !compiled.config.baseline.features().restores_into_clusters {
        return Vec::new();
    }
    let Some(facts) = facts.filter(|_| after.is_relabelled(before)) else {
        return Vec::new();
    };
    let planned = after.cluster(&object.name);
    let unlabelled = Cluster {
        pod_labels: Vec::new(),
        job_labels: Labels::new(),
        ..planned.clone()
    };
    let before = before.filter(|before| before.is_same(after));
    let known = before.map(|before| &before.target.pod_labels);
    let relabels_servers = match known {
        Some(known) => *known != after.target.pod_labels,
        None => !after.target.pod_labels.is_empty(),
    };
    let before = before.map_or(unlabelled, |before| before.cluster(&object.name));
    // The labels of the restore itself are those of the planned jobs. If policies that were not read could change the verdict,
    // it needs a live read, and the review is repeated.
    let facts = NamespaceFacts {
        restores: BTreeMap::default(),
        stubs: BTreeMap::default(),
        ..facts.clone()
    };
    let regions = compiled.regions(&after.target.namespace, &facts);
    let perimeter = |cluster: Cluster| {
        let cluster = Fact::Read(Arc::new(cluster));
        let (api_server, facts) = (&compiled.snapshot.api_server, (&facts, &*regions));
        ClusterPerimeter::of(&cluster, facts, &compiled.config, api_server, &[])
    };
    let (before, after) = (perimeter(before), perimeter(planned));
    let mut left = budget.get();
    let part = compiled.config.proof_budget.div_ceil(4);
    let found = left.within(part, |budget| {
        let skipped = BTreeSet::new();
        existing_policy::check(
            object,
            &compiled.config,
            Some(&before),
            &after,
            &skipped,
            budget,
        )
    });
    budget.set(left);
    let elsewhere = if after.object.namespace == object.namespace {
        String::new()
    } else {
        format!("in namespace `{}`: ", after.object.namespace)
    };
    let prefixed = |finding: Finding| {
        let reason = format!("{elsewhere}{}", finding.reason);
        finding.because(reason)
    };
    // Connections that a policy opens to a cluster without these labels are not due to the labels.
    let new = found
        .into_iter()
        .filter(|(_, _, finding)| finding.level == Level::Deny);
    let reported = new.map(|(zone, policy, finding)| {
        let tunnels = &compiled.config.tunnel_ports;
        let finding = replay::of_existing(zone, policy, finding, tunnels);
        Finding {
            path: match zone.pods {
                Zone::Jobs => paths.jobs,
                Zone::Workload | Zone::Controller => paths.servers,
            }
            .to_owned(),
            ..prefixed(finding)
        }
    });
    let undecided =
        existing_policy::undecided(object, Some(&before), &after, &BTreeSet::new()).into_iter();
    let undecided = undecided.filter(|finding| finding.level == Level::Deny);
    let undecided = undecided.map(|finding| Finding {
        path: if relabels_servers {
            paths.servers
        } else {
            paths.jobs
        }
        .to_owned(),
        ..prefixed(finding)
    });
    reported.chain(undecided).collect()
}
