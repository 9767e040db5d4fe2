//! A policy as it applies to one zone: the pods that it selects, and its rules as regions.
//!
//! The connections that a rule allows do not depend on the zone. They are computed once for each policy and
//! shared by all zones of all clusters that the policy selects.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use smallvec::SmallVec;

use crate::config::{ReviewConfig, SizeLimits};
use crate::inventory::size::too_large;
use crate::inventory::{NamespaceFacts, Policy};
use netpol::pod_space::PodSpace;
use netpol::port::PortSet;
use netpol::rule::{PortEntry, Rule, read_ports};
use netpol::{At, Direction, LabelSet, PeerSet, Reading, Region, RegionRef};

/// A region without its subject.
#[derive(Clone, Debug)]
struct PeerPorts {
    peer: PeerSet,
    ports: PortSet,
}

/// The connections that one rule allows, for any pods.
#[derive(Clone, Debug)]
struct RuleRegions {
    may: SmallVec<[PeerPorts; 1]>,
    /// The connections that every implementation allows, if they differ.
    must: Option<SmallVec<[PeerPorts; 1]>>,
    /// True if the rule has ambiguous CIDR text.
    ambiguous: bool,
}

/// The connections that the rules of a policy allow, for any pods.
#[derive(Clone, Debug)]
pub struct PolicyRegions {
    rules: [Vec<RuleRegions>; 2],
    /// Number of regions, by direction.
    sizes: [usize; 2],
}

impl PolicyRegions {
    /// The regions of all rules that have an effect. A proxy in the pods may forward from the TCP ports
    /// `tunnels` to all other ports.
    pub(crate) fn of(policy: &Policy, tunnels: &[u16]) -> Self {
        let rules = Direction::ALL.map(|direction| rule_regions(policy, direction, tunnels));
        let size = |rules: &Vec<RuleRegions>| rules.iter().map(|rule| rule.may.len()).sum();
        Self {
            sizes: [size(&rules[0]), size(&rules[1])],
            rules,
        }
    }
}

/// The regions of a namespace's policies, each computed when a zone first needs it.
#[derive(Clone, Debug, Default)]
pub struct SharedRegions {
    policies: BTreeMap<Arc<str>, Shared>,
    tunnels: Vec<u16>,
    caps: SizeLimits,
}

#[derive(Clone, Debug)]
struct Shared {
    policy: Arc<Policy>,
    /// The labels that its podSelector selects.
    pods: Option<LabelSet>,
    /// True if it is small enough for proofs.
    provable: OnceLock<bool>,
    regions: OnceLock<Arc<PolicyRegions>>,
}

impl SharedRegions {
    /// The regions of a namespace. Results in `known` for unchanged policies are reused, if tunnel ports and
    /// size limits are the same.
    pub(crate) fn of(facts: &NamespaceFacts, config: &ReviewConfig, known: Option<&Self>) -> Self {
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

    /// Returns true if the policy is small enough for proofs.
    pub(crate) fn is_provable(&self, policy: &Arc<Policy>) -> bool {
        let provable = || too_large(policy, &self.caps).is_empty();
        self.same(policy)
            .map_or_else(provable, |shared| *shared.provable.get_or_init(provable))
    }

    /// The shared data of exactly this policy.
    fn same(&self, policy: &Arc<Policy>) -> Option<&Shared> {
        let shared = self.policies.get(&policy.meta.name)?;
        Arc::ptr_eq(&shared.policy, policy).then_some(shared)
    }
}

/// One rule of a policy, as regions of the selected part of a zone.
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

    /// Connections that at least one implementation could allow.
    pub(crate) fn may(self) -> impl Iterator<Item = RegionRef<'a>> + Clone {
        self.placed(&self.rule.may)
    }

    /// Connections that every implementation allows.
    pub(crate) fn must(self) -> impl Iterator<Item = RegionRef<'a>> + Clone {
        self.placed(self.rule.must.as_ref().unwrap_or(&self.rule.may))
    }

    /// Connections that at least one implementation could allow, those that all of them allow first: a search
    /// for an example then finds a certain one first.
    pub(crate) fn must_first(self) -> impl Iterator<Item = RegionRef<'a>> + Clone {
        self.placed(self.rule.must.as_deref().unwrap_or_default())
            .chain(self.may())
    }

    /// Connections that the rule may allow without its ambiguous CIDR text. For a rule with such text, those
    /// that every implementation allows.
    pub(crate) fn unambiguous(self) -> impl Iterator<Item = RegionRef<'a>> + Clone {
        let must = self.rule.must.as_ref().filter(|_| self.rule.ambiguous);
        self.placed(must.unwrap_or(&self.rule.may))
    }

    /// The same, with connections that every implementation allows first.
    pub(crate) fn unambiguous_must_first(self) -> impl Iterator<Item = RegionRef<'a>> + Clone {
        let wide: &[PeerPorts] = if self.rule.ambiguous {
            &[]
        } else {
            &self.rule.may
        };
        self.placed(self.rule.must.as_deref().unwrap_or_default())
            .chain(self.placed(wide))
    }

    /// All connections that the rule may allow, if it has ambiguous CIDR text; otherwise none.
    pub(crate) fn ambiguous(self) -> impl Iterator<Item = RegionRef<'a>> + Clone {
        let may: &[PeerPorts] = if self.rule.ambiguous {
            &self.rule.may
        } else {
            &[]
        };
        self.placed(may)
    }

    /// Returns true if some implementations may allow more than others.
    pub(crate) const fn is_read_differently(self) -> bool {
        self.rule.must.is_some()
    }

    /// Returns true if the rule has ambiguous CIDR text.
    pub(crate) const fn is_ambiguous(self) -> bool {
        self.rule.ambiguous
    }
}

/// A policy as it applies to one zone.
#[derive(Clone, Debug)]
pub struct Selected {
    /// Name of the policy.
    pub(crate) name: Arc<str>,
    /// The policy itself.
    pub(crate) policy: Arc<Policy>,
    /// The selected part of the zone.
    pub(crate) part: LabelSet,
    /// True if it isolates, by direction.
    pub(crate) isolates: [bool; 2],
    /// True if the policy is missing and only counts as the operator would render it.
    pub(crate) rendered: bool,
    regions: Arc<PolicyRegions>,
}

impl Selected {
    /// The policy as it applies to `zone`; `None` if it selects no pod of it. A proxy in the pods may forward
    /// from the TCP ports `tunnels` to all other ports.
    pub(crate) fn of(policy: &Arc<Policy>, zone: &PodSpace, tunnels: &[u16]) -> Option<Self> {
        let pods = policy.pods.label_set()?;
        let regions = || Arc::new(PolicyRegions::of(policy, tunnels));
        Self::with(policy, &pods, zone, regions)
    }

    /// The same, with regions shared between zones.
    pub(crate) fn shared(
        policy: &Arc<Policy>,
        zone: &PodSpace,
        known: &SharedRegions,
    ) -> Option<Self> {
        let Some(shared) = known.same(policy) else {
            return Self::of(policy, zone, &known.tunnels);
        };
        let regions = || Arc::new(PolicyRegions::of(policy, &known.tunnels));
        Self::with(policy, shared.pods.as_ref()?, zone, || {
            shared.regions.get_or_init(regions).clone()
        })
    }

    /// The same, with the selected labels and the regions of the rules given.
    pub(crate) fn with(
        policy: &Arc<Policy>,
        pods: &LabelSet,
        zone: &PodSpace,
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

    /// Marks the policy as missing: it only counts as the operator would render it.
    #[must_use]
    pub(crate) fn into_rendered(self) -> Self {
        Self {
            rendered: true,
            ..self
        }
    }

    /// Returns true if the policy isolates its part of the zone in this direction.
    pub(crate) const fn isolates(&self, direction: Direction) -> bool {
        self.isolates[direction as usize]
    }

    /// Its rules in this direction; none if it does not isolate.
    pub(crate) fn rules(
        &self,
        direction: Direction,
    ) -> impl Iterator<Item = SelectedRule<'_>> + Clone {
        let rules = self.regions.rules[direction as usize].iter();
        rules.map(|rule| SelectedRule {
            part: &self.part,
            rule,
        })
    }

    /// Number of regions of its rules in this direction.
    pub(crate) fn size(&self, direction: Direction) -> usize {
        self.regions.sizes[direction as usize]
    }

    /// Connections that the policy may allow in this direction without its ambiguous CIDR text.
    pub(crate) fn unambiguous(
        &self,
        direction: Direction,
    ) -> impl Iterator<Item = RegionRef<'_>> + Clone {
        self.rules(direction).flat_map(SelectedRule::unambiguous)
    }

    /// Connections that every implementation allows in this direction.
    pub(crate) fn must(&self, direction: Direction) -> impl Iterator<Item = RegionRef<'_>> + Clone {
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
    // Consecutive rules of a policy often have the same ports.
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
