//! `BackupConfigurationReady` and `RestoreConfigurationReady`, with the same evaluation.

use super::Condition;
use crate::config::ReviewConfig;
use crate::inventory::dependencies::{JobNeeds, StorageFault};
use crate::inventory::{Checkpoint, Cluster, Profile, Status};
use crate::rules::explicit_egress;
use crate::rules::text::storage_fault;

/// The condition of a cluster's backups, where it is neither paused nor without a profile.
pub(super) fn backup(cluster: &Cluster, needs: &JobNeeds, config: &ReviewConfig) -> Condition {
    condition(Checkpoint::BackupConfiguration, cluster, needs, config)
}

/// The condition of a restore into a cluster.
pub(super) fn restore(cluster: &Cluster, needs: &JobNeeds, config: &ReviewConfig) -> Condition {
    condition(Checkpoint::RestoreConfiguration, cluster, needs, config)
}

/// The first problem decides.
fn condition(
    kind: Checkpoint,
    cluster: &Cluster,
    needs: &JobNeeds,
    config: &ReviewConfig,
) -> Condition {
    let is_false = |reason, message: &str| Condition::new(kind, Status::False, reason, message);
    if cluster.profile == Some(Profile::Hardened) {
        let rules = &cluster.network.egress_rules;
        if rules.is_empty() {
            return is_false(
                "NetworkEgressRulesRequired",
                "the cluster is Hardened and declares no egressRules",
            );
        }
        if config.baseline.features().enforces_hardened && !explicit_egress::is_explicit(rules) {
            // The operator's table has no reason for such a restore in this condition.
            return is_false(
                "SecurityViolation",
                "the cluster is Hardened, and an egress rule lacks ports or names no explicit peer",
            );
        }
        if config.baseline.features().enforces_hardened
            && kind == Checkpoint::RestoreConfiguration
            && let Some(doubt) = needs.storage_problems.first()
        {
            return Condition::unknown(kind, storage_problem(&doubt.what));
        }
    }
    let has_role = needs.jwt_role.is_some() || cluster.dependencies.has_default_roles;
    if !has_role && needs.token_secret.is_none() {
        return is_false(
            "AuthenticationRequired",
            "neither jwtAuthRole nor tokenSecretRef says how the job logs in to OpenBao",
        );
    }
    let (reason, message) = storage(needs);
    let token = needs.token_secret.as_ref().filter(|_| !has_role);
    let credentials = needs.credentials_secret.as_ref();
    let secrets: Vec<String> = token
        .into_iter()
        .chain(credentials)
        .map(|name| format!("`{name}`"))
        .collect();
    if secrets.is_empty() {
        return Condition::new(kind, Status::True, reason, message);
    }
    // Secrets are not read, so their existence is unknown.
    let secrets = secrets.join(" and ");
    Condition::unknown(
        kind,
        format!("{reason} if the Secret {secrets} exists and is valid, which is not known here"),
    )
}

/// Message for a restore into a Hardened cluster from storage with this problem. The operator has no reason
/// for it in this condition.
fn storage_problem(what: &StorageFault) -> String {
    let fault = storage_fault(what);
    match what {
        StorageFault::PlainToService => format!(
            "the cluster is Hardened and {fault}; whether the operator's contract lets that pass is not known here"
        ),
        StorageFault::Unverified | StorageFault::Scheme(_) => {
            format!("the cluster is Hardened, and the restore fails since {fault}")
        }
    }
}

/// Authentication of the job to the object storage.
const fn storage(needs: &JobNeeds) -> (&'static str, &'static str) {
    if needs.credentials_secret.is_some() {
        (
            "Ready",
            "the job logs in to the object storage with credentials from a Secret",
        )
    } else if needs.has_identity {
        (
            "WorkloadIdentityConfigured",
            "the job logs in to the object storage with a declared identity",
        )
    } else {
        (
            "AmbientIdentityAssumed",
            "no credentials for the object storage are declared, so the pod's own identity is assumed",
        )
    }
}
