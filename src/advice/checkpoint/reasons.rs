//! Statuses and reasons that the operator reports, by baseline. The operator rewrites any other pair to
//! `Unknown`, `Unknown`, and so does this module.

use super::Condition;
use crate::config::Baseline::{self, V01, V04};
use crate::inventory::Checkpoint::{
    self, ApiServerNetwork, BackupConfiguration, GatewayIntegration, RestoreConfiguration,
};
use crate::inventory::Status::{self, False, True, Unknown};

/// A status and reason of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// Type of the condition.
    pub(crate) kind: Checkpoint,
    /// Status.
    pub(crate) status: Status,
    /// Reason.
    pub(crate) reason: &'static str,
    /// Baselines that have it.
    pub(crate) baselines: &'static [Baseline],
}

const SINCE_V01: &[Baseline] = &[V01, V04];
const V04_ONLY: &[Baseline] = &[V04];

const fn pair(
    kind: Checkpoint,
    status: Status,
    reason: &'static str,
    baselines: &'static [Baseline],
) -> Report {
    Report {
        kind,
        status,
        reason,
        baselines,
    }
}

/// Every pair.
#[rustfmt::skip]
pub(crate) const REASONS: &[Report] = &[
    pair(ApiServerNetwork, True,    "APIServerNetworkReady",                SINCE_V01),
    pair(ApiServerNetwork, Unknown, "APIServerEndpointIPsRecommended",      SINCE_V01),
    pair(ApiServerNetwork, False,   "APIServerNetworkConfigurationInvalid", SINCE_V01),
    pair(ApiServerNetwork, Unknown, "Paused",                               SINCE_V01),
    pair(ApiServerNetwork, Unknown, "ProfileNotSet",                        SINCE_V01),
    pair(ApiServerNetwork, Unknown, "Unknown",                              SINCE_V01),

    pair(GatewayIntegration, True,    "GatewayIntegrationReady",          SINCE_V01),
    pair(GatewayIntegration, False,   "GatewayAPIMissing",                SINCE_V01),
    pair(GatewayIntegration, False,   "GatewayReferenceMissing",          SINCE_V01),
    pair(GatewayIntegration, False,   "GatewayClassMissing",              SINCE_V01),
    pair(GatewayIntegration, False,   "GatewayListenerIncompatible",      SINCE_V01),
    pair(GatewayIntegration, False,   "GatewayClassNotAccepted",          SINCE_V01),
    pair(GatewayIntegration, False,   "GatewayVersionUnsupported",        SINCE_V01),
    pair(GatewayIntegration, False,   "GatewayFeatureUnsupported",        SINCE_V01),
    pair(GatewayIntegration, False,   "GatewayNotProgrammed",             SINCE_V01),
    pair(GatewayIntegration, False,   "GatewayRouteNotAccepted",          V04_ONLY),
    pair(GatewayIntegration, False,   "GatewayRouteReferencesUnresolved", V04_ONLY),
    pair(GatewayIntegration, Unknown, "GatewayClassPending",              SINCE_V01),
    pair(GatewayIntegration, Unknown, "GatewayCapabilitiesUnknown",       SINCE_V01),
    pair(GatewayIntegration, Unknown, "GatewayProgrammingPending",        SINCE_V01),
    pair(GatewayIntegration, Unknown, "GatewayRoutePending",              V04_ONLY),
    pair(GatewayIntegration, Unknown, "Paused",                           SINCE_V01),
    pair(GatewayIntegration, Unknown, "ProfileNotSet",                    SINCE_V01),
    pair(GatewayIntegration, Unknown, "Unknown",                          SINCE_V01),

    pair(BackupConfiguration, True,    "Ready",                      SINCE_V01),
    pair(BackupConfiguration, True,    "WorkloadIdentityConfigured", SINCE_V01),
    pair(BackupConfiguration, True,    "AmbientIdentityAssumed",     SINCE_V01),
    pair(BackupConfiguration, False,   "NetworkEgressRulesRequired", SINCE_V01),
    pair(BackupConfiguration, False,   "AuthenticationRequired",     SINCE_V01),
    pair(BackupConfiguration, False,   "TokenSecretMissing",         SINCE_V01),
    pair(BackupConfiguration, False,   "CredentialsSecretMissing",   SINCE_V01),
    pair(BackupConfiguration, False,   "SecurityViolation",          SINCE_V01),
    pair(BackupConfiguration, Unknown, "Paused",                     SINCE_V01),
    pair(BackupConfiguration, Unknown, "ProfileNotSet",              SINCE_V01),
    pair(BackupConfiguration, Unknown, "Unknown",                    SINCE_V01),

    pair(RestoreConfiguration, True,    "Ready",                      SINCE_V01),
    pair(RestoreConfiguration, True,    "WorkloadIdentityConfigured", SINCE_V01),
    pair(RestoreConfiguration, True,    "AmbientIdentityAssumed",     SINCE_V01),
    pair(RestoreConfiguration, False,   "NetworkEgressRulesRequired", SINCE_V01),
    pair(RestoreConfiguration, False,   "AuthenticationRequired",     SINCE_V01),
    pair(RestoreConfiguration, False,   "TokenSecretMissing",         SINCE_V01),
    pair(RestoreConfiguration, False,   "TokenSecretInvalid",         SINCE_V01),
    pair(RestoreConfiguration, False,   "CredentialsSecretMissing",   SINCE_V01),
    pair(RestoreConfiguration, Unknown, "Unknown",                    SINCE_V01),
];

/// The condition as an operator of this baseline reports it.
pub(super) fn reported(condition: Condition, baseline: Baseline) -> Condition {
    let is_known = REASONS.iter().any(|known| {
        known.kind == condition.kind
            && known.status == condition.status
            && known.reason == condition.reason
            && known.baselines.contains(&baseline)
    });
    if is_known {
        condition
    } else {
        Condition::unknown(condition.kind, condition.message)
    }
}
