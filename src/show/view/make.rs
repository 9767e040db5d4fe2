//! The view of some clusters, made from the facts.

use std::cell::Cell;
use std::sync::Arc;

use super::{Account, ClusterView, View, Violation, ZoneView};
use crate::baseline::{ClusterPerimeter, compile};
use crate::config::{BaselineReason, Zone};
use crate::inventory::{Fact, Kind, NamespaceFacts, ObjectRef, Profile};
use crate::review::offline::{self, Objects, stored_violations};
use crate::review::{CompiledSnapshot, ordered_violations, other_policies_of, render, stored_pods};
use crate::rules::{Finding, namespace_counts};
use crate::show::{conditions, zone};
use netpol::Connection;
use netpol::cover::Budget;

impl View {
    /// The perimeters of these clusters.
    pub fn new(compiled: &CompiledSnapshot, clusters: &[ObjectRef]) -> Self {
        let of = |object: &ObjectRef| {
            let mut perimeters = compiled.perimeters(&object.namespace).iter();
            let perimeter = perimeters.find(|perimeter| perimeter.object == *object)?;
            Some(cluster(compiled, perimeter))
        };
        Self {
            baseline: compiled.config.baseline.as_str(),
            baseline_reason: String::new(),
            clusters: clusters.iter().filter_map(of).collect(),
            controller: controller(compiled),
            counted_namespaces: counted_namespaces(compiled),
        }
    }

    /// The view with the stored pods that count as the clusters', but are not the operator's.
    #[must_use]
    pub(crate) fn with_pods(mut self, compiled: &CompiledSnapshot, pods: &Objects) -> Self {
        let found = stored_pods(compiled, pods);
        for cluster in &mut self.clusters {
            let is_own = |finding: &&Finding| {
                let of = finding.cluster.as_ref();
                of.is_some_and(|of| {
                    *of.namespace == *cluster.namespace && *of.name == *cluster.name
                })
            };
            let own = found.iter().filter(is_own);
            let own = own.map(|finding| format!("Pod {}: {}", finding.object.name, finding.reason));
            cluster.foreign_pods = Some(own.collect());
        }
        self
    }

    /// The view with the reason for the baseline.
    #[must_use]
    pub(crate) fn because(mut self, reason: &BaselineReason) -> Self {
        self.baseline_reason = reason.to_string();
        self
    }
}

/// The Namespaces that count by their labels, as far as their labels are known.
fn counted_namespaces(compiled: &CompiledSnapshot) -> Vec<String> {
    let wanted = &compiled.config.metrics_namespace_labels;
    let facts = compiled.snapshot.namespaces.values();
    let namespaces = facts.filter_map(|facts| facts.namespace.as_ref()?.read());
    let found = namespaces.filter_map(|namespace| {
        let labels = namespace.labels.as_ref()?;
        namespace_counts::check(&namespace.name, labels, wanted)
    });
    found
        .map(|finding| finding.object.name.to_string())
        .collect()
}

fn cluster(compiled: &CompiledSnapshot, perimeter: &ClusterPerimeter) -> ClusterView {
    let object = &perimeter.object;
    let fact = compiled.snapshot.cluster(&object.namespace, &object.name);
    let read = fact.and_then(Fact::read);
    let mut notes = Vec::new();
    if let Some(version) = &perimeter.unread_version {
        notes.push(format!(
            "It is in version {version}, which this release cannot read: upgrade openbao-perimeter. Nothing that it \
             declares counts here."
        ));
    } else if read.is_none() {
        notes.push("It cannot be read, so nothing that it declares counts.".to_owned());
    }
    if read.is_some_and(|cluster| !cluster.is_rendered(compiled.config.baseline)) {
        notes.push(
            "It is restored into, so the operator renders no policies for it: there is no floor, and another policy \
             has to isolate its pods."
                .to_owned(),
        );
    }
    if perimeter.deleting {
        notes.push("It is being deleted.".to_owned());
    }
    if Zone::of_cluster(compiled.config.baseline).len() == 1 {
        notes.push("This baseline does not restrict backup and restore jobs.".to_owned());
    }
    let found = stored_violations(compiled, object);
    let by_tiers = ordered_violations(compiled, perimeter);
    ClusterView {
        namespace: object.namespace.to_string(),
        name: object.name.to_string(),
        profile: read.and_then(|cluster| cluster.profile).map(profile),
        notes,
        zones: zones(compiled, perimeter),
        accounts: accounts(&object.name),
        conditions: conditions::of(compiled, object),
        piercing: found
            .iter()
            .map(pierced)
            .chain(by_tiers.iter().map(pierced_by_tier))
            .collect(),
        other_policies: other_policies_of(compiled, perimeter),
        foreign_pods: None,
    }
}

const fn profile(profile: Profile) -> &'static str {
    match profile {
        Profile::Hardened => "Hardened",
        Profile::Development => "Development",
    }
}

fn zones(compiled: &CompiledSnapshot, perimeter: &ClusterPerimeter) -> Vec<ZoneView> {
    // Each zone has a budget of its own: one that is hard to prove must not hide the other.
    let zones = perimeter.zones.iter();
    let (tiers, labels) = (
        compiled.tiers(),
        compiled.labels_of(perimeter.object.home()),
    );
    zones
        .map(|zone| {
            let budget = Cell::new(Budget::new(compiled.config.proof_budget));
            let layers = tiers.of_zone(perimeter, zone, &labels);
            zone::view(compiled, perimeter, zone, &layers, &budget)
        })
        .collect()
}

/// The operator's pods, also where nothing of their namespace is known.
fn controller(compiled: &CompiledSnapshot) -> ZoneView {
    let namespace = &compiled.config.operator_namespace;
    let is_its_own = |perimeter: &&ClusterPerimeter| perimeter.object.kind == Kind::Namespace;
    let known = compiled.perimeters(namespace).iter().find(is_its_own);
    let of = |perimeter: &ClusterPerimeter| {
        Some(ZoneView {
            other_policies: other_policies_of(compiled, perimeter),
            ..zones(compiled, perimeter).pop()?
        })
    };
    known.and_then(of).unwrap_or_else(|| {
        let nothing = NamespaceFacts::default();
        let api_server = &compiled.snapshot.api_server;
        let facts = compile(namespace, &nothing, &compiled.config, api_server, None);
        let perimeter = facts.clusters.iter().find(is_its_own);
        let zone = perimeter.and_then(of);
        zone.unwrap_or_else(|| zone::nothing_known(namespace))
    })
}

/// The accounts that the operator runs a cluster's jobs with. Upgrades are among the OpenBao pods,
/// not the jobs, as far as policies go.
fn accounts(cluster: &Arc<str>) -> Vec<Account> {
    let account = |kind: &str, jobs, pods: Zone| Account {
        name: format!("{cluster}-{kind}-serviceaccount"),
        jobs,
        zone: pods.as_str(),
    };
    vec![
        account("backup", "backup", Zone::Jobs),
        account("restore", "restore", Zone::Jobs),
        account("upgrade", "upgrade", Zone::Workload),
    ]
}

fn pierced(pierced: &offline::Violation) -> Violation {
    let finding = &pierced.finding;
    let witness = finding.witness.as_ref();
    Violation {
        code: finding.code.as_str(),
        reason: render::reason(finding),
        kind: Kind::NetworkPolicy.label(),
        policy: pierced.policy.as_ref().map(ToString::to_string),
        path: pierced.path.clone(),
        zone: witness.map(zone_of),
        direction: witness.map(|witness| witness.direction.field()),
        connection: witness.map(render::connection),
        help: render::steps(finding)
            .into_iter()
            .next()
            .map(|step| step.heading)
            .unwrap_or_default(),
    }
}

/// A violation by an ordered policy, or by another layer that one of them leaves open.
fn pierced_by_tier(finding: &Finding) -> Violation {
    let is_policy = finding.object.kind != Kind::OpenBaoCluster;
    Violation {
        kind: finding.object.kind.label(),
        ..pierced(&offline::Violation {
            policy: is_policy.then(|| finding.object.name.clone()),
            path: Some(finding.path.clone()).filter(|path| is_policy && !path.is_empty()),
            finding: finding.clone(),
        })
    }
}

/// The zone of the protected pod of a connection.
fn zone_of(connection: &Connection) -> &'static str {
    use crate::baseline::{CLUSTER_LABEL, COMPONENT_LABEL, JOB_COMPONENTS};
    let value = |asked: &str| {
        let mut labels = connection.subject.iter();
        labels
            .find(|(key, _)| &**key == asked)
            .map(|(_, value)| &**value)
    };
    let pods = match (value(CLUSTER_LABEL), value(COMPONENT_LABEL)) {
        (None, _) => Zone::Controller,
        (_, Some(component)) if JOB_COMPONENTS.contains(&component) => Zone::Jobs,
        _ => Zone::Workload,
    };
    pods.as_str()
}
