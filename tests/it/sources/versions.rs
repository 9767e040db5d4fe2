//! Served versions of OpenBaoClusters, and the known facts. Time is simulated.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::Request;
use kube::Client;
use kube::client::Body;
use openbao_perimeter::inventory::{Completeness, Freshness, Kind, Object, Snapshot};
use openbao_perimeter::sources::kube::{ReadError, Reader, Served, WatchHealth, watch};
use serde_json::{Value, json};
use tokio::sync::watch as channel;
use tokio::time::{Instant, sleep, timeout};

use super::cluster::{
    Answer, ApiServer, CLUSTERS, NAMESPACES, POLICIES, SERVICES, configs, item, served, whole,
};

const GROUP: &str = "/apis/openbao.org";
const OTHER: &str = "/apis/openbao.org/v1beta1/openbaoclusters";
const LIMIT: Duration = Duration::from_mins(5);

/// Resources of each version; `None` if discovery does not answer.
type Discovery = Option<BTreeMap<&'static str, Vec<&'static str>>>;

/// An API server that serves OpenBaoClusters in some versions, with working or failing discovery.
#[derive(Clone)]
struct Versions {
    server: ApiServer,
    /// Number of requests.
    asked: Arc<AtomicUsize>,
    discovery: Arc<Mutex<Discovery>>,
}

impl Versions {
    /// Clusters in these versions. Restores keep the API group in `v1alpha1`.
    fn new(versions: &[&'static str]) -> Self {
        let new = Self {
            server: served(),
            asked: Arc::default(),
            discovery: Arc::default(),
        };
        new.serve(Some(versions));
        new
    }

    fn serve(&self, versions: Option<&[&'static str]>) {
        let all = |versions: &[&'static str]| {
            let mut all = BTreeMap::from([("v1alpha1", vec!["openbaorestores"])]);
            for version in versions {
                all.entry(*version).or_default().push("openbaoclusters");
            }
            all
        };
        let mut lists = self.server.lists.lock().expect("unpoisoned");
        for (path, version) in [(CLUSTERS, "v1alpha1"), (OTHER, "v1beta1")] {
            lists.remove(path);
            if versions.is_some_and(|versions| versions.contains(&version)) {
                let items = vec![item("bao", &json!({"profile": "Hardened"}))];
                lists.insert(path.to_owned(), items);
            }
        }
        *self.discovery.lock().expect("unpoisoned") = versions.map(all);
    }

    /// Ends the watch of a path with an error, so that the kind is listed again.
    async fn interrupt(&self, path: &str) {
        let expired = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
            "reason": "Expired", "message": "too old", "code": 410});
        self.server.send(path, "ERROR", expired).await;
    }

    fn client(&self) -> Client {
        let own = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let own = own.clone();
            async move { Ok::<_, Infallible>(own.answer(&request)) }
        });
        Client::new(service, "default")
    }

    fn answer(&self, request: &Request<Body>) -> Answer {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let path = request.uri().path();
        let rest = path
            .strip_prefix(GROUP)
            .filter(|rest| rest.matches('/').count() < 2);
        let Some(rest) = rest else {
            return self.server.answer(request);
        };
        let discovery = self.discovery.lock().expect("unpoisoned").clone();
        let Some(discovery) = discovery else {
            return failure(500);
        };
        let version = |version: &str| json!({"groupVersion": format!("openbao.org/{version}"), "version": version});
        match rest.strip_prefix('/') {
            None => {
                let versions: Vec<Value> =
                    discovery.keys().rev().map(|known| version(known)).collect();
                whole(
                    200,
                    &json!({"kind": "APIGroup", "apiVersion": "v1", "name": "openbao.org",
                    "preferredVersion": versions[0], "versions": versions}),
                )
            }
            Some(asked) => {
                let Some(plurals) = discovery.get(asked) else {
                    return failure(404);
                };
                let resource = |name: &&str| {
                    json!({"name": name, "singularName": "", "namespaced": true,
                    "kind": "Any", "verbs": ["list"]})
                };
                let resources: Vec<Value> = plurals.iter().map(resource).collect();
                whole(
                    200,
                    &json!({"kind": "APIResourceList", "apiVersion": "v1",
                    "groupVersion": format!("openbao.org/{asked}"), "resources": resources}),
                )
            }
        }
    }
}

fn failure(code: u16) -> Answer {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
        "message": "no", "reason": "Any", "code": code});
    whole(code, &status)
}

struct Followed {
    facts: channel::Receiver<Option<Arc<Snapshot>>>,
    health: Arc<WatchHealth>,
}

impl Followed {
    fn start(versions: &Versions) -> Self {
        let health = Arc::new(WatchHealth::new(LIMIT, |_, _| {}));
        let (sender, facts) = channel::channel(None);
        let followed = watch(
            versions.client(),
            Arc::clone(&health),
            configs(),
            sender,
            std::future::pending(),
        );
        tokio::spawn(followed);
        Self { facts, health }
    }

    async fn until(&mut self, what: &str, holds: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let known = self
            .facts
            .wait_for(|known| known.as_ref().is_some_and(|known| holds(known)));
        let known = timeout(Duration::from_mins(10), known).await;
        let known = known
            .unwrap_or_else(|_| panic!("never: {what}"))
            .expect("open");
        known.clone().expect("facts")
    }

    fn served(&self) -> Option<Served> {
        self.health.served().remove(&Kind::OpenBaoCluster)
    }

    async fn until_served(&self, expected: Served) {
        while self.served().as_ref() != Some(&expected) {
            sleep(Duration::from_millis(100)).await;
        }
    }
}

fn is_read(snapshot: &Snapshot) -> bool {
    snapshot
        .cluster("bao", "bao")
        .is_some_and(|cluster| cluster.read().is_some())
}

fn is_named(snapshot: &Snapshot) -> bool {
    let cluster = snapshot.cluster("bao", "bao");
    let version = cluster.and_then(|cluster| cluster.unread_version());
    version.is_some_and(|version| &**version == "v1beta1")
}

fn has_none(snapshot: &Snapshot) -> bool {
    snapshot.count(Kind::OpenBaoCluster) == 0
}

#[tokio::test(start_paused = true)]
async fn names_are_known_of_clusters_in_a_version_that_is_not_read() {
    let versions = Versions::new(&["v1beta1"]);
    let mut followed = Followed::start(&versions);
    let first = followed.until("facts", |_| true).await;
    assert!(is_named(&first), "{first:?}");
    assert_eq!(
        first.completeness(Kind::OpenBaoCluster),
        Completeness::Whole
    );
    assert_eq!(followed.served(), Some(Served::Unread("v1beta1".into())));
    let new = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": {"name": "new", "namespace": "bao", "resourceVersion": "2"}});
    versions.server.send(OTHER, "ADDED", new).await;
    let next = followed
        .until("a new name", |known| known.cluster("bao", "new").is_some())
        .await;
    assert_eq!(next.namespace("bao").expect("facts").unread_clusters(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_read_is_preferred_and_found_again_when_it_comes_back() {
    let versions = Versions::new(&["v1alpha1", "v1beta1"]);
    let mut followed = Followed::start(&versions);
    followed.until("the cluster", is_read).await;
    versions.serve(Some(&["v1beta1"]));
    versions.interrupt(CLUSTERS).await;
    followed.until("the name", is_named).await;
    versions.serve(Some(&["v1alpha1", "v1beta1"]));
    let begun = Instant::now();
    followed.until("the cluster again", is_read).await;
    assert!(
        begun.elapsed() <= Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(followed.served(), Some(Served::Read("v1alpha1")));
}

#[tokio::test(start_paused = true)]
async fn known_clusters_go_after_two_proofs_half_a_minute_apart() {
    let versions = Versions::new(&["v1alpha1"]);
    let mut followed = Followed::start(&versions);
    followed.until("the cluster", is_read).await;
    versions.serve(Some(&[]));
    versions.interrupt(CLUSTERS).await;
    followed.until_served(Served::Unproved).await;
    let begun = Instant::now();
    let gone = followed.until("no cluster", has_none).await;
    let took = begun.elapsed();
    assert!(
        (Duration::from_secs(29)..Duration::from_secs(40)).contains(&took),
        "{took:?}"
    );
    assert_eq!(
        gone.completeness(Kind::OpenBaoCluster),
        Completeness::Unserved
    );
    // Guarded again soon after the CRD was installed again.
    versions.serve(Some(&["v1alpha1"]));
    let begun = Instant::now();
    followed.until("the cluster", is_read).await;
    assert!(
        begun.elapsed() <= Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn one_answer_that_proves_nothing_restarts_the_half_minute() {
    let versions = Versions::new(&["v1alpha1"]);
    let mut followed = Followed::start(&versions);
    followed.until("the cluster", is_read).await;
    versions.serve(Some(&[]));
    versions.interrupt(CLUSTERS).await;
    followed.until_served(Served::Unproved).await;
    sleep(Duration::from_secs(25)).await;
    versions.serve(None);
    sleep(Duration::from_secs(10)).await;
    versions.serve(Some(&[]));
    let begun = Instant::now();
    followed.until("no cluster", has_none).await;
    assert!(
        begun.elapsed() >= Duration::from_secs(29),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_proof_clusters_stay_and_only_what_is_known_of_them_becomes_too_old() {
    let versions = Versions::new(&["v1alpha1"]);
    let mut followed = Followed::start(&versions);
    followed.until("the cluster", is_read).await;
    versions.serve(None);
    versions.interrupt(CLUSTERS).await;
    let bookmark = json!({"kind": "Any", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}});
    for _ in 0..10 {
        sleep(Duration::from_mins(1)).await;
        for path in [POLICIES, NAMESPACES, SERVICES] {
            versions
                .server
                .send(path, "BOOKMARK", bookmark.clone())
                .await;
        }
    }
    sleep(Duration::from_millis(1)).await;
    assert!(is_read(&followed.facts.borrow().clone().expect("facts")));
    assert_eq!(followed.served(), Some(Served::Unproved));
    assert_eq!(
        followed.health.lost().map(|(kind, _)| kind),
        Some(Kind::OpenBaoCluster)
    );
    assert_eq!(followed.health.freshness(), Freshness::StaleClusters);
}

#[tokio::test(start_paused = true)]
async fn without_facts_names_or_a_proof_nothing_is_published() {
    let versions = Versions::new(&[]);
    versions.serve(None);
    let mut followed = Followed::start(&versions);
    sleep(Duration::from_mins(2)).await;
    assert!(followed.facts.borrow_and_update().is_none());
    assert_eq!(followed.health.missing(), [Kind::OpenBaoCluster]);
    versions.serve(Some(&[]));
    followed.until("facts", has_none).await;
    assert_eq!(followed.served(), Some(Served::Nowhere));
}

#[tokio::test(start_paused = true)]
async fn names_that_are_served_and_not_listed_are_asked_for_every_few_seconds() {
    let versions = Versions::new(&["v1beta1"]);
    versions
        .server
        .lists
        .lock()
        .expect("unpoisoned")
        .remove(OTHER);
    let mut followed = Followed::start(&versions);
    sleep(Duration::from_mins(1)).await;
    assert!(followed.facts.borrow_and_update().is_none());
    assert_eq!(followed.served(), Some(Served::Unproved));
    let asked = versions.asked.load(Ordering::Relaxed);
    assert!((20..400).contains(&asked), "{asked} requests in a minute");
    versions.serve(Some(&["v1beta1"]));
    followed.until("the name", is_named).await;
}

const READ: &[Kind] = &[Kind::OpenBaoCluster];

async fn read(versions: &Versions, kinds: &'static [Kind]) -> Result<Vec<Object>, ReadError> {
    let lists = Arc::clone(&versions.server.lists);
    {
        let mut lists = lists.lock().expect("unpoisoned");
        for path in [CLUSTERS, OTHER, POLICIES] {
            let items = lists.get(path).cloned();
            let within = path.replace("/openbaoclusters", "/namespaces/bao/openbaoclusters");
            if let Some(items) = items {
                lists.insert(within, items);
            }
        }
    }
    Reader::new(versions.client(), configs())
        .read("bao".into(), kinds)
        .await
}

#[tokio::test]
async fn a_fresh_read_that_answers_404_asks_how_the_kind_is_served() {
    let found = read(&Versions::new(&["v1alpha1"]), READ)
        .await
        .expect("read");
    assert!(matches!(&found[..], [Object::Cluster(cluster)] if cluster.read().is_some()));
    let found = read(&Versions::new(&["v1beta1"]), READ)
        .await
        .expect("read");
    assert!(matches!(&found[..], [Object::Cluster(cluster)] if cluster.unread_version().is_some()));
    let kind = "OpenBaoCluster";
    let none = read(&Versions::new(&[]), READ).await;
    assert_eq!(none, Err(ReadError::Unserved { kind }));
    let versions = Versions::new(&[]);
    versions.serve(None);
    let unknown = read(&versions, READ).await;
    assert!(matches!(unknown, Err(ReadError::Api { .. })), "{unknown:?}");
    // Several API servers: one of them has the CRD in discovery, and another answers the list with 404.
    let versions = Versions::new(&["v1alpha1"]);
    versions
        .server
        .lists
        .lock()
        .expect("unpoisoned")
        .remove(CLUSTERS);
    let torn = read(&versions, READ).await;
    assert!(matches!(torn, Err(ReadError::Api { .. })), "{torn:?}");
}

#[tokio::test]
async fn a_built_in_kind_that_answers_404_is_no_empty_list() {
    let found = read(&Versions::new(&["v1alpha1"]), &[Kind::NetworkPolicy]).await;
    assert!(matches!(found, Err(ReadError::Api { .. })), "{found:?}");
}
