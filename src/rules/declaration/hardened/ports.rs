//! Ports that are not explicit.

use super::super::{Declaration, DeclaredRule};
use super::{About, Breach, checked};
use crate::inventory::Profile;
use crate::rules::Onset;
use crate::rules::remedy::ClusterEdit;
use netpol::Direction;
use netpol::port::{PortSet, Protocol};
use netpol::rule::{PortEntry, PortRange};

/// Maximum number of ports per protocol in all rules of a cluster: half of all. No service has more, and
/// ranges are still possible.
const MAX_PORTS: u32 = 32_768;

const NAME_PORTS: &str = "name the ports that are needed";

/// The fault in the ports of one rule. Trusted peers have none of their own.
pub(super) fn breach(direction: Direction, rule: &DeclaredRule) -> Option<Breach> {
    if direction == Direction::Ingress {
        return None;
    }
    let entries = &rule.rule.ports;
    if entries.is_empty() {
        let reason = "`ports` is missing, which means every port".to_owned();
        return Some(of_rule(rule, reason));
    }
    for (at, entry) in entries.iter().enumerate() {
        let reason = match &entry.ports {
            PortRange::All => format!(
                "an entry without `port` means every port of {}",
                entry.protocol
            ),
            PortRange::Named(name) => {
                format!("the destination pod decides which port `{name}` is, so it may be any port")
            }
            PortRange::Numbers(..) => continue,
        };
        return Some(Breach {
            about: About::Ports,
            location: rule.field(&format!("ports[{at}]")),
            reason,
            help: NAME_PORTS,
            edit: Some(named(rule)),
        });
    }
    let wide = too_many(&rule.rule.port_set())?;
    Some(of_rule(
        rule,
        format!("it opens more than half of all {wide} ports"),
    ))
}

/// The fault in the ports of all rules together where each by itself is fine, reported of the rule
/// that opens most of them.
pub(super) fn together(declaration: &Declaration<'_>) -> Option<(Onset, Breach)> {
    let after = fine(declaration.direction, &declaration.after);
    let all = union(&after);
    let wide = too_many(&all)?;
    let widest = after
        .into_iter()
        .max_by_key(|rule| count(&rule.rule.port_set(), wide))?;
    let before = union(&fine(declaration.direction, &declaration.before));
    let was_held = declaration.profile_before == Some(Profile::Hardened);
    let onset = Onset::of(was_held && all.is_subset(&before));
    let reason =
        format!("together with the other rules it opens more than half of all {wide} ports");
    Some((onset, of_rule(widest, reason)))
}

/// The rules that are fine by themselves.
fn fine(direction: Direction, rules: &[DeclaredRule]) -> Vec<&DeclaredRule> {
    let rules = checked(direction, rules);
    rules
        .filter(|rule| direction == Direction::Egress && breach(direction, rule).is_none())
        .collect()
}

fn union(rules: &[&DeclaredRule]) -> PortSet {
    let sets = rules.iter().map(|rule| rule.rule.port_set());
    sets.fold(PortSet::none(), |all, set| all.union(&set))
}

/// The written numbers that are few enough, else the port of HTTPS.
fn named(rule: &DeclaredRule) -> ClusterEdit {
    let few = rule.rule.ports.iter().filter(|entry| {
        matches!(entry.ports, PortRange::Numbers(..)) && too_many(&entry.port_set()).is_none()
    });
    let mut ports: Vec<PortEntry> = few.cloned().collect();
    if ports.is_empty() || ports.len() == rule.rule.ports.len() {
        ports = vec![PortEntry::tcp(443)];
    }
    ClusterEdit::Ports(rule.at, ports)
}

fn of_rule(rule: &DeclaredRule, reason: String) -> Breach {
    Breach {
        about: About::Ports,
        location: rule.field("ports"),
        reason,
        help: NAME_PORTS,
        edit: Some(named(rule)),
    }
}

/// The protocol with too many ports.
fn too_many(ports: &PortSet) -> Option<Protocol> {
    Protocol::ALL
        .into_iter()
        .find(|protocol| count(ports, *protocol) > MAX_PORTS)
}

fn count(ports: &PortSet, protocol: Protocol) -> u32 {
    ports.ports(protocol).numbers().len()
}
