//! OpenBaoRestore as a fact: what it restores into, and what its job needs.

use std::sync::Arc;

use super::cluster::{filled, shared};
use super::condition::LiveCondition;
use super::crd::{ClusterTemplate, OpenBaoRestoreSpec};
use super::dependencies::JobNeeds;
use super::{Labels, Meta};

/// What a snapshot is restored into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreInto {
    /// An OpenBaoCluster of the same namespace.
    Cluster(Arc<str>),
    /// A cluster that is made for it, without policies of the operator.
    Fresh(RestoreTarget),
    /// Nothing is named.
    Nothing,
}

/// A cluster that the operator makes to restore into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreTarget {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name; empty where the operator makes one up.
    pub name: Arc<str>,
    /// The labels of its server pods beyond the operator's own.
    pub pod_labels: Labels,
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
        match &self.into {
            RestoreInto::Cluster(name) => &**name == cluster,
            RestoreInto::Fresh(target) => &*target.name == cluster,
            RestoreInto::Nothing => false,
        }
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
        let into = match (
            spec.cluster.as_deref().and_then(filled),
            spec.cluster_template,
        ) {
            (name, Some(template)) => RestoreInto::Fresh(RestoreTarget {
                namespace: meta.namespace.clone(),
                name: name.unwrap_or_default().into(),
                pod_labels: template_labels(template),
            }),
            (Some(name), None) => RestoreInto::Cluster(name.into()),
            (None, None) => RestoreInto::Nothing,
        };
        Self {
            meta,
            into,
            needs,
            live: Vec::new(),
        }
    }
}

/// The labels that a template gives to server pods.
pub(super) fn template_labels(template: ClusterTemplate) -> Labels {
    let labels = template.pod_metadata.and_then(|metadata| metadata.labels);
    labels.map(shared).unwrap_or_default()
}
