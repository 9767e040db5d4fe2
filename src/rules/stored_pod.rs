//! OBP503: a stored pod with the label of a cluster that does not come from the operator.

use super::{Cause, Finding, Onset};
use crate::baseline::CLUSTER_LABEL;
use crate::inventory::{Kind, ObjectRef, Workload};

/// The finding about a pod of which no controller is the operator's.
pub(crate) fn check(cause: Cause, object: &ObjectRef, pod: &Workload) -> Finding {
    let name = pod.labels.get(CLUSTER_LABEL).map_or("", |name| name);
    let controller = match pod.controller() {
        Some(owner) => format!(
            "its controller {} {} is not controlled by an OpenBaoCluster or OpenBaoRestore",
            owner.kind, owner.name
        ),
        None => "it has no controller".to_owned(),
    };
    let cluster = ObjectRef {
        kind: Kind::OpenBaoCluster,
        namespace: object.namespace.clone(),
        name: name.into(),
    };
    let path = format!("{}[{CLUSTER_LABEL}]", Workload::labels_path(Kind::Pod));
    let reason = format!(
        "the stored pod counts as a pod of OpenBaoCluster {name}, and NetworkPolicies let it in, but {controller}"
    );
    Finding {
        cluster: Some(cluster),
        help: "delete the pod and the workload that creates it".to_owned(),
        ..Finding::of(cause, Onset::PreExisting, object, path)
    }
    .because(reason)
}
