//! Watches of an API server in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::{Request, Response};
use kube::Client;
use kube::client::Body;
use openbao_perimeter::inventory::{Completeness, Kind, Snapshot, Unread};
use openbao_perimeter::sources::kube as source;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

pub(super) const CLUSTERS: &str = "/apis/openbao.org/v1alpha1/openbaoclusters";
pub(super) const POLICIES: &str = "/apis/networking.k8s.io/v1/networkpolicies";
pub(super) const NAMESPACES: &str = "/api/v1/namespaces";
const RESTORES: &str = "/apis/openbao.org/v1alpha1/openbaorestores";
const GATEWAYS: &str = "/apis/gateway.networking.k8s.io/v1/gateways";
const CLASSES: &str = "/apis/gateway.networking.k8s.io/v1/gatewayclasses";
pub(super) const SERVICES: &str = "/api/v1/namespaces/default/services";

pub(super) type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// The objects by path. A path without a list is not served.
#[derive(Clone, Default)]
pub(super) struct ApiServer {
    pub(super) lists: Arc<Mutex<BTreeMap<String, Vec<Value>>>>,
    watches: Arc<Mutex<BTreeMap<String, mpsc::UnboundedSender<Value>>>>,
    /// Forbidden paths.
    pub(super) forbidden: Arc<Mutex<BTreeSet<String>>>,
    /// True if it sends all objects at once, whatever limit is requested.
    pub(super) ignores_limits: bool,
}

impl ApiServer {
    pub(super) fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(&request)) }
        });
        Client::new(service, "default")
    }

    pub(super) fn set(&self, path: &str, items: Vec<Value>) {
        self.lists
            .lock()
            .expect("unpoisoned")
            .insert(path.to_owned(), items);
    }

    pub(super) fn answer(&self, request: &Request<Body>) -> Answer {
        let path = request.uri().path();
        if self.forbidden.lock().expect("unpoisoned").contains(path) {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                "message": "no", "reason": "Forbidden", "code": 403});
            return whole(403, &status);
        }
        let Some(items) = self.lists.lock().expect("unpoisoned").get(path).cloned() else {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                "message": "not found", "reason": "NotFound", "code": 404});
            return whole(404, &status);
        };
        let query = request.uri().query().unwrap_or_default();
        if path == SERVICES {
            assert!(query.contains("metadata.name%3Dkubernetes"), "{query}");
        }
        if !query.contains("watch=true") {
            return whole(200, &self.page(items, query));
        }
        let (sender, receiver) = mpsc::unbounded_channel();
        self.watches
            .lock()
            .expect("unpoisoned")
            .insert(path.to_owned(), sender);
        let events = stream::unfold(receiver, |mut receiver| async {
            let event: Value = receiver.recv().await?;
            let line = Bytes::from(format!("{event}\n"));
            Some((Ok(Frame::data(line)), receiver))
        });
        Response::new(StreamBody::new(events).boxed_unsync())
    }

    /// The requested page of a list, or all of it if the server ignores limits.
    fn page(&self, mut items: Vec<Value>, query: &str) -> Value {
        let asked = |name: &str| {
            let part = query.split('&').find_map(|part| part.strip_prefix(name));
            part.map(|number| number.parse::<usize>().expect("a number"))
        };
        let mut metadata = json!({"resourceVersion": "1"});
        let from = asked("continue=").unwrap_or_default();
        let limit = asked("limit=").filter(|_| !self.ignores_limits);
        if let Some(limit) = limit.filter(|limit| items.len() > from + limit) {
            metadata["continue"] = json!((from + limit).to_string());
            items.truncate(from + limit);
        }
        json!({"metadata": metadata, "items": items.split_off(from)})
    }

    /// Sends an event once there is a watch.
    pub(super) async fn send(&self, path: &str, kind: &str, object: Value) {
        let event = json!({"type": kind, "object": object});
        loop {
            let watch = self.watches.lock().expect("unpoisoned").get(path).cloned();
            if watch.is_some_and(|watch| watch.send(event.clone()).is_ok()) {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

pub(super) fn whole(code: u16, body: &Value) -> Answer {
    let body = Full::new(Bytes::from(body.to_string())).boxed_unsync();
    Response::builder()
        .status(code)
        .body(body)
        .expect("an answer")
}

fn object(version: &str, kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": version, "kind": kind, "spec": spec,
        "metadata": {"name": name, "namespace": "bao", "resourceVersion": "2"}})
}

/// Items of a list have neither kind nor version.
pub(super) fn item(name: &str, spec: &Value) -> Value {
    json!({"spec": spec, "metadata": {"name": name, "namespace": "bao", "resourceVersion": "1"}})
}

fn policy(name: &str) -> Value {
    object("networking.k8s.io/v1", "NetworkPolicy", name, &json!({}))
}

/// The configuration of `serve` without settings.
pub(super) fn configs() -> source::ReviewConfigs {
    watch::channel(Arc::default()).1
}

pub(super) type Facts = watch::Receiver<Option<Arc<Snapshot>>>;

pub(super) fn start(server: &ApiServer) -> Facts {
    let (sender, receiver) = watch::channel(None);
    let health = source::WatchHealth::new(Duration::from_mins(5), |_, _| {});
    tokio::spawn(source::watch(
        server.client(),
        Arc::new(health),
        configs(),
        sender,
        std::future::pending(),
    ));
    receiver
}

pub(super) async fn until(facts: &mut Facts, holds: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let known =
        facts.wait_for(|snapshot| snapshot.as_ref().is_some_and(|snapshot| holds(snapshot)));
    let known = timeout(Duration::from_mins(1), known)
        .await
        .expect("in time")
        .expect("open");
    known.clone().expect("facts")
}

pub(super) fn served() -> ApiServer {
    let server = ApiServer::default();
    let bao =
        json!({"metadata": {"name": "bao", "resourceVersion": "1"}, "status": {"phase": "Active"}});
    server.set(NAMESPACES, vec![bao]);
    let service = json!({"metadata": {"name": "kubernetes", "namespace": "default", "resourceVersion": "1"},
        "spec": {"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"]}});
    server.set(SERVICES, vec![service]);
    server.set(CLUSTERS, vec![item("bao", &json!({"profile": "Hardened"}))]);
    server.set(
        POLICIES,
        vec![
            item("a", &json!({})),
            item("odd", &json!({"ingress": [{"from": [{}]}]})),
        ],
    );
    server
}

#[tokio::test]
async fn facts_are_published_once_complete_and_follow_every_event() {
    let server = served();
    let mut facts = start(&server);
    let first = until(&mut facts, |_| true).await;
    let counts = |snapshot: &Snapshot| {
        [
            Kind::OpenBaoCluster,
            Kind::NetworkPolicy,
            Kind::Namespace,
            Kind::Service,
        ]
        .map(|kind| snapshot.count(kind))
    };
    assert_eq!(counts(&first), [1, 2, 1, 1]);
    assert_eq!(
        first.unreadable().count(),
        1,
        "an odd object stays and stops nothing"
    );

    server.send(POLICIES, "ADDED", policy("b")).await;
    server.send(POLICIES, "DELETED", policy("a")).await;
    let next = until(&mut facts, |snapshot| snapshot.policy("bao", "a").is_none()).await;
    assert!(next.policy("bao", "b").is_some());
}

#[tokio::test]
async fn a_list_after_a_lost_watch_is_swapped_in_whole() {
    let server = served();
    let mut facts = start(&server);
    until(&mut facts, |_| true).await;
    server.set(POLICIES, vec![item("new", &json!({}))]);
    let expired = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
        "reason": "Expired", "message": "too old", "code": 410});
    server.send(POLICIES, "ERROR", expired).await;
    let swapped = until(&mut facts, |snapshot| {
        let old = snapshot.policy("bao", "a").is_some();
        let new = snapshot.policy("bao", "new").is_some();
        assert!(old != new, "neither a gap nor half a list");
        new
    })
    .await;
    assert_eq!(swapped.count(Kind::NetworkPolicy), 1);
    assert_eq!(
        swapped.count(Kind::OpenBaoCluster),
        1,
        "other kinds are left alone"
    );
}

#[tokio::test]
async fn a_kind_that_the_cluster_does_not_know_is_none_until_it_appears() {
    let server = served();
    server.lists.lock().expect("unpoisoned").remove(CLUSTERS);
    let mut facts = start(&server);
    let first = until(&mut facts, |_| true).await;
    assert_eq!(first.count(Kind::OpenBaoCluster), 0);
    server.set(CLUSTERS, vec![item("late", &json!({}))]);
    until(&mut facts, |snapshot| {
        snapshot.cluster("bao", "late").is_some()
    })
    .await;
}

#[tokio::test]
async fn nothing_is_published_while_a_kind_is_not_listed() {
    let server = served();
    server.lists.lock().expect("unpoisoned").remove(NAMESPACES);
    let mut facts = start(&server);
    // All other kinds are listed and watched.
    for path in [POLICIES, SERVICES, CLUSTERS] {
        let bookmark = json!({"kind": "NetworkPolicy", "apiVersion": "v1", "metadata": {"resourceVersion": "3"}});
        server.send(path, "BOOKMARK", bookmark).await;
    }
    assert_eq!(*facts.borrow_and_update(), None);
    server.set(NAMESPACES, vec![]);
    until(&mut facts, |_| true).await;
}

#[tokio::test]
async fn gateways_and_restores_are_followed_where_the_cluster_has_them() {
    let server = served();
    let item = |name: &str| json!({"metadata": {"name": name, "namespace": "edge", "resourceVersion": "1"}, "spec": {}});
    server.set(GATEWAYS, vec![item("a"), item("b")]);
    server.set(RESTORES, vec![item("again")]);
    let class = json!({"metadata": {"name": "traefik", "resourceVersion": "1"}, "spec": {}});
    let mut facts = start(&server);
    let first = until(&mut facts, |_| true).await;
    let kinds = [Kind::Gateway, Kind::GatewayClass, Kind::OpenBaoRestore];
    let counts = |snapshot: &Snapshot| kinds.map(|kind| snapshot.count(kind));
    let extents = |snapshot: &Snapshot| kinds.map(|kind| snapshot.completeness(kind));
    assert_eq!(counts(&first), [2, 0, 1]);
    assert_eq!(
        extents(&first),
        [
            Completeness::Whole,
            Completeness::Unserved,
            Completeness::Whole
        ]
    );
    server.set(CLASSES, vec![class]);
    let next = until(&mut facts, |snapshot| {
        snapshot.count(Kind::GatewayClass) == 1
    })
    .await;
    assert_eq!(extents(&next), [const { Completeness::Whole }; 3]);
}

#[tokio::test]
async fn facts_are_complete_without_the_permission_to_list_what_only_advice_rests_on() {
    let server = served();
    let paths = [GATEWAYS, CLASSES, RESTORES].map(str::to_owned);
    server.forbidden.lock().expect("unpoisoned").extend(paths);
    let mut facts = start(&server);
    let first = until(&mut facts, |_| true).await;
    let unread = Completeness::Unread(Unread::Forbidden);
    assert_eq!(first.completeness(Kind::Gateway), unread);
    assert_eq!(first.completeness(Kind::NetworkPolicy), Completeness::Whole);
}

#[tokio::test]
async fn every_page_of_a_list_is_followed_and_one_that_holds_all() {
    for ignores_limits in [false, true] {
        let server = ApiServer {
            ignores_limits,
            ..served()
        };
        let names: Vec<String> = (0..250).map(|number| format!("p{number:03}")).collect();
        let items = names.iter().map(|name| item(name, &json!({})));
        server.set(POLICIES, items.collect());
        let first = until(&mut start(&server), |_| true).await;
        let facts = first.namespace("bao").expect("facts");
        assert!(facts.policies.keys().map(AsRef::as_ref).eq(&names));
    }
}

#[tokio::test]
async fn a_list_that_ends_early_is_asked_for_again_and_says_nothing() {
    let server = served();
    let torn = server.clone();
    let attempts = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&attempts);
    let service = tower::service_fn(move |request: Request<Body>| {
        let is_list = !request
            .uri()
            .query()
            .unwrap_or_default()
            .contains("watch=true");
        let is_torn = request.uri().path() == POLICIES && is_list && {
            let mut attempts = seen.lock().expect("unpoisoned");
            *attempts += 1;
            *attempts <= 2
        };
        let answer = if is_torn {
            let text = Bytes::from(
                r#"{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"a"}}"#,
            );
            Response::new(Full::new(text).boxed_unsync())
        } else {
            torn.answer(&request)
        };
        async move { Ok::<_, Infallible>(answer) }
    });
    let (sender, mut facts) = watch::channel(None);
    let health = source::WatchHealth::new(Duration::from_mins(5), |_, _| {});
    let client = Client::new(service, "default");
    tokio::spawn(source::watch(
        client,
        Arc::new(health),
        configs(),
        sender,
        std::future::pending(),
    ));
    let first = until(&mut facts, |_| true).await;
    assert_eq!(first.count(Kind::NetworkPolicy), 2);
    assert_eq!(*attempts.lock().expect("unpoisoned"), 3);
}
