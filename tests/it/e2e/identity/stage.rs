//! A control plane with the identity guard and the controllers of workloads.

use std::path::Path;
use std::sync::LazyLock;
use std::{fs, iter};

use axum::http::Request;
use futures_util::StreamExt as _;
use kube::{Client, Error};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::samples::{PodKind, named, object, two};
use crate::control_plane::{ControlPlane, Kubectl, Output, wait_until};
use crate::e2e::race::client_of;
use crate::e2e::stage::{LIMIT, program};
use crate::example::OPERATOR;
use crate::guard;
use crate::manifests::identity::exported;

/// A user with ClusterRole `edit` in each namespace.
pub(super) const TENANT: &str = "tenant-alice";
/// A user with every right in each namespace.
pub(super) const WRITER: &str = "writer";
/// An account of the setting `identity.accounts`.
pub(super) const VELERO: &str = "system:serviceaccount:velero:velero";
/// Calls at the same time.
const AT_ONCE: usize = 8;

/// The controllers that copy templates, and those that they need.
pub(super) const CONTROLLERS: &str = "clusterrole-aggregation-controller,cronjob-controller,\
daemonset-controller,deployment-controller,garbage-collector-controller,job-controller,\
namespace-controller,replicaset-controller,replicationcontroller-controller,\
serviceaccount-controller,statefulset-controller";
const ACCOUNTS: &str = "clusterrole-aggregation-controller cronjob-controller \
daemon-set-controller deployment-controller generic-garbage-collector job-controller \
namespace-controller replicaset-controller replication-controller service-account-controller \
statefulset-controller";

static STAGE: LazyLock<Stage> = LazyLock::new(Stage::set_up);

/// The stage of all scenes but those that change the guard.
pub(super) fn stage() -> &'static Stage {
    &STAGE
}

pub(super) struct Stage {
    pub(super) plane: ControlPlane,
    runtime: Runtime,
    /// Answers to the templates of [`super::templates`] while the cluster has no OpenBaoCluster kind.
    pub(super) without_crd: Vec<Answer>,
}

/// The answer to a write: nothing, or the message of its denial.
pub(super) type Answer = Result<(), String>;

impl Stage {
    fn set_up() -> Self {
        let plane = ControlPlane::start();
        plane.start_controllers(CONTROLLERS, ACCOUNTS);
        let mut stage = Self::of(plane);
        stage.store_before_the_guard();
        stage.guard("identity: {accounts: ['system:serviceaccount:velero:velero']}");
        stage.without_crd = super::templates::answers(&stage, "without-crd");
        guard::prepare(&stage.plane, program());
        let registrations = Path::new("manifests/registrations/webhook.yaml");
        stage
            .plane
            .apply_ok(&fs::read_to_string(registrations).expect("registrations"));
        stage
    }

    /// A control plane without the guard.
    pub(super) fn of(plane: ControlPlane) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        plane.apply_ok(&rights());
        Self {
            plane,
            runtime,
            without_crd: Vec::new(),
        }
    }

    /// Applies the guard with these settings. Returns once it answers.
    pub(super) fn guard(&self, settings: &str) {
        self.plane.apply_ok(&exported(settings));
        self.namespace("probe");
        let pod = object(named("Pod"), "probe", "probe", &two());
        wait_until("the guard denies", LIMIT, || {
            let answer = self.create(WRITER, std::slice::from_ref(&pod)).remove(0);
            answer
                .is_err_and(|said| said.contains("OBP501"))
                .then_some(())
        });
    }

    /// Workloads that nothing denied.
    fn store_before_the_guard(&self) {
        self.namespace("before");
        let rogue = object(named("Deployment"), "before", "rogue", &two());
        self.plane.apply_ok(&rogue.to_string());
        self.wait_for_pods("before", "app=rogue", 1);
    }

    /// Creates a namespace in which pods can be created.
    pub(super) fn namespace(&self, name: &str) {
        let manifest = serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.plane.apply_ok(&manifest.to_string());
        let account = ["get", "serviceaccount", "default", "-n", name];
        wait_until("the namespace has an account", LIMIT, || {
            self.plane.kubectl(account).run().status_ok.then_some(())
        });
    }

    /// A call of kubectl as this user.
    pub(super) fn kubectl(&self, user: &str, args: &[&str]) -> Kubectl {
        self.plane.kubectl(args).as_user(user)
    }

    /// Applies an object as this user.
    pub(super) fn apply(&self, user: &str, object: &Value) -> Output {
        let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.kubectl(user, &apply).stdin(&object.to_string()).run()
    }

    /// Answers to dry runs of the creation of these objects.
    pub(super) fn create(&self, user: &str, objects: &[Value]) -> Vec<Answer> {
        let calls = objects.iter().map(|object| {
            let kind = object["kind"].as_str().expect("a kind");
            let PodKind {
                version, plural, ..
            } = named(kind);
            let namespace = object["metadata"]["namespace"]
                .as_str()
                .expect("a namespace");
            (path(version, namespace, plural), object.to_string())
        });
        self.post(user, calls.collect())
    }

    /// Answers to dry runs of creations at these paths.
    pub(super) fn post(&self, user: &str, calls: Vec<(String, String)>) -> Vec<Answer> {
        self.runtime.block_on(async {
            let client = client_of(&self.plane, Some(user)).await;
            let answers = calls.into_iter().map(|call| post(&client, call));
            futures_util::stream::iter(answers)
                .buffered(AT_ONCE)
                .collect()
                .await
        })
    }

    /// The names of the pods with these labels.
    pub(super) fn pods(&self, namespace: &str, labels: &str) -> Vec<(String, String)> {
        let columns = r#"-o=jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}{"\n"}{end}"#;
        let get = ["get", "pods", "-n", namespace, "-l", labels, columns];
        let listed = self.plane.kubectl(get).run_ok();
        let pairs = listed.lines().filter_map(|line| line.split_once(' '));
        pairs
            .map(|(name, uid)| (name.to_owned(), uid.to_owned()))
            .collect()
    }

    /// Waits for so many pods with these labels.
    pub(super) fn wait_for_pods(
        &self,
        namespace: &str,
        labels: &str,
        number: usize,
    ) -> Vec<(String, String)> {
        wait_until(&format!("{number} pods of {namespace}"), LIMIT, || {
            Some(self.pods(namespace, labels)).filter(|pods| pods.len() == number)
        })
    }

    /// A metric of the API server with these words in its line.
    pub(super) fn metric(&self, words: &[&str]) -> Vec<String> {
        let metrics = self.plane.kubectl(["get", "--raw", "/metrics"]).run_ok();
        let lines = metrics.lines();
        let about = lines.filter(|line| words.iter().all(|word| line.contains(word)));
        about.map(str::to_owned).collect()
    }
}

/// The path of a collection.
pub(super) fn path(version: &str, namespace: &str, plural: &str) -> String {
    let root = if version == "v1" { "api" } else { "apis" };
    format!("/{root}/{version}/namespaces/{namespace}/{plural}?dryRun=All")
}

async fn post(client: &Client, (path, body): (String, String)) -> Answer {
    let request = Request::post(path).header("content-type", "application/json");
    let request = request.body(body.into_bytes()).expect("a request");
    match client.request_text(request).await {
        Ok(_) => Ok(()),
        Err(Error::Api(status)) => Err(status.message),
        Err(error) => panic!("{error}"),
    }
}

/// Denial by the guard with this code.
pub(super) fn assert_denied(output: &Output, code: &str) {
    let is_denied =
        !output.status_ok && output.stderr.contains(&format!("denied request: {code} "));
    assert!(is_denied, "{code}: {output:?}");
}

/// No denial and no warning.
pub(super) fn assert_quiet(output: &Output) {
    assert!(output.status_ok && output.stderr.is_empty(), "{output:?}");
}

/// The rights of the users.
fn rights() -> String {
    let everything = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: everything}
rules:
  - {apiGroups: ['', apps, batch], resources: ['*'], verbs: ['*']}
";
    let bindings = [
        ("tenant", "edit", TENANT),
        ("writer", "everything", WRITER),
        ("operator", "everything", OPERATOR),
        ("velero", "everything", VELERO),
    ];
    let bindings = bindings.map(|(name, role, user)| {
        format!(
            "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: identity-{name}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: '{user}'}}]
"
        )
    });
    let all: Vec<String> = iter::once(everything.to_owned()).chain(bindings).collect();
    all.join("---")
}
