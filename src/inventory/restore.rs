//! OpenBaoRestore as a fact: what it restores into, and what its job needs.

use std::sync::Arc;

use super::Meta;
use super::cluster::filled;
use super::condition::LiveCondition;
use super::crd::OpenBaoRestoreSpec;
use super::surroundings::JobNeeds;

/// What a snapshot is restored into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreInto {
    /// An OpenBaoCluster of the same namespace.
    Cluster(Arc<str>),
    /// A cluster that is made for it, without policies of the operator.
    Fresh,
    /// Nothing is named.
    Nothing,
}

/// An OpenBaoRestore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restore {
    /// Metadata.
    pub meta: Meta,
    /// What it restores into.
    pub into: RestoreInto,
    /// What its job needs.
    pub needs: JobNeeds,
    /// `RestoreConfigurationReady` of the stored object.
    pub live: Vec<LiveCondition>,
}

impl Restore {
    /// Whether it restores into the cluster of this name in its namespace.
    pub fn is_into(&self, cluster: &str) -> bool {
        matches!(&self.into, RestoreInto::Cluster(name) if &**name == cluster)
    }

    /// Whether the two say the same, metadata and status aside.
    pub fn same_spec(&self, other: &Self) -> bool {
        self.into == other.into && self.needs == other.needs
    }
}

impl From<(Meta, OpenBaoRestoreSpec)> for Restore {
    fn from((meta, spec): (Meta, OpenBaoRestoreSpec)) -> Self {
        let target = spec.source.and_then(|source| source.target);
        let needs = JobNeeds::of(
            &meta,
            "spec.source.target",
            &target.unwrap_or_default(),
            spec.jwt_auth_role.as_deref(),
            spec.token_secret_ref.as_ref(),
        );
        let into = match spec.cluster.as_deref().and_then(filled) {
            _ if spec.cluster_template.is_some() => RestoreInto::Fresh,
            Some(name) => RestoreInto::Cluster(name.into()),
            None => RestoreInto::Nothing,
        };
        Self {
            meta,
            into,
            needs,
            live: Vec::new(),
        }
    }
}
