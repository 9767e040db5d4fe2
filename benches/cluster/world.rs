//! A control plane with objects, and the server.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

use crate::control_plane::ControlPlane;
use crate::process::Process;
use crate::{client, guard};

/// A control plane with the operator's CRDs and the server's namespace.
pub(crate) fn plane() -> ControlPlane {
    let plane = ControlPlane::start();
    guard::prepare(&plane, &program());
    plane
}

/// The binary to measure: that of the image, if it is given.
pub(crate) fn program() -> PathBuf {
    let named = std::env::var_os("OBP_PROGRAM").map(PathBuf::from);
    let path = named.unwrap_or_else(|| env!("CARGO_BIN_EXE_openbao-perimeter").into());
    path.canonicalize().expect("a program")
}

/// Starts a server for the control plane. Returns once it has allowed a review.
pub(crate) async fn server(
    plane: &ControlPlane,
    body: &str,
    starts: &mut Vec<Duration>,
) -> Process {
    let ca = plane.folder().join("ca.crt");
    let any = "127.0.0.1:0";
    let mut command = Command::new(program());
    command
        .args(["serve", "--tls", "ephemeral", "--listen", any])
        .args(["--probes-listen", any, "--metrics-listen", any])
        .arg("--ca-out")
        .arg(&ca)
        .env("KUBECONFIG", plane.kubeconfig());
    Process::start(command, ca, body, starts).await
}

/// The administrator.
pub(crate) async fn administrator(plane: &ControlPlane) -> Client {
    let kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).expect("a kubeconfig");
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    Client::try_from(config.expect("a configuration")).expect("a client")
}

/// The review of the webhook benchmark, in another namespace.
pub(crate) fn review(namespace: &str) -> String {
    client::review().replace(
        r#""namespace":"bao""#,
        &format!(r#""namespace":"{namespace}""#),
    )
}

/// The name of a numbered namespace.
pub(crate) fn namespace(number: usize) -> String {
    format!("team-{number:03}")
}

/// Namespaces, some with a cluster and its managed policies, and policies of tenants distributed evenly among
/// all namespaces.
pub(crate) struct World {
    pub(crate) namespaces: usize,
    pub(crate) clusters: usize,
    pub(crate) policies: usize,
}

/// Number of concurrent writes.
const AT_ONCE: usize = 16;

impl World {
    /// Writes all objects. Returns their number.
    pub(crate) async fn write(&self, client: &Client) -> usize {
        let params = PostParams::default();
        let namespaces = (0..self.namespaces).map(|number| {
            let name = namespace(number);
            let object = json!({"metadata": {"name": name, "labels": {"team": name}}});
            let object: Namespace = serde_json::from_value(object).expect("a namespace");
            let api = Api::<Namespace>::all(client.clone());
            let params = &params;
            async move { drop(api.create(params, &object).await.expect("a namespace")) }
        });
        stream::iter(namespaces)
            .buffer_unordered(AT_ONCE)
            .count()
            .await;
        let owners = (0..self.clusters).map(|number| async move {
            let uid = create_cluster(client, &namespace(number)).await;
            for name in ["bao-network-policy", "bao-jobs-network-policy"] {
                create_policy(client, &managed(name, &namespace(number), &uid)).await;
            }
        });
        stream::iter(owners).buffer_unordered(AT_ONCE).count().await;
        let policies = (0..self.policies).map(|number| {
            let name = namespace(number % self.namespaces);
            async move { create_policy(client, &policy(number, &name)).await }
        });
        stream::iter(policies)
            .buffer_unordered(AT_ONCE)
            .count()
            .await;
        self.namespaces + 3 * self.clusters + self.policies
    }
}

async fn create_cluster(client: &Client, namespace: &str) -> String {
    let gvk = GroupVersionKind::gvk("openbao.org", "v1alpha1", "OpenBaoCluster");
    let api = Api::<DynamicObject>::namespaced_with(
        client.clone(),
        namespace,
        &ApiResource::from_gvk(&gvk),
    );
    let text = crate::example::inventory("openbaocluster", namespace);
    let object = serde_saphyr::from_str(&text).expect("a cluster");
    let made = api.create(&PostParams::default(), &object).await;
    made.expect("a cluster").metadata.uid.expect("a uid")
}

fn managed(name: &str, namespace: &str, uid: &str) -> Value {
    let text = crate::example::inventory(name, namespace).replace(crate::example::UID, uid);
    serde_saphyr::from_str(&text).expect("a policy")
}

pub(crate) async fn create_policy(client: &Client, policy: &Value) {
    let policy: NetworkPolicy = serde_json::from_value(policy.clone()).expect("a policy");
    let namespace = policy.metadata.namespace.as_deref().expect("a namespace");
    let api = Api::<NetworkPolicy>::namespaced(client.clone(), namespace);
    api.create(&PostParams::default(), &policy)
        .await
        .expect("a policy");
}

/// A tenant's policy of the usual size: two rules for an application.
pub(crate) fn policy(number: usize, namespace: &str) -> Value {
    let app = format!("app-{number}");
    let peer = |name: &str| json!({"podSelector": {"matchLabels": {"app": name}}});
    let other = json!({"namespaceSelector": {"matchLabels": {"team": "team-000"}}});
    json!({
        "metadata": {
            "name": app, "namespace": namespace,
            "labels": {"app.kubernetes.io/name": app, "team": namespace},
            "annotations": {"example.com/owner": namespace}
        },
        "spec": {
            "podSelector": {"matchLabels": {"app": app, "tier": "backend"}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"from": [peer("web"), other], "ports": [{"protocol": "TCP", "port": 8080}]},
                {"from": [{"ipBlock": {"cidr": "10.20.0.0/16", "except": ["10.20.30.0/24"]}}],
                 "ports": [{"protocol": "TCP", "port": 9000, "endPort": 9010}]}
            ],
            "egress": [{"to": [peer("db")], "ports": [{"protocol": "TCP", "port": 5432}]}]
        }
    })
}
