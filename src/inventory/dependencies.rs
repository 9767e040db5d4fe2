//! External services of a cluster: the services that its pods connect to, the Gateway in front of it, and
//! the needs of its jobs.

mod dial_targets;
mod storage;

use std::sync::Arc;

use super::cluster::{filled, shared};
use super::condition::LiveCondition;
use super::crd::{BackupTarget, Gateway, LocalRef, OpenBaoClusterSpec, SelfInit};
use super::endpoint::{Endpoint, InvalidEndpoint};
use super::{Checkpoint, Labels, Meta};
use netpol::port::Protocol;
pub(crate) use storage::{StorageFault, UnverifiedStorage};

/// A service that pods connect to, outside of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DialTarget {
    /// Name of the service in messages: `the transit seal`.
    pub(crate) what: &'static str,
    /// Field path of the declaration.
    pub(crate) path: Arc<str>,
    /// Protocol of the connection.
    pub(crate) protocol: Protocol,
    /// Address of the service, or an error if the text is no endpoint.
    pub(crate) endpoint: Result<Endpoint, InvalidEndpoint>,
}

/// The declared Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GatewayUse {
    /// Its name; `None` where absent or blank.
    pub(crate) name: Option<Arc<str>>,
    /// Its namespace; by default the cluster's own.
    pub(crate) namespace: Arc<str>,
    /// The listener, if one is named.
    pub(crate) listener: Option<Arc<str>>,
    /// TLS mode.
    pub(crate) tls: GatewayTls,
}

/// TLS mode of a Gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GatewayTls {
    /// OpenBao terminates TLS: a TLSRoute.
    Passthrough,
    /// The Gateway terminates TLS and opens a new TLS connection: an HTTPRoute and a BackendTLSPolicy.
    Reencrypted,
    /// The Gateway terminates TLS: an HTTPRoute.
    Terminated,
}

/// Credentials and object storage of a backup or restore job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct JobNeeds {
    /// Role with which it logs in to OpenBao.
    pub(crate) jwt_role: Option<Arc<str>>,
    /// Secret with the token with which it logs in if there is no role.
    pub(crate) token_secret: Option<Arc<str>>,
    /// Secret with credentials for the object storage.
    pub(crate) credentials_secret: Option<Arc<str>>,
    /// True if a role or workload identity for the object storage is declared.
    pub(crate) has_identity: bool,
    /// Services that the job connects to.
    pub(crate) dial_targets: Vec<DialTarget>,
    /// Labels of its pods, in addition to the operator's.
    pub(crate) pod_labels: Labels,
    /// Properties of the storage that a Hardened cluster does not accept, or may not accept.
    pub(crate) storage_problems: Vec<UnverifiedStorage>,
}

/// Declarations that do not define the network perimeter, but have to agree with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependencies {
    /// `spec.paused`: the operator does not reconcile the cluster.
    pub(crate) paused: bool,
    /// `spec.gateway`, if it is on.
    pub(crate) gateway: Option<GatewayUse>,
    /// `spec.backup`.
    pub(crate) backup: Option<JobNeeds>,
    /// True if an upgrade takes a snapshot first.
    pub(crate) snapshot_before_upgrade: bool,
    /// True if roles for the operator's jobs are created on first start.
    pub(crate) has_default_roles: bool,
    /// Services that the server pods connect to.
    pub(crate) dial_targets: Vec<DialTarget>,
    /// The type of the seal, if it may be a network service whose address is not declared.
    pub(crate) seal_without_address: Option<Arc<str>>,
    /// The conditions of the stored object.
    pub(crate) live: Vec<LiveCondition>,
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
            seal_without_address: dial_targets::seal_without_address(spec),
            live: Vec::new(),
        }
    }

    /// A condition of the stored object.
    pub(crate) fn live(&self, kind: Checkpoint) -> Option<&LiveCondition> {
        self.live.iter().find(|live| live.kind == kind)
    }
}

impl JobNeeds {
    /// The needs of a job that uses the storage `target` at field path `path`.
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
            storage_problems: storage::storage_problems(path, target),
        }
    }
}

fn name(reference: &LocalRef) -> Option<Arc<str>> {
    let name = reference.name.as_deref().and_then(filled);
    name.map(Arc::from)
}

/// Newer operators use OIDC, older ones the JWT method.
fn makes_roles(init: &SelfInit) -> bool {
    let oidc = init.oidc.as_ref().and_then(|oidc| oidc.enabled);
    init.enabled == Some(true) && (oidc == Some(true) || init.bootstrap_jwt_auth == Some(true))
}

fn gateway_use(meta: &Meta, spec: &OpenBaoClusterSpec, gateway: &Gateway) -> GatewayUse {
    let reference = gateway.gateway_ref.clone().unwrap_or_default();
    // On by default, since the operator issues certificates.
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
