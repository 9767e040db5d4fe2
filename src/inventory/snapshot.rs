//! The snapshot: immutable and shared. A change creates a new one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::read::API_SERVER_SERVICE;
use super::{
    Change, Cluster, Fact, Gateway, GatewayClass, Kind, KindUse, NamespaceFacts, Object, ObjectRef,
    Policy, Restore, Services, Unreadable, other_policy::NamespaceLabels,
};

/// Completeness of the facts about a kind: does a missing object not exist?
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Completeness {
    /// Only some objects are known, as in files.
    #[default]
    Part,
    /// Every object of the Kubernetes cluster is known.
    Whole,
    /// The API server does not serve the kind, so there are no objects.
    Unserved,
    /// No object is known, since the API server does not list the kind.
    Unread(Unread),
}

/// Reason for which the objects of a kind are not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// The account may not list them.
    Forbidden,
    /// They are served only in unsupported versions, of which this is one.
    Version(Arc<str>),
    /// The API server answers with another error.
    Failed,
}

/// All facts at one point in time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Facts by namespace. An unchanged namespace keeps its `Arc` in the next snapshot.
    pub(crate) namespaces: BTreeMap<Arc<str>, Arc<NamespaceFacts>>,
    /// Addresses of the Service `default/kubernetes`.
    pub(crate) api_server: Vec<IpAddr>,
    /// The known ports and endpoints of Services.
    pub(crate) services: Arc<Services>,
    /// Facts about cluster-scoped objects other than Namespaces.
    pub(crate) cluster_scoped: Arc<NamespaceFacts>,
    /// Completeness by kind. The default is [`Completeness::Part`].
    pub(crate) completeness: BTreeMap<Kind, Completeness>,
}

impl Snapshot {
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
                Change::Services(services) => next.services = services,
            }
        }
        next
    }

    fn set(&mut self, object: Object) {
        let object = match object {
            Object::ApiServer(addresses) => {
                self.api_server = addresses;
                return;
            }
            Object::Service(_) | Object::EndpointSlice(_) => {
                Arc::make_mut(&mut self.services).set(object);
                return;
            }
            Object::Workload(_) => return,
            object => object,
        };
        let facts = match home(&object.reference()) {
            home if home.is_empty() => &mut self.cluster_scoped,
            home => self.namespaces.entry(home).or_default(),
        };
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
        let home = home(reference);
        let facts = if home.is_empty() {
            Some(&mut self.cluster_scoped)
        } else {
            self.namespaces.get_mut(&home)
        };
        let Some(facts) = facts else {
            return;
        };
        if facts.contains(reference.kind, &reference.name) {
            Arc::make_mut(facts).remove(reference.kind, &reference.name);
        }
        if !home.is_empty() && facts.is_empty() {
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
        if self.cluster_scoped == previous.cluster_scoped {
            self.cluster_scoped = previous.cluster_scoped.clone();
        }
        self
    }

    /// The facts with all objects of `kinds` in one namespace replaced by `objects`. If nothing differs, the
    /// namespace keeps its `Arc`. The cluster-scoped objects are a namespace without a name.
    #[must_use]
    pub fn renewed(&self, namespace: &Arc<str>, kinds: &[Kind], objects: Vec<Object>) -> Self {
        let there: BTreeSet<ObjectRef> = objects.iter().map(Object::reference).collect();
        let known = self.namespace(namespace).into_iter();
        let known = known.flat_map(|facts| {
            kinds
                .iter()
                .flat_map(|kind| facts.references(namespace, *kind))
        });
        let gone = known.filter(|reference| !there.contains(reference));
        let gone = gone.map(Change::Remove);
        self.apply(gone.chain(objects.into_iter().map(Change::Set)))
    }

    /// The facts without the policies of a namespace, and without the cluster-scoped ones.
    pub(crate) fn without_policies(&self, namespace: &str) -> Self {
        let policies = Kind::ALL.into_iter();
        let policies = policies
            .filter(|kind| *kind == Kind::NetworkPolicy || kind.used_for() == KindUse::Seen);
        let policies: Vec<Kind> = policies.collect();
        let own = self.renewed(&namespace.into(), &policies, Vec::new());
        if own.cluster_scoped.others().next().is_none() {
            return own;
        }
        own.renewed(&Arc::default(), &policies, Vec::new())
    }

    /// The namespaces whose facts were replaced since `before`, in order. A namespace that was recreated with
    /// equal facts is included. The cluster-scoped objects are a namespace without a name.
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
        if !Arc::ptr_eq(&self.cluster_scoped, &before.cluster_scoped) {
            touched.push("".into());
        }
        touched.sort_unstable();
        touched
    }

    /// Facts about a namespace, or about the cluster-scoped objects if the name is empty.
    pub fn namespace(&self, name: &str) -> Option<&Arc<NamespaceFacts>> {
        match name {
            "" => Some(&self.cluster_scoped),
            _ => self.namespaces.get(name),
        }
    }

    /// The known labels of a namespace.
    pub(crate) fn namespace_labels<'a>(&'a self, name: &'a str) -> NamespaceLabels<'a> {
        let facts = self.namespaces.get(name);
        let namespace = facts.and_then(|facts| facts.namespace.as_ref()?.read());
        NamespaceLabels {
            name,
            labels: namespace.and_then(|namespace| namespace.labels.as_ref()),
        }
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

    /// Returns true if the labels of a namespace are known.
    pub fn has_namespace_labels(&self, name: &str) -> bool {
        self.namespace_labels(name).labels.is_some()
    }

    /// A GatewayClass.
    pub(crate) fn gateway_class(&self, name: &str) -> Option<&Fact<GatewayClass>> {
        self.cluster_scoped.gateway_classes.get(name)
    }

    /// Completeness of the facts about a kind.
    pub fn completeness(&self, kind: Kind) -> Completeness {
        self.completeness.get(&kind).cloned().unwrap_or_default()
    }

    /// Every object that cannot be read, by namespace, kind and name.
    pub fn unreadable(&self) -> impl Iterator<Item = (Kind, &Arc<Unreadable>)> {
        self.facts().flat_map(|(_, facts)| facts.unreadable())
    }

    /// References to every object of one kind, sorted by namespace and name.
    pub fn references(&self, kind: Kind) -> Vec<ObjectRef> {
        let mut found: Vec<ObjectRef> = self
            .facts()
            .flat_map(|(namespace, facts)| facts.references(namespace, kind))
            .collect();
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
            _ => self.facts().map(|(_, facts)| facts.count(kind)[0]).sum(),
        }
    }

    /// The facts of each namespace and, last, those about cluster-scoped objects.
    fn facts(&self) -> impl Iterator<Item = (&str, &Arc<NamespaceFacts>)> {
        let namespaces = self.namespaces.iter().map(|(name, facts)| (&**name, facts));
        namespaces.chain([("", &self.cluster_scoped)])
    }
}

/// The namespace under which an object is stored. For a Namespace, this is its own name.
fn home(reference: &ObjectRef) -> Arc<str> {
    match reference.kind {
        Kind::Namespace => reference.name.clone(),
        _ => reference.namespace.clone(),
    }
}
