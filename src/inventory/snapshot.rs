//! The snapshot: immutable and shared. A change creates a new one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::namespace_facts::{Store, count};
use super::read::API_SERVER_SERVICE;
use super::{
    Change, Cluster, Fact, Gateway, GatewayClass, Kind, NamespaceFacts, Object, ObjectRef, Policy,
    Restore, Unreadable,
};

/// Completeness of the facts about a kind: does a missing object not exist?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Completeness {
    /// Only some objects are known, as in files.
    #[default]
    Part,
    /// Every object of the Kubernetes cluster is known.
    Whole,
    /// The API server does not serve the kind, so there are no objects.
    Unserved,
}

/// All facts at one point in time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Facts by namespace. An unchanged namespace keeps its `Arc` in the next snapshot.
    pub(crate) namespaces: BTreeMap<Arc<str>, Arc<NamespaceFacts>>,
    /// Addresses of the Service `default/kubernetes`.
    pub(crate) api_server: Vec<IpAddr>,
    /// GatewayClasses by name.
    pub(crate) gateway_classes: BTreeMap<Arc<str>, Fact<GatewayClass>>,
    /// Completeness by kind. The default is [`Completeness::Part`].
    pub(crate) completeness: BTreeMap<Kind, Completeness>,
}

impl Snapshot {
    /// Number of GatewayClasses, and number of those that cannot be read.
    pub(crate) fn gateway_class_counts(&self) -> [usize; 2] {
        count(&self.gateway_classes)
    }

    /// The snapshot after `changes`. Only namespaces that really change get a new `Arc`. Empty namespaces are
    /// dropped.
    #[must_use]
    pub fn apply(&self, changes: impl IntoIterator<Item = Change>) -> Self {
        let mut next = self.clone();
        for change in changes {
            match change {
                Change::Set(object) => next.set(object),
                Change::Remove(reference) => next.remove(&reference),
                Change::Completeness(kind, extent) => {
                    next.completeness.insert(kind, extent);
                }
            }
        }
        next
    }

    fn set(&mut self, object: Object) {
        if let Object::ApiServer(addresses) = object {
            self.api_server = addresses;
            return;
        }
        if let Object::GatewayClass(fact) = object {
            self.gateway_classes.insert(fact.name().clone(), fact);
            return;
        }
        let facts = self
            .namespaces
            .entry(home(&object.reference()))
            .or_default();
        let object = facts.completed(object);
        if !facts.holds(&object) {
            Arc::make_mut(facts).set(object);
        }
    }

    fn remove(&mut self, reference: &ObjectRef) {
        if reference.kind == Kind::Service {
            if (&*reference.namespace, &*reference.name) == API_SERVER_SERVICE {
                self.api_server.clear();
            }
            return;
        }
        if reference.kind == Kind::GatewayClass {
            self.gateway_classes.remove(&reference.name);
            return;
        }
        let home = home(reference);
        let Some(facts) = self.namespaces.get_mut(&home) else {
            return;
        };
        if facts.contains(reference.kind, &reference.name) {
            Arc::make_mut(facts).remove(reference.kind, &reference.name);
        }
        if facts.is_empty() {
            self.namespaces.remove(&home);
        }
    }

    /// The same facts, with the `Arc` of `previous` for each namespace that is equal.
    #[must_use]
    pub fn sharing(mut self, previous: &Self) -> Self {
        for (name, facts) in &mut self.namespaces {
            if let Some(known) = previous
                .namespaces
                .get(name)
                .filter(|known| *known == facts)
            {
                *facts = known.clone();
            }
        }
        self
    }

    /// The facts with all objects of `kinds` in one namespace replaced by `objects`. If nothing differs, the
    /// namespace keeps its `Arc`.
    #[must_use]
    pub fn renewed(&self, namespace: &Arc<str>, kinds: &[Kind], objects: Vec<Object>) -> Self {
        let there: BTreeSet<ObjectRef> = objects.iter().map(Object::reference).collect();
        let known = self.namespaces.get(namespace).into_iter();
        let known = known.flat_map(|facts| {
            kinds
                .iter()
                .flat_map(|kind| facts.references(namespace, *kind))
        });
        let gone = known.filter(|reference| !there.contains(reference));
        let gone = gone.map(Change::Remove);
        self.apply(gone.chain(objects.into_iter().map(Change::Set)))
    }

    /// The namespaces whose facts were replaced since `before`, in order. A namespace that was recreated with
    /// equal facts is included.
    pub fn touched(&self, before: &Self) -> Vec<Arc<str>> {
        let same = |(name, facts): &(&Arc<str>, &Arc<NamespaceFacts>)| {
            let known = before.namespaces.get(*name);
            known.is_some_and(|known| Arc::ptr_eq(known, facts))
        };
        let differs = self.namespaces.iter().filter(|entry| !same(entry));
        let gone = before.namespaces.keys();
        let gone = gone.filter(|name| !self.namespaces.contains_key(*name));
        let mut touched: Vec<Arc<str>> =
            differs.map(|(name, _)| name).chain(gone).cloned().collect();
        touched.sort_unstable();
        touched
    }

    /// Facts about a namespace.
    pub fn namespace(&self, name: &str) -> Option<&Arc<NamespaceFacts>> {
        self.namespaces.get(name)
    }

    /// An OpenBaoCluster.
    pub fn cluster(&self, namespace: &str, name: &str) -> Option<&Fact<Cluster>> {
        self.namespace(namespace)?.clusters.get(name)
    }

    /// An OpenBaoRestore.
    pub(crate) fn restore(&self, namespace: &str, name: &str) -> Option<&Fact<Restore>> {
        self.namespace(namespace)?.restores.get(name)
    }

    /// A NetworkPolicy.
    pub fn policy(&self, namespace: &str, name: &str) -> Option<&Fact<Policy>> {
        self.namespace(namespace)?.policies.get(name)
    }

    /// A Gateway.
    pub(crate) fn gateway(&self, namespace: &str, name: &str) -> Option<&Fact<Gateway>> {
        self.namespace(namespace)?.gateways.get(name)
    }

    /// Completeness of the facts about a kind.
    pub fn completeness(&self, kind: Kind) -> Completeness {
        self.completeness.get(&kind).copied().unwrap_or_default()
    }

    /// Every object that cannot be read, by namespace, kind and name.
    pub fn unreadable(&self) -> impl Iterator<Item = (Kind, &Arc<Unreadable>)> {
        let classes = Store::unreadable(&self.gateway_classes);
        let classes = classes.map(|broken| (Kind::GatewayClass, broken));
        let namespaces = self.namespaces.values();
        namespaces
            .flat_map(|facts| facts.unreadable())
            .chain(classes)
    }

    /// References to every object of one kind, sorted by namespace and name.
    pub fn references(&self, kind: Kind) -> Vec<ObjectRef> {
        let namespaces = self.namespaces.iter();
        let mut found: Vec<ObjectRef> = namespaces
            .flat_map(|(namespace, facts)| facts.references(namespace, kind))
            .collect();
        if kind == Kind::GatewayClass {
            found.extend(self.gateway_classes.keys().map(|name| ObjectRef {
                kind,
                namespace: "".into(),
                name: name.clone(),
            }));
        }
        if kind == Kind::Service && !self.api_server.is_empty() {
            let (namespace, name) = API_SERVER_SERVICE;
            found.push(ObjectRef {
                kind,
                namespace: namespace.into(),
                name: name.into(),
            });
        }
        found
    }

    /// Number of objects of one kind.
    pub fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Service => usize::from(!self.api_server.is_empty()),
            Kind::GatewayClass => self.gateway_classes.len(),
            _ => self
                .namespaces
                .values()
                .map(|facts| facts.count(kind)[0])
                .sum(),
        }
    }
}

/// The namespace under which an object is stored. For a Namespace, this is its own name.
fn home(reference: &ObjectRef) -> Arc<str> {
    match reference.kind {
        Kind::Namespace => reference.name.clone(),
        _ => reference.namespace.clone(),
    }
}
