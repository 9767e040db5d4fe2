//! The control plane, the server in front of it, and helpers for scenes.

use std::path::Path;
use std::sync::{LazyLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use serde_json::Value;

use super::clients;
use crate::control_plane::{ControlPlane, Kubectl, Output, audit_flags, wait_until};
use crate::{example, guard};

/// Timeout for everything, on a machine that may compile at the same time.
pub(super) const LIMIT: Duration = Duration::from_mins(1);

/// A tenant with the usual rights in the scene's namespace.
pub(super) const TENANT: &str = "tenant-alice";

/// `kubectl apply` of a manifest.
pub(super) const APPLY: &[&str] = &["apply", "-f", "-"];

static STAGE: LazyLock<Stage> = LazyLock::new(Stage::set_up);

struct Stage {
    plane: ControlPlane,
    /// Locked for reading by scenes that need the server, for writing by the scene that stops it.
    guard: RwLock<Option<guard::Guard>>,
}

impl Stage {
    fn set_up() -> Self {
        let plane = ControlPlane::start_with(|folder| {
            format!("{} {}", clients::flags(folder), audit_flags(folder))
        });
        let guard = guard::Guard::install(&plane, program());
        Self {
            plane,
            guard: RwLock::new(Some(guard)),
        }
    }
}

pub(super) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_openbao-perimeter"))
}

/// The control plane of all scenes.
pub(super) fn plane() -> &'static ControlPlane {
    &STAGE.plane
}

/// No server answers reviews while this exists, and no other scene runs.
pub(super) struct Outage(RwLockWriteGuard<'static, Option<guard::Guard>>);

impl Outage {
    /// Waits for the other scenes, then kills the server.
    pub(super) fn begin() -> Self {
        let mut guard = STAGE.guard.write().unwrap_or_else(PoisonError::into_inner);
        *guard = None;
        Self(guard)
    }
}

/// During an outage of the shared server: another one with these settings, until it is dropped.
pub(super) fn guard_during(_outage: &Outage, settings: &str) -> guard::Guard {
    let other = guard::Guard::start_with(plane(), program(), settings);
    guard::trust(plane());
    other
}

impl Drop for Outage {
    fn drop(&mut self) {
        *self.0 = Some(guard::Guard::start(plane(), program()));
        guard::register(plane());
    }
}

/// The server, with no other scene running while this exists.
pub(super) struct Alone(RwLockWriteGuard<'static, Option<guard::Guard>>);

impl Alone {
    /// Waits for the other scenes.
    pub(super) fn begin() -> Self {
        Self(STAGE.guard.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// The server.
    pub(super) fn guard(&self) -> &guard::Guard {
        self.0.as_ref().expect("a guard")
    }
}

/// Restores the registrations of the manifests.
pub(super) fn register_again(_alone: &Alone) {
    guard::register(plane());
}

/// A namespace with a tenant in it.
pub(super) struct Scene {
    pub(super) namespace: &'static str,
    guarded: Option<RwLockReadGuard<'static, Option<guard::Guard>>>,
}

impl Scene {
    /// A namespace without an OpenBaoCluster.
    pub(super) fn empty(namespace: &'static str) -> Self {
        let guarded = STAGE.guard.read().unwrap_or_else(PoisonError::into_inner);
        Self::make(namespace, Some(guarded))
    }

    /// A namespace without an OpenBaoCluster, for use during an outage.
    pub(super) fn unguarded(namespace: &'static str, _outage: &Outage) -> Self {
        Self::make(namespace, None)
    }

    /// A namespace of an earlier scene, with no other scene running.
    pub(super) fn beside(namespace: &'static str, _alone: &Alone) -> Self {
        Self::make(namespace, None)
    }

    fn make(
        namespace: &'static str,
        guarded: Option<RwLockReadGuard<'static, Option<guard::Guard>>>,
    ) -> Self {
        plane().apply_ok(&tenancy(namespace));
        Self { namespace, guarded }
    }

    /// A namespace with the example cluster, created by a tenant, before the operator's reconcile.
    pub(super) fn with_cluster(namespace: &'static str) -> Self {
        let scene = Self::empty(namespace);
        let made = scene.write(APPLY, &scene.inventory("openbaocluster"));
        assert!(made.status_ok && made.stderr.is_empty(), "{made:?}");
        scene.wait_until_known();
        scene
    }

    /// The same after the operator has rendered the managed policies.
    pub(super) fn rendered(namespace: &'static str) -> Self {
        let scene = Self::with_cluster(namespace);
        scene.render();
        scene
    }

    /// Writes the managed policies as the operator. There must be no message.
    pub(super) fn render(&self) {
        let rendered = example::render(plane(), self.namespace);
        assert!(
            rendered.status_ok && rendered.stderr.is_empty(),
            "{rendered:?}"
        );
    }

    /// The server of this scene.
    pub(super) fn guard(&self) -> &guard::Guard {
        let guard = self.guarded.as_ref().and_then(|guard| guard.as_ref());
        guard.expect("a guard")
    }

    /// Waits until the server knows the cluster: then it denies.
    fn wait_until_known(&self) {
        assert!(self.guarded.is_some(), "nobody would refuse");
        let open = self.scene("refused-OBP201-open-api-by-empty-selector");
        let ask = ["apply", "--dry-run=server", "-f", "-"];
        wait_until("the cluster is known", LIMIT, || {
            (!self.tenant(&ask).stdin(&open).run().status_ok).then_some(())
        });
    }

    /// Waits until the server's facts allow the tenant to apply this.
    pub(super) fn wait_until_allowed(&self, manifest: &str) {
        let ask = ["apply", "--dry-run=server", "-f", "-"];
        wait_until("the policy is allowed", LIMIT, || {
            self.tenant(&ask)
                .stdin(manifest)
                .run()
                .status_ok
                .then_some(())
        });
    }

    /// A scene file, in this namespace.
    pub(super) fn scene(&self, name: &str) -> String {
        example::scene(name, self.namespace)
    }

    /// An inventory file, in this namespace.
    pub(super) fn inventory(&self, name: &str) -> String {
        example::inventory(name, self.namespace)
    }

    /// A call by the tenant.
    pub(super) fn tenant(&self, args: &[&str]) -> Kubectl {
        self.admin(args).as_user(TENANT)
    }

    /// A call by the administrator, in this namespace.
    pub(super) fn admin(&self, args: &[&str]) -> Kubectl {
        plane().kubectl(args.iter().copied().chain(["-n", self.namespace]))
    }

    /// Writes as the tenant: first as a dry run, which must change nothing, and then for real, which must
    /// have the same result.
    pub(super) fn write(&self, args: &[&str], manifest: &str) -> Output {
        let before = self.versions();
        let dry_args: Vec<&str> = args.iter().copied().chain(["--dry-run=server"]).collect();
        let dry = self.tenant(&dry_args).stdin(manifest).run();
        assert_eq!(self.versions(), before, "changed by a dry run: {dry:?}");
        let real = self.tenant(args).stdin(manifest).run();
        assert_eq!((dry.status_ok, &dry.stderr), (real.status_ok, &real.stderr));
        if !real.status_ok {
            assert_eq!(
                self.versions(),
                before,
                "changed by a refused write: {real:?}"
            );
        }
        real
    }

    /// The stored objects of the kinds under review, by name and resource version.
    pub(super) fn versions(&self) -> String {
        let columns = r#"{range .items[*]}{.kind}/{.metadata.name} {.metadata.uid} {.metadata.resourceVersion}{"\n"}{end}"#;
        let output = format!("-o=jsonpath={columns}");
        self.admin(&["get", "networkpolicies,openbaoclusters", &output])
            .run_ok()
    }

    /// A stored object.
    pub(super) fn stored(&self, kind: &str, name: &str) -> Option<Value> {
        let output = self
            .admin(&["get", kind, name, "-o=json", "--ignore-not-found"])
            .run_ok();
        (!output.is_empty()).then(|| serde_json::from_str(&output).expect("JSON"))
    }

    /// A stored NetworkPolicy.
    pub(super) fn policy(&self, name: &str) -> Option<Value> {
        self.stored("networkpolicy", name)
    }
}

/// A namespace and the tenant's rights in it.
pub(super) fn tenancy(namespace: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Namespace
metadata: {{name: {namespace}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: tenant, namespace: {namespace}}}
rules:
  - {{apiGroups: [networking.k8s.io], resources: [networkpolicies], verbs: ['*']}}
  - {{apiGroups: [openbao.org], resources: [openbaoclusters, openbaorestores], verbs: [get, list, watch, create, update, patch, delete]}}
  - {{apiGroups: [''], resources: [configmaps], verbs: ['*']}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: tenant, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: tenant}}
subjects:
  - {{apiGroup: rbac.authorization.k8s.io, kind: User, name: {TENANT}}}
"
    )
}

/// A call by the tenant that sets its namespace itself.
pub(super) fn tenant_anywhere(args: &[&str]) -> Kubectl {
    plane().kubectl(args).as_user(TENANT)
}
