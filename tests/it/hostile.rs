//! Hostile clients of the real binary over real sockets: no lasting effect.
//!
//! Every body gets an AdmissionReview or an HTTP error. Nothing panics, nothing hangs, and memory stays below
//! a limit and is released. `OBP_HOSTILE_ROUNDS` repeats the test (`make soak`).

mod bodies;
mod client;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use openbao_perimeter::admission::WebhookKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::cli::Serving;
use crate::support::{BOTH, PATIENCE, UID, connect_to, fetch, post, review};
use client::{Answered, exchange, head};

/// Maximum memory at any time in MiB. The limit in the manifests is 256.
const PEAK: u64 = 200;
/// Maximum memory that is kept in addition to that of the start, in MiB.
const KEPT: u64 = 48;

const PATIENT: &str =
    "limits: {handshakeTimeout: 30s, headTimeout: 30s, bodyTimeout: 30s, reviewTimeout: 30s}";

struct Target {
    serving: Serving,
    ca: String,
    counts: BTreeMap<String, usize>,
}

impl Target {
    async fn start(name: &str, settings: &str) -> Self {
        let serving = Serving::configured(name, settings).await;
        let ca = std::fs::read_to_string(&serving.ca).unwrap();
        Self {
            serving,
            ca,
            counts: BTreeMap::new(),
        }
    }

    fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    /// A line of `/proc/PID/status`, in MiB.
    fn memory(&self, line: &str) -> u64 {
        let file = format!("/proc/{}/status", self.serving.child.id());
        let status = std::fs::read_to_string(file).unwrap();
        let found = status.lines().find(|text| text.starts_with(line)).unwrap();
        let kib: u64 = found.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib / 1024
    }

    fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.serving.child.id());
        std::fs::read_dir(folder).unwrap().count()
    }

    /// Sends one body to one webhook. Checks that the response is one of the expected kinds.
    async fn send(&mut self, name: &str, point: WebhookKind, body: &[u8]) -> Answered {
        let stream = connect_to(self.serving.reviews, &self.ca, BOTH)
            .await
            .unwrap();
        let head = head(point, body.len());
        let sent = exchange(stream, &head, body);
        let answered = timeout(PATIENCE, sent).await;
        let answered = answered.unwrap_or_else(|_| panic!("{name}: no answer"));
        self.count(format!("bodies: {answered}"));
        answered
    }

    /// Waits until all connections are closed, and checks that nothing panicked.
    async fn is_calm(&self) {
        let calm = async {
            loop {
                let (_, text) = fetch(self.serving.metrics, "/metrics").await;
                assert!(text.contains("openbao_perimeter_panics_total 0"), "{text}");
                if text.contains("openbao_perimeter_open_connections 0") {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, calm).await.unwrap();
        assert_eq!(fetch(self.serving.probes, "/livez").await.0, StatusCode::OK);
    }

    async fn reviews_as_ever(&self) -> Duration {
        let begun = Instant::now();
        let stream = connect_to(self.serving.reviews, &self.ca, BOTH)
            .await
            .unwrap();
        let body = review().to_string();
        let answered = exchange(
            stream,
            &head(WebhookKind::Validate, body.len()),
            body.as_bytes(),
        )
        .await;
        assert_eq!(
            answered,
            Answered::Review {
                allowed: true,
                code: None
            }
        );
        begun.elapsed()
    }

    fn report(&self, name: &str) {
        for (what, count) in &self.counts {
            println!("hostile {name}: {count:>6} {what}");
        }
    }
}

/// Returns true if the memory after the last round is similar to that after an early one.
fn flat(kept: &[u64]) -> bool {
    let early = kept.iter().take(3).max();
    kept.last() <= early.map(|early| early + 8).as_ref()
}

fn rounds() -> usize {
    let rounds = std::env::var("OBP_HOSTILE_ROUNDS").ok();
    rounds.map_or(1, |rounds| rounds.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_get_a_review_or_a_clean_error_and_their_memory_comes_back() {
    let mut target = Target::start("hostile-bodies", "limits: {headTimeout: 2s}").await;
    let before = target.memory("VmRSS");
    let mut kept = Vec::new();
    for _ in 0..rounds() {
        for (name, body, expected) in bodies::all() {
            for point in WebhookKind::ALL {
                let answered = target.send(name, point, &body).await;
                assert!(
                    expected.contains(&answered.kind(point)),
                    "{name}: {answered:?}"
                );
            }
        }
        for body in bodies::mutated(200) {
            target.send("mutated", WebhookKind::Validate, &body).await;
        }
        target.is_calm().await;
        kept.push(target.memory("VmRSS"));
    }
    target.reviews_as_ever().await;
    let (after, peak) = (target.memory("VmRSS"), target.memory("VmHWM"));
    target.report("bodies");
    println!(
        "hostile bodies: resident {before} MiB before, {peak} at most, {after} after; rounds {kept:?}"
    );
    assert!(
        peak <= PEAK && after <= before + KEPT && flat(&kept),
        "{before} {peak} {kept:?}"
    );
    target.serving.terminate();
    assert_eq!(target.serving.ended(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_bodies_all_at_once_stay_within_bounds() {
    const SENDERS: usize = 48;
    // Timeouts are not tested here, and a busy machine is slow.
    let mut target = Target::start("hostile-flood", PATIENT).await;
    let before = target.memory("VmRSS");
    let body: std::sync::Arc<[u8]> = bodies::of_size(bodies::LIMIT).into();
    for _ in 0..rounds() {
        let mut senders = JoinSet::new();
        for _ in 0..SENDERS {
            let (address, ca, body) = (target.serving.reviews, target.ca.clone(), body.clone());
            senders.spawn(async move {
                let stream = connect_to(address, &ca, BOTH).await.ok()?;
                Some(exchange(stream, &head(WebhookKind::Validate, body.len()), &body).await)
            });
        }
        let mut slowest = Duration::ZERO;
        while !senders.is_empty() {
            let asked = Instant::now();
            assert_eq!(
                fetch(target.serving.probes, "/livez").await.0,
                StatusCode::OK
            );
            slowest = slowest.max(asked.elapsed());
            let Ok(Some(sent)) = timeout(Duration::from_millis(20), senders.join_next()).await
            else {
                continue;
            };
            let what = sent
                .unwrap()
                .map_or("no handshake".to_owned(), |sent| sent.to_string());
            target.count(what);
        }
        println!("hostile flood: slowest /livez {slowest:?}");
        target.is_calm().await;
    }
    target.reviews_as_ever().await;
    let (after, peak) = (target.memory("VmRSS"), target.memory("VmHWM"));
    target.report("flood");
    assert!(!target.counts.contains_key(&Answered::Cut.to_string()));
    println!("hostile flood: resident {before} MiB before, {peak} at most, {after} after");
    assert!(
        peak <= PEAK && after <= before + KEPT,
        "{before} {peak} {after}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_say_nothing_or_nonsense_are_cut() {
    let quick = "limits: {handshakeTimeout: 5s, headTimeout: 2s, bodyTimeout: 2s}";
    let mut target = Target::start("hostile-connections", quick).await;
    let descriptors = target.descriptors();
    for _ in 0..rounds() {
        let mut clients = JoinSet::new();
        for (name, bytes) in client::tls_garbage() {
            clients.spawn(client::raw(target.serving.reviews, name, bytes));
        }
        for (name, bytes) in client::http_garbage() {
            for _ in 0..4 {
                let (address, ca) = (target.serving.reviews, target.ca.clone());
                let bytes = bytes.clone();
                clients.spawn(async move {
                    let mut stream = connect_to(address, &ca, BOTH).await.unwrap();
                    let _cut = stream.write_all(&bytes).await;
                    client::rest(name, stream).await
                });
            }
        }
        for _ in 0..16 {
            let (address, ca) = (target.serving.reviews, target.ca.clone());
            clients.spawn(client::half_closed(address, ca.clone()));
            clients.spawn(client::dripping(address, ca));
        }
        while let Some(end) = timeout(PATIENCE, clients.join_next()).await.unwrap() {
            target.count(end.unwrap());
        }
        target.is_calm().await;
    }
    target.reviews_as_ever().await;
    target.report("connections");
    let after = target.descriptors();
    println!("hostile connections: {descriptors} descriptors before, {after} after");
    assert!(after <= descriptors + 2, "{descriptors} {after}");
}

/// Clients that connect and send nothing, until the server closes the connections.
fn idle(address: std::net::SocketAddr, count: usize) -> JoinSet<&'static str> {
    // At most the length of the kernel's queue at once: a dropped client retries much later.
    let knocking = std::sync::Arc::new(tokio::sync::Semaphore::new(256));
    let mut clients = JoinSet::new();
    for _ in 0..count {
        let knocking = knocking.clone();
        clients.spawn(async move {
            let knock = knocking.acquire().await.unwrap();
            let mut stream = TcpStream::connect(address).await.unwrap();
            drop(knock);
            if timeout(PATIENCE, stream.read(&mut [0])).await.is_err() {
                // The kernel may drop a connection that waits to be accepted. Writing to it shows that.
                let _end = stream.write_all(b"x").await;
                let _end = stream.read(&mut [0]).await;
            }
            "idle connections cut"
        });
    }
    clients
}

/// Sends reviews over existing connections, and over new ones if there is room, until all idle clients are
/// closed.
async fn reviews_with(
    target: &mut Target,
    mut clients: JoinSet<&'static str>,
    fresh: Fresh,
) -> Duration {
    let stream = connect_to(target.serving.reviews, &target.ca, BOTH)
        .await
        .unwrap();
    let mut caller = client::KeptAlive::new(stream).await;
    let mut slowest = Duration::ZERO;
    while !clients.is_empty() {
        let asked = Instant::now();
        let answer = caller.ask(post("/validate", review().to_string())).await;
        assert!(answer.contains(UID), "{answer}");
        if fresh == Fresh::Too {
            target.reviews_as_ever().await;
        }
        assert_eq!(
            fetch(target.serving.probes, "/livez").await.0,
            StatusCode::OK
        );
        slowest = slowest.max(asked.elapsed());
        target.count("rounds of reviews beside them");
        let pause = tokio::time::sleep(Duration::from_millis(100));
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                Some(end) = clients.join_next() => target.count(end.unwrap()),
            }
        }
    }
    slowest
}

/// Expected result of new connections while there are idle ones.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fresh {
    Too,
    No,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_idle_connections_delay_no_other() {
    let count = client::files().saturating_sub(1_000).min(5_000);
    let more = "limits: {maxConnections: 6000, handshakeTimeout: 8s}";
    let mut target = Target::start("hostile-idle", more).await;
    let before = target.memory("VmRSS");
    let mut kept = Vec::new();
    for _ in 0..rounds() {
        let clients = idle(target.serving.reviews, count);
        let slowest = timeout(3 * PATIENCE, reviews_with(&mut target, clients, Fresh::Too));
        println!("hostile idle: slowest round {:?}", slowest.await.unwrap());
        target.is_calm().await;
        kept.push(target.memory("VmRSS"));
    }
    let peak = target.memory("VmHWM");
    target.report("idle");
    println!("hostile idle: resident {before} MiB before, {peak} at most; rounds {kept:?}");
    // Small allocations may stay with the process, but later ones use their memory.
    assert!(peak <= PEAK && flat(&kept), "{before} {peak} {kept:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_beyond_the_cap_wait_and_are_cut_too() {
    let more = "limits: {maxConnections: 100, handshakeTimeout: 500ms}";
    let mut target = Target::start("hostile-cap", more).await;
    let descriptors = target.descriptors();
    let clients = idle(target.serving.reviews, 500);
    let slowest = timeout(3 * PATIENCE, reviews_with(&mut target, clients, Fresh::No));
    let slowest = slowest.await.unwrap();
    target.is_calm().await;
    let fresh = target.reviews_as_ever().await;
    target.report("cap");
    println!("hostile cap: slowest round {slowest:?}, a new connection afterwards {fresh:?}");
    assert!(target.descriptors() <= descriptors + 2);
}
