//! `spec.backup`, and the object storage that an OpenBaoRestore shares with it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PodMetadata;

block! {
    /// Reference to an object in the same namespace, for example a Secret.
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
        /// Destination of backups.
        target: BackupTarget,
        /// Role with which backup jobs log in to OpenBao.
        jwt_auth_role: String,
        /// Token with which they log in if there is no role.
        token_secret_ref: LocalRef,
        /// Restores that test the backups.
        restore_test: RestoreTest,
    }
}

block! {
    /// `spec.backup.restoreTest`: the newest operator restores backups into clusters that it creates for the
    /// test.
    RestoreTest {
        /// Namespace of those clusters.
        namespace: String,
        /// Their template.
        cluster_template: ClusterTemplate,
    }
}

block! {
    /// A cluster that the newest operator creates for a restore: `spec.clusterTemplate` of an OpenBaoRestore,
    /// `spec.backup.restoreTest.clusterTemplate` of an OpenBaoCluster.
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
        /// True if verification of the storage's certificate is off.
        insecure_skip_verify: bool,
        /// Region, for S3.
        region: String,
        /// Role that the jobs assume, for S3.
        role_arn: String,
        /// Credentials for the object storage.
        credentials_secret_ref: LocalRef,
        /// Identity of the backup pods.
        workload_identity: WorkloadIdentity,
        /// Settings of `azure`.
        azure: AzureTarget,
    }
}

block! {
    /// `spec.backup.target.azure`.
    AzureTarget {
        /// Name of the storage account. It is part of the host name.
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
