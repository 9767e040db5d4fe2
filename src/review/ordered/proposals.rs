//! Remedies for problems of ordered policies. Each is tried out before it is shown.

use std::collections::BTreeSet;
use std::sync::Arc;

use netpol::Direction;
use netpol::port::{PortSet, Protocol};
use netpol::tier::{PolicyKind, Subject, TierRule};

use super::{Group, OrderedReview};
use crate::baseline::Zone;
use crate::config::ReviewConfig;
use crate::inventory::ObjectRef;
use crate::rules::ordered::{Ordered, Problem, Side};
use crate::rules::remedy::ordered::{pass, permitted};
use crate::rules::remedy::{Change, OrderedEdit, Rank, Remedy, SettingEdit};

impl OrderedReview<'_> {
    /// Remedies for a problem of the written policy. `own` is the index of its rule that decides.
    pub(super) fn proposals(&self, group: &Group<'_>, own: Option<usize>) -> Vec<Remedy> {
        let written = self.written.and(self.after.written);
        let Some(policy) = written.map(|at| self.after.policies[at]) else {
            return Vec::new();
        };
        let found = &group.found;
        if matches!(found.problem, Problem::Tie) {
            return priorities(policy, self.after);
        }
        let Some(rule) = own else {
            return Vec::new();
        };
        let direction = found.direction;
        let kind = policy.policy.kind;
        // A BaselineAdminNetworkPolicy has no action `Pass`.
        let has_pass = kind != PolicyKind::BaselineAdminNetworkPolicy;
        let narrow = |action: String, edit| {
            Remedy::new(
                Rank::NarrowPeers,
                action,
                Change::Ordered(policy.object.clone(), edit),
            )
        };
        let mut all = Vec::new();
        match found.problem {
            Problem::Cuts(entry) if has_pass => {
                if let Some(passes) = passes(group) {
                    let id = entry.row.id;
                    all.push(narrow(
                        format!("let NetworkPolicies decide core connection `{id}`"),
                        OrderedEdit::Before(kind, direction, rule, passes),
                    ));
                }
            }
            Problem::Opens if has_pass => {
                let edit = OrderedEdit::Pass(direction, rule);
                all.push(narrow("let NetworkPolicies decide".to_owned(), edit));
            }
            _ => {}
        }
        if let Problem::Opens = found.problem {
            let written = policy.policy.rules(direction).get(rule);
            all.extend(written.and_then(|written| permit(group, written, self.config)));
        }
        let owners = group.owners.iter();
        let names: BTreeSet<&str> = owners.map(|(owner, _)| owner.home()).collect();
        all.push(exclude(policy, &Vec::from_iter(names)));
        all
    }
}

/// Permits the connections of a rule in the settings. The Raft port is never permitted.
fn permit(group: &Group<'_>, written: &TierRule, config: &ReviewConfig) -> Option<Remedy> {
    let rule = permitted(written)?;
    let direction = group.found.direction;
    let zones = group.owners.iter().flat_map(|(_, zones)| zones);
    let zones: BTreeSet<Zone> = zones.copied().collect();
    let raft = PortSet::number(Protocol::Tcp, config.cluster_port);
    let opens_raft = zones.contains(&Zone::Workload) && !rule.port_set().is_disjoint(&raft);
    if direction == Direction::Ingress && opens_raft {
        return None;
    }
    Some(Remedy::new(
        Rank::Permit,
        "ask the platform team to permit it",
        Change::Setting(SettingEdit::Platform(zones, direction, rule)),
    ))
}

/// The core connections of a problem as rules with action `Pass`; `None` if there are too many, or one has no such form.
fn passes(group: &Group<'_>) -> Option<Vec<Arc<TierRule>>> {
    let mut passes: Vec<TierRule> = Vec::new();
    for (entry, home) in &group.entries {
        let pass = pass(&entry.rule, group.found.direction, home)?;
        if !passes.contains(&pass) {
            passes.push(pass);
        }
    }
    (passes.len() <= MAX_PASSES).then(|| passes.into_iter().map(Arc::new).collect())
}

/// Maximum number of rules that a remedy inserts.
const MAX_PASSES: usize = 4;

/// Excludes namespaces from the subject of a policy.
pub(super) fn exclude(policy: &Ordered, namespaces: &[&str]) -> Remedy {
    let selects_pods = matches!(policy.policy.subject, Subject::Pods { .. });
    let names = namespaces.iter().map(|name| (*name).into()).collect();
    let nouns = if namespaces.len() == 1 {
        "namespace"
    } else {
        "namespaces"
    };
    Remedy::new(
        Rank::Exclude,
        format!("exclude {nouns} {} from the subject", namespaces.join(", ")),
        Change::Ordered(
            policy.object.clone(),
            OrderedEdit::Exclude(selects_pods, names),
        ),
    )
}

/// The nearest priorities that no other policy of the tier has.
fn priorities(policy: &Ordered, side: &Side<'_>) -> Vec<Remedy> {
    let Some(own) = policy.policy.priority else {
        return Vec::new();
    };
    let others = side.policies.iter();
    let taken: BTreeSet<u16> = others
        .filter(|other| other.policy.tier == policy.policy.tier)
        .filter_map(|other| other.policy.priority)
        .collect();
    let later = (own..=MAX_PRIORITY).find(|priority| !taken.contains(priority));
    let earlier = (0..own).rev().find(|priority| !taken.contains(priority));
    let remedy = |object: &ObjectRef, priority| {
        Remedy::new(
            Rank::NarrowPeers,
            "give it a priority of its own",
            Change::Ordered(object.clone(), OrderedEdit::Priority(priority)),
        )
    };
    let all = later.into_iter().chain(earlier);
    all.map(|priority| remedy(&policy.object, priority))
        .collect()
}

/// The last priority.
const MAX_PRIORITY: u16 = 1_000;
