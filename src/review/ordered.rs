//! Ordered policies: ClusterNetworkPolicy, AdminNetworkPolicy and BaselineAdminNetworkPolicy. Each zone that the written
//! policy selects before or after the write is checked, and problems of one rule are merged over clusters.

mod note;
mod proposals;
mod state;
mod words;

use std::cell::Cell;

use netpol::cover::{Budget, Exhausted};
use netpol::tier::{Addresses, Decider};
use netpol::{Connection, Direction};

use super::compiled::CompiledSnapshot;
use super::request::Edit;
use super::rules::{self, Check};
use crate::baseline::{ClusterPerimeter, Entry, Zone, ZonePerimeter};
use crate::code::EnforcementPoint;
use crate::config::{Enforcement, ReviewConfig};
use crate::inventory::{Fact, ObjectRef, OtherPolicy};
use crate::rules::finding::witness;
use crate::rules::layers::Layers;
use crate::rules::ordered::{Found, Ordered, OrderedChange, Problem, Side};
use crate::rules::{Cause, Finding, Level, Onset};
pub(super) use note::{add as add_effects, with_cluster};
pub(crate) use state::violations;
pub(super) use state::{of_cluster, of_state};
use words::{decided, pods};

/// A write of an ordered policy, or the state of stored ones, with all problems.
pub(super) struct OrderedReview<'a> {
    config: &'a ReviewConfig,
    point: EnforcementPoint,
    /// The written policy; `None` for a state: then each problem belongs to the policy that decides.
    written: Option<&'a ObjectRef>,
    after: &'a Side<'a>,
    groups: Vec<Group<'a>>,
}

/// A problem of one rule, and the pods that it is about.
struct Group<'a> {
    found: Found<'a>,
    shown: Option<Connection>,
    is_replayed: bool,
    owners: Vec<(&'a ObjectRef, Vec<Zone>)>,
    /// The core connections that are cut, each with the namespace of its pods.
    entries: Vec<(&'a Entry, &'a str)>,
}

/// The findings about a write of an ordered policy. There are none if it cannot be decided: then OBP404 names it.
pub(super) fn findings(
    compiled: &CompiledSnapshot,
    edit: &Edit<OtherPolicy>,
    point: EnforcementPoint,
    budget: &Cell<Budget>,
) -> Vec<Finding> {
    let read = |fact: &Option<Fact<OtherPolicy>>| {
        let policy = fact.as_ref().and_then(Fact::read)?;
        Ordered::of(&edit.object, policy, &compiled.config)
    };
    let (old, new) = (read(&edit.before), read(&edit.after));
    let others = compiled.all_ordered().without(&edit.object);
    let (before, after) = (others.with(old.as_ref()), others.with(new.as_ref()));
    let facts = [&edit.before, &edit.after];
    let selects = |cluster: &ClusterPerimeter, zone: &ZonePerimeter| {
        let labels = compiled.snapshot.namespace_labels(cluster.object.home());
        let policies = facts.into_iter().flatten().filter_map(Fact::read);
        policies
            .into_iter()
            .any(|policy| policy.subject.selects(labels, &zone.space).is_some())
    };
    let clusters: Vec<&ClusterPerimeter> = compiled.perimeters_near("").collect();
    let mut left = budget.get();
    let (groups, unseen) = groups(compiled, &clusters, (&before, &after), selects, &mut left);
    budget.set(left);
    let review = OrderedReview {
        config: &compiled.config,
        point,
        written: Some(&edit.object),
        after: &after,
        groups,
    };
    let mut findings = review.findings();
    if unseen > 0 {
        findings.push(undecided(&edit.object, unseen));
    }
    findings
}

/// OBP111.
pub(super) fn cuts(review: &OrderedReview<'_>) -> Vec<Finding> {
    review.of(|found| matches!(found.problem, Problem::Cuts(_)))
}

/// OBP113.
pub(super) fn ties(review: &OrderedReview<'_>) -> Vec<Finding> {
    review.of(|found| matches!(found.problem, Problem::Tie))
}

/// OBP211.
pub(super) fn opens_ingress(review: &OrderedReview<'_>) -> Vec<Finding> {
    review.of(|found| found.opens(Direction::Ingress))
}

/// OBP212.
pub(super) fn opens_egress(review: &OrderedReview<'_>) -> Vec<Finding> {
    review.of(|found| found.opens(Direction::Egress))
}

impl OrderedReview<'_> {
    fn findings(&self) -> Vec<Finding> {
        let checks = rules::checks().filter_map(|check| match check {
            Check::Ordered(check) => Some(check),
            _ => None,
        });
        checks.flat_map(|check| check(self)).collect()
    }

    /// The findings about the problems for which `is_it` holds.
    fn of(&self, is_it: impl Fn(&Found<'_>) -> bool) -> Vec<Finding> {
        let groups = self.groups.iter().filter(|group| is_it(&group.found));
        groups.map(|group| self.finding(group)).collect()
    }
}

/// Problems that ordered policies cause for these clusters, and the number of clusters for which the budget was not
/// enough.
fn groups<'a>(
    compiled: &'a CompiledSnapshot,
    clusters: &[&'a ClusterPerimeter],
    (before, after): (&'a Side<'a>, &'a Side<'a>),
    selects: impl Fn(&ClusterPerimeter, &ZonePerimeter) -> bool,
    budget: &mut Budget,
) -> (Vec<Group<'a>>, usize) {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let others = compiled.known_labels();
    for (at, cluster) in clusters.iter().enumerate() {
        if cluster.unread_version.is_some() {
            continue;
        }
        let namespace = compiled.labels_of(cluster.object.home());
        for zone in cluster.zones.iter().filter(|zone| selects(cluster, zone)) {
            let change = OrderedChange {
                cluster,
                zone,
                namespace: &namespace,
                other_namespaces: &others,
                before,
                after,
            };
            match change.check(budget) {
                Ok(found) => {
                    for found in found {
                        add(&mut groups, &change, found, &compiled.config);
                    }
                }
                Err(Exhausted { .. }) => return (groups, clusters.len() - at),
            }
        }
    }
    (groups, 0)
}

fn add<'a>(
    groups: &mut Vec<Group<'a>>,
    change: &OrderedChange<'a, '_>,
    found: Found<'a>,
    config: &ReviewConfig,
) {
    let (owner, zone) = (&change.cluster.object, change.zone.pods);
    let same = groups.iter_mut().find(|group| {
        key(&group.found) == key(&found) && group.found.leaf.is_certain() == found.leaf.is_certain()
    });
    let entry = match found.problem {
        Problem::Cuts(entry) => Some((entry, owner.home())),
        Problem::Opens | Problem::Tie => None,
    };
    if let Some(group) = same {
        group.entries.extend(entry);
        match group.owners.iter_mut().find(|(known, _)| *known == owner) {
            Some((_, zones)) if zones.contains(&zone) => {}
            Some((_, zones)) => zones.push(zone),
            None => group.owners.push((owner, vec![zone])),
        }
        return;
    }
    let shown = witness(found.direction, &change.zone.space, &found.leaf.region);
    let is_replayed = shown
        .as_ref()
        .is_some_and(|shown| is_confirmed(change, &found, shown, config));
    groups.push(Group {
        found,
        shown,
        is_replayed,
        owners: vec![(owner, vec![zone])],
        entries: entry.into_iter().collect(),
    });
}

/// Key under which problems are merged: the rule that decides, and the row that it cuts.
fn key<'a>(found: &Found<'a>) -> (Direction, Option<Decider>, Option<&'a str>, bool) {
    let row = match found.problem {
        Problem::Cuts(entry) => Some(entry.row.id),
        Problem::Opens | Problem::Tie => None,
    };
    let is_tie = matches!(found.problem, Problem::Tie);
    (found.direction, found.decider(), row, is_tie)
}

/// The connection, decided again by the second evaluator: the same verdict by the same rule.
fn is_confirmed(
    change: &OrderedChange<'_, '_>,
    found: &Found<'_>,
    shown: &Connection,
    config: &ReviewConfig,
) -> bool {
    let (cluster, zone) = (change.cluster, change.zone);
    let labels = (change.namespace, change.other_namespaces);
    let layers = Layers::of_zone(
        &change.after.policies,
        &cluster.object,
        zone,
        labels,
        config,
    );
    let again = match found.problem {
        Problem::Cuts(_) => layers.outcomes(shown, Addresses::AreNoPods),
        Problem::Opens | Problem::Tie => layers.outcomes(shown, Addresses::MayBePods),
    };
    let verdict = found.verdict();
    let decides = found
        .decider()
        .is_some_and(|decider| again.contains(&(verdict, decider)));
    decides && found.leaf.agrees_with(&again)
}

impl OrderedReview<'_> {
    /// The finding about a problem. Its path names the rule if it is one of the written policy.
    fn finding(&self, group: &Group<'_>) -> Finding {
        let (config, after, found) = (self.config, self.after, &group.found);
        let decider = match found.decider() {
            Some(Decider::Rule { policy, rule }) => Some((after.policies[policy], rule)),
            _ => None,
        };
        let object = self
            .written
            .or(decider.map(|(policy, _)| &policy.object))
            .unwrap_or(group.owners[0].0);
        let field = format!("spec.{}", found.direction.field());
        let own = decider
            .filter(|(policy, _)| policy.object == *object)
            .map(|(_, rule)| rule);
        let path = own.map_or_else(|| field.clone(), |rule| format!("{field}[{rule}]"));
        let pods = pods(&group.owners);
        let by = decided(found, after);
        // An unknown answer counts as harm.
        let kind = decider.map(|(policy, _)| policy.policy.kind);
        let assumed = kind.filter(|kind| config.dataplane.enforcement(*kind) == Enforcement::Auto);
        let enforced = assumed.map_or_else(String::new, |kind| {
            format!(", if the network plugin enforces {}", kind.as_str())
        });
        let permitted = format!(
            "that neither baseline {} nor spec.network permits",
            config.baseline
        );
        let (cause, reason, help) = match (found.problem, own) {
            (Problem::Cuts(entry), _) => {
                let (id, why) = (entry.row.id, entry.row.reason);
                let what = match own {
                    Some(_) => format!("denies core connection `{id}` of {pods}: {why}{enforced}"),
                    None => {
                        format!("with this write core connection `{id}` of {pods} is denied: {why}")
                    }
                };
                (
                    Cause::OrderedPolicyCuts,
                    if own.is_some() {
                        what
                    } else {
                        format!("{what}; decided by {by}{enforced}")
                    },
                    "put a rule with action `Pass` and these peers before it, or exclude the namespace from its subject",
                )
            }
            (Problem::Opens, _) => {
                let what = match found.direction {
                    Direction::Ingress => format!("ingress to {pods}"),
                    Direction::Egress => format!("egress from {pods}"),
                };
                let reason = match own {
                    Some(_) => format!(
                        "allows {what}, whatever NetworkPolicies say, {permitted}{enforced}"
                    ),
                    None => {
                        format!("with this write {what} is allowed {permitted}; decided by {by}")
                    }
                };
                (
                    opens(found.direction),
                    reason,
                    "use action `Pass` instead of `Accept`, so that NetworkPolicies decide, narrow the rule, or permit the \
                 connection in `review.platform`",
                )
            }
            (Problem::Tie, _) => (
                Cause::TierOrderUndetermined,
                format!(
                    "the connections of {pods} depend on which policy of equal priority comes first: {by}"
                ),
                "give one of the policies another priority",
            ),
        };
        let finding = Finding {
            reason,
            help: help.to_owned(),
            remedies: self.proposals(group, own),
            ..Finding::weighed(
                cause,
                Onset::Introduced,
                self.point == EnforcementPoint::Check,
                object,
                path,
            )
        };
        shown(finding, group)
    }
}

fn opens(direction: Direction) -> Cause {
    match direction {
        Direction::Ingress => Cause::OrderedPolicyOpensIngress,
        Direction::Egress => Cause::OrderedPolicyOpensEgress,
    }
}

/// The finding with its connection and its clusters. What is only possible is one level lower.
fn shown(finding: Finding, group: &Group<'_>) -> Finding {
    let found = &group.found;
    let is_certain = found.leaf.is_certain() || matches!(found.problem, Problem::Tie);
    // Settings may make a level stricter, but what is only possible never denies.
    let (onset, level) = match finding.level {
        level if is_certain => (finding.onset, level),
        Level::Deny => (Onset::PreExisting, Level::Warn),
        _ => (Onset::PreExisting, Level::Audit),
    };
    let (cluster, pods) = match &group.owners[..] {
        [(owner, zones)] => (Some((*owner).clone()), zones.clone()),
        _ => (None, Vec::new()),
    };
    let example_label = match found.problem {
        Problem::Cuts(_) => "connection cut",
        Problem::Opens | Problem::Tie => finding.example_label,
    };
    let finding = Finding {
        onset,
        level,
        cluster,
        pods,
        witness: group.shown.clone(),
        only_if: found.leaf.only_if(found.verdict()),
        example_label,
        ..finding
    };
    if group.is_replayed {
        finding
    } else {
        super::replay::unreplayed(finding)
    }
}

/// The finding about clusters for which the budget was not enough.
fn undecided(object: &ObjectRef, perimeters: usize) -> Finding {
    Finding {
        reason: format!(
            "what the policies before and after NetworkPolicies do to {perimeters} perimeters (of OpenBaoClusters or the \
             operator) could not be decided within the work limit"
        ),
        help: "split the policy, or raise `review.proofBudget`".to_owned(),
        ..Finding::of(Cause::Undecided, Onset::PreExisting, object, "")
    }
}
