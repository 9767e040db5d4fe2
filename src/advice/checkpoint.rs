//! The operator's four status conditions, computed from facts with the operator's statuses, reasons and order
//! of checks; and the findings OBP601 to OBP604 about conditions that are `False`.
//!
//! If the facts are not enough, for example about the existence of a Secret, the status is `Unknown`, and the
//! message names the missing fact. The baseline `classic` has none of these conditions.

mod api_server;
mod gateway;
mod job;
mod reasons;
#[cfg(test)]
mod tests;

use crate::config::ReviewConfig;
use crate::inventory::{
    Checkpoint, Cluster, Fact, LiveCondition, ObjectRef, Restore, Snapshot, Status,
};

use crate::rules::{Cause, Finding, Onset};

#[cfg(test)]
pub(crate) use reasons::REASONS;

/// A condition as computed here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Type.
    pub kind: Checkpoint,
    /// Status.
    pub status: Status,
    /// The operator's reason.
    pub reason: &'static str,
    /// Message: a clause without a full stop.
    pub message: String,
}

impl Condition {
    fn new(
        kind: Checkpoint,
        status: Status,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            status,
            reason,
            message: message.into(),
        }
    }

    fn unknown(kind: Checkpoint, message: impl Into<String>) -> Self {
        Self::new(kind, Status::Unknown, "Unknown", message)
    }

    /// Returns true if a live condition differs.
    pub(crate) fn differs_from(&self, live: &LiveCondition) -> bool {
        self.status != live.status || self.reason != &*live.reason
    }

    /// The condition on one line, with the live one if it differs.
    pub(crate) fn with_live(&self, live: Option<&LiveCondition>) -> String {
        let Self {
            kind,
            status,
            reason,
            message,
        } = self;
        let own = format!("{kind} is {status} ({reason}): {message}");
        match live.filter(|live| self.differs_from(live)) {
            Some(live) => format!(
                "{own}; the live object says {} ({})",
                live.status, live.reason
            ),
            None => own,
        }
    }
}

/// The conditions of a cluster, in the order of the documentation. Those that the operator does not report
/// are left out: the Gateway's or the backup's if none is declared, and all of them in the baseline
/// `classic`.
pub(crate) fn checkpoints(
    cluster: &Cluster,
    snapshot: &Snapshot,
    config: &ReviewConfig,
) -> Vec<Condition> {
    let condition = |kind| computed(kind, cluster, snapshot, config);
    Checkpoint::ALL.into_iter().filter_map(condition).collect()
}

/// One condition of a cluster, if the operator reports it.
fn computed(
    kind: Checkpoint,
    cluster: &Cluster,
    snapshot: &Snapshot,
    config: &ReviewConfig,
) -> Option<Condition> {
    if !config.baseline.features().reports_checkpoints {
        return None;
    }
    let around = &cluster.dependencies;
    let condition = match kind {
        Checkpoint::ApiServerNetwork => api_server::condition(cluster, snapshot, config),
        Checkpoint::GatewayIntegration => {
            gateway::condition(around.gateway.as_ref()?, snapshot, config)
        }
        Checkpoint::BackupConfiguration => job::backup(cluster, around.backup.as_ref()?, config),
        Checkpoint::RestoreConfiguration => return None,
    };
    Some(reasons::reported(
        unless_held(cluster, condition),
        config.baseline,
    ))
}

/// The condition of a restore into this cluster; `None` in the baseline `classic`.
pub(crate) fn of_restore(
    restore: &Restore,
    cluster: &Cluster,
    config: &ReviewConfig,
) -> Option<Condition> {
    config.baseline.features().reports_checkpoints.then(|| {
        let condition = job::restore(cluster, &restore.needs, config);
        reasons::reported(condition, config.baseline)
    })
}

/// Replaces the condition if the cluster is paused or has no profile, since the operator checks nothing else
/// then.
fn unless_held(cluster: &Cluster, condition: Condition) -> Condition {
    let (reason, message) = if cluster.dependencies.paused {
        (
            "Paused",
            "the cluster is paused, so the operator checks nothing",
        )
    } else if cluster.profile.is_none() {
        (
            "ProfileNotSet",
            "spec.profile is not set, so the operator checks nothing",
        )
    } else {
        return condition;
    };
    Condition::new(condition.kind, Status::Unknown, reason, message)
}

/// OBP601 to OBP603: a condition of a cluster that is `False`, as computed or in the live object.
pub(crate) fn check(
    kind: Checkpoint,
    object: &ObjectRef,
    (before, after): (Option<&Cluster>, &Cluster),
    (snapshot, config): (&Snapshot, &ReviewConfig),
) -> Option<Finding> {
    let condition = computed(kind, after, snapshot, config)?;
    let old = before.and_then(|before| computed(kind, before, snapshot, config));
    let live = after.dependencies.live(kind);
    finding(object, &condition, live, old.as_ref())
}

/// The finding about one condition, if it is `False`. `old` is the condition before the write.
pub(crate) fn finding(
    object: &ObjectRef,
    condition: &Condition,
    live: Option<&LiveCondition>,
    old: Option<&Condition>,
) -> Option<Finding> {
    // The operator may know more than the facts. If the condition becomes `True` by this write, the operator has not
    // processed the write yet.
    let is_blind = condition.status == Status::Unknown || old.is_none();
    let seen = live.filter(|live| live.status == Status::False && is_blind);
    if condition.status != Status::False && seen.is_none() {
        return None;
    }
    let (cause, path) = place(condition.kind);
    let same = |old: &Condition| old.status == condition.status && old.reason == condition.reason;
    let is_known = seen.is_some() || old.is_some_and(same);
    Some(Finding {
        reason: condition.with_live(live),
        help: help(condition.reason, condition.kind),
        ..Finding::of(cause, Onset::of(is_known), object, path)
    })
}

/// The cause of findings about a condition, and the field that decides it.
const fn place(kind: Checkpoint) -> (Cause, &'static str) {
    match kind {
        Checkpoint::ApiServerNetwork => (Cause::ApiServerNetworkNotReady, "spec.network"),
        Checkpoint::GatewayIntegration => (Cause::GatewayIntegrationNotReady, "spec.gateway"),
        Checkpoint::BackupConfiguration => (Cause::BackupConfigurationNotReady, "spec.backup"),
        Checkpoint::RestoreConfiguration => (Cause::RestoreConfigurationNotReady, "spec"),
    }
}

fn help(reason: &str, kind: Checkpoint) -> String {
    let text = match reason {
        "APIServerNetworkConfigurationInvalid" => {
            "write apiServerCIDR as an address and a prefix length, and each of apiServerEndpointIPs as an address"
        }
        "GatewayAPIMissing" => {
            "install the Gateway API, or turn spec.gateway off and name the proxy's namespace in \
             spec.network.trustedIngressPeers"
        }
        "GatewayReferenceMissing" => "name a Gateway that exists in spec.gateway.gatewayRef",
        "GatewayListenerIncompatible" => {
            "name a suitable listener in spec.gateway.listenerName: HTTP or HTTPS, or TLS in mode Passthrough with \
             tlsPassthrough"
        }
        "NetworkEgressRulesRequired" | "SecurityViolation" => {
            "declare what the jobs reach in spec.network.egressRules: peers by name or block, each with its ports"
        }
        "AuthenticationRequired" => {
            "set jwtAuthRole or tokenSecretRef, or let OpenBao make the roles with spec.selfInit.oidc.enabled"
        }
        _ if kind == Checkpoint::GatewayIntegration => {
            "ask the Gateway's owner: the status of the Gateway and of its class has the details"
        }
        _ => "look at the condition's message in the live object",
    };
    text.to_owned()
}

/// The object, if it exists and can be read.
pub(super) fn read<T>(fact: Option<&Fact<T>>) -> Option<&T> {
    fact.and_then(Fact::read).map(AsRef::as_ref)
}
