//! Objects of any kind, and changes of the inventory.

use std::net::IpAddr;
use std::sync::Arc;

use super::read::API_SERVER_SERVICE;
use super::unknown::UnknownField;
use super::{
    Cluster, Completeness, EndpointSlice, Fact, Gateway, GatewayClass, Kind, Meta, Namespace,
    ObjectRef, OtherPolicy, Policy, Restore, Service, Services, Stub, Unreadable, Workload,
};

/// An object in the inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// An OpenBaoCluster.
    Cluster(Fact<Cluster>),
    /// A NetworkPolicy.
    Policy(Fact<Policy>),
    /// A NetworkPolicy that was not read, with its namespace.
    Stub(Arc<str>, Arc<Stub>),
    /// A Namespace.
    Namespace(Fact<Namespace>),
    /// Cluster addresses of the Service `default/kubernetes`.
    ApiServer(Vec<IpAddr>),
    /// Another Service.
    Service(Arc<Service>),
    /// The endpoints of a Service.
    EndpointSlice(Arc<EndpointSlice>),
    /// An OpenBaoRestore.
    Restore(Fact<Restore>),
    /// A Gateway.
    Gateway(Fact<Gateway>),
    /// A GatewayClass.
    GatewayClass(Fact<GatewayClass>),
    /// A policy of another kind.
    OtherPolicy(Kind, Fact<OtherPolicy>),
    /// A Pod, or an object with a template of pods. It is no fact of a snapshot.
    Workload(Arc<Workload>),
}

/// One change of the inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The object exists, with this content.
    Set(Object),
    /// The object was deleted.
    Remove(ObjectRef),
    /// Completeness of the facts about a kind.
    Completeness(Kind, Completeness),
    /// The known Services other than `default/kubernetes`, and the known EndpointSlices.
    Services(Arc<Services>),
}

impl Object {
    /// The object with its unknown fields added. Kinds that are not checked have none.
    #[must_use]
    pub(super) fn noting(mut self, unknown: Vec<UnknownField>) -> Self {
        if unknown.is_empty() {
            return self;
        }
        match &mut self {
            Self::Cluster(fact) => fact.meta_mut().unknown = unknown,
            Self::Policy(fact) => fact.meta_mut().unknown = unknown,
            Self::Restore(fact) => fact.meta_mut().unknown = unknown,
            _ => {}
        }
        self
    }

    /// The problems of an object of a judged kind that cannot be read.
    pub(crate) fn unreadable(&self) -> Option<&Unreadable> {
        match self {
            Self::Cluster(Fact::Unreadable(broken)) | Self::Policy(Fact::Unreadable(broken)) => {
                Some(broken)
            }
            Self::Restore(Fact::Unreadable(broken)) => Some(broken),
            _ => None,
        }
    }

    /// True for an object that only tells the ports of endpoints. Files may have several of a name.
    pub(crate) fn is_beside(&self) -> bool {
        matches!(self, Self::Service(_) | Self::EndpointSlice(_))
    }

    /// Reference to the object.
    pub fn reference(&self) -> ObjectRef {
        let named = |kind, namespace: &Arc<str>, name: &Arc<str>| ObjectRef {
            kind,
            namespace: namespace.clone(),
            name: name.clone(),
        };
        match self {
            Self::Cluster(fact) => {
                let meta = fact.meta();
                named(Kind::OpenBaoCluster, &meta.namespace, &meta.name)
            }
            Self::Policy(fact) => {
                let meta = fact.meta();
                named(Kind::NetworkPolicy, &meta.namespace, &meta.name)
            }
            Self::Stub(namespace, stub) => named(Kind::NetworkPolicy, namespace, &stub.name),
            Self::Namespace(fact) => named(Kind::Namespace, &"".into(), fact.name()),
            Self::ApiServer(_) => {
                let (namespace, name) = API_SERVER_SERVICE;
                named(Kind::Service, &namespace.into(), &name.into())
            }
            Self::Service(service) => {
                let (namespace, name) = &service.named;
                named(Kind::Service, namespace, name)
            }
            Self::EndpointSlice(slice) => {
                let (namespace, name) = &slice.named;
                named(Kind::EndpointSlice, namespace, name)
            }
            Self::Restore(fact) => {
                let meta = fact.meta();
                named(Kind::OpenBaoRestore, &meta.namespace, &meta.name)
            }
            Self::Gateway(fact) => named(Kind::Gateway, fact.namespace(), fact.name()),
            Self::GatewayClass(fact) => named(Kind::GatewayClass, &"".into(), fact.name()),
            Self::OtherPolicy(kind, fact) => named(*kind, fact.namespace(), fact.name()),
            Self::Workload(workload) => {
                let meta = &workload.meta;
                named(workload.kind, &meta.namespace, &meta.name)
            }
        }
    }
}

/// Mutable metadata of a fact.
macro_rules! meta_mut {
    ($kind:ty) => {
        impl Fact<$kind> {
            pub(super) fn meta_mut(&mut self) -> &mut Meta {
                match self {
                    Self::Read(object) => &mut Arc::make_mut(object).meta,
                    Self::Unreadable(broken) => &mut Arc::make_mut(broken).meta,
                }
            }
        }
    };
}

meta_mut!(Policy);
meta_mut!(Cluster);
meta_mut!(Restore);

impl Fact<Policy> {
    /// Its metadata, as far as it could be read.
    pub fn meta(&self) -> &Meta {
        match self {
            Self::Read(policy) => &policy.meta,
            Self::Unreadable(broken) => &broken.meta,
        }
    }
}

impl Fact<Cluster> {
    /// Its metadata, as far as it could be read.
    pub fn meta(&self) -> &Meta {
        match self {
            Self::Read(cluster) => &cluster.meta,
            Self::Unreadable(broken) => &broken.meta,
        }
    }
}

impl Fact<Namespace> {
    /// Its name.
    pub(crate) fn name(&self) -> &Arc<str> {
        match self {
            Self::Read(namespace) => &namespace.name,
            Self::Unreadable(broken) => &broken.meta.name,
        }
    }
}

impl Fact<Restore> {
    /// Its metadata, as far as it could be read.
    pub fn meta(&self) -> &Meta {
        match self {
            Self::Read(restore) => &restore.meta,
            Self::Unreadable(broken) => &broken.meta,
        }
    }
}

impl Fact<GatewayClass> {
    /// Its name.
    pub(crate) fn name(&self) -> &Arc<str> {
        match self {
            Self::Read(class) => &class.name,
            Self::Unreadable(broken) => &broken.meta.name,
        }
    }
}

/// Names of a fact of which no other metadata is kept.
macro_rules! names {
    ($kind:ty) => {
        impl Fact<$kind> {
            /// Its namespace.
            pub(crate) fn namespace(&self) -> &Arc<str> {
                match self {
                    Self::Read(object) => &object.namespace,
                    Self::Unreadable(broken) => &broken.meta.namespace,
                }
            }

            /// Its name.
            pub(crate) fn name(&self) -> &Arc<str> {
                match self {
                    Self::Read(object) => &object.name,
                    Self::Unreadable(broken) => &broken.meta.name,
                }
            }
        }
    };
}

names!(Gateway);

impl Fact<OtherPolicy> {
    /// Its metadata: only the names.
    pub(crate) fn meta(&self) -> &Meta {
        match self {
            Self::Read(policy) => &policy.meta,
            Self::Unreadable(broken) => &broken.meta,
        }
    }

    /// Its namespace; empty for a cluster-scoped one.
    pub(crate) fn namespace(&self) -> &Arc<str> {
        &self.meta().namespace
    }

    /// Its name.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.meta().name
    }
}
