//! The facts with all data that does not depend on a request, computed once.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::baseline::{
    ClusterPerimeter, NamespacePerimeters, SharedRegions, ZonePerimeter, compile,
    pods_of_any_cluster,
};
use crate::config::ReviewConfig;
use crate::inventory::{Labels, NamespaceFacts, ObjectRef, OtherPolicy, Snapshot};
use crate::rules::layers::Layers;
use crate::rules::ordered::{Ordered, Side};
use netpol::cover::Budget;
use netpol::label::{NAMESPACE_NAME, labels};
use netpol::pod_space::{OtherKeys, PodSpace};
use netpol::tier::NamespaceLabels;

/// A snapshot with the zones, floors and ceilings of each cluster compiled.
#[derive(Clone, Debug)]
pub struct CompiledSnapshot {
    /// The facts.
    pub snapshot: Arc<Snapshot>,
    /// The configuration.
    pub config: Arc<ReviewConfig>,
    perimeters: BTreeMap<Arc<str>, Arc<NamespacePerimeters>>,
    /// True if nothing counts as rendered.
    is_stored: bool,
    /// The pods of a possible cluster of which nothing is known yet.
    pub(super) of_any_cluster: PodSpace,
    /// The ordered policies that can be read.
    pub(super) ordered: Arc<Vec<Ordered>>,
}

/// The ordered policies of a snapshot, and the namespaces whose labels are known. Both are empty if there are no such
/// policies.
#[derive(Debug)]
pub(crate) struct Tiers<'a> {
    compiled: &'a CompiledSnapshot,
    /// The ordered policies.
    pub(crate) ordered: Vec<&'a Ordered>,
    /// Labels of all namespaces of which they are known.
    pub(crate) known: Vec<NamespaceLabels>,
}

impl Tiers<'_> {
    /// The layers of a zone in a namespace with these labels.
    pub(crate) fn of_zone<'l>(
        &'l self,
        cluster: &'l ClusterPerimeter,
        zone: &'l ZonePerimeter,
        labels: &'l NamespaceLabels,
    ) -> Layers<'l> {
        let (owner, config) = (&cluster.object, &self.compiled.config);
        Layers::of_zone(&self.ordered, owner, zone, (labels, &self.known), config)
    }
}

/// Maximum number of ordinary work limits that a review of ordered policies may take.
const MAX_TIMES: u32 = 5;

impl CompiledSnapshot {
    /// Compiles a snapshot. Namespaces with the same facts in `previous` are reused, so only changed
    /// namespaces take time.
    pub fn compile(
        previous: Option<&Self>,
        snapshot: Arc<Snapshot>,
        config: Arc<ReviewConfig>,
    ) -> Self {
        let same_settings =
            |old: &&Self| *old.config == *config && old.snapshot.api_server == snapshot.api_server;
        let regions = |name: &Arc<str>| Some(&previous?.perimeters.get(name)?.regions);
        let same = previous.filter(same_settings);
        // The operator's own pods are guarded before anything is known of their namespace.
        let unknown = !snapshot.namespaces.contains_key(&config.operator_namespace);
        let empty = unknown.then(|| (&config.operator_namespace, Arc::default()));
        let perimeters = snapshot
            .namespaces
            .iter()
            .chain(empty.iter().map(|(name, facts)| (*name, facts)))
            .filter(|(name, facts)| {
                !facts.clusters.is_empty() || **name == config.operator_namespace
            })
            .map(|(name, facts)| {
                let kept = same.and_then(|old| old.kept(name, facts));
                let perimeters = kept.unwrap_or_else(|| {
                    let api_server = &snapshot.api_server;
                    Arc::new(compile(name, facts, &config, api_server, regions(name)))
                });
                (name.clone(), perimeters)
            })
            .collect();
        let same_policies =
            |old: &&Self| Arc::ptr_eq(&old.snapshot.cluster_scoped, &snapshot.cluster_scoped);
        let ordered = match same.filter(same_policies) {
            Some(old) => Arc::clone(&old.ordered),
            None => Arc::new(Ordered::all(&snapshot.cluster_scoped, &config)),
        };
        Self {
            of_any_cluster: pods_of_any_cluster(&config),
            is_stored: false,
            ordered,
            snapshot,
            config,
            perimeters,
        }
    }

    /// Work limit of a review of ordered policies: the ordinary one for each hundred perimeters, since one write may
    /// concern them all. Tenants cannot write these policies.
    pub(super) fn ordered_budget(&self) -> Budget {
        let hundreds = self.perimeters_near("").count().div_ceil(100);
        let times = u32::try_from(hundreds).map_or(MAX_TIMES, |times| times.clamp(1, MAX_TIMES));
        Budget::new(self.config.proof_budget.saturating_mul(times))
    }

    /// The ordered policies that are decided.
    pub(crate) fn ordered(&self) -> &[Ordered] {
        &self.ordered
    }

    /// The same with other rules of an ordered policy.
    pub(super) fn with_ordered(&self, object: &ObjectRef, policy: &OtherPolicy) -> Self {
        let others = self.ordered.iter().filter(|own| own.object != *object);
        let written = Ordered::of(object, policy, &self.config);
        Self {
            ordered: Arc::new(others.cloned().chain(written).collect()),
            ..self.clone()
        }
    }

    /// All ordered policies, as a state.
    pub(super) fn all_ordered(&self) -> Side<'_> {
        Side {
            policies: self.ordered.iter().collect(),
            written: None,
            is_state: true,
        }
    }

    /// The ordered policies, and the namespaces whose labels they may select.
    pub(crate) fn tiers(&self) -> Tiers<'_> {
        let ordered: Vec<&Ordered> = self.ordered.iter().collect();
        Tiers {
            compiled: self,
            known: if ordered.is_empty() {
                Vec::new()
            } else {
                self.known_labels()
            },
            ordered,
        }
    }

    /// The labels of a namespace. In files only the name is known unless the Namespace is there.
    pub(crate) fn labels_of(&self, namespace: &str) -> NamespaceLabels {
        let known = self.snapshot.namespace_labels(namespace).labels;
        let others = match known {
            Some(_) => OtherKeys::Absent,
            None => OtherKeys::Free,
        };
        let pairs = known.into_iter().flat_map(Labels::iter);
        let pairs = pairs.map(|(key, value)| (key.clone(), value.clone()));
        let name = (NAMESPACE_NAME.into(), namespace.into());
        NamespaceLabels {
            known: labels(pairs.chain([name]).collect()),
            others,
        }
    }

    /// The labels of all namespaces of which they are known.
    pub(super) fn known_labels(&self) -> Vec<NamespaceLabels> {
        let names = self.snapshot.namespaces.keys();
        let known = names.filter(|name| self.snapshot.namespace_labels(name).labels.is_some());
        known.map(|name| self.labels_of(name)).collect()
    }

    fn kept(&self, name: &str, facts: &Arc<NamespaceFacts>) -> Option<Arc<NamespacePerimeters>> {
        let same = Arc::ptr_eq(self.snapshot.namespaces.get(name)?, facts);
        same.then(|| self.perimeters.get(name).cloned()).flatten()
    }

    /// The same facts with nothing counted as rendered: a managed policy that is not among the facts does not
    /// exist.
    #[must_use]
    pub fn as_stored(mut self) -> Self {
        self.is_stored = true;
        let perimeters = self.perimeters.values_mut();
        let clusters = perimeters.flat_map(|perimeters| &mut Arc::make_mut(perimeters).clusters);
        for zone in clusters.flat_map(|cluster| &mut cluster.zones) {
            zone.selected.retain(|policy| !policy.rendered);
        }
        self
    }

    /// The same with other facts of some namespaces.
    pub(super) fn with_facts(&self, changed: Vec<(Arc<str>, NamespaceFacts)>) -> Self {
        let mut snapshot = Snapshot::clone(&self.snapshot);
        let names: Vec<Arc<str>> = changed.iter().map(|(name, _)| name.clone()).collect();
        let changed = changed.into_iter();
        snapshot
            .namespaces
            .extend(changed.map(|(name, facts)| (name, Arc::new(facts))));
        self.renewed(snapshot.into(), self.config.clone(), &names)
    }

    /// The same under other settings, worked out for these namespaces only.
    pub(super) fn with_config(&self, config: ReviewConfig, namespaces: &[Arc<str>]) -> Self {
        self.renewed(self.snapshot.clone(), config.into(), namespaces)
    }

    /// This namespace, or all namespaces with perimeters if it is empty.
    pub(super) fn namespaces_near(&self, namespace: &Arc<str>) -> Vec<Arc<str>> {
        if namespace.is_empty() {
            self.perimeters.keys().cloned().collect()
        } else {
            vec![namespace.clone()]
        }
    }

    fn renewed(
        &self,
        snapshot: Arc<Snapshot>,
        config: Arc<ReviewConfig>,
        names: &[Arc<str>],
    ) -> Self {
        let mut perimeters = self.perimeters.clone();
        for name in names {
            let Some(facts) = snapshot.namespaces.get(name) else {
                continue;
            };
            // There are none of a namespace that gets its first cluster.
            let regions = perimeters.get(name).map(|known| &known.regions);
            let renewed = compile(name, facts, &config, &snapshot.api_server, regions);
            perimeters.insert(name.clone(), renewed.into());
        }
        let compiled = Self {
            snapshot,
            config,
            perimeters,
            ..self.clone()
        };
        if self.is_stored {
            compiled.as_stored()
        } else {
            compiled
        }
    }

    /// The same facts with another proof budget.
    #[must_use]
    pub fn with_proof_budget(&self, steps: u32) -> Self {
        Self {
            config: Arc::new(ReviewConfig {
                proof_budget: steps.min(self.config.proof_budget),
                ..ReviewConfig::clone(&self.config)
            }),
            ..self.clone()
        }
    }

    /// The perimeters of the clusters of a namespace.
    pub fn perimeters(&self, namespace: &str) -> &[ClusterPerimeter] {
        self.perimeters
            .get(namespace)
            .map_or(&[], |perimeters| &perimeters.clusters)
    }

    /// The perimeters of a namespace, or of all namespaces if it is empty.
    pub(super) fn perimeters_near(
        &self,
        namespace: &str,
    ) -> impl Iterator<Item = &ClusterPerimeter> {
        let near = self.perimeters.iter();
        let near = near.filter(move |(name, _)| namespace.is_empty() || ***name == *namespace);
        near.flat_map(|(_, perimeters)| &perimeters.clusters)
    }

    /// Connections that the rules of a namespace's policies permit.
    pub(super) fn regions(
        &self,
        namespace: &str,
        facts: &NamespaceFacts,
    ) -> Cow<'_, SharedRegions> {
        match self.perimeters.get(namespace) {
            Some(perimeters) => Cow::Borrowed(&perimeters.regions),
            None => Cow::Owned(SharedRegions::of(facts, &self.config, None)),
        }
    }

    /// Returns true if a namespace is guarded and some of its policies were not read yet.
    pub fn is_unread(&self, namespace: &str) -> bool {
        let facts = self.facts(namespace);
        !self.perimeters(namespace).is_empty() && facts.is_some_and(|facts| !facts.stubs.is_empty())
    }

    /// Facts about a namespace.
    pub fn facts(&self, namespace: &str) -> Option<&NamespaceFacts> {
        self.snapshot.namespaces.get(namespace).map(AsRef::as_ref)
    }
}
