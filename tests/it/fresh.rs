//! One live read before an answer that may be wrong because a watch lags, in memory.

mod planned;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use openbao_perimeter::admission::{Admission, FactsFreshness, MaintenanceRequest, WebhookKind};
use openbao_perimeter::audit::Metrics;
use openbao_perimeter::config::ReviewConfig;
use openbao_perimeter::inventory::read::outline::outline;
use openbao_perimeter::inventory::{Change, Kind, Object, Snapshot, Stub, read};
use openbao_perimeter::review::CompiledSnapshot;
use openbao_perimeter::server::authorizer::{Authorizer, Forbidden};
use openbao_perimeter::server::clients::{ApiClients, Facts, LiveRead, LiveReadError, Scope};
use openbao_perimeter::server::listener::Limits;
use openbao_perimeter::server::router::router;
use openbao_perimeter::server::state::WebhookState;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::{post, review_with, text};

/// Objects on the API server; `None` if it does not answer.
#[derive(Debug, Default)]
struct ApiServer {
    objects: Mutex<Option<Vec<Object>>>,
    reads: AtomicUsize,
    /// True if it does not serve OpenBaoClusters.
    unserved: AtomicBool,
    /// Gets the objects from a watch just before they are read.
    meanwhile: Mutex<Option<Arc<Admission>>>,
}

impl Facts for ApiServer {
    fn read(&self, namespace: Arc<str>, scope: Scope) -> LiveRead {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let objects = self.objects.lock().unwrap().clone();
        if let Some(admission) = &*self.meanwhile.lock().unwrap() {
            admission.publish(compiled(objects.clone().unwrap_or_default()));
        }
        let asks_for_clusters = scope.kinds().contains(&Kind::OpenBaoCluster);
        let is_unserved = self.unserved.load(Ordering::Relaxed) && asks_for_clusters;
        Box::pin(async move {
            let mut objects = objects.ok_or(LiveReadError::Late)?;
            if is_unserved {
                return Err(LiveReadError::Unserved);
            }
            objects.retain(|object| {
                let reference = object.reference();
                reference.namespace == namespace && scope.kinds().contains(&reference.kind)
            });
            Ok(objects)
        })
    }
}

fn compiled(objects: Vec<Object>) -> CompiledSnapshot {
    let snapshot = Snapshot::default().apply(objects.into_iter().map(Change::Set));
    CompiledSnapshot::compile(None, Arc::new(snapshot), Arc::new(ReviewConfig::default()))
}

fn cluster(network: &Value) -> Object {
    let cluster = json!({"apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "bao", "namespace": "shop"}, "spec": {"network": network}});
    read::object(&cluster).unwrap()
}

/// A stored policy of the namespace.
fn stored(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": "shop", "resourceVersion": "1"}, "spec": spec})
}

fn policy(name: &str, spec: &Value) -> Object {
    read::object(&stored(name, spec)).unwrap()
}

/// The same, of which only a stub is known.
fn stub(name: &str, spec: &Value) -> Object {
    let json = stored(name, spec).to_string();
    let stub = Stub::read(&outline(json.as_bytes()).unwrap(), json.as_bytes());
    Object::Stub("shop".into(), Arc::new(stub))
}

/// A tenant's creation of an OpenBaoCluster.
fn makes_a_cluster() -> Value {
    let mut review = review_with(
        "object",
        json!({"apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
            "metadata": {"name": "bao", "namespace": "shop"}, "spec": {}}),
    );
    let request = &mut review["request"];
    request["kind"] =
        json!({"group": "openbao.org", "version": "v1alpha1", "kind": "OpenBaoCluster"});
    request["resource"] =
        json!({"group": "openbao.org", "version": "v1alpha1", "resource": "openbaoclusters"});
    request["name"] = json!("bao");
    review
}

/// A tenant's policy that allows namespace `monitoring` to connect to the OpenBao pods.
fn opens(selector: &Value) -> Value {
    let monitoring = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}});
    review_with(
        "object",
        json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": {"podSelector": selector,
            "ingress": [{"from": [monitoring], "ports": [{"port": 8200}]}]}}),
    )
}

/// A selector for OpenBao servers without jobs, since peers of jobs cannot be declared.
fn servers() -> Value {
    let jobs = ["backup", "restore", "upgrade-snapshot"];
    json!({"matchExpressions": [{"key": "openbao.org/component", "operator": "NotIn", "values": jobs}]})
}

fn declared() -> Value {
    let monitoring = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}});
    json!({"ingressRules": [{"from": [monitoring], "ports": [{"port": 8200}]}]})
}

struct Scene {
    server: Arc<ApiServer>,
    metrics: Arc<Metrics>,
    admission: Arc<Admission>,
}

impl Scene {
    /// The watches have `known`, the API server has `real`.
    fn new(known: Vec<Object>, real: Option<Vec<Object>>) -> Self {
        let admission = Admission::default();
        let snapshot = Snapshot::default().apply(known.into_iter().map(Change::Set));
        admission.publish(CompiledSnapshot::compile(
            None,
            Arc::new(snapshot),
            Arc::new(ReviewConfig::default()),
        ));
        let server = ApiServer::default();
        *server.objects.lock().unwrap() = real;
        Self {
            server: Arc::new(server),
            metrics: Arc::new(Metrics::new()),
            admission: Arc::new(admission),
        }
    }

    /// Returns whether the write is allowed, and the message.
    async fn ask(&self, review: &Value) -> (bool, String) {
        let facts: Arc<dyn Facts> = Arc::<ApiServer>::clone(&self.server);
        let state = WebhookState::new(
            Arc::clone(&self.admission),
            Arc::clone(&self.metrics),
            Limits::default(),
        );
        let clients = ApiClients {
            authorizer: None,
            facts: Some(facts),
            events: None,
        };
        let router = router(state.with_clients(clients));
        let (_, body) = text(
            router
                .oneshot(post("/validate", review.to_string()))
                .await
                .unwrap(),
        )
        .await;
        let answer: Value = serde_json::from_str(&body).unwrap();
        let response = &answer["response"];
        (
            response["allowed"] == true,
            response["status"]["message"].to_string(),
        )
    }

    fn reads(&self) -> usize {
        self.server.reads.load(Ordering::Relaxed)
    }

    fn counted(&self, outcome: &str) -> bool {
        let line = format!("openbao_perimeter_fresh_reads_total{{outcome=\"{outcome}\"}} 1");
        self.metrics.text().unwrap().contains(&line)
    }
}

#[tokio::test]
async fn a_denial_is_withdrawn_if_the_declaration_was_not_known_yet() {
    let scene = Scene::new(vec![cluster(&json!({}))], Some(vec![cluster(&declared())]));
    let (allowed, message) = scene.ask(&opens(&servers())).await;
    assert!(allowed, "{message}");
    assert!(scene.counted("changed-verdict"));
}

#[tokio::test]
async fn a_denial_stays_if_nothing_new_is_known_or_can_be_read() {
    for (real, outcome) in [
        (Some(vec![cluster(&json!({}))]), "confirmed"),
        (None, "failed"),
    ] {
        let scene = Scene::new(vec![cluster(&json!({}))], real);
        let (allowed, message) = scene.ask(&opens(&servers())).await;
        assert!(!allowed && message.contains("OBP201"), "{message}");
        assert_eq!(scene.reads(), 1);
        assert!(scene.counted(outcome), "{outcome}");
    }
}

#[tokio::test]
async fn a_policy_is_denied_if_its_cluster_was_not_known_yet() {
    let scene = Scene::new(Vec::new(), Some(vec![cluster(&json!({}))]));
    let (allowed, message) = scene.ask(&opens(&servers())).await;
    assert!(!allowed && message.contains("OBP201"), "{message}");
    assert!(scene.counted("changed-verdict"));
}

#[tokio::test]
async fn a_policy_is_denied_as_undecided_if_it_is_unknown_whether_there_is_a_cluster() {
    let scene = Scene::new(Vec::new(), None);
    let (allowed, message) = scene.ask(&opens(&servers())).await;
    assert!(!allowed && message.contains("OBP403"), "{message}");
    assert!(scene.counted("failed"));
}

#[tokio::test]
async fn an_answer_that_needs_no_live_read_does_not_wait() {
    let scene = Scene::new(Vec::new(), None);
    let web = opens(&json!({"matchLabels": {"app": "web"}}));
    let (allowed, message) = scene.ask(&web).await;
    assert!(allowed, "{message}");
    let mut operator = opens(&servers());
    operator["request"]["userInfo"]["username"] =
        json!("system:serviceaccount:openbao-operator-system:openbao-operator-controller");
    assert!(scene.ask(&operator).await.0);
    assert_eq!(scene.reads(), 0);
}

#[tokio::test]
async fn an_answer_by_facts_that_were_replaced_meanwhile_is_reviewed_again() {
    let scene = Scene::new(Vec::new(), Some(vec![cluster(&json!({}))]));
    // The watch catches up during the read, so the read brings nothing new.
    *scene.server.meanwhile.lock().unwrap() = Some(Arc::clone(&scene.admission));
    let (allowed, message) = scene.ask(&opens(&servers())).await;
    assert!(!allowed && message.contains("OBP201"), "{message}");
    assert!(scene.counted("changed-verdict"));
}

/// Never answers whether a user may do maintenance.
#[derive(Debug)]
struct Mute;

impl Authorizer for Mute {
    fn first_forbidden<'a>(&'a self, _: &'a MaintenanceRequest) -> BoxFuture<'a, Forbidden> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_about_maintenance_ends_with_the_time_of_the_caller() {
    let scene = Scene::new(vec![cluster(&json!({}))], None);
    let state = WebhookState::new(scene.admission, scene.metrics, Limits::default());
    let router = router(state.with_clients(ApiClients {
        authorizer: Some(Arc::new(Mute)),
        ..ApiClients::default()
    }));
    let mut review = opens(&servers());
    review["request"]["object"]["metadata"]["annotations"] =
        json!({"openbao.org/maintenance": "true"});
    let asked = router.oneshot(post("/validate?timeout=1s", review.to_string()));
    let answered = tokio::time::timeout(Duration::from_secs(1), asked).await;
    let (_, body) = text(answered.expect("in time").unwrap()).await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["response"]["allowed"], false, "{answer}");
    assert_eq!(answer["response"]["status"]["code"], 504, "{answer}");
}

#[derive(Debug)]
struct Silence;

impl FactsFreshness for Silence {
    fn is_current(&self) -> bool {
        false
    }
}

#[test]
fn facts_that_are_too_old_prove_nothing() {
    let admission = Admission::default().while_current(Arc::new(Silence));
    admission.publish(compiled(vec![cluster(&json!({}))]));
    let ask = |review: &Value| {
        let answer = admission.answer(WebhookKind::Validate, review.to_string().as_bytes());
        serde_json::from_slice::<Value>(&answer.body).unwrap()["response"].take()
    };
    let mut harmless = opens(&json!({"matchLabels": {"app": "web"}}));
    let denied = ask(&harmless);
    assert_eq!(denied["allowed"], false);
    assert!(
        denied["status"]["message"]
            .as_str()
            .unwrap()
            .contains("OBP403"),
        "{denied}"
    );
    harmless["request"]["userInfo"]["username"] =
        json!("system:serviceaccount:openbao-operator-system:openbao-operator-controller");
    let warned = ask(&harmless);
    assert_eq!(warned["allowed"], true);
    assert!(
        warned["warnings"][0].as_str().unwrap().contains("OBP403"),
        "{warned}"
    );
}

/// A cluster in an unsupported version.
fn named() -> Object {
    let cluster = json!({"apiVersion": "openbao.org/v1beta1", "kind": "OpenBaoCluster",
        "metadata": {"name": "bao", "namespace": "shop"}});
    read::object(&cluster).unwrap()
}

#[tokio::test]
async fn a_cluster_of_which_only_the_name_is_served_takes_an_allowance_back() {
    let scene = Scene::new(vec![], Some(vec![named()]));
    let (allowed, message) = scene.ask(&opens(&servers())).await;
    assert!(!allowed && message.contains("OBP403"), "{message}");
    assert!(
        message.contains("OpenBaoCluster bao is served as v1beta1"),
        "{message}"
    );
}

#[tokio::test]
async fn that_no_version_is_served_turns_neither_an_allowance_nor_a_denial() {
    let scene = Scene::new(vec![], Some(vec![]));
    scene.server.unserved.store(true, Ordering::Relaxed);
    let (allowed, message) = scene.ask(&opens(&servers())).await;
    assert!(allowed, "{message}");
    let scene = Scene::new(vec![cluster(&json!({}))], Some(vec![]));
    scene.server.unserved.store(true, Ordering::Relaxed);
    let (allowed, message) = scene.ask(&opens(&servers())).await;
    assert!(!allowed && message.contains("OBP201"), "{message}");
}

#[tokio::test]
async fn a_verdict_about_openbao_pods_rests_on_no_policy_that_was_not_read() {
    let other = json!({"podSelector": servers(), "policyTypes": ["Ingress"]});
    let known = || vec![cluster(&declared()), stub("other", &other)];
    let real = vec![cluster(&declared()), policy("other", &other)];
    let scene = Scene::new(known(), Some(real));
    let (allowed, message) = scene.ask(&opens(&servers())).await;
    assert!(allowed, "{message}");
    assert_eq!(scene.reads(), 1);
    let scene = Scene::new(known(), None);
    let (allowed, message) = scene.ask(&opens(&servers())).await;
    assert!(!allowed && message.contains("OBP403"), "{message}");
    // Reviews in other namespaces do not wait.
    assert!(
        scene
            .ask(&opens(&json!({"matchLabels": {"app": "web"}})))
            .await
            .0
    );
    assert_eq!(scene.reads(), 1);
}

#[tokio::test]
async fn policies_are_read_before_a_cluster_is_created_in_their_namespace() {
    let open = json!({"podSelector": {}, "ingress": [{}]});
    let web = json!({"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{}]});
    for (real, denial) in [
        (Some(vec![policy("planted", &open)]), Some("OBP203")),
        (Some(vec![policy("planted", &web)]), None),
        (Some(Vec::new()), None),
        (None, Some("OBP403")),
    ] {
        let known = vec![stub("planted", &open)];
        let scene = Scene::new(known, real.clone());
        let (allowed, message) = scene.ask(&makes_a_cluster()).await;
        assert_eq!(allowed, denial.is_none(), "{real:?}: {message}");
        assert!(message.contains(denial.unwrap_or_default()), "{message}");
        assert_eq!(scene.reads(), 1);
    }
}
