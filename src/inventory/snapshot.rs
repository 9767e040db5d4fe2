//! The snapshot: immutable, shared, changed by making the next one.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Cluster, Fact, Namespace, ObjectRef, Policy};

/// One object that the inventory keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// An OpenBaoCluster.
    Cluster(Fact<Cluster>),
    /// A NetworkPolicy.
    Policy(Fact<Policy>),
    /// A Namespace.
    Namespace(Fact<Namespace>),
    /// Cluster addresses of the Service `default/kubernetes`.
    ApiServer(Vec<IpAddr>),
}

/// One change of the inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The object is there, in this state.
    Set(Object),
    /// The object is gone.
    Remove(ObjectRef),
}

/// What is known of one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceFacts {
    /// The Namespace object, where it was seen.
    pub namespace: Option<Fact<Namespace>>,
    /// OpenBaoClusters by name.
    pub clusters: BTreeMap<Arc<str>, Fact<Cluster>>,
    /// NetworkPolicies by name.
    pub policies: BTreeMap<Arc<str>, Fact<Policy>>,
}

/// All facts at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Facts by namespace. An unchanged namespace keeps its `Arc` in the next snapshot.
    pub namespaces: BTreeMap<Arc<str>, Arc<NamespaceFacts>>,
    /// Addresses of the Service `default/kubernetes`.
    pub api_server: Vec<IpAddr>,
}
