//! OBP501 and OBP502: labels by which policies recognise the pods of a cluster, in a pod or a template.
//!
//! The API server has the same rules, as a policy that `export identity` prints.

use super::{Cause, Finding, Onset};
use crate::baseline::{CLUSTER_LABEL, IDENTITY_LABELS};
use crate::inventory::{Kind, Labels, ObjectRef, Workload};

/// The labels of pods before and after a write.
pub(crate) struct PodLabels<'a> {
    /// The pod, or the object with the template.
    pub(crate) object: &'a ObjectRef,
    /// The labels before.
    pub(crate) before: Option<&'a Labels>,
    /// The labels after.
    pub(crate) after: &'a Labels,
    /// Ports of the OpenBao API and of Raft.
    pub(crate) ports: [u16; 2],
}

impl PodLabels<'_> {
    /// The keys with another value than before.
    fn changed(&self) -> impl Iterator<Item = &'static str> {
        let keys = IDENTITY_LABELS.into_iter();
        keys.filter(|key| {
            let before = self.before.and_then(|labels| labels.get(*key));
            before != self.after.get(*key)
        })
    }

    fn is_assumed(&self) -> bool {
        self.changed().any(|key| {
            let before = self.before.and_then(|labels| labels.get(key));
            self.after.get(key).is_some() && (key == CLUSTER_LABEL || before.is_none())
        })
    }

    fn finding(&self, cause: Cause, key: &str) -> Finding {
        let path = Workload::labels_path(self.object.kind);
        let cluster = self.after.get(CLUSTER_LABEL).map(|name| ObjectRef {
            kind: Kind::OpenBaoCluster,
            namespace: self.object.namespace.clone(),
            name: name.clone(),
        });
        Finding {
            cluster,
            ..Finding::of(
                cause,
                Onset::Introduced,
                self.object,
                format!("{path}[{key}]"),
            )
        }
    }

    fn cluster(&self) -> &str {
        self.after.get(CLUSTER_LABEL).map_or("", |name| name)
    }
}

/// OBP501: the pods get a label that they did not have, or belong to another cluster.
pub(crate) fn assumed(labels: &PodLabels<'_>) -> Option<Finding> {
    if !labels.is_assumed() {
        return None;
    }
    let [api, raft] = labels.ports;
    let reason = format!(
        "pods with these labels count as pods of OpenBaoCluster {}, and NetworkPolicies let them in (ports {api}, {raft})",
        labels.cluster()
    );
    let help = format!(
        "remove {CLUSTER_LABEL} from the labels; declare a client of your own under spec.network.trustedIngressPeers"
    );
    let finding = labels.finding(Cause::IdentityAssumed, CLUSTER_LABEL);
    Some(Finding { help, ..finding }.because(reason))
}

/// OBP502: the pods lose a label, or its value.
pub(crate) fn lost(labels: &PodLabels<'_>) -> Option<Finding> {
    let keys: Vec<&str> = labels.changed().collect();
    let first = keys.first().filter(|_| !labels.is_assumed())?;
    let reason = format!(
        "without the previous {}, no policy isolates these pods of OpenBaoCluster {}",
        keys.join(", "),
        labels.cluster()
    );
    let help = "leave the label unchanged".to_owned();
    let finding = labels.finding(Cause::IdentityLost, first);
    Some(Finding { help, ..finding }.because(reason))
}
