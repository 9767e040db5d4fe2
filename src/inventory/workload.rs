//! Pods and templates of pods with the label of a cluster. Others are not kept.

use std::sync::Arc;

use super::{Kind, Labels, Meta, Owner};

/// Label of every pod of a cluster.
pub(crate) const CLUSTER_LABEL: &str = "openbao.org/cluster";

/// Group of the kinds of the operator.
const GROUP: &str = "openbao.org/";

/// A Pod, or an object with a template of pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its kind.
    pub(crate) kind: Kind,
    /// Its metadata.
    pub(crate) meta: Meta,
    /// The labels of its pods.
    pub(crate) labels: Labels,
}

impl Workload {
    /// Field path of the labels of its pods.
    pub(crate) const fn labels_path(kind: Kind) -> &'static str {
        match kind {
            Kind::Pod => "metadata.labels",
            Kind::PodTemplate => "template.metadata.labels",
            Kind::CronJob => "spec.jobTemplate.spec.template.metadata.labels",
            _ => "spec.template.metadata.labels",
        }
    }

    /// Its controller.
    pub(crate) fn controller(&self) -> Option<&Owner> {
        self.meta.controller()
    }
}

impl Meta {
    /// The controller of the object.
    pub(crate) fn controller(&self) -> Option<&Owner> {
        self.owners.iter().find(|owner| owner.controller)
    }

    /// True if an OpenBaoCluster or OpenBaoRestore controls the object.
    pub(crate) fn is_of_the_operator(&self) -> bool {
        let kinds = [Kind::OpenBaoCluster, Kind::OpenBaoRestore].map(Kind::as_str);
        self.controller().is_some_and(|owner| {
            owner.api_version.starts_with(GROUP) && kinds.contains(&&*owner.kind)
        })
    }
}

/// Stored labels that NetworkPolicies believe, as far as they matter.
#[derive(Clone, Debug)]
pub(crate) enum StoredLabels {
    /// All pods of a namespace that have the label of a cluster and do not come from the operator.
    Pods(Arc<str>, Vec<Arc<Workload>>),
    /// All Namespaces with the labels of the setting `review.metricsNamespaceLabels`.
    Namespaces(Vec<CountedNamespace>),
}

/// A Namespace that counts by its labels.
#[derive(Clone, Debug)]
pub(crate) struct CountedNamespace {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// Its labels.
    pub(crate) labels: Labels,
    /// The last change of the fields of a manager that set one of these labels, as in RFC 3339, from
    /// `metadata.managedFields`. They are as old, or older. `None` if it is not recorded.
    pub(crate) changed: Option<String>,
}
