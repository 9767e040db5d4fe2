//! OBP314: a declared rule allows only connections that core rules and other declared rules already allow.
//!
//! The engine decides it exactly. If several rules are equal, the last ones are reported, so that all
//! reported rules can be removed together. Since it is advice, a proof that is too expensive is skipped.

use std::net::IpAddr;

use super::{Declaration, DeclaredRule};
use crate::baseline::{self, Facts, RowStatus, Zone, expand};
use crate::inventory::Cluster;
use crate::rules::{Cause, Finding, Onset};
use netpol::cover::{Budget, uncovered};
use netpol::{Direction, LabelSet, Reading, Region, RegionRef};

/// Share of the proof budget that this advice may use.
const SHARE: u32 = 10;

/// Number of comparisons of rules or regions that take as long as one comparison of labels.
const CHEAP: usize = 8;

/// One finding for each rule that the write adds and that allows nothing new.
pub(crate) fn check(
    declaration: &Declaration<'_>,
    cluster: &Cluster,
    api_server: &[IpAddr],
) -> Vec<Finding> {
    let rules = &declaration.after;
    if super::too_many(declaration).is_some() {
        return Vec::new();
    }
    let zones: Vec<Vec<Region>> = zones(declaration)
        .map(|pods| core(declaration, cluster, pods, api_server))
        .collect();
    let mut budget = Budget::new(declaration.config.proof_budget / SHARE);
    let mut idle = vec![false; rules.len()];
    let mut findings = Vec::new();
    for (at, rule) in rules.iter().enumerate().rev() {
        let size = 1 + rule.rule.peers.len();
        if !budget.spend(rules.len().saturating_mul(size) / CHEAP) {
            break;
        }
        if is_old(declaration, rule) {
            continue;
        }
        let others = rules.iter().enumerate();
        let others: Vec<&Region> = others
            .filter(|(other, _)| *other != at && !idle[*other])
            .flat_map(|(_, other)| other.must())
            .collect();
        if !budget.spend(zones.len() * others.len() / CHEAP) {
            break;
        }
        let mut covered = zones.iter().map(|core| {
            let covers: Vec<&Region> = core.iter().chain(others.iter().copied()).collect();
            holds(&covers, rule, &mut budget)
        });
        match covered.try_fold(true, |all, one| one.map(|one| all && one)) {
            None => break,
            Some(false) => {}
            Some(true) => {
                idle[at] = true;
                findings.push(finding(declaration, rule));
            }
        }
    }
    declaration.add_work(&budget);
    findings
}

/// The pods of a declared rule: servers for ingress, servers and jobs for egress.
fn zones(declaration: &Declaration<'_>) -> impl Iterator<Item = Zone> {
    let zones = Zone::of_cluster(declaration.config.baseline)
        .iter()
        .copied();
    let direction = declaration.direction;
    zones.filter(move |pods| *pods == Zone::Workload || direction == Direction::Egress)
}

/// Connections of the core rules that every implementation allows.
fn core(
    declaration: &Declaration<'_>,
    cluster: &Cluster,
    pods: Zone,
    api_server: &[IpAddr],
) -> Vec<Region> {
    let facts = Facts {
        cluster,
        config: declaration.config,
        api_server,
        observed: &[],
    };
    let direction = declaration.direction;
    let rows = baseline::rows(pods, direction, declaration.config);
    let rows = rows.filter(|row| row.status == RowStatus::Required);
    let at = declaration.at(Reading::Must);
    rows.flat_map(|row| expand(row, &facts))
        .flat_map(|expansion| {
            let rule = expansion.rule;
            rule.regions(at, direction, &LabelSet::any())
        })
        .collect()
}

/// Returns whether the covers contain everything that the rule may allow; `None` if the budget is used up.
fn holds(covers: &[&Region], rule: &DeclaredRule, budget: &mut Budget) -> Option<bool> {
    for region in &rule.regions {
        let area = RegionRef::from(region);
        let mut weights = covers.iter().map(|cover| RegionRef::from(*cover).weight());
        let ranges = area.ranges();
        if !weights.all(|weight| budget.spend(weight + ranges)) {
            return None;
        }
        if covers.iter().any(|cover| region.is_subset(cover)) {
            continue;
        }
        if uncovered(region, covers, budget).ok()?.is_some() {
            return Some(false);
        }
    }
    Some(true)
}

/// Returns true if the cluster declared this rule at least as often before.
fn is_old(declaration: &Declaration<'_>, rule: &DeclaredRule) -> bool {
    let count = |rules: &[DeclaredRule]| {
        let same = rules.iter().filter(|other| other.rule == rule.rule);
        same.count()
    };
    count(&declaration.before) >= count(&declaration.after)
}

fn finding(declaration: &Declaration<'_>, rule: &DeclaredRule) -> Finding {
    let reason = if rule.regions.is_empty() {
        "allows no connection at all"
    } else {
        "opens nothing beyond what the core rules and the other declared rules already open"
    };
    Finding {
        reason: reason.to_owned(),
        help: format!("leave {} out", rule.path),
        ..declaration.finding(Cause::RedundantRule, Onset::Introduced, rule.field(""))
    }
}
