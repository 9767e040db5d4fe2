//! OpenBaoRestore as a fact: its destination, and the needs of its job.

use std::sync::Arc;

use super::cluster::{filled, shared};
use super::condition::LiveCondition;
use super::crd::{ClusterTemplate, OpenBaoRestoreSpec};
use super::dependencies::JobNeeds;
use super::{Labels, Meta};

/// Destination of a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RestoreInto {
    /// An OpenBaoCluster of the same namespace.
    Cluster(Arc<str>),
    /// A cluster that the operator creates for it, without policies.
    Fresh(RestoreTarget),
    /// None is named.
    Nothing,
}

/// A cluster that the operator creates for a restore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreTarget {
    /// Its namespace.
    pub(crate) namespace: Arc<str>,
    /// Its name; empty if the operator generates it.
    pub(crate) name: Arc<str>,
    /// Labels of its server pods, in addition to the operator's.
    pub(crate) pod_labels: Labels,
}

/// An OpenBaoRestore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restore {
    /// Metadata.
    pub(crate) meta: Meta,
    /// Destination.
    pub(crate) into: RestoreInto,
    /// Needs of its job.
    pub(crate) needs: JobNeeds,
    /// The condition `RestoreConfigurationReady` of the stored object.
    pub(crate) live: Vec<LiveCondition>,
}

impl Restore {
    /// Returns true if it restores into the cluster of this name in its namespace.
    pub(crate) fn is_into(&self, cluster: &str) -> bool {
        match &self.into {
            RestoreInto::Cluster(name) => &**name == cluster,
            RestoreInto::Fresh(target) => &*target.name == cluster,
            RestoreInto::Nothing => false,
        }
    }

    /// Returns true if both have the same spec. Metadata and status are ignored.
    pub(crate) fn same_spec(&self, other: &Self) -> bool {
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

/// The labels of server pods in a template.
pub(super) fn template_labels(template: ClusterTemplate) -> Labels {
    let labels = template.pod_metadata.and_then(|metadata| metadata.labels);
    labels.map(shared).unwrap_or_default()
}
