//! The example cluster of `manifests/examples`, in any namespace of a control plane.

#![allow(dead_code, reason = "each user needs another part")]
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::fs;
use std::path::{Path, PathBuf};

use crate::control_plane::{ControlPlane, Kubectl, Output};

/// The service account of the operator's controller.
pub(crate) const OPERATOR: &str =
    "system:serviceaccount:openbao-operator-system:openbao-operator-controller";

/// The owner UID of the managed policies in the files.
pub(crate) const UID: &str = "6f0f2b9e-3a52-4f0e-9c36-2d1c0f6a7b10";

/// The rights of the operator's service account.
pub(crate) const OPERATOR_RIGHTS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: openbao-operator}
rules:
  - {apiGroups: [networking.k8s.io], resources: [networkpolicies], verbs: ['*']}
  - {apiGroups: [openbao.org], resources: [openbaoclusters, openbaoclusters/status, openbaorestores], verbs: ['*']}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: openbao-operator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: openbao-operator}
subjects:
  - {kind: ServiceAccount, namespace: openbao-operator-system, name: openbao-operator-controller}
";

/// The folder of the examples.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/examples")
}

/// A file of the inventory, moved to a namespace.
pub(crate) fn inventory(name: &str, namespace: &str) -> String {
    read(&format!("inventory/{name}.yaml"), namespace)
}

/// A scene, moved to a namespace.
pub(crate) fn scene(name: &str, namespace: &str) -> String {
    read(&format!("scenes/{name}.yaml"), namespace)
}

fn read(file: &str, namespace: &str) -> String {
    let text = fs::read_to_string(folder().join(file)).expect("read an example");
    text.replace("namespace: bao\n", &format!("namespace: {namespace}\n"))
}

/// Applies the whole inventory: the tenant's objects as the administrator, the managed policies as the
/// operator, whose service account gets its rights first.
pub(crate) fn load(plane: &ControlPlane, namespace: &str) {
    plane.apply_ok(OPERATOR_RIGHTS);
    for name in ["namespace", "openbaocluster", "default-deny"] {
        plane.apply_ok(&inventory(name, namespace));
    }
    let rendered = render(plane, namespace);
    assert!(rendered.status_ok, "{}", rendered.stderr);
}

/// Writes as the operator does: server-side apply with forced conflicts.
pub(crate) fn as_operator(plane: &ControlPlane, manifests: &str) -> Kubectl {
    let apply = "apply --server-side --field-manager=openbao-operator --force-conflicts -f -";
    plane
        .kubectl(apply.split(' '))
        .as_user(OPERATOR)
        .stdin(manifests)
}

/// The two managed policies as the operator renders them for the cluster in the namespace.
pub(crate) fn managed_policies(plane: &ControlPlane, namespace: &str) -> String {
    let uid = [
        "get",
        "openbaocluster",
        "bao",
        "-o=jsonpath={.metadata.uid}",
        "-n",
        namespace,
    ];
    let uid = plane.kubectl(uid).run_ok();
    let [workload, jobs] = ["bao-network-policy", "bao-jobs-network-policy"]
        .map(|name| inventory(name, namespace).replace(UID, &uid));
    format!("{workload}---\n{jobs}")
}

/// The operator writes the managed policies.
pub(crate) fn render(plane: &ControlPlane, namespace: &str) -> Output {
    as_operator(plane, &managed_policies(plane, namespace)).run()
}
