//! The facts of a review: one immutable [`Snapshot`] of the relevant objects.
//!
//! Kubernetes types end here. Each kind has one conversion into a fact, used by both sources and by
//! admission. An object that cannot be read stays in the snapshot as [`Fact::Unreadable`]; it never vanishes.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

pub(crate) mod cluster;
pub(crate) mod condition;
pub mod crd;
pub(crate) mod dependencies;
pub(crate) mod endpoint;
pub(crate) mod freshness;
pub(crate) mod gateway;
mod kind;
pub(crate) mod meta;
pub(crate) mod namespace;
mod namespace_facts;
pub(crate) mod network;
pub(crate) mod object;
pub mod other_policy;
pub(crate) mod policy;
pub mod read;
pub mod render;
pub(crate) mod restore;
pub(crate) mod rules;
pub(crate) mod service;
pub(crate) mod size;
pub(crate) mod snapshot;
pub(crate) mod stub;
pub(crate) mod unknown;
pub(crate) mod workload;

use std::fmt;
use std::sync::Arc;

pub(crate) use netpol::label::Labels;
use netpol::rule::Selector;
use size::TooLarge;

pub use cluster::{Cluster, Profile};
pub(crate) use condition::{Checkpoint, LiveCondition, Status};
pub(crate) use dependencies::Dependencies;
pub use freshness::Freshness;
pub use gateway::{Gateway, GatewayClass};
pub use kind::{Kind, KindUse};
pub(crate) use namespace::Namespace;
pub use namespace_facts::NamespaceFacts;
pub use network::{Declared, ListedAddress, Network};
pub use object::{Change, Object};
pub use other_policy::OtherPolicy;
pub use policy::Policy;
pub use restore::Restore;
pub use service::{EndpointSlice, Service, Services};
pub use snapshot::{Completeness, Snapshot, Unread};
pub use stub::Stub;
pub use unknown::UnknownField;
pub use workload::Workload;
pub(crate) use workload::{CountedNamespace, StoredLabels};

/// Reference to an object. The kind tells the API group: kinds of the same name in two groups are two kinds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// Kind.
    pub kind: Kind,
    /// Namespace; empty for cluster-scoped objects.
    pub namespace: Arc<str>,
    /// Name; empty, without a namespace, for the kind as a whole.
    pub name: Arc<str>,
}

impl ObjectRef {
    /// Its namespace, or the name of a Namespace.
    pub(crate) fn home(&self) -> &str {
        match self.kind {
            Kind::Namespace => &self.name,
            _ => &self.namespace,
        }
    }

    /// Returns true if the API server will generate the name.
    pub(crate) fn is_generated(&self) -> bool {
        self.name.is_empty() || self.name.contains(meta::GENERATED)
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() && self.namespace.is_empty() {
            return write!(f, "{}", self.kind);
        }
        let separator = if self.namespace.is_empty() { "" } else { "/" };
        write!(
            f,
            "{} {}{separator}{}",
            self.kind, self.namespace, self.name
        )
    }
}

/// The parts of an object's metadata that rules use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Namespace; empty for a Namespace itself.
    pub namespace: Arc<str>,
    /// Name. If the API server will generate it, `generateName` and `*`.
    pub name: Arc<str>,
    /// Labels.
    pub labels: Labels,
    /// Annotations of the `openbao.org/` domain; all others are dropped.
    pub annotations: Labels,
    /// Owner references.
    pub owners: Vec<Owner>,
    /// True if a deletion timestamp is set.
    pub deleting: bool,
    /// Unknown fields of the object. Only objects from files and objects under review are checked for them.
    pub(crate) unknown: Vec<UnknownField>,
}

/// One owner reference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Group and version of the owner. The operator and the garbage collector use them to find it.
    pub api_version: Arc<str>,
    /// Kind of the owner.
    pub kind: Arc<str>,
    /// Name of the owner.
    pub name: Arc<str>,
    /// UID of the owner.
    pub uid: Arc<str>,
    /// True if the owner is the managing controller.
    pub controller: bool,
}

/// A value that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Malformed {
    /// Field path from the object's root, `spec.ingress[0].from[1].ipBlock.cidr`.
    pub path: String,
    /// The value as JSON, shortened.
    pub value: String,
    /// The problem and the expected value: `expected …, found …`.
    pub problem: String,
}

/// An object that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Metadata as far as it could be read. Namespace and name are always set.
    pub meta: Meta,
    /// All problems in field order; never empty.
    pub problems: Vec<Malformed>,
    /// The version of the object, if it is an unsupported one. Then only its metadata is known.
    pub(crate) version: Option<Arc<str>>,
    /// The size, if the object is too large to read. Then only its namespace and name are known.
    pub too_large: Option<Box<TooLarge>>,
    /// For a NetworkPolicy, the pods that it selects; `None` if they are unknown.
    pub(crate) pods: Option<Box<Selector>>,
}

impl Unreadable {
    /// An object that is too large to read.
    pub(crate) fn too_large(meta: Meta, size: TooLarge, pods: Option<Selector>) -> Self {
        let TooLarge {
            path,
            what,
            found,
            cap,
        } = &size;
        Self {
            meta,
            problems: vec![Malformed {
                path: path.clone(),
                value: String::new(),
                problem: format!("expected at most {cap} {what}, found {found}"),
            }],
            version: None,
            too_large: Some(Box::new(size)),
            pods: pods.map(Box::new),
        }
    }

    /// For a NetworkPolicy, the pods that it selects, if they are known.
    pub fn pods(&self) -> Option<&Selector> {
        self.pods.as_deref()
    }
}

/// An object that could be read, or its problems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact<T> {
    /// The object.
    Read(Arc<T>),
    /// Its problems.
    Unreadable(Arc<Unreadable>),
}

impl<T> Fact<T> {
    /// The object, if it could be read.
    pub fn read(&self) -> Option<&Arc<T>> {
        match self {
            Self::Read(fact) => Some(fact),
            Self::Unreadable(_) => None,
        }
    }
}

impl Unreadable {
    /// An object in an unsupported version.
    pub(crate) fn in_version(kind: Kind, meta: Meta, version: &str) -> Self {
        let read = kind.versions().join("` or `");
        Self {
            meta,
            problems: vec![Malformed {
                path: "apiVersion".to_owned(),
                value: version.to_owned(),
                problem: format!("expected version `{read}`, found `{version}`"),
            }],
            version: Some(version.into()),
            too_large: None,
            pods: None,
        }
    }
}

impl<T> Fact<T> {
    /// The version of the object, if it is an unsupported one.
    pub fn unread_version(&self) -> Option<&Arc<str>> {
        match self {
            Self::Read(_) => None,
            Self::Unreadable(broken) => broken.version.as_ref(),
        }
    }
}

impl<T> From<Result<T, Box<Unreadable>>> for Fact<T> {
    fn from(result: Result<T, Box<Unreadable>>) -> Self {
        result.map_or_else(
            |broken| Self::Unreadable(broken.into()),
            |fact| Self::Read(Arc::new(fact)),
        )
    }
}
