//! The snapshot: immutable and shared. A change creates a new one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::read::API_SERVER_SERVICE;
use super::{
    Change, Cluster, Fact, Gateway, GatewayClass, Kind, Labels, Namespace, Object, ObjectRef,
    Policy, Restore, Stub, Unreadable,
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

/// Facts about one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceFacts {
    /// The Namespace object, if it is known.
    pub namespace: Option<Fact<Namespace>>,
    /// OpenBaoClusters by name.
    pub clusters: BTreeMap<Arc<str>, Fact<Cluster>>,
    /// NetworkPolicies by name.
    pub policies: BTreeMap<Arc<str>, Fact<Policy>>,
    /// NetworkPolicies by name that exist and were not read. Proofs that need them are undecided.
    pub stubs: BTreeMap<Arc<str>, Arc<Stub>>,
    /// OpenBaoRestores by name.
    pub restores: BTreeMap<Arc<str>, Fact<Restore>>,
    /// Gateways by name.
    pub gateways: BTreeMap<Arc<str>, Fact<Gateway>>,
}

/// All facts at one point in time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Facts by namespace. An unchanged namespace keeps its `Arc` in the next snapshot.
    pub namespaces: BTreeMap<Arc<str>, Arc<NamespaceFacts>>,
    /// Addresses of the Service `default/kubernetes`.
    pub api_server: Vec<IpAddr>,
    /// GatewayClasses by name.
    pub gateway_classes: BTreeMap<Arc<str>, Fact<GatewayClass>>,
    /// Completeness by kind. The default is [`Completeness::Part`].
    pub completeness: BTreeMap<Kind, Completeness>,
}

impl NamespaceFacts {
    fn is_empty(&self) -> bool {
        self.namespace.is_none()
            && self.clusters.is_empty()
            && self.policies.is_empty()
            && self.stubs.is_empty()
            && self.restores.is_empty()
            && self.gateways.is_empty()
    }

    /// The labels that restores into a cluster give their jobs.
    pub fn restore_labels<'a>(&'a self, cluster: &'a str) -> impl Iterator<Item = &'a Labels> {
        let restores = self.restores.values().filter_map(Fact::read);
        let into = restores.filter(move |restore| restore.is_into(cluster));
        into.map(|restore| &restore.needs.pod_labels)
    }

    /// The object, with last known values for fields of an OpenBaoCluster that cannot be read. Values of a
    /// deleted cluster with the same name are not used.
    fn completed(&self, object: Object) -> Object {
        let Object::Cluster(Fact::Read(cluster)) = &object else {
            return object;
        };
        let known = self.clusters.get(&cluster.meta.name).and_then(Fact::read);
        let known = known.filter(|known| {
            known.uid.is_none() || cluster.uid.is_none() || known.uid == cluster.uid
        });
        match known {
            Some(known) if cluster.broken.is_some() => {
                Object::Cluster(Fact::Read(cluster.completed(known).into()))
            }
            _ => object,
        }
    }

    /// Returns true if this namespace has `object` with exactly this content.
    fn holds(&self, object: &Object) -> bool {
        match object {
            Object::Cluster(fact) => self.clusters.get(&fact.meta().name) == Some(fact),
            Object::Policy(fact) => self.policies.get(&fact.meta().name) == Some(fact),
            Object::Stub(_, stub) => self.stubs.get(&stub.name) == Some(stub),
            Object::Namespace(fact) => self.namespace.as_ref() == Some(fact),
            Object::Restore(fact) => self.restores.get(&fact.meta().name) == Some(fact),
            Object::Gateway(fact) => self.gateways.get(fact.name()) == Some(fact),
            Object::ApiServer(_) | Object::GatewayClass(_) => false,
        }
    }

    fn set(&mut self, object: Object) {
        match object {
            Object::Cluster(fact) => {
                self.clusters.insert(fact.meta().name.clone(), fact);
            }
            Object::Policy(fact) => {
                self.stubs.remove(&fact.meta().name);
                self.policies.insert(fact.meta().name.clone(), fact);
            }
            Object::Stub(_, stub) => {
                self.policies.remove(&stub.name);
                self.stubs.insert(stub.name.clone(), stub);
            }
            Object::Namespace(fact) => self.namespace = Some(fact),
            Object::Restore(fact) => {
                self.restores.insert(fact.meta().name.clone(), fact);
            }
            Object::Gateway(fact) => {
                self.gateways.insert(fact.name().clone(), fact);
            }
            Object::ApiServer(_) | Object::GatewayClass(_) => {}
        }
    }

    fn contains(&self, kind: Kind, name: &str) -> bool {
        match kind {
            Kind::OpenBaoCluster => self.clusters.contains_key(name),
            Kind::NetworkPolicy => {
                self.policies.contains_key(name) || self.stubs.contains_key(name)
            }
            Kind::Namespace => self.namespace.is_some(),
            Kind::OpenBaoRestore => self.restores.contains_key(name),
            Kind::Gateway => self.gateways.contains_key(name),
            Kind::Service | Kind::GatewayClass => false,
        }
    }

    fn remove(&mut self, kind: Kind, name: &str) {
        match kind {
            Kind::OpenBaoCluster => {
                self.clusters.remove(name);
            }
            Kind::NetworkPolicy => {
                self.policies.remove(name);
                self.stubs.remove(name);
            }
            Kind::Namespace => self.namespace = None,
            Kind::OpenBaoRestore => {
                self.restores.remove(name);
            }
            Kind::Gateway => {
                self.gateways.remove(name);
            }
            Kind::Service | Kind::GatewayClass => {}
        }
    }

    /// References to every object of a kind, sorted by name. `namespace` is that of these facts.
    fn references(&self, namespace: &Arc<str>, kind: Kind) -> Vec<ObjectRef> {
        let named = |name: &Arc<str>| ObjectRef {
            kind,
            namespace: namespace.clone(),
            name: name.clone(),
        };
        match kind {
            Kind::OpenBaoCluster => self.clusters.keys().map(named).collect(),
            Kind::NetworkPolicy => {
                let policies = self.policies.keys().chain(self.stubs.keys());
                policies.map(named).collect()
            }
            Kind::Namespace => {
                let reference = ObjectRef {
                    kind,
                    namespace: "".into(),
                    name: namespace.clone(),
                };
                self.namespace.iter().map(|_| reference.clone()).collect()
            }
            Kind::OpenBaoRestore => self.restores.keys().map(named).collect(),
            Kind::Gateway => self.gateways.keys().map(named).collect(),
            Kind::Service | Kind::GatewayClass => Vec::new(),
        }
    }

    /// Number of objects of a kind, and number of those that cannot be read.
    pub fn count(&self, kind: Kind) -> [usize; 2] {
        match kind {
            Kind::OpenBaoCluster => {
                let broken = self.clusters.values().filter_map(broken_cluster);
                [self.clusters.len(), broken.count()]
            }
            Kind::NetworkPolicy => {
                let [read, broken] = count(self.policies.values());
                [read + self.stubs.len(), broken]
            }
            Kind::Namespace => count(self.namespace.iter()),
            Kind::OpenBaoRestore => count(self.restores.values()),
            Kind::Gateway => count(self.gateways.values()),
            Kind::Service | Kind::GatewayClass => [0, 0],
        }
    }

    /// Number of OpenBaoClusters in an unsupported version.
    pub fn unread_clusters(&self) -> usize {
        let versions = self.clusters.values().filter_map(Fact::unread_version);
        versions.count()
    }

    fn unreadable(&self) -> impl Iterator<Item = (Kind, &Arc<Unreadable>)> {
        fn broken<T>(kind: Kind, fact: &Fact<T>) -> Option<(Kind, &Arc<Unreadable>)> {
            match fact {
                Fact::Read(_) => None,
                Fact::Unreadable(broken) => Some((kind, broken)),
            }
        }
        let namespace = self.namespace.iter();
        let namespace = namespace.filter_map(|fact| broken(Kind::Namespace, fact));
        let clusters = self.clusters.values();
        let clusters = clusters
            .filter_map(broken_cluster)
            .map(|broken| (Kind::OpenBaoCluster, broken));
        let policies = self.policies.values();
        let policies = policies.filter_map(|fact| broken(Kind::NetworkPolicy, fact));
        let restores = self.restores.values();
        let restores = restores.filter_map(|fact| broken(Kind::OpenBaoRestore, fact));
        let gateways = self.gateways.values();
        let gateways = gateways.filter_map(|fact| broken(Kind::Gateway, fact));
        let own = namespace.chain(clusters).chain(policies);
        own.chain(restores).chain(gateways)
    }
}

/// The problems of a cluster that cannot be read as a whole or in some fields.
fn broken_cluster(fact: &Fact<Cluster>) -> Option<&Arc<Unreadable>> {
    match fact {
        Fact::Read(cluster) => cluster.broken.as_ref(),
        Fact::Unreadable(broken) => Some(broken),
    }
}

/// Number of facts, and number of those that cannot be read.
fn count<'a, T: 'a>(facts: impl Iterator<Item = &'a Fact<T>>) -> [usize; 2] {
    facts.fold([0, 0], |[all, broken], fact| {
        [all + 1, broken + usize::from(fact.read().is_none())]
    })
}

impl Snapshot {
    /// Number of GatewayClasses, and number of those that cannot be read.
    pub fn gateway_class_counts(&self) -> [usize; 2] {
        count(self.gateway_classes.values())
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

    /// A NetworkPolicy.
    pub fn policy(&self, namespace: &str, name: &str) -> Option<&Fact<Policy>> {
        self.namespace(namespace)?.policies.get(name)
    }

    /// A Gateway.
    pub fn gateway(&self, namespace: &str, name: &str) -> Option<&Fact<Gateway>> {
        self.namespace(namespace)?.gateways.get(name)
    }

    /// Completeness of the facts about a kind.
    pub fn completeness(&self, kind: Kind) -> Completeness {
        self.completeness.get(&kind).copied().unwrap_or_default()
    }

    /// Every object that cannot be read, by namespace, kind and name.
    pub fn unreadable(&self) -> impl Iterator<Item = (Kind, &Arc<Unreadable>)> {
        let classes = self.gateway_classes.values();
        let classes = classes.filter_map(|fact| match fact {
            Fact::Read(_) => None,
            Fact::Unreadable(broken) => Some((Kind::GatewayClass, broken)),
        });
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
