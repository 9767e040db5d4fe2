//! Facts about one namespace, or about the cluster-scoped objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{
    Cluster, Fact, Gateway, GatewayClass, Kind, Labels, Namespace, Object, ObjectRef, OtherPolicy,
    Policy, Restore, Stub, Unreadable,
};

/// Facts about one namespace. Those about cluster-scoped objects have the same form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceFacts {
    /// The Namespace object, if it is known.
    pub(crate) namespace: Option<Fact<Namespace>>,
    /// OpenBaoClusters by name.
    pub clusters: BTreeMap<Arc<str>, Fact<Cluster>>,
    /// NetworkPolicies by name.
    pub policies: BTreeMap<Arc<str>, Fact<Policy>>,
    /// NetworkPolicies by name that exist and were not read. Proofs that need them are undecided.
    pub stubs: BTreeMap<Arc<str>, Arc<Stub>>,
    /// OpenBaoRestores by name.
    pub(crate) restores: BTreeMap<Arc<str>, Fact<Restore>>,
    /// Gateways by name.
    pub(crate) gateways: BTreeMap<Arc<str>, Fact<Gateway>>,
    /// GatewayClasses by name.
    pub(crate) gateway_classes: BTreeMap<Arc<str>, Fact<GatewayClass>>,
    /// Policies of other kinds, by kind and name.
    pub(crate) other_policies: BTreeMap<Kind, BTreeMap<Arc<str>, Fact<OtherPolicy>>>,
}

impl NamespaceFacts {
    pub(super) fn is_empty(&self) -> bool {
        let mut kinds = Kind::WATCHED.into_iter();
        kinds.all(|kind| self.count(kind) == [0, 0])
    }

    /// The labels that restores into a cluster give their jobs.
    pub(crate) fn restore_labels<'a>(
        &'a self,
        cluster: &'a str,
    ) -> impl Iterator<Item = &'a Labels> {
        let restores = self.restores.values().filter_map(Fact::read);
        let into = restores.filter(move |restore| restore.is_into(cluster));
        into.map(|restore| &restore.needs.pod_labels)
    }

    /// The object, with last known values for fields of an OpenBaoCluster that cannot be read. Values of a
    /// deleted cluster with the same name are not used.
    pub(super) fn completed(&self, object: Object) -> Object {
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
    pub(super) fn holds(&self, object: &Object) -> bool {
        match object {
            Object::Cluster(fact) => self.clusters.get(&fact.meta().name) == Some(fact),
            Object::Policy(fact) => self.policies.get(&fact.meta().name) == Some(fact),
            Object::Stub(_, stub) => self.stubs.get(&stub.name) == Some(stub),
            Object::Namespace(fact) => self.namespace.as_ref() == Some(fact),
            Object::Restore(fact) => self.restores.get(&fact.meta().name) == Some(fact),
            Object::Gateway(fact) => self.gateways.get(fact.name()) == Some(fact),
            Object::GatewayClass(fact) => self.gateway_classes.get(fact.name()) == Some(fact),
            Object::OtherPolicy(kind, fact) => {
                let known = self.other_policies.get(kind);
                known.and_then(|known| known.get(fact.name())) == Some(fact)
            }
            Object::ApiServer(_)
            | Object::Service(_)
            | Object::EndpointSlice(_)
            | Object::Workload(_) => false,
        }
    }

    pub(super) fn set(&mut self, object: Object) {
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
            Object::GatewayClass(fact) => {
                self.gateway_classes.insert(fact.name().clone(), fact);
            }
            Object::OtherPolicy(kind, fact) => {
                let known = self.other_policies.entry(kind).or_default();
                known.insert(fact.name().clone(), fact);
            }
            Object::ApiServer(_)
            | Object::Service(_)
            | Object::EndpointSlice(_)
            | Object::Workload(_) => {}
        }
    }

    /// The stores with the objects of a kind.
    fn stores(&self, kind: Kind) -> impl Iterator<Item = &dyn Store> {
        let stores: [Option<&dyn Store>; 2] = match kind {
            Kind::OpenBaoCluster => [Some(&self.clusters), None],
            Kind::NetworkPolicy => [Some(&self.policies), Some(&self.stubs)],
            Kind::Namespace => [Some(&self.namespace), None],
            Kind::OpenBaoRestore => [Some(&self.restores), None],
            Kind::Gateway => [Some(&self.gateways), None],
            Kind::GatewayClass => [Some(&self.gateway_classes), None],
            Kind::Service => [None, None],
            _ => [self.other_policies.get(&kind).map(|known| known as _), None],
        };
        stores.into_iter().flatten()
    }

    pub(super) fn contains(&self, kind: Kind, name: &str) -> bool {
        self.stores(kind).any(|store| store.contains(name))
    }

    pub(super) fn remove(&mut self, kind: Kind, name: &str) {
        let stores: [Option<&mut dyn Store>; 2] = match kind {
            Kind::OpenBaoCluster => [Some(&mut self.clusters), None],
            Kind::NetworkPolicy => [Some(&mut self.policies), Some(&mut self.stubs)],
            Kind::Namespace => [Some(&mut self.namespace), None],
            Kind::OpenBaoRestore => [Some(&mut self.restores), None],
            Kind::Gateway => [Some(&mut self.gateways), None],
            Kind::GatewayClass => [Some(&mut self.gateway_classes), None],
            Kind::Service => [None, None],
            _ => [
                self.other_policies.get_mut(&kind).map(|known| known as _),
                None,
            ],
        };
        for store in stores.into_iter().flatten() {
            store.remove(name);
        }
        self.other_policies.retain(|_, known| !known.is_empty());
    }

    /// The policies of other kinds, in the order of their kinds and names.
    pub(crate) fn others(&self) -> impl Iterator<Item = (ObjectRef, &Fact<OtherPolicy>)> {
        let kinds = self.other_policies.iter();
        kinds.flat_map(|(kind, known)| {
            let reference = |fact: &Fact<OtherPolicy>| ObjectRef {
                kind: *kind,
                namespace: fact.namespace().clone(),
                name: fact.name().clone(),
            };
            known.values().map(move |fact| (reference(fact), fact))
        })
    }

    /// References to every object of a kind, sorted by name. `namespace` is that of these facts.
    pub(super) fn references(&self, namespace: &str, kind: Kind) -> Vec<ObjectRef> {
        let home: Arc<str> = if kind.is_cluster_scoped() {
            Arc::default()
        } else {
            namespace.into()
        };
        let names = self.stores(kind).flat_map(Store::names);
        let reference = |name: &Arc<str>| ObjectRef {
            kind,
            namespace: home.clone(),
            name: name.clone(),
        };
        names.map(reference).collect()
    }

    /// Numbers of objects of a kind: all, and those that cannot be read.
    pub(crate) fn count(&self, kind: Kind) -> [usize; 2] {
        self.stores(kind)
            .map(count)
            .fold([0, 0], |sum, one| [sum[0] + one[0], sum[1] + one[1]])
    }

    pub(super) fn unreadable(&self) -> impl Iterator<Item = (Kind, &Arc<Unreadable>)> {
        Kind::WATCHED.into_iter().flat_map(|kind| {
            let broken = self.stores(kind).flat_map(Store::unreadable);
            broken.map(move |broken| (kind, broken))
        })
    }

    /// Number of OpenBaoClusters in an unsupported version.
    pub fn unread_clusters(&self) -> usize {
        let versions = self.clusters.values().filter_map(Fact::unread_version);
        versions.count()
    }
}

/// Objects of one kind by name.
pub(super) trait Store {
    /// Names in sorted order.
    fn names(&self) -> Box<dyn Iterator<Item = &Arc<str>> + '_>;

    /// Returns true if there is an object with this name.
    fn contains(&self, name: &str) -> bool;

    /// Removes the object with this name.
    fn remove(&mut self, name: &str);

    /// Problems of the objects that cannot be read, as a whole or in some fields.
    fn unreadable(&self) -> Box<dyn Iterator<Item = &Arc<Unreadable>> + '_>;
}

/// A readable object in which some fields may be unreadable.
trait Readable {
    /// The problems of fields that cannot be read.
    fn broken(&self) -> Option<&Arc<Unreadable>> {
        None
    }
}

impl Readable for Cluster {
    fn broken(&self) -> Option<&Arc<Unreadable>> {
        self.broken.as_ref()
    }
}

impl Readable for Policy {}
impl Readable for Namespace {}
impl Readable for Restore {}
impl Readable for Gateway {}
impl Readable for GatewayClass {}
impl Readable for OtherPolicy {}

/// A value of a store.
trait Entry {
    /// The problems of the object, if it cannot be read as a whole or in some fields.
    fn broken(&self) -> Option<&Arc<Unreadable>>;
}

impl<T: Readable> Entry for Fact<T> {
    fn broken(&self) -> Option<&Arc<Unreadable>> {
        match self {
            Self::Read(object) => object.broken(),
            Self::Unreadable(broken) => Some(broken),
        }
    }
}

impl Entry for Arc<Stub> {
    fn broken(&self) -> Option<&Arc<Unreadable>> {
        None
    }
}

impl<E: Entry> Store for BTreeMap<Arc<str>, E> {
    fn names(&self) -> Box<dyn Iterator<Item = &Arc<str>> + '_> {
        Box::new(self.keys())
    }

    fn contains(&self, name: &str) -> bool {
        self.contains_key(name)
    }

    fn remove(&mut self, name: &str) {
        self.remove(name);
    }

    fn unreadable(&self) -> Box<dyn Iterator<Item = &Arc<Unreadable>> + '_> {
        Box::new(self.values().filter_map(Entry::broken))
    }
}

/// The Namespace object: at most one.
impl Store for Option<Fact<Namespace>> {
    fn names(&self) -> Box<dyn Iterator<Item = &Arc<str>> + '_> {
        Box::new(self.iter().map(Fact::<Namespace>::name))
    }

    fn contains(&self, _: &str) -> bool {
        self.is_some()
    }

    fn remove(&mut self, _: &str) {
        *self = None;
    }

    fn unreadable(&self) -> Box<dyn Iterator<Item = &Arc<Unreadable>> + '_> {
        Box::new(self.iter().filter_map(Entry::broken))
    }
}

/// Numbers of objects: all, and those that cannot be read.
pub(super) fn count(store: &dyn Store) -> [usize; 2] {
    [store.names().count(), store.unreadable().count()]
}
