//! Live reads of one namespace: their number, and the age of their results.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use hyper::Request;
use kube::Client;
use kube::client::Body;
use openbao_perimeter::inventory::{Kind, Object};
use openbao_perimeter::sources::kube::Reader;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::cluster::{Answer, configs, item, whole};

const KINDS: &[Kind] = &[Kind::OpenBaoCluster];

/// An API server that answers a list with the objects at its start, once it is released.
#[derive(Clone)]
struct Slow {
    names: Arc<Mutex<Vec<String>>>,
    lists: Arc<AtomicUsize>,
    begun: Arc<Semaphore>,
    go: Arc<Semaphore>,
}

impl Slow {
    fn new() -> Self {
        Self {
            names: Arc::default(),
            lists: Arc::default(),
            begun: Arc::new(Semaphore::new(0)),
            go: Arc::new(Semaphore::new(0)),
        }
    }

    fn reader(&self) -> Reader {
        let slow = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let slow = slow.clone();
            let path = request.uri().path().to_owned();
            async move { Ok::<_, Infallible>(slow.answer(&path).await) }
        });
        Reader::new(Client::new(service, "default"), configs())
    }

    async fn answer(&self, path: &str) -> Answer {
        assert_eq!(
            path,
            "/apis/openbao.org/v1alpha1/namespaces/bao/openbaoclusters"
        );
        self.lists.fetch_add(1, Ordering::Relaxed);
        let names = self.names.lock().expect("unpoisoned").clone();
        self.begun.add_permits(1);
        self.go.acquire().await.expect("open").forget();
        let items: Vec<_> = names.iter().map(|name| item(name, &json!({}))).collect();
        let list = json!({"metadata": {"resourceVersion": "1"}, "items": items});
        whole(200, &list)
    }

    fn add(&self, name: &str) {
        self.names.lock().expect("unpoisoned").push(name.to_owned());
    }
}

fn names(objects: &[Object]) -> Vec<String> {
    objects
        .iter()
        .map(|object| object.reference().name.to_string())
        .collect()
}

#[tokio::test]
async fn callers_during_a_read_share_the_next_one_which_sees_what_they_saw() {
    let slow = Slow::new();
    let reader = slow.reader();
    let read = || {
        let reader = reader.clone();
        tokio::spawn(async move { reader.read("bao".into(), KINDS).await.expect("read") })
    };
    slow.add("early");
    let first = read();
    slow.begun.acquire().await.expect("open").forget();
    // A list that has already started does not contain it.
    slow.add("late");
    let later: Vec<_> = (0..50).map(|_| read()).collect();
    slow.go.add_permits(100);
    let first = first.await.expect("no panic");
    assert_eq!(names(&first), ["early"]);
    for read in join_all(later).await {
        assert_eq!(names(&read.expect("no panic")), ["early", "late"]);
    }
    let lists = slow.lists.load(Ordering::Relaxed);
    assert!(lists <= 3, "51 readers, {lists} lists");
}

#[tokio::test]
async fn a_read_outlives_the_runtime_that_asked_first() {
    let slow = Slow::new();
    let reader = slow.reader();
    slow.add("there");
    let first = reader.clone();
    // As on a connection's thread, which may end before the result is there.
    let asked = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let read = first.read("bao".into(), KINDS);
        assert!(runtime.block_on(async { read.now_or_never() }).is_none());
    });
    asked.await.expect("no panic");
    slow.go.add_permits(1);
    let read = timeout(Duration::from_mins(1), reader.read("bao".into(), KINDS)).await;
    assert_eq!(names(&read.expect("in time").expect("read")), ["there"]);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_stalls_ends_and_leaves_the_way_to_the_next() {
    let slow = Slow::new();
    let reader = slow.reader();
    let stalled = timeout(Duration::from_mins(1), reader.read("bao".into(), KINDS)).await;
    stalled.expect("in time").expect_err("nobody let it go");
    slow.go.add_permits(1);
    slow.add("there");
    let read = timeout(Duration::from_mins(1), reader.read("bao".into(), KINDS)).await;
    assert_eq!(names(&read.expect("in time").expect("read")), ["there"]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_delays_no_other() {
    let slow = Slow::new();
    let reader = slow.reader();
    for _ in 0..10 {
        let read = reader.read("bao".into(), KINDS);
        timeout(Duration::from_millis(10), read)
            .await
            .expect_err("too soon");
    }
    slow.go.add_permits(100);
    let read = timeout(Duration::from_mins(1), reader.read("bao".into(), KINDS)).await;
    read.expect("in time").expect("read");
    assert!(slow.lists.load(Ordering::Relaxed) <= 3);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_namespaces_that_read_all_the_time_make_no_other_wait() {
    const TAKES: Duration = Duration::from_millis(50);
    let service = tower::service_fn(|_: Request<Body>| async {
        tokio::time::sleep(TAKES).await;
        let list = json!({"metadata": {"resourceVersion": "1"}, "items": []});
        Ok::<_, Infallible>(whole(200, &list))
    });
    let reader = Reader::new(Client::new(service, "default"), configs());
    for number in 0..100 {
        let (reader, namespace) = (reader.clone(), Arc::from(format!("busy-{number}")));
        tokio::spawn(async move {
            loop {
                let read = reader.read(Arc::clone(&namespace), KINDS).await;
                read.expect("read");
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    for number in 0..10 {
        let begun = tokio::time::Instant::now();
        let read = reader.read(format!("quiet-{number}").into(), KINDS).await;
        read.expect("read");
        let took = begun.elapsed();
        assert!(took <= 2 * TAKES, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_namespace_alone_is_read_so_often_and_no_more() {
    let slow = Slow::new();
    slow.go.add_permits(1_000);
    let reader = slow.reader();
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        reader.read("bao".into(), KINDS).await.expect("read");
    }
    let lists = slow.lists.load(Ordering::Relaxed);
    assert!((100..=115).contains(&lists), "{lists}");
}
