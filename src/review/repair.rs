//! Repairs by the mutating webhook: only parts that can be restored without guessing.
//!
//! An update of a managed policy by another user than the operator may drop core rules, policyTypes or the
//! podSelector of the old policy. They are restored, and everything that the user added stays. Rules return
//! to their old index, so a policy that only lost rules is again the operator's, which then has nothing to
//! write. Rules that open too much are not removed; the validating webhook denies them.

use std::cell::Cell;
use std::sync::Arc;

use super::compiled::CompiledSnapshot;
use super::level::WriterClass;
use super::maintenance;
use super::policy::{change, with_observed};
use super::request::{Edit, Operation, Request, Subject};
use super::verdict::{Repair, Repairs};
use super::written::PolicyWrite;
use crate::baseline::{ClusterPerimeter, Entry, ZonePerimeter};
use crate::inventory::{Fact, Policy};
use crate::rules::core_connection_cut;
use netpol::Direction;
use netpol::cover::Budget;
use netpol::rule::Rule;

/// The repairs of one write. A repaired object needs no repair.
pub fn repair(compiled: &CompiledSnapshot, request: &Request) -> Repairs {
    let class = WriterClass::of(&request.writer, &compiled.config);
    let Subject::Policy(edit) = &request.subject else {
        return Repairs::default();
    };
    if class != WriterClass::Everyone
        || request.operation != Operation::Update
        || !edit.spec_changed
    {
        return Repairs::default();
    }
    let Some((before, after)) = both(edit) else {
        return Repairs::default();
    };
    if compiled.is_unread(&edit.object.namespace) {
        return Repairs::default();
    }
    let perimeters = compiled.perimeters(&edit.object.namespace).iter();
    let managed: Vec<&ClusterPerimeter> = perimeters
        .filter(|cluster| {
            // The operator renders it from a declaration that is not known.
            cluster.unread_version.is_none()
                && cluster.managed(&edit.object.name).is_some()
                && !maintenance::leaves_alone(request, &cluster.object)
        })
        .collect();
    let budget = Cell::new(Budget::new(compiled.config.proof_budget));
    let found = managed
        .iter()
        .map(|cluster| {
            of_cluster(
                compiled,
                &with_observed(compiled, class, cluster, edit),
                edit,
                (before, after),
                &budget,
            )
        })
        .find(|repairs| !repairs.repairs.is_empty());
    let Some(found) = found else {
        return Repairs {
            work: budget.get().work(),
            ran_out: budget.get().ran_out(),
            ..Repairs::default()
        };
    };
    let clusters = managed.into_iter().map(|cluster| cluster.object.clone());
    let missing_permission = maintenance::missing_permission_to_keep(request, clusters);
    let mut warnings = found.warnings;
    warnings.extend(missing_permission.as_ref().map(ToString::to_string));
    Repairs {
        warnings,
        missing_permission,
        work: budget.get().work(),
        ran_out: budget.get().ran_out(),
        ..found
    }
}

fn both(edit: &Edit<Policy>) -> Option<(&Policy, &Policy)> {
    Some((edit.before.as_ref()?.read()?, edit.after.as_ref()?.read()?))
}

fn of_cluster(
    compiled: &CompiledSnapshot,
    cluster: &ClusterPerimeter,
    edit: &Edit<Policy>,
    (before, after): (&Policy, &Policy),
    budget: &Cell<Budget>,
) -> Repairs {
    let mut repairs = Repairs::default();
    let (Some(zone), mut fixed) = (cluster.managed(&edit.object.name), after.clone()) else {
        return repairs;
    };
    let Some(rendered) = &zone.rendered else {
        return repairs;
    };
    let expected = rendered.pods.label_set();
    if before.pods.label_set() == expected && after.pods.label_set() != expected {
        fixed.pods = before.pods.clone();
        repairs.push(
            edit,
            Repair::PodSelector(before.pods.clone()),
            "spec.podSelector",
        );
    }
    for direction in Direction::ALL
        .into_iter()
        .filter(|direction| before.isolates(*direction))
    {
        if !after.isolates(direction) {
            let types = fixed.policy_types.get_or_insert_with(|| types_of(after));
            let old = types_of(before).iter().position(|old| *old == direction);
            let at = old.unwrap_or(types.len()).min(types.len());
            types.insert(at, direction);
            let what = format!("`{}` in spec.policyTypes", direction.policy_type());
            repairs.push(edit, Repair::PolicyType { direction, at }, &what);
        }
    }
    // In the order of the old policy, so that each rule finds its predecessors in place.
    let mut dropped = dropped(compiled, cluster, zone, edit, &fixed, budget);
    let place = |direction: Direction, rule: &Rule| {
        let mut old = before.rules(direction).iter();
        old.position(|old| old == rule).unwrap_or(usize::MAX)
    };
    dropped.sort_by_key(|(direction, entry)| (*direction, place(*direction, &entry.rule)));
    for (direction, entry) in dropped {
        let ports: Vec<String> = entry.rule.ports.iter().map(ToString::to_string).collect();
        let what = format!(
            "core rule `{}` ({}; {}) in spec.{}",
            entry.row.id,
            entry.row.reason,
            ports.join(", "),
            direction.field()
        );
        // If the rule is present, the connection was cut by something else.
        if fixed.effective_rules(direction).contains(&entry.rule) {
            continue;
        }
        let rule = Rule::clone(&entry.rule);
        let rules = match direction {
            Direction::Ingress => &mut fixed.ingress,
            Direction::Egress => &mut fixed.egress,
        };
        let at = index_after_predecessor(before.rules(direction), place(direction, &rule), rules);
        rules.insert(at, rule.clone());
        let repair = Repair::Rule {
            direction,
            at,
            rule,
        };
        repairs.push(edit, repair, &what);
    }
    repairs
}

/// Maximum number of predecessors of a lost rule that are searched: a policy may have thousands.
const MAX_CANDIDATES: usize = 100;

/// The new index of old rule `at`: after its nearest predecessor.
fn index_after_predecessor(old: &[Rule], at: usize, rules: &[Rule]) -> usize {
    let Some(earlier) = old.get(..at) else {
        return rules.len();
    };
    let mut nearest = earlier.iter().rev().take(MAX_CANDIDATES);
    let found = nearest.find_map(|old| rules.iter().position(|rule| rule == old));
    match found {
        Some(before) => before + 1,
        None if earlier.len() > MAX_CANDIDATES => at.min(rules.len()),
        None => 0,
    }
}

/// The directions in `policyTypes`, or the API server's defaults if there are none.
fn types_of(policy: &Policy) -> Vec<Direction> {
    let defaults = || {
        let all = Direction::ALL.into_iter();
        all.filter(|direction| policy.isolates(*direction))
            .collect()
    };
    policy.policy_types.clone().unwrap_or_else(defaults)
}

impl Repairs {
    fn push(&mut self, edit: &Edit<Policy>, repair: Repair, what: &str) {
        self.repairs.push(repair);
        self.warnings.push(format!(
            "openbao-perimeter restores {what} of {}; to open more, declare it in the OpenBaoCluster",
            edit.object
        ));
    }
}

/// Core rules of the old policy that are missing in the new one, as repaired so far. Only this policy counts:
/// another policy that allows the connection is no reason to leave the managed one without its rule.
fn dropped<'a>(
    compiled: &'a CompiledSnapshot,
    cluster: &'a ClusterPerimeter,
    zone: &'a ZonePerimeter,
    edit: &Edit<Policy>,
    fixed: &Policy,
    budget: &Cell<Budget>,
) -> Vec<(Direction, &'a Entry)> {
    let edit = Edit {
        after: Some(Fact::Read(Arc::new(fixed.clone()))),
        ..edit.clone()
    };
    let written = PolicyWrite::of(&edit);
    let mut change = change(compiled, cluster, zone, &written, budget);
    change.others.clear();
    let entry_of = |entry: &Entry, direction: Direction| {
        zone.floor(direction)
            .iter()
            .find(|own| own.row.id == entry.row.id && own.region == entry.region)
    };
    let mut dropped = Vec::new();
    for direction in Direction::ALL {
        let cut = core_connection_cut::cut(&change, direction).unwrap_or_default();
        dropped.extend(
            cut.iter()
                .filter_map(|(entry, _)| Some((direction, entry_of(entry, direction)?))),
        );
    }
    dropped
}
