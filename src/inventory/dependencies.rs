//! What a cluster says about the services around it: what its pods connect to, who is sent to it, and
//! what its jobs need.

mod dial_targets;
mod storage;

use std::sync::Arc;

use super::cluster::{filled, shared};
use super::condition::LiveCondition;
use super::crd::{BackupTarget, Gateway, LocalRef, OpenBaoClusterSpec, SelfInit};
use super::endpoint::{Endpoint, InvalidEndpoint};
use super::{Checkpoint, Labels, Meta};
pub use storage::{StorageFault, UnverifiedStorage};

/// One thing that pods connect to beside the cluster's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialTarget {
    /// What it is, for a sentence: `the transit seal`.
    pub what: &'static str,
    /// Field path of what says so.
    pub path: Arc<str>,
    /// Where it is; an error where the text names no place.
    pub endpoint: Result<Endpoint, InvalidEndpoint>,
}

/// The declared Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayUse {
    /// Its name; `None` where absent or blank.
    pub name: Option<Arc<str>>,
    /// Its namespace, the cluster's own by default.
    pub namespace: Arc<str>,
    /// The one listener that is meant.
    pub listener: Option<Arc<str>>,
    /// How TLS gets through it.
    pub tls: GatewayTls,
}

/// How TLS gets through a Gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayTls {
    /// It ends at OpenBao: a TLSRoute.
    Passthrough,
    /// It ends at the Gateway, and another begins there: an HTTPRoute and a BackendTLSPolicy.
    Reencrypted,
    /// It ends at the Gateway: an HTTPRoute.
    Terminated,
}

/// What a backup or restore job logs in with and where its object storage is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobNeeds {
    /// Role with which it logs in to OpenBao.
    pub jwt_role: Option<Arc<str>>,
    /// Secret with the token with which it does where there is no role.
    pub token_secret: Option<Arc<str>>,
    /// Secret with credentials for the object storage.
    pub credentials_secret: Option<Arc<str>>,
    /// Whether a role or workload identity for the object storage is declared.
    pub has_identity: bool,
    /// What the job connects to.
    pub dial_targets: Vec<DialTarget>,
    /// Labels that its pods carry beyond the operator's own.
    pub pod_labels: Labels,
    /// What about the storage a Hardened cluster does not accept, or may not.
    pub doubts: Vec<UnverifiedStorage>,
}

/// Everything about a cluster that its network perimeter does not depend on, but has to suit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependencies {
    /// `spec.paused`: the operator leaves it alone.
    pub paused: bool,
    /// `spec.gateway`, where it is on.
    pub gateway: Option<GatewayUse>,
    /// `spec.backup`.
    pub backup: Option<JobNeeds>,
    /// Whether an upgrade takes a snapshot first.
    pub snapshot_before_upgrade: bool,
    /// Whether roles for the operator's jobs are made on first start.
    pub has_default_roles: bool,
    /// What the server pods connect to.
    pub dial_targets: Vec<DialTarget>,
    /// The kind of the seal, where it may be a network service of which the declaration names no place.
    pub placeless_seal: Option<Arc<str>>,
    /// The checkpoints of the stored object.
    pub live: Vec<LiveCondition>,
}

impl Dependencies {
    pub(super) fn of(meta: &Meta, spec: &OpenBaoClusterSpec) -> Self {
        let gateway = spec.gateway.as_ref();
        let gateway = gateway.filter(|gateway| gateway.enabled == Some(true));
        let upgrade = spec.upgrade.clone().unwrap_or_default();
        let blue_green = upgrade.blue_green.unwrap_or_default();
        let has_default_roles = spec.self_init.as_ref().is_some_and(makes_roles);
        Self {
            paused: spec.paused == Some(true),
            gateway: gateway.map(|gateway| gateway_use(meta, spec, gateway)),
            backup: spec.backup.as_ref().map(|backup| {
                let target = backup.target.clone().unwrap_or_default();
                JobNeeds::of(
                    meta,
                    "spec.backup.target",
                    &target,
                    backup.jwt_auth_role.as_deref(),
                    backup.token_secret_ref.as_ref(),
                )
            }),
            snapshot_before_upgrade: upgrade.pre_upgrade_snapshot == Some(true)
                || blue_green.pre_upgrade_snapshot == Some(true),
            has_default_roles,
            dial_targets: dial_targets::of_servers(meta, spec),
            placeless_seal: dial_targets::placeless_seal(spec),
            live: Vec::new(),
        }
    }

    /// A checkpoint of the stored object.
    pub fn live(&self, kind: Checkpoint) -> Option<&LiveCondition> {
        self.live.iter().find(|live| live.kind == kind)
    }
}

impl JobNeeds {
    /// What a job needs that works with the storage `target`, which stands at `path`.
    pub(super) fn of(
        meta: &Meta,
        path: &str,
        target: &BackupTarget,
        jwt_role: Option<&str>,
        token: Option<&LocalRef>,
    ) -> Self {
        let identity = target.workload_identity.clone().unwrap_or_default();
        let has_metadata = identity
            .service_account_annotations
            .is_some_and(|annotations| !annotations.is_empty())
            || identity
                .pod_labels
                .as_ref()
                .is_some_and(|labels| !labels.is_empty());
        let has_role = target.role_arn.as_deref().and_then(filled).is_some();
        Self {
            jwt_role: jwt_role.and_then(filled).map(Arc::from),
            token_secret: token.and_then(name),
            credentials_secret: target.credentials_secret_ref.as_ref().and_then(name),
            has_identity: has_role || has_metadata,
            dial_targets: dial_targets::of_job(meta, path, target),
            pod_labels: identity.pod_labels.map(shared).unwrap_or_default(),
            doubts: storage::doubts(path, target),
        }
    }
}

fn name(reference: &LocalRef) -> Option<Arc<str>> {
    let name = reference.name.as_deref().and_then(filled);
    name.map(Arc::from)
}

/// Newer editions ask for OIDC, older ones for the JWT method itself.
fn makes_roles(init: &SelfInit) -> bool {
    let oidc = init.oidc.as_ref().and_then(|oidc| oidc.enabled);
    init.enabled == Some(true) && (oidc == Some(true) || init.bootstrap_jwt_auth == Some(true))
}

fn gateway_use(meta: &Meta, spec: &OpenBaoClusterSpec, gateway: &Gateway) -> GatewayUse {
    let reference = gateway.gateway_ref.clone().unwrap_or_default();
    // On by default, as the operator makes certificates of its own.
    let speaks_tls = spec.tls.as_ref().and_then(|tls| tls.enabled) != Some(false);
    let backend = gateway.backend_tls.as_ref().and_then(|tls| tls.enabled);
    let tls = if gateway.tls_passthrough == Some(true) {
        GatewayTls::Passthrough
    } else if speaks_tls && backend.unwrap_or(true) {
        GatewayTls::Reencrypted
    } else {
        GatewayTls::Terminated
    };
    let namespace = reference.namespace.as_deref().and_then(filled);
    GatewayUse {
        name: reference.name.as_deref().and_then(filled).map(Arc::from),
        namespace: namespace.map_or_else(|| meta.namespace.clone(), Arc::from),
        listener: gateway
            .listener_name
            .as_deref()
            .and_then(filled)
            .map(Arc::from),
        tls,
    }
}
