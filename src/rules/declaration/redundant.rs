//! OBP314: a declared rule opens nothing that the core rules and the other declared rules do not
//! open already.
//!
//! Exact, by the engine. Of several rules that say the same, the last ones are named, so that all
//! that are named can go at once. It is advice, so a proof that is too costly ends it quietly.

use std::net::IpAddr;

use super::{Declaration, DeclaredRule};
use crate::baseline::{self, Facts, Pods, RowStatus, expand};
use crate::inventory::Cluster;
use crate::rules::{Code, Finding};
use netpol::cover::{Budget, uncovered};
use netpol::{Direction, LabelSet, Reading, Region, RegionRef};

/// Part of the budget of a proof that this advice may use.
const SHARE: u32 = 10;

/// Rules that are told apart, or regions that are listed, as fast as labels are compared.
const CHEAP: usize = 8;

/// One finding for each rule that the write adds and that opens nothing.
pub fn check(
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
        if !budget.look(rules.len().saturating_mul(size) / CHEAP) {
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
        if !budget.look(zones.len() * others.len() / CHEAP) {
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
    declaration.worked_beside(&budget);
    findings
}

/// The zones that a declared rule opens: ingress those of the servers, egress the jobs' too.
fn zones(declaration: &Declaration<'_>) -> impl Iterator<Item = Pods> {
    let zones = Pods::of_cluster(declaration.config.baseline)
        .iter()
        .copied();
    let direction = declaration.direction;
    zones.filter(move |pods| *pods == Pods::Workload || direction == Direction::Egress)
}

/// What the core rules surely open.
fn core(
    declaration: &Declaration<'_>,
    cluster: &Cluster,
    pods: Pods,
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

/// Whether the covers hold all that the rule may open; `None` out of budget.
fn holds(covers: &[&Region], rule: &DeclaredRule, budget: &mut Budget) -> Option<bool> {
    for region in &rule.regions {
        let area = RegionRef::from(region);
        let mut weights = covers.iter().map(|cover| RegionRef::from(*cover).weight());
        let ranges = area.ranges();
        if !weights.all(|weight| budget.look(weight + ranges)) {
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

/// Whether the cluster declared this very rule as often before.
fn is_old(declaration: &Declaration<'_>, rule: &DeclaredRule) -> bool {
    let count = |rules: &[DeclaredRule]| {
        let same = rules.iter().filter(|other| other.rule == rule.rule);
        same.count()
    };
    count(&declaration.before) >= count(&declaration.after)
}

fn finding(declaration: &Declaration<'_>, rule: &DeclaredRule) -> Finding {
    let reason = if rule.regions.is_empty() {
        "lets no connection through at all"
    } else {
        "opens nothing that the core rules and the other declared rules do not open already"
    };
    Finding {
        reason: reason.to_owned(),
        help: format!("leave {} out", rule.path),
        ..declaration.advice(Code::Obp314, rule.field(""))
    }
}
