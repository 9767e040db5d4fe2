//! Policies and rules in the form of the naive evaluator and of the ceiling.

use std::sync::Arc;

use crate::baseline::{Entry, ROWS};
use crate::config::TUNNEL_PORTS;
use crate::inventory::Policy;
use netpol::point::{At, PolicyView};
use netpol::rule::Rule;
use netpol::testing::domain::HOME;
use netpol::{Direction, LabelSet, Reading};

pub(in crate::review::tests) const fn at(reading: Reading) -> At<'static> {
    At {
        namespace: HOME,
        reading,
        tunnels: TUNNEL_PORTS,
    }
}

pub(in crate::review::tests) fn view(policy: &Policy) -> PolicyView<'_> {
    PolicyView {
        pods: &policy.pods,
        isolates: Direction::ALL.map(|direction| policy.isolates(direction)),
        rules: [&policy.ingress, &policy.egress],
    }
}

pub(in crate::review::tests) fn entries(
    direction: Direction,
    reading: Reading,
    rule: &Arc<Rule>,
) -> Vec<Entry> {
    let regions = rule.regions(at(reading), direction, &LabelSet::any());
    let entry = |region| Entry {
        declared: None,
        row: &ROWS[0],
        rule: rule.clone(),
        region,
    };
    regions.into_iter().map(entry).collect()
}
