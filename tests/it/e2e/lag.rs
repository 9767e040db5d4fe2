//! Correct verdicts while watches lag. The admission handler of this test runs in its process and gets every
//! event seconds late.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::Request;
use kube::Client;
use kube::api::{
    Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams,
};
use kube::client::Body;
use openbao_perimeter::admission::Admission;
use openbao_perimeter::audit::Metrics;
use openbao_perimeter::config::ReviewConfig;
use openbao_perimeter::review::CompiledSnapshot;
use openbao_perimeter::server::clients::{ApiClients, Facts, LiveRead, LiveReadError, Scope};
use openbao_perimeter::server::listener::Limits;
use openbao_perimeter::server::router::router;
use openbao_perimeter::server::state::WebhookState;
use openbao_perimeter::sources::kube::{Reader, ReviewConfigs, WatchHealth, watch};
use serde_json::{Value, json};
use tokio::time::sleep;
use tower::ServiceExt as _;

use super::race::client;
use super::stage::Alone;
use crate::support::{post, review, text};

const ROUNDS: usize = 100;
const LAG: Duration = Duration::from_secs(2);

/// The client, whose watches are delayed once `lags` is set.
fn lagging(client: Client, lags: Arc<AtomicBool>) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, lags) = (client.clone(), Arc::clone(&lags));
        async move {
            let is_watch = request
                .uri()
                .query()
                .is_some_and(|query| query.contains("watch=true"));
            let response = client.send(request).await?;
            Ok::<_, kube::Error>(response.map(|body| {
                let frames = StreamBody::new(
                    body.into_data_stream()
                        .map(|data| data.map(hyper::body::Frame::data)),
                );
                let late = frames.then(move |frame| {
                    let lags = is_watch && lags.load(Ordering::Relaxed);
                    async move {
                        if lags {
                            sleep(LAG).await;
                        }
                        frame
                    }
                });
                StreamBody::new(late).boxed_unsync()
            }))
        }
    });
    Client::new(service, "default")
}

/// The configuration of `serve` without settings.
fn configs() -> ReviewConfigs {
    tokio::sync::watch::channel(Arc::default()).1
}

#[derive(Debug)]
struct Ask(Reader);

impl Facts for Ask {
    fn read(&self, namespace: Arc<str>, scope: Scope) -> LiveRead {
        let reader = self.0.clone();
        Box::pin(async move {
            let read = reader.read(namespace, scope.kinds()).await;
            read.map_err(|error| LiveReadError::Failed(error.to_string()))
        })
    }
}

struct Server {
    client: Client,
    admission: Arc<Admission>,
    lags: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
    asking: Router,
    trusting: Router,
}

impl Server {
    async fn start() -> Self {
        let client = client(None).await;
        let lags = Arc::new(AtomicBool::new(false));
        let health = Arc::new(WatchHealth::new(Duration::from_mins(5), |_, _| {}));
        let (sender, mut facts) = tokio::sync::watch::channel(None);
        let watched = lagging(client.clone(), Arc::clone(&lags));
        let never = std::future::pending();
        tokio::spawn(watch(watched, health, configs(), sender, never));
        let admission = Arc::new(Admission::default());
        facts.wait_for(Option::is_some).await.expect("facts");
        lags.store(true, Ordering::Relaxed);
        let published = Arc::clone(&admission);
        tokio::spawn(async move {
            loop {
                let snapshot = facts.borrow_and_update().clone().expect("facts");
                let previous = published.compiled();
                let config = Arc::new(ReviewConfig::default());
                published.publish(CompiledSnapshot::compile(
                    previous.as_deref(),
                    snapshot,
                    config,
                ));
                facts.changed().await.expect("open");
            }
        });
        let metrics = Arc::new(Metrics::new());
        let state = || {
            WebhookState::new(
                Arc::clone(&admission),
                Arc::clone(&metrics),
                Limits::default(),
            )
        };
        let facts: Arc<dyn Facts> = Arc::new(Ask(Reader::new(client.clone(), configs())));
        let clients = ApiClients {
            authorizer: None,
            facts: Some(facts),
            events: None,
        };
        while admission.compiled().is_none() {
            tokio::task::yield_now().await;
        }
        Self {
            asking: router(state().with_clients(clients)),
            trusting: router(state()),
            admission,
            lags,
            client,
            metrics,
        }
    }

    /// Releases delayed events until all these clusters are known.
    async fn catch_up(&self, namespaces: &[String]) {
        self.lags.store(false, Ordering::Relaxed);
        let knows = |compiled: &CompiledSnapshot| {
            let mut all = namespaces.iter();
            all.all(|namespace| compiled.snapshot.cluster(namespace, "bao").is_some())
        };
        while !self
            .admission
            .compiled()
            .is_some_and(|compiled| knows(&compiled))
        {
            sleep(Duration::from_millis(10)).await;
        }
        self.lags.store(true, Ordering::Relaxed);
    }

    fn clusters(&self, namespace: &str) -> Api<DynamicObject> {
        let gvk = GroupVersionKind::gvk("openbao.org", "v1alpha1", "OpenBaoCluster");
        Api::namespaced_with(self.client.clone(), namespace, &ApiResource::from_gvk(&gvk))
    }

    async fn make_namespace(&self, name: &str) {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let api: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(self.client.clone());
        let namespace = serde_json::from_value(namespace).expect("a namespace");
        api.create(&PostParams::default(), &namespace)
            .await
            .expect("made");
    }
}

async fn allows(router: &Router, namespace: &str) -> bool {
    let mut review = review();
    let request = &mut review["request"];
    request["namespace"] = json!(namespace);
    let jobs = ["backup", "restore", "upgrade-snapshot"];
    let servers = json!({"matchExpressions": [{"key": "openbao.org/component", "operator": "NotIn", "values": jobs}]});
    request["object"] = json!({"metadata": {"name": "web", "namespace": namespace},
        "spec": {"podSelector": servers, "ingress": [opening()]}});
    let answer = router
        .clone()
        .oneshot(post("/validate", review.to_string()))
        .await
        .expect("an answer");
    let answer: Value = serde_json::from_str(&text(answer).await.1).expect("JSON");
    answer["response"]["allowed"] == true
}

/// Allows namespace `monitoring` to connect to the API of OpenBao.
fn opening() -> Value {
    json!({"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "ports": [{"port": 8200, "protocol": "TCP"}]})
}

fn cluster(rules: &Value) -> DynamicObject {
    let cluster = json!({"apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "bao"}, "spec": {"profile": "Development", "network": {"ingressRules": rules}}});
    serde_json::from_value(cluster).expect("an object")
}

#[test]
fn a_watch_that_lags_makes_no_verdict_wrong() {
    let _alone = Alone::begin();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let server = Server::start().await;
        let namespaces: Vec<String> = (0..ROUNDS / 2).map(|at| format!("lag-{at}")).collect();
        let (mut right, mut right_without) = (0, 0);
        for namespace in &namespaces {
            server.make_namespace(namespace).await;
            let clusters = server.clusters(namespace);
            // The cluster was just created: a policy that was allowed before now opens its pods.
            let (params, bare) = (PostParams::default(), cluster(&json!([])));
            clusters.create(&params, &bare).await.expect("made");
            right += usize::from(!allows(&server.asking, namespace).await);
            right_without += usize::from(!allows(&server.trusting, namespace).await);
        }
        server.catch_up(&namespaces).await;
        for namespace in &namespaces {
            // The declaration was just written: a policy that was denied before is now permitted.
            let declared = json!({"spec": {"network": {"ingressRules": [opening()]}}});
            let (params, patch) = (PatchParams::default(), Patch::Merge(declared));
            let clusters = server.clusters(namespace);
            clusters.patch("bao", &params, &patch).await.expect("declared");
            right += usize::from(allows(&server.asking, namespace).await);
            right_without += usize::from(allows(&server.trusting, namespace).await);
        }
        println!("a watch that lags: {right} of {ROUNDS} right, {right_without} of {ROUNDS} without a fresh read");
        let metrics = server.metrics.text().expect("text");
        assert!(metrics.contains("fresh_reads_total{outcome=\"failed\"} 0"), "{metrics}");
        assert_eq!(right, ROUNDS);
        assert!(right_without < ROUNDS, "the watch did not lag");
    });
}
