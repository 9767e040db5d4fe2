//! `spec.backup`, and the object storage that an OpenBaoRestore shares with it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PodMetadata;

block! {
    /// A Secret or the like in the same namespace.
    LocalRef {
        /// Its name.
        name: String,
    }
}

block! {
    /// `spec.backup`.
    Backup {
        /// Cron schedule.
        schedule: String,
        /// Where backups go.
        target: BackupTarget,
        /// Role with which backup jobs log in to OpenBao.
        jwt_auth_role: String,
        /// Token with which they do where there is no role.
        token_secret_ref: LocalRef,
        /// Restores by which backups are tested.
        restore_test: RestoreTest,
    }
}

block! {
    /// `spec.backup.restoreTest`: the newest operator restores backups into clusters that it makes for it.
    RestoreTest {
        /// Namespace of those clusters.
        namespace: String,
        /// Their template.
        cluster_template: ClusterTemplate,
    }
}

block! {
    /// A cluster that the newest operator makes to restore into: `spec.clusterTemplate` of an
    /// OpenBaoRestore, `spec.backup.restoreTest.clusterTemplate` of an OpenBaoCluster.
    ClusterTemplate {
        /// Labels of its server pods.
        pod_metadata: PodMetadata,
    }
}

block! {
    /// `spec.backup.target`, `spec.source.target`.
    BackupTarget {
        /// `s3`, `gcs` or `azure`.
        provider: String,
        /// URL of the object storage.
        endpoint: String,
        /// Whether the certificate of the object storage goes unverified.
        insecure_skip_verify: bool,
        /// Region, for S3.
        region: String,
        /// Role that the jobs take on, for S3.
        role_arn: String,
        /// Credentials for the object storage.
        credentials_secret_ref: LocalRef,
        /// Identity of the backup pods.
        workload_identity: WorkloadIdentity,
        /// For Azure.
        azure: AzureTarget,
    }
}

block! {
    /// `spec.backup.target.azure`.
    AzureTarget {
        /// Name of the storage account, of which the host name is made.
        storage_account: String,
    }
}

block! {
    /// `spec.backup.target.workloadIdentity`.
    WorkloadIdentity {
        /// Annotations of the jobs' service account.
        service_account_annotations: BTreeMap<String, String>,
        /// Labels merged into job pods.
        pod_labels: BTreeMap<String, String>,
    }
}
