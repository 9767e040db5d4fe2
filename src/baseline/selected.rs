//! A policy as it concerns one zone: the part that it selects, and its rules as regions.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::inventory::Policy;
use crate::perimeter::port::PortSet;
use crate::perimeter::rule::{PortEntry, Rule};
use crate::perimeter::zone::Zone;
use crate::perimeter::{Direction, LabelSet, Reading, Region};

/// One rule of a policy, as regions of the part of a zone that the policy selects.
#[derive(Clone, Debug)]
pub struct SelectedRule {
    /// What some implementation could let through.
    pub may: SmallVec<[Region; 1]>,
    /// What every implementation lets through, where that is something else.
    must: Option<SmallVec<[Region; 1]>>,
}

impl SelectedRule {
    /// What every implementation lets through.
    pub fn must(&self) -> &[Region] {
        self.must.as_ref().unwrap_or(&self.may)
    }

    /// What some implementation could let through, beginning with what all of them do: who looks
    /// for an example finds a sure one first.
    pub fn surest_first(&self) -> impl Iterator<Item = &Region> {
        self.must.iter().flatten().chain(&self.may)
    }

    /// What only some implementations let through, and more; empty where they agree.
    pub fn doubtful(&self) -> &[Region] {
        if self.must.is_some() { &self.may } else { &[] }
    }
}

/// A policy, as far as it concerns one zone.
#[derive(Clone, Debug)]
pub struct Selected {
    /// Name of the policy.
    pub name: Arc<str>,
    /// The policy itself.
    pub policy: Arc<Policy>,
    /// The part of the zone that it selects.
    pub part: LabelSet,
    /// Whether it isolates in each direction.
    pub isolates: [bool; 2],
    /// Its rules in each direction; none where it does not isolate.
    pub rules: [Vec<SelectedRule>; 2],
    /// Whether this policy is not there, and only counts as the operator would render it.
    pub rendered: bool,
}

impl Selected {
    /// The policy as it concerns `zone`; `None` where it selects nothing of it.
    pub fn of(policy: &Arc<Policy>, zone: &Zone) -> Option<Self> {
        let part = zone.select(&policy.pods.label_set()?)?;
        let rules = |direction| selected_rules(policy, direction, &part);
        Some(Self {
            name: policy.meta.name.clone(),
            policy: policy.clone(),
            isolates: Direction::ALL.map(|direction| policy.isolates(direction)),
            rules: Direction::ALL.map(rules),
            part,
            rendered: false,
        })
    }

    /// Whether it isolates its part of the zone in this direction.
    pub const fn isolates(&self, direction: Direction) -> bool {
        self.isolates[direction as usize]
    }

    /// What it surely lets through in this direction.
    pub fn must(&self, direction: Direction) -> impl Iterator<Item = &Region> {
        self.rules[direction as usize]
            .iter()
            .flat_map(SelectedRule::must)
    }
}

fn selected_rules(policy: &Policy, direction: Direction, part: &LabelSet) -> Vec<SelectedRule> {
    let namespace = &*policy.meta.namespace;
    // Most rules of a policy name the same ports as the one before.
    let mut last: Option<(&[PortEntry], PortSet)> = None;
    let rules = policy.effective_rules(direction).iter();
    let one = |rule| {
        let rule: &Rule = rule;
        let ports = match &last {
            Some((entries, ports)) if *entries == &rule.ports[..] => ports.clone(),
            _ => rule.port_set(),
        };
        last = Some((&rule.ports, ports.clone()));
        let regions = |reading| {
            rule.regions_on(&ports, namespace, direction, part, reading)
                .collect()
        };
        SelectedRule {
            may: regions(Reading::May),
            must: rule.is_ambiguous().then(|| regions(Reading::Must)),
        }
    };
    rules.map(one).collect()
}
