//! One side of connections: pods of a namespace, and the policies that select some of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::tiers::Missing;
use super::{Question, Resolved};
use crate::baseline::{ClusterPerimeter, Selected, Zone, ZonePerimeter, job_labels};
use crate::config::ReviewConfig;
use crate::inventory::{Fact, NamespaceFacts};
use crate::review::{CompiledSnapshot, Tiers};
use crate::rules::policy_change::{everything, isolated, whole};
use crate::rules::proof;
use netpol::cover::{Budget, Exhausted};
use netpol::label::{NAMESPACE_NAME, Values};
use netpol::pod_space::{OtherKeys, PodSpace};
use netpol::port::PortSet;
use netpol::rule::Selector;
use netpol::stack::Leaf;
use netpol::tier::NamespaceLabels;
use netpol::{Direction, LabelSet, PeerSet, Reading, Region, RegionRef};

/// Policies and rules that an answer names.
pub(super) const NAMED: usize = 3;

/// Pods of a namespace with their policies.
#[derive(Debug)]
pub(crate) struct Side<'a> {
    pub(super) namespace: Arc<str>,
    pub(super) zone: PodSpace,
    pub(super) policies: Vec<Selected>,
    /// Policies that may select some of the pods and cannot be read.
    pub(super) unreadable: Vec<Arc<str>>,
    /// The perimeter of the pods, if they have one.
    pub(super) perimeter: Option<(&'a ClusterPerimeter, Zone)>,
    /// The labels of the pods, for pods without a perimeter.
    pub(super) labels: Vec<(Arc<str>, Arc<str>)>,
    /// The ordered policies.
    pub(super) tiers: Tiers<'a>,
    /// Labels of the namespace.
    pub(super) labels_of_namespace: NamespaceLabels,
    pub(super) config: &'a ReviewConfig,
    /// True if the policies of the namespace are among the facts.
    is_known: bool,
}

impl<'a> Side<'a> {
    /// The servers or jobs of a cluster.
    pub(super) fn of_zone(
        compiled: &'a CompiledSnapshot,
        cluster: &'a ClusterPerimeter,
        zone: &'a ZonePerimeter,
    ) -> Self {
        Self {
            tiers: compiled.tiers(),
            labels_of_namespace: compiled.labels_of(&cluster.object.namespace),
            config: &compiled.config,
            namespace: cluster.object.namespace.clone(),
            zone: zone.space.clone(),
            policies: zone.selected.clone(),
            unreadable: zone.unreadable.clone(),
            perimeter: Some((cluster, zone.pods)),
            labels: Vec::new(),
            is_known: true,
        }
    }

    /// The pods of a namespace that have these labels, and possibly others.
    pub(super) fn of_labels(
        compiled: &'a CompiledSnapshot,
        namespace: &Arc<str>,
        labels: &[(Arc<str>, Arc<str>)],
    ) -> Self {
        let known = labels
            .iter()
            .map(|(key, value)| (key.clone(), Values::one_of([value.clone()])));
        let zone = PodSpace::new(known, Vec::new(), OtherKeys::Free);
        let facts = compiled.facts(namespace);
        let perimeters = compiled.perimeters(namespace);
        let stored = facts.into_iter().flat_map(|facts| facts.policies.values());
        let stored = stored.filter_map(Fact::read);
        let zones = perimeters.iter().flat_map(|cluster| &cluster.zones);
        let missing = zones.filter(|zone| zone.missing.is_some());
        let rendered = missing.filter_map(|zone| zone.rendered.as_ref());
        let tunnels = &compiled.config.tunnel_ports;
        let select = |policy| Selected::of(policy, &zone, tunnels);
        let policies = stored.filter_map(select);
        let policies = policies
            .chain(rendered.filter_map(select).map(Selected::into_rendered))
            .collect();
        let operator = perimeters.iter().find(|cluster| !cluster.is_cluster());
        let operator = operator.filter(|cluster| {
            let mut zones = cluster.zones.iter();
            zones.any(|operator| zone.is_subset(&operator.space))
        });
        let is_read = |facts: &NamespaceFacts| {
            let guarded = !perimeters.is_empty() || facts.stubs.is_empty();
            guarded && (facts.namespace.is_some() || !facts.policies.is_empty())
        };
        Self {
            tiers: compiled.tiers(),
            labels_of_namespace: compiled.labels_of(namespace),
            config: &compiled.config,
            namespace: namespace.clone(),
            policies,
            unreadable: facts.map_or_else(Vec::new, |facts| unreadable(facts, &zone)),
            perimeter: operator.map(|cluster| (cluster, Zone::Controller)),
            labels: labels.to_vec(),
            is_known: facts.is_some_and(is_read),
            zone,
        }
    }

    /// Returns true for OpenBao, job and operator pods.
    pub(super) const fn is_protected(&self) -> bool {
        self.perimeter.is_some()
    }

    /// The pods and the direction, for a heading.
    pub(super) fn title(&self, direction: Direction) -> String {
        let field = direction.field();
        match self.perimeter {
            Some((cluster, Zone::Workload)) => format!("{field} of {}", cluster.object),
            Some((cluster, Zone::Jobs)) => format!("{field} of the jobs of {}", cluster.object),
            Some((_, Zone::Controller)) => format!("{field} of the operator's pods"),
            None => format!("{field} of the pods in namespace {}", self.namespace),
        }
    }

    /// Assumptions about this side.
    pub(super) fn notes(&self) -> Vec<String> {
        let namespace = &self.namespace;
        let mut notes = Vec::new();
        if !self.is_known {
            notes.push(format!(
                "namespace {namespace} is not in the input, so its own policies are not counted"
            ));
        } else if !self.unreadable.is_empty() {
            notes.push(format!(
                "policies of namespace {namespace} that cannot be read may isolate these pods: {}",
                self.unreadable.join(", ")
            ));
        }
        let rendered = self.policies.iter().filter(|policy| policy.rendered);
        notes.extend(rendered.map(|policy| {
            let name = &policy.name;
            format!(
                "NetworkPolicy {namespace}/{name} is not in the files: assuming the rendered policy"
            )
        }));
        notes
    }

    /// These pods as peers of the other side. `keys` are written out, so that the area can be split on them.
    pub(super) fn as_peers(&self, keys: &BTreeSet<Arc<str>>) -> Vec<PeerSet> {
        let known = self.zone.known().map(|(key, _)| key);
        let keys: Vec<&Arc<str>> = known.chain(keys).collect();
        let name = Values::one_of([self.namespace.clone()]);
        let labels = self.labels_of_namespace.known.iter();
        let labels = labels.filter(|(key, _)| self.has_tiers() && &***key != NAMESPACE_NAME);
        let labels = labels.map(|(key, value)| (key.clone(), Values::one_of([value.clone()])));
        let labels = labels.chain([(NAMESPACE_NAME.into(), name)]).collect();
        let namespaces = LabelSet::all_of(labels).unwrap_or_default();
        let pods = self.zone.written_out(&LabelSet::any(), keys);
        let made = match self.perimeter {
            Some((cluster, Zone::Jobs)) => Vec::from(job_labels(&cluster.object.name)),
            _ => vec![LabelSet::any()],
        };
        let made = made.iter().filter_map(|made| pods.intersect(made));
        made.map(|pods| PeerSet::Pods {
            namespaces: namespaces.clone(),
            pods,
        })
        .collect()
    }

    /// Returns true if it is known which value a label of the namespace has.
    pub(super) fn knows(&self, key: &str) -> bool {
        let labels = &self.labels_of_namespace;
        let is_listed = labels.known.get(key).is_some() || labels.others == OtherKeys::Absent;
        key == NAMESPACE_NAME || (self.has_tiers() && is_listed)
    }

    /// Policies that are not sure to isolate leave nothing open.
    pub(super) fn is_open_known(&self) -> bool {
        self.unreadable.is_empty() || !self.is_known
    }

    /// Connections that the side allows: those of pods that no policy isolates, and those of rules.
    pub(super) fn covers(
        &self,
        direction: Direction,
        reading: Reading,
        budget: &mut Budget,
    ) -> Result<Vec<Region>, Exhausted> {
        let any = LabelSet::any();
        let mut covers = Vec::new();
        if self.is_open_known() {
            let isolated = isolated(self.policies.iter(), direction);
            let free = proof::all_outside(&self.zone, whole(&any), isolated, budget)?;
            covers.extend(free.iter().flat_map(|open| everything(&open.subject)));
        }
        let rules = self
            .policies
            .iter()
            .flat_map(|policy| policy.rules(direction));
        for rule in rules {
            match reading {
                Reading::Must => covers.extend(rule.must().map(Region::from)),
                Reading::May | Reading::Permitted => covers.extend(rule.may().map(Region::from)),
            }
        }
        Ok(covers)
    }

    /// All connections of the question, as regions of this side.
    pub(super) fn areas(other: &Resolved<'_>, ports: &PortSet, covers: &[Region]) -> Vec<Region> {
        let peers = match other {
            Resolved::Peers(peers) => peers.clone(),
            Resolved::Side(side) => {
                let keys = covers.iter().filter_map(|cover| match &cover.peer {
                    PeerSet::Pods { pods, .. } => Some(pods.constrained()),
                    PeerSet::V4(_) | PeerSet::V6(_) => None,
                });
                let keys = keys.flatten().map(|(key, _)| key.clone()).collect();
                side.as_peers(&keys)
            }
        };
        let region = |peer| Region::new(LabelSet::any(), peer, ports.clone());
        peers.into_iter().filter_map(region).collect()
    }

    /// Connections of the question that this side does not allow under every reading.
    pub(super) fn missing(
        &self,
        direction: Direction,
        other: &Resolved<'_>,
        ports: &PortSet,
        leaves: Option<&[Leaf]>,
        budget: &mut Budget,
    ) -> Result<Option<Missing>, Exhausted> {
        if let Some(leaves) = leaves {
            return Ok(Missing::among(leaves, ports));
        }
        let covers = self.covers(direction, Reading::Must, budget)?;
        for area in Self::areas(other, ports, &covers) {
            let covers = covers.iter().map(RegionRef::from);
            let piece = proof::outside(&self.zone, (&area).into(), covers, budget)?;
            if let Some(piece) = piece {
                return Ok(Some(Missing::of(piece)));
            }
        }
        Ok(None)
    }

    /// The policies and rules that let connections through: those that do so alone, or else all that help.
    pub(super) fn openers(&self, direction: Direction, question: &Question<'_>) -> Vec<String> {
        let other = match direction {
            Direction::Ingress => &question.from,
            Direction::Egress => &question.to,
        };
        let isolates = |policy: &&Selected| policy.isolates(direction);
        if self.is_open_known() && !self.policies.iter().any(|policy| isolates(&policy)) {
            return vec!["no policy isolates these pods".to_owned()];
        }
        let (mut alone, mut helping) = (Vec::new(), Vec::new());
        for policy in &self.policies {
            for (at, rule) in policy.rules(direction).enumerate() {
                let regions: Vec<Region> = rule.must().map(Region::from).collect();
                let areas = Self::areas(other, &question.ports, &regions);
                let holds = |area: &Region| regions.iter().any(|own| area.is_subset(own));
                let touches = |area: &Region| regions.iter().any(|own| !area.is_disjoint(own));
                let name = format!(
                    "NetworkPolicy {}, spec.{}[{at}]",
                    policy.name,
                    direction.field()
                );
                if areas.iter().all(holds) {
                    alone.push(name);
                } else if areas.iter().any(touches) {
                    helping.push(name);
                }
            }
        }
        let mut named = if alone.is_empty() { helping } else { alone };
        let more = named.len().saturating_sub(NAMED);
        named.truncate(NAMED);
        if more > 0 {
            named.push(format!("and {more} more"));
        }
        named
    }

    /// The selector of a policy for these pods.
    pub(super) fn selector(&self) -> Selector {
        if let Some((cluster, pods @ (Zone::Workload | Zone::Jobs))) = self.perimeter {
            crate::baseline::selector(pods, &cluster.object.name)
        } else {
            let labels = self.labels.iter();
            Selector::labels(labels.map(|(key, value)| (&**key, &**value)))
        }
    }
}

/// The policies that may select pods of the zone and cannot be read.
fn unreadable(facts: &NamespaceFacts, zone: &PodSpace) -> Vec<Arc<str>> {
    let may_select = |policy: &Fact<crate::inventory::Policy>| match policy {
        Fact::Read(_) => false,
        Fact::Unreadable(broken) => broken.pods().is_none_or(|selector| {
            let pods = selector.label_set();
            pods.is_some_and(|pods| zone.select(&pods).is_some())
        }),
    };
    let policies = facts.policies.iter();
    let broken = policies.filter(|(_, policy)| may_select(policy));
    let stubs = facts.stubs.iter();
    let stubs = stubs.filter(|(_, stub)| stub.may_select(zone));
    let names = broken.map(|(name, _)| name);
    names.chain(stubs.map(|(name, _)| name)).cloned().collect()
}
