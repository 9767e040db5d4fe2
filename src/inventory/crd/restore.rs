//! The API of OpenBaoRestore, `openbao.org/v1alpha1`.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BackupTarget, ClusterTemplate, LocalRef, OpenBaoClusterStatus};

/// `spec` of an OpenBaoRestore.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "openbao.org",
    version = "v1alpha1",
    kind = "OpenBaoRestore",
    plural = "openbaorestores",
    shortname = "obrestore",
    namespaced,
    status = "OpenBaoClusterStatus"
)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub(crate) struct OpenBaoRestoreSpec {
    /// The cluster to restore into, in the same namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cluster: Option<String>,
    /// Location of the snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<RestoreSource>,
    /// Role with which the job logs in to OpenBao.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) jwt_auth_role: Option<String>,
    /// Token with which it logs in if there is no role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_secret_ref: Option<LocalRef>,
    /// A cluster that is created for this restore (newest operator only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cluster_template: Option<ClusterTemplate>,
}

block! {
    /// `spec.source`.
    RestoreSource {
        /// The object storage.
        target: BackupTarget,
        /// Key of the snapshot.
        key: String,
    }
}
