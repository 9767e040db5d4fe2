//! Clients of the API server that reviews need.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::authorizer::Authorizer;
use crate::audit::EventQueue;
use crate::inventory::{Kind, Object};

/// Part of a namespace that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Its OpenBaoClusters.
    Clusters,
    /// All that a verdict about it may rest on.
    Everything,
    /// The same but for its OpenBaoClusters.
    Others,
}

impl Scope {
    /// The kinds that are read.
    pub const fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Clusters => &[Kind::OpenBaoCluster],
            Self::Everything => &[Kind::OpenBaoCluster, Kind::NetworkPolicy, Kind::Namespace],
            Self::Others => &[Kind::NetworkPolicy, Kind::Namespace],
        }
    }
}

/// Reason that nothing was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// It took too long.
    #[error("the API server did not answer in time")]
    Late,
    /// The API server serves no OpenBaoClusters, as it says now.
    #[error("no version of OpenBaoCluster is served")]
    Unserved,
    /// The API server denied it, or is not reached.
    #[error("{0}")]
    Failed(String),
}

/// The objects of a namespace, later.
pub type Reading = Pin<Box<dyn Future<Output = Result<Vec<Object>, Unread>> + Send>>;

/// Reads live objects from the API server.
pub trait Facts: fmt::Debug + Send + Sync {
    /// Reads a namespace as it is at some moment after this call.
    fn read(&self, namespace: Arc<str>, scope: Scope) -> Reading;
}

/// Clients of the API server; none where the facts come from files.
#[derive(Clone, Debug, Default)]
pub struct ApiClients {
    /// Reads live objects.
    pub facts: Option<Arc<dyn Facts>>,
    /// Checks whether a writer may do maintenance.
    pub authorizer: Option<Arc<dyn Authorizer>>,
    /// Queue of Events about denials.
    pub events: Option<EventQueue>,
}
