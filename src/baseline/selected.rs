//! A policy as it concerns one zone: the part that it selects, and its rules as regions.
//!
//! What the rules let through does not depend on the zone. It is worked out once for each policy and
//! shared by all zones of all clusters that the policy selects.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use smallvec::SmallVec;

use crate::config::{ReviewConfig, SizeLimits};
use crate::inventory::size::too_large;
use crate::inventory::{NamespaceFacts, Policy};
use netpol::port::PortSet;
use netpol::rule::{PortEntry, Rule, read_ports};
use netpol::zone::Zone;
use netpol::{At, Direction, LabelSet, PeerSet, Reading, Region, RegionRef};

/// A region without its subject.
#[derive(Clone, Debug)]
struct PeerPorts {
    peer: PeerSet,
    ports: PortSet,
}

/// What one rule lets through, whichever pods its policy selects.
#[derive(Clone, Debug)]
struct RuleRegions {
    may: SmallVec<[PeerPorts; 1]>,
    /// What every implementation lets through, where that is something else.
    must: Option<SmallVec<[PeerPorts; 1]>>,
    /// Whether a block in it stands in text that parsers read differently.
    ambiguous: bool,
}

/// What the rules of a policy let through, whichever pods it selects.
#[derive(Clone, Debug)]
pub struct PolicyRegions {
    rules: [Vec<RuleRegions>; 2],
    /// How many regions there are.
    sizes: [usize; 2],
}

impl PolicyRegions {
    /// The regions of all rules that have an effect. From the TCP ports `tunnels` a proxy in the pods may
    /// forward to all others.
    pub fn of(policy: &Policy, tunnels: &[u16]) -> Self {
        let rules = Direction::ALL.map(|direction| rule_regions(policy, direction, tunnels));
        let size = |rules: &Vec<RuleRegions>| rules.iter().map(|rule| rule.may.len()).sum();
        Self {
            sizes: [size(&rules[0]), size(&rules[1])],
            rules,
        }
    }
}

/// The regions of a namespace's policies, each worked out when a zone first needs it.
#[derive(Clone, Debug, Default)]
pub struct SharedRegions {
    policies: BTreeMap<Arc<str>, Shared>,
    tunnels: Vec<u16>,
    caps: SizeLimits,
}

#[derive(Clone, Debug)]
struct Shared {
    policy: Arc<Policy>,
    /// What its podSelector selects.
    pods: Option<LabelSet>,
    /// Whether it is small enough to be proved.
    provable: OnceLock<bool>,
    regions: OnceLock<Arc<PolicyRegions>>,
}

impl SharedRegions {
    /// Those of a namespace. What `known` has of the same policies is kept, where it has the same tunnel
    /// ports and caps.
    pub fn of(facts: &NamespaceFacts, config: &ReviewConfig, known: Option<&Self>) -> Self {
        let (tunnels, caps) = (&config.tunnel_ports, &config.caps);
        let known = known.filter(|known| known.tunnels == *tunnels && known.caps == *caps);
        let shared = |policy: &Arc<Policy>| {
            let known = known.and_then(|known| known.same(policy));
            known.cloned().unwrap_or_else(|| Shared {
                policy: policy.clone(),
                pods: policy.pods.label_set(),
                provable: OnceLock::new(),
                regions: OnceLock::new(),
            })
        };
        let policies = facts.policies.iter();
        let policies =
            policies.filter_map(|(name, fact)| Some((name.clone(), shared(fact.read()?))));
        Self {
            policies: policies.collect(),
            tunnels: tunnels.clone(),
            caps: *caps,
        }
    }

    /// Whether the policy is small enough to be proved.
    pub fn is_provable(&self, policy: &Arc<Policy>) -> bool {
        let provable = || too_large(policy, &self.caps).is_empty();
        self.same(policy)
            .map_or_else(provable, |shared| *shared.provable.get_or_init(provable))
    }

    /// What is shared of this very policy.
    fn same(&self, policy: &Arc<Policy>) -> Option<&Shared> {
        let shared = self.policies.get(&policy.meta.name)?;
        Arc::ptr_eq(&shared.policy, policy).then_some(shared)
    }
}

/// One rule of a policy, as regions of the part of a zone that the policy selects.
#[derive(Clone, Copy, Debug)]
pub struct SelectedRule<'a> {
    part: &'a LabelSet,
    rule: &'a RuleRegions,
}

impl<'a> SelectedRule<'a> {
    fn placed(self, regions: &'a [PeerPorts]) -> impl Iterator<Item = RegionRef<'a>> + Clone {
        regions.iter().map(move |region| RegionRef {
            subject: self.part,
            peer: &region.peer,
            ports: &region.ports,
        })
    }

    /// What some implementation could let through.
    pub fn may(self) -> impl Iterator<Item = RegionRef<'a>> + Clone {
        self.placed(&self.rule.may)
    }

    /// What every implementation lets through.
    pub fn must(self) -> impl Iterator<Item = RegionRef<'a>> + Clone {
        self.placed(self.rule.must.as_ref().unwrap_or(&self.rule.may))
    }

    /// What some implementation could let through, beginning with what all of them do: who looks
    /// for an example finds a sure one first.
    pub fn surest_first(self) -> impl Iterator<Item = RegionRef<'a>> + Clone {
        self.placed(self.rule.must.as_deref().unwrap_or_default())
            .chain(self.may())
    }

    /// The part that it may let through by the text as it stands. Of a rule with a block that parsers read
    /// differently, the part that every implementation lets through.
    pub fn legible(self) -> impl Iterator<Item = RegionRef<'a>> + Clone {
        let must = self.rule.must.as_ref().filter(|_| self.rule.ambiguous);
        self.placed(must.unwrap_or(&self.rule.may))
    }

    /// The same, beginning with the part that every implementation lets through.
    pub fn legible_surest_first(self) -> impl Iterator<Item = RegionRef<'a>> + Clone {
        let wide: &[PeerPorts] = if self.rule.ambiguous {
            &[]
        } else {
            &self.rule.may
        };
        self.placed(self.rule.must.as_deref().unwrap_or_default())
            .chain(self.placed(wide))
    }

    /// The part that it lets through as some parsers read its blocks, and more; empty where all read them
    /// alike.
    pub fn doubtful(self) -> impl Iterator<Item = RegionRef<'a>> + Clone {
        let may: &[PeerPorts] = if self.rule.ambiguous {
            &self.rule.may
        } else {
            &[]
        };
        self.placed(may)
    }

    /// Whether some implementations may let more through than others.
    pub const fn is_read_differently(self) -> bool {
        self.rule.must.is_some()
    }

    /// Whether a block in it stands in text that parsers read differently.
    pub const fn is_ambiguous(self) -> bool {
        self.rule.ambiguous
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
    /// Whether this policy is not there, and only counts as the operator would render it.
    pub rendered: bool,
    regions: Arc<PolicyRegions>,
}

impl Selected {
    /// The policy as it concerns `zone`; `None` where it selects nothing of it. From the TCP ports
    /// `tunnels` a proxy in the pods may forward to all others.
    pub fn of(policy: &Arc<Policy>, zone: &Zone, tunnels: &[u16]) -> Option<Self> {
        let pods = policy.pods.label_set()?;
        let regions = || Arc::new(PolicyRegions::of(policy, tunnels));
        Self::with(policy, &pods, zone, regions)
    }

    /// The same, with what other zones have of it too.
    pub fn shared(policy: &Arc<Policy>, zone: &Zone, known: &SharedRegions) -> Option<Self> {
        let Some(shared) = known.same(policy) else {
            return Self::of(policy, zone, &known.tunnels);
        };
        let regions = || Arc::new(PolicyRegions::of(policy, &known.tunnels));
        Self::with(policy, shared.pods.as_ref()?, zone, || {
            shared.regions.get_or_init(regions).clone()
        })
    }

    /// The same, with what its podSelector selects and the regions of its rules from elsewhere.
    pub fn with(
        policy: &Arc<Policy>,
        pods: &LabelSet,
        zone: &Zone,
        regions: impl FnOnce() -> Arc<PolicyRegions>,
    ) -> Option<Self> {
        Some(Self {
            part: zone.select(pods)?,
            name: policy.meta.name.clone(),
            policy: policy.clone(),
            isolates: Direction::ALL.map(|direction| policy.isolates(direction)),
            rendered: false,
            regions: regions(),
        })
    }

    /// The same of a policy that is not there, and only counts as the operator would render it.
    #[must_use]
    pub fn as_rendered(self) -> Self {
        Self {
            rendered: true,
            ..self
        }
    }

    /// Whether it isolates its part of the zone in this direction.
    pub const fn isolates(&self, direction: Direction) -> bool {
        self.isolates[direction as usize]
    }

    /// Its rules in this direction; none where it does not isolate.
    pub fn rules(&self, direction: Direction) -> impl Iterator<Item = SelectedRule<'_>> + Clone {
        let rules = self.regions.rules[direction as usize].iter();
        rules.map(|rule| SelectedRule {
            part: &self.part,
            rule,
        })
    }

    /// How many regions its rules are in this direction.
    pub fn size(&self, direction: Direction) -> usize {
        self.regions.sizes[direction as usize]
    }

    /// The part that it may let through in this direction by the text as it stands.
    pub fn legible(&self, direction: Direction) -> impl Iterator<Item = RegionRef<'_>> + Clone {
        self.rules(direction).flat_map(SelectedRule::legible)
    }

    /// What it surely lets through in this direction.
    pub fn must(&self, direction: Direction) -> impl Iterator<Item = RegionRef<'_>> + Clone {
        self.rules(direction).flat_map(SelectedRule::must)
    }
}

fn rule_regions(policy: &Policy, direction: Direction, tunnels: &[u16]) -> Vec<RuleRegions> {
    let at = |reading| At {
        namespace: &policy.meta.namespace,
        reading,
        tunnels,
    };
    let (must, may) = (at(Reading::Must), at(Reading::May));
    // Most rules of a policy name the same ports as the one before.
    let mut last: Option<(&[PortEntry], PortSet, PortSet)> = None;
    let rules = policy.effective_rules(direction).iter();
    let one = |rule| {
        let rule: &Rule = rule;
        let (written, wide) = match &last {
            Some((entries, written, wide)) if *entries == &rule.ports[..] => {
                (written.clone(), wide.clone())
            }
            _ => {
                let written = rule.port_set();
                let wide = read_ports(&written, may, direction);
                (written, wide)
            }
        };
        last = Some((&rule.ports, written.clone(), wide.clone()));
        let regions = |ports: &PortSet, at| {
            let any = LabelSet::any();
            let regions = rule.regions_on(ports, at, direction, &any);
            let regions = regions.map(|Region { peer, ports, .. }| PeerPorts { peer, ports });
            regions.collect()
        };
        RuleRegions {
            may: regions(&wide, may),
            must: rule
                .is_read_differently(&written, direction, tunnels)
                .then(|| regions(&written, must)),
            ambiguous: rule.is_ambiguous(),
        }
    };
    rules.map(one).collect()
}
