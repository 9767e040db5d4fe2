//! OBP304: a declared ingress rule opens more ports than OpenBao listens on: by a range, a missing port list,
//! a port name, UDP or SCTP.
//!
//! The Raft port is denied by OBP303, whatever else the rule opens.

use std::collections::BTreeSet;

use super::{Declaration, DeclaredRule};
use crate::rules::remedy::{ClusterEdit, Rank, port_entries};
use crate::rules::{Cause, Code, Finding, Onset};
use netpol::port::{PortSet, Protocol};
use netpol::rule::PortEntry;
use netpol::{Direction, Region};

/// One finding for each declared rule that opens other ports, unless `found` has one about the same ports.
/// Ports that were open before are not reported, or warn where new ones deny.
pub fn check(declaration: &Declaration<'_>, found: &[Finding]) -> Vec<Finding> {
    if declaration.direction == Direction::Egress {
        return Vec::new();
    }
    let raft = PortSet::number(Protocol::Tcp, declaration.config.cluster_port);
    let fine = declaration.listeners.union(&raft);
    let reported = found.iter().filter(|found| found.code == Code::Obp303);
    let reported: BTreeSet<&str> = reported.map(|found| found.path.as_str()).collect();
    let of_rule = |rule: &DeclaredRule| {
        let location = rule.field("ports");
        if reported.contains(location.path.as_str()) {
            return None;
        }
        let further: Vec<Region> = rule
            .regions
            .iter()
            .filter_map(|r| beyond(r, &fine))
            .collect();
        let first = further.first()?;
        let newly_held = declaration.is_newly_under_contract();
        let is_new = newly_held
            || further
                .iter()
                .any(|piece| !declaration.is_known(rule, piece));
        if !is_new && !declaration.is_under_contract() {
            return None;
        }
        Some(Finding {
            reason: reason(declaration, rule, first),
            help: format!(
                "name the ports that clients need: {}",
                listeners(declaration).join(", ")
            ),
            remedies: port_entries(&declaration.listeners)
                .map(|ports| {
                    let edit = ClusterEdit::Ports(rule.at, ports);
                    declaration.remedy(Rank::NarrowPorts, "name the ports that clients need", edit)
                })
                .into_iter()
                .collect(),
            ..declaration.finding(Cause::MorePortsThanListeners, Onset::of(!is_new), location)
        })
    };
    declaration.after.iter().filter_map(of_rule).collect()
}

/// The part of a region on other ports.
fn beyond(region: &Region, fine: &PortSet) -> Option<Region> {
    let ports = region.ports.minus(fine);
    (!ports.is_empty()).then(|| Region {
        ports,
        ..region.clone()
    })
}

fn reason(declaration: &Declaration<'_>, rule: &DeclaredRule, piece: &Region) -> String {
    let entries = rule.rule.ports.iter();
    let further = |entry: &&PortEntry| !entry.port_set().names_as_all().is_disjoint(&piece.ports);
    let further: Vec<String> = entries.filter(further).map(ToString::to_string).collect();
    let opened = if further.is_empty() {
        "names no ports and so opens all of them".to_owned()
    } else {
        format!("opens {}", further.join(", "))
    };
    format!(
        "{opened}, but OpenBao listens only on {} for clients",
        listeners(declaration).join(" and ")
    )
}

fn listeners(declaration: &Declaration<'_>) -> Vec<String> {
    let ports = declaration.listeners.ports(Protocol::Tcp).numbers();
    ports.iter().map(|port| format!("{port}/TCP")).collect()
}
