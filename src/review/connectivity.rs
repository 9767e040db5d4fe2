//! The connectivity diff: connections of protected pods that a change opens and closes.
//!
//! Both states are complete snapshots. A connection counts as allowed if at least one implementation could
//! allow it, and in one direction only: the other end's policies are not part of the diff. Where ordered
//! policies select the pods, the effective verdicts of all layers are compared.

mod change;
mod effective;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use change::{Cause, ConnectivityChange, Denied, Effect};

use super::compiled::{CompiledSnapshot, Tiers};
use crate::baseline::{ClusterPerimeter, SelectedRule, Zone, ZonePerimeter};
use crate::config::ReviewConfig;
use crate::inventory::ObjectRef;
use crate::rules::layers::{Layers, view};
use crate::rules::policy_change::{everything, isolated, whole};
use crate::rules::{proof, witness};
use netpol::cover::{Budget, Exhausted};
use netpol::point::passes;
use netpol::tier::{Decider, NamespaceLabels};
use netpol::{At, Connection, Difference, Direction, LabelSet, Reading, Region, RegionRef};

/// A part that could not be compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotCompared {
    /// The cluster. For the operator's pods, their Namespace.
    pub cluster: ObjectRef,
    /// The pods.
    pub pods: Zone,
    /// The reason, in a sentence without a full stop.
    pub reason: String,
}

/// All changes between two snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connectivity {
    /// Opened connections first, by cluster and direction.
    pub changes: Vec<ConnectivityChange>,
    /// Parts without an answer.
    pub not_compared: Vec<NotCompared>,
}

/// The connections that differ between two snapshots. A cluster that exists in only one of them has no
/// connections in the other.
pub fn connectivity(before: &CompiledSnapshot, after: &CompiledSnapshot) -> Connectivity {
    let mut found = Connectivity::default();
    let (old, new) = (zones(before), zones(after));
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let tiers = [before.tiers(), after.tiers()];
    for name in names {
        let labels = [before, after].map(|state| state.labels_of(name.0.home()));
        let context = Context {
            config: &after.config,
            tiers: [0, 1].map(|at| (&tiers[at], &labels[at])),
        };
        let sides = (old.get(name).copied(), new.get(name).copied());
        found.compare(name, sides, &context);
    }
    found.sort();
    found
}

impl Connectivity {
    /// Compares the same pods in both states. Each state has a work budget of its own.
    fn compare(
        &mut self,
        (object, pods): &(ObjectRef, Zone),
        sides: (Option<Side<'_>>, Option<Side<'_>>),
        context: &Context<'_>,
    ) {
        let found = unknown(sides.0, "before").or_else(|| unknown(sides.1, "after"));
        let parts = found.map_or_else(|| parts(sides, context), Err);
        match parts {
            Ok(parts) => {
                for part in parts {
                    self.add(object, *pods, part);
                }
            }
            Err(reason) => self.not_compared.push(NotCompared {
                cluster: object.clone(),
                pods: *pods,
                reason,
            }),
        }
    }

    fn sort(&mut self) {
        self.changes.sort_by(|one, other| {
            let key = |change: &ConnectivityChange| {
                let direction = change.direction as usize;
                (
                    change.effect,
                    change.cluster.clone(),
                    direction,
                    change.cause.clone(),
                    change.denied.clone(),
                )
            };
            key(one).cmp(&key(other))
        });
    }

    /// Returns true if nothing changed and everything was compared.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.not_compared.is_empty()
    }

    /// Adds a part. The same cause for other pods of the cluster is one change.
    fn add(&mut self, cluster: &ObjectRef, pods: Zone, part: Part) {
        let same = self.changes.iter_mut().find(|known| {
            known.effect == part.effect
                && known.cluster == *cluster
                && known.direction == part.direction
                && known.cause == part.cause
                && known.denied == part.denied
        });
        if let Some(same) = same {
            same.pods.push(pods);
            return;
        }
        self.changes.push(ConnectivityChange {
            effect: part.effect,
            cluster: cluster.clone(),
            pods: vec![pods],
            direction: part.direction,
            cause: part.cause,
            denied: part.denied,
            example: part.example,
            depends: part.depends,
        });
    }
}

/// The settings, and the ordered policies before and after the change with the labels of the pods' namespace.
struct Context<'a> {
    config: &'a ReviewConfig,
    tiers: [(&'a Tiers<'a>, &'a NamespaceLabels); 2],
}

impl Context<'_> {
    /// The layers of a side; `None` if it does not exist.
    fn layers<'l>(&'l self, side: Option<Side<'l>>, at: usize) -> Option<Layers<'l>> {
        let ((cluster, zone), (tiers, labels)) = (side?, self.tiers[at]);
        Some(tiers.of_zone(cluster, zone, labels))
    }
}

/// The namespace of the pods.
fn namespace(cluster: &ClusterPerimeter) -> &Arc<str> {
    if cluster.is_cluster() {
        &cluster.object.namespace
    } else {
        &cluster.object.name
    }
}

type Side<'a> = (&'a ClusterPerimeter, &'a ZonePerimeter);

fn zones(snapshot: &CompiledSnapshot) -> BTreeMap<(ObjectRef, Zone), Side<'_>> {
    let namespaces = snapshot.snapshot.namespaces.keys();
    let operator = &snapshot.config.operator_namespace;
    let names: BTreeSet<&Arc<str>> = namespaces.chain([operator]).collect();
    let clusters = names.into_iter().flat_map(|name| snapshot.perimeters(name));
    clusters
        .flat_map(|cluster| cluster.zones.iter().map(move |zone| (cluster, zone)))
        .map(|(cluster, zone)| ((cluster.object.clone(), zone.pods), (cluster, zone)))
        .collect()
}

/// The reason for which the connections of a zone are not known.
fn unknown(side: Option<Side<'_>>, when: &str) -> Option<String> {
    let (cluster, zone) = side?;
    if let Some(version) = &cluster.unread_version {
        return Some(format!(
            "{when} the change, the cluster is served in version {version}"
        ));
    }
    let policy = zone.unreadable.first()?;
    let namespace = namespace(cluster);
    Some(format!(
        "{when} the change, NetworkPolicy {namespace}/{policy} cannot be read or is too large, and may select the pods"
    ))
}

/// Connections that one cause allows in only one state.
struct Part {
    effect: Effect,
    direction: Direction,
    cause: Cause,
    denied: Option<Denied>,
    example: Connection,
    depends: Option<Difference>,
    /// Deciders of both states, where ordered policies are compared.
    deciders: Option<(Decider, Option<Decider>)>,
}

impl Part {
    /// Returns true if the naive evaluator finds that exactly the right state allows the example. Where the pods
    /// have other labels in the other state, a pod of the example is not there, so only its own state is asked.
    fn is_confirmed<'a>(
        &self,
        (before, after): (Option<Side<'a>>, Option<Side<'a>>),
        context: &Context<'a>,
    ) -> bool {
        if let Some(deciders) = self.deciders {
            let layers = (context.layers(before, 0), context.layers(after, 1));
            return effective::is_confirmed(self, deciders, (layers.0.as_ref(), layers.1.as_ref()));
        }
        let tunnels = &context.config.tunnel_ports;
        let is_allowed = |side: Option<Side<'_>>| {
            side.is_some_and(|(cluster, zone)| {
                let policies = zone.selected.iter().map(|selected| view(&selected.policy));
                let at = At {
                    namespace: namespace(cluster),
                    reading: Reading::May,
                    tunnels,
                };
                passes(&policies.collect::<Vec<_>>(), &self.example, at)
            })
        };
        let (with, without) = match self.effect {
            Effect::Opened => (after, before),
            Effect::Closed => (before, after),
        };
        let space = |(_, zone): Side<'a>| &zone.space;
        let is_same_pods = with.map(space) == without.map(space);
        is_allowed(with) && (!is_same_pods || !is_allowed(without))
    }
}

/// All connections that only one state allows, or the reason for which they are not known.
fn parts(
    (before, after): (Option<Side<'_>>, Option<Side<'_>>),
    context: &Context<'_>,
) -> Result<Vec<Part>, String> {
    let differing = |effect, with, without| {
        let mut budget = Budget::new(context.config.proof_budget);
        let found = differing(effect, (with, without), context, &mut budget);
        found.map_err(|_| "there are too many rules to compare within the work limit".to_owned())
    };
    let opened = differing(Effect::Opened, after, before)?;
    let closed = differing(Effect::Closed, before, after)?;
    let parts: Vec<Part> = opened.into_iter().chain(closed).collect();
    let mut all = parts.iter();
    if all.all(|part| part.is_confirmed((before, after), context)) {
        Ok(parts)
    } else {
        Err("the proof and its replay disagree, which is a bug in openbao-perimeter".to_owned())
    }
}

/// The changes between two states of one cluster.
#[cfg(test)]
pub(super) fn between(before: &ClusterPerimeter, after: &ClusterPerimeter) -> Connectivity {
    let mut found = Connectivity::default();
    let (tiers, config) = (
        CompiledSnapshot::compile(None, Arc::default(), Arc::default()),
        ReviewConfig::default(),
    );
    let (tiers, labels) = (tiers.tiers(), tiers.labels_of(after.object.home()));
    let context = Context {
        config: &config,
        tiers: [(&tiers, &labels); 2],
    };
    for (old, new) in before.zones.iter().zip(&after.zones) {
        let name = (after.object.clone(), new.pods);
        let sides = (Some((before, old)), Some((after, new)));
        found.compare(&name, sides, &context);
    }
    found
}

/// The connections that `with` allows and `without` does not.
fn differing(
    effect: Effect,
    (with, without): (Option<Side<'_>>, Option<Side<'_>>),
    context: &Context<'_>,
    budget: &mut Budget,
) -> Result<Vec<Part>, Exhausted> {
    let mut parts = Vec::new();
    let Some((cluster, zone)) = with else {
        return Ok(parts);
    };
    let (own, other) = match effect {
        Effect::Opened => (1, 0),
        Effect::Closed => (0, 1),
    };
    let layers = context.layers(with, own);
    let others = context.layers(without, other);
    for direction in Direction::ALL {
        if let Some(layers) = &layers
            && let Some(found) =
                effective::differing(effect, direction, (layers, others.as_ref()), budget)?
        {
            parts.extend(found);
            continue;
        }
        let others = without.map_or(&[][..], |(_, zone)| &zone.selected);
        let unisolated =
            without.map_or(Ok(Vec::new()), |(_, zone)| open(zone, direction, budget))?;
        let covers = || {
            let rules = others.iter().flat_map(|policy| policy.rules(direction));
            let rules = rules.flat_map(SelectedRule::may);
            rules.chain(unisolated.iter().map(RegionRef::from))
        };
        let mut add = |cause: Cause, piece: &Region| {
            if let Some(example) = witness(direction, &zone.space, piece) {
                parts.push(Part {
                    effect,
                    direction,
                    cause,
                    denied: None,
                    example,
                    depends: None,
                    deciders: None,
                });
            }
        };
        for free in open(zone, direction, budget)? {
            if let Some(piece) = proof::outside(&zone.space, (&free).into(), covers(), budget)? {
                add(Cause::NotIsolated, &piece);
                break;
            }
        }
        for policy in &zone.selected {
            for (at, rule) in policy.rules(direction).enumerate() {
                for region in rule.must_first() {
                    let piece = proof::outside(&zone.space, region, covers(), budget)?;
                    if let Some(piece) = piece {
                        add(Cause::of(namespace(cluster), policy, direction, at), &piece);
                        break;
                    }
                }
            }
        }
    }
    Ok(parts)
}

/// The connections of the parts of a zone that no policy isolates.
fn open(
    zone: &ZonePerimeter,
    direction: Direction,
    budget: &mut Budget,
) -> Result<Vec<Region>, Exhausted> {
    let any = LabelSet::any();
    let isolated = isolated(zone.selected.iter(), direction);
    let free = proof::all_outside(&zone.space, whole(&any), isolated, budget)?;
    let free = free.iter().map(|region| everything(&region.subject));
    Ok(free.flatten().collect())
}
