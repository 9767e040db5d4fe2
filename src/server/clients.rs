//! Clients of the API server that reviews need.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::authorizer::Authorizer;
use crate::audit::EventQueue;
use crate::inventory::{Kind, Object};

/// The part of a namespace to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Its OpenBaoClusters.
    Clusters,
    /// All kinds that a verdict may depend on.
    Everything,
    /// The same without OpenBaoClusters.
    Others,
}

impl Scope {
    /// The kinds to read.
    pub const fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Clusters => &[Kind::OpenBaoCluster],
            Self::Everything => &[Kind::OpenBaoCluster, Kind::NetworkPolicy, Kind::Namespace],
            Self::Others => &[Kind::NetworkPolicy, Kind::Namespace],
        }
    }
}

/// Reason for which nothing was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LiveReadError {
    /// It took too long.
    #[error("the API server did not answer in time")]
    Late,
    /// The API server does not serve OpenBaoClusters now.
    #[error("no version of OpenBaoCluster is served")]
    Unserved,
    /// The API server answered with an error, or cannot be reached.
    #[error("{0}")]
    Failed(String),
}

/// A future with the objects of a namespace.
pub type LiveRead = Pin<Box<dyn Future<Output = Result<Vec<Object>, LiveReadError>> + Send>>;

/// Reads live objects from the API server.
pub trait Facts: fmt::Debug + Send + Sync {
    /// Reads a namespace at some point after this call.
    fn read(&self, namespace: Arc<str>, scope: Scope) -> LiveRead;
}

/// Clients of the API server. They are absent if the facts come from files.
#[derive(Clone, Debug, Default)]
pub struct ApiClients {
    /// Reads live objects.
    pub facts: Option<Arc<dyn Facts>>,
    /// Checks whether a user may do maintenance.
    pub authorizer: Option<Arc<dyn Authorizer>>,
    /// Queue of Events about denials.
    pub events: Option<EventQueue>,
}
