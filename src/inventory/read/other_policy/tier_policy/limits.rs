//! Lengths of lists that the CRD of ClusterNetworkPolicy permits. Only files have others.

use std::ops::RangeInclusive;

use super::{Rule, Spec};
use crate::inventory::Malformed;
use netpol::Direction;

/// Number of rules of a direction.
const RULES: RangeInclusive<usize> = 0..=25;
/// Number of peers, protocols and networks.
const ENTRIES: RangeInclusive<usize> = 1..=25;

impl Spec {
    /// The first list of a ClusterNetworkPolicy with another length.
    pub(in crate::inventory::read::other_policy) fn wrong_length(&self) -> Option<Malformed> {
        Direction::ALL.into_iter().find_map(|direction| {
            let rules = match direction {
                Direction::Ingress => &self.ingress,
                Direction::Egress => &self.egress,
            };
            let rules = rules.as_deref()?;
            let path = format!("spec.{}", direction.field());
            let own = length(&path, rules.len(), RULES);
            own.or_else(|| {
                let mut rules = rules.iter().enumerate();
                rules.find_map(|(at, rule)| of_rule(rule, direction, &format!("{path}[{at}]")))
            })
        })
    }
}

fn of_rule(rule: &Rule, direction: Direction, path: &str) -> Option<Malformed> {
    let peers = match direction {
        Direction::Ingress => &rule.from,
        Direction::Egress => &rule.to,
    };
    let peers = peers.as_deref().unwrap_or_default();
    let field = format!("{path}.{}", direction.peers_field());
    let networks = || {
        let networks = peers.iter().enumerate();
        let mut networks = networks.filter_map(|(at, peer)| Some((at, peer.networks.as_ref()?)));
        networks.find_map(|(at, networks)| {
            length(&format!("{field}[{at}].networks"), networks.len(), ENTRIES)
        })
    };
    let protocols = || {
        let protocols = rule.protocols.as_ref()?;
        length(&format!("{path}.protocols"), protocols.len(), ENTRIES)
    };
    length(&field, peers.len(), ENTRIES)
        .or_else(networks)
        .or_else(protocols)
}

fn length(path: &str, found: usize, permitted: RangeInclusive<usize>) -> Option<Malformed> {
    let (least, most) = (permitted.start(), permitted.end());
    (!permitted.contains(&found)).then(|| Malformed {
        path: path.to_owned(),
        value: String::new(),
        problem: format!("expected {least} to {most} entries, found {found}"),
    })
}
