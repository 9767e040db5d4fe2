//! Two replicas, a load balancer, and a control plane.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Request;
use k8s_openapi::ByteString;
use kube::Client;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::balancer::{Balancer, Replicas};
use super::replica::Replica;
use crate::control_plane::{ControlPlane, Output, wait_until};
use crate::e2e::race::client_of;
use crate::e2e::stage::{program, tenancy};
use crate::{example, guard};

/// Three times the time for a rotation of the CA and the replacement of a lost Secret.
const ROTATION: Duration = Duration::from_mins(5);
pub(in crate::e2e) const REGISTRATIONS: [&str; 2] = [
    "validatingwebhookconfiguration",
    "mutatingwebhookconfiguration",
];
/// Settings file in the folder of the control plane. All replicas read it.
const SETTINGS: &str = "settings.yaml";

pub(in crate::e2e) struct Stage {
    pub(in crate::e2e) plane: ControlPlane,
    runtime: Runtime,
    client: Client,
    /// Running replicas, the oldest first.
    pub(in crate::e2e) replicas: Replicas,
    ended: Mutex<Vec<Arc<Replica>>>,
    started: AtomicUsize,
    pub(in crate::e2e) registrations: String,
    /// Settings of each replica.
    settings: &'static str,
}

impl Stage {
    pub(in crate::e2e) fn set_up(settings: &'static str) -> Self {
        let plane = ControlPlane::start();
        guard::prepare(&plane, program());
        for manifest in ["base/rbac", "overlays/self-managed/rbac"] {
            plane.apply_ok(&manifest_text(manifest));
        }
        example::load(&plane, "bao");
        plane.apply_ok(&tenancy("bao"));
        impersonate(&plane);
        let replicas = Replicas::default();
        let balancer = Balancer::start(Arc::clone(&replicas));
        let port = format!("port: {}", balancer.port);
        let runtime = Runtime::new().expect("a runtime");
        let stage = Self {
            client: runtime.block_on(client_of(&plane, None)),
            runtime,
            registrations: manifest_text("registrations/webhook").replace("port: 9443", &port),
            plane,
            replicas,
            ended: Mutex::default(),
            started: AtomicUsize::new(0),
            settings,
        };
        stage.set("");
        // Both start at once. One of them creates the Secret.
        stage.start();
        stage.start();
        stage
    }

    /// Replaces the settings file of all replicas atomically, in addition to the settings of the stage.
    pub(in crate::e2e) fn set(&self, settings: &str) {
        let folder = self.plane.folder();
        let draft = folder.join("settings.draft");
        fs::write(&draft, [self.settings, settings].concat()).expect("write the settings");
        fs::rename(draft, folder.join(SETTINGS)).expect("put the settings in place");
    }

    fn start(&self) -> Arc<Replica> {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let name = format!("replica-{number}");
        let args = format!("--config {SETTINGS}");
        let replica = Arc::new(Replica::start(&self.plane, &name, &args));
        self.replicas.write().unwrap().push(Arc::clone(&replica));
        replica
    }

    /// Replaces the replicas one by one, the oldest first.
    pub(in crate::e2e) fn roll(&self) {
        for _ in 0..2 {
            let oldest = Arc::clone(&self.replicas.read().unwrap()[0]);
            oldest.leave();
            self.replicas.write().unwrap().remove(0);
            self.ended.lock().unwrap().push(oldest);
            let new = self.start();
            self.wait_for("the new replica is ready", || new.is_ready());
        }
    }

    pub(in crate::e2e) fn are_ready(&self) -> bool {
        let replicas = self.replicas.read().unwrap();
        replicas.iter().all(|replica| replica.is_ready())
    }

    pub(in crate::e2e) fn apply(&self, args: &str) -> Output {
        let args = format!("apply -f - {args}");
        let call = self.plane.kubectl(args.split_whitespace());
        call.stdin(&self.registrations).run()
    }

    /// Registers the webhooks. Returns once the API server calls them.
    pub(in crate::e2e) fn register(&self) {
        let applied = self.apply("");
        assert!(applied.status_ok, "{applied:?}");
        self.wait_for("the bundle is in all entries", || self.cas() > 0);
        self.wait_for("the API server asks the webhooks", || self.is_asked());
    }

    /// Returns true if the API server returns the verdict of a replica.
    pub(in crate::e2e) fn is_asked(&self) -> bool {
        let open = example::scene("refused-OBP201-open-api-by-empty-selector", "bao");
        let ask = ["apply", "--dry-run=server", "-f", "-"];
        let asked = self.plane.kubectl(ask).stdin(&open).run();
        asked.stderr.contains("OBP201")
    }

    pub(in crate::e2e) fn registration(&self, kind: &str) -> Value {
        let path = format!("/apis/admissionregistration.k8s.io/v1/{kind}s/openbao-perimeter");
        let request = Request::get(path).body(Vec::new()).expect("a request");
        // Without kubectl: this is called all the time during measurements.
        let read = self.runtime.block_on(self.client.request(request));
        read.expect("a registration")
    }

    /// The CA bundle of an entry. All entries have the same one.
    pub(in crate::e2e) fn bundle(&self) -> Option<String> {
        let mut bundles = REGISTRATIONS.iter().flat_map(|kind| {
            let entries = self.registration(kind)["webhooks"].clone();
            let entries = entries.as_array().cloned().unwrap_or_default();
            entries
                .into_iter()
                .map(|entry| entry["clientConfig"]["caBundle"].clone())
        });
        let first = bundles.next()?;
        if !bundles.all(|bundle| bundle == first) {
            return None;
        }
        let bytes: ByteString = serde_json::from_value(first).ok()?;
        String::from_utf8(bytes.0).ok()
    }

    pub(in crate::e2e) fn cas(&self) -> usize {
        let bundle = self.bundle().unwrap_or_default();
        bundle.matches("BEGIN CERTIFICATE").count()
    }

    /// Number of rotation steps performed by all replicas so far.
    pub(in crate::e2e) fn steps(&self, step: &str) -> usize {
        let ended = self.ended.lock().unwrap().clone();
        let serving = self.replicas.read().unwrap().clone();
        let all = ended.iter().chain(&serving);
        all.map(|replica| replica.steps(step)).sum()
    }

    pub(in crate::e2e) fn wait_for(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        wait_until(what, ROTATION, || {
            for replica in self.replicas.read().unwrap().iter() {
                replica.is_alive();
            }
            is_so().then_some(())
        });
    }
}

pub(in crate::e2e) fn manifest_text(name: &str) -> String {
    fs::read_to_string(format!("manifests/{name}.yaml")).expect("read a manifest")
}

/// The replicas have the rights of their service account, not the administrator's.
pub(in crate::e2e) fn impersonate(plane: &ControlPlane) {
    let text = fs::read_to_string(plane.kubeconfig()).expect("read the kubeconfig");
    let mut config: Value = serde_json::from_str(&text).expect("JSON");
    let account = "system:serviceaccount:openbao-perimeter-system:openbao-perimeter";
    config["users"][0]["user"]["as"] = account.into();
    let file = plane.folder().join("kubeconfig-guard");
    fs::write(file, config.to_string()).expect("write the kubeconfig");
}
