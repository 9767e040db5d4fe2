//! Minutes of reviews at half of the maximum rate, with concurrent changes: memory and descriptors must not
//! grow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Client;
use kube::api::{Api, DeleteParams};
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};

use crate::client;
use crate::process::Process;
use crate::world::{self, World};

const WORLD: World = World {
    namespaces: 20,
    clusters: 10,
    policies: 500,
};
const CONNECTIONS: usize = 4;
/// Reviews per connection.
const TURN: usize = 1_000;
/// One in this number of reviews is denied, and becomes an Event within the rate limit.
const REFUSALS: usize = 10;
/// Duration of the load at the maximum rate.
const SATURATION: Duration = Duration::from_secs(3);
const SAMPLES_A_MINUTE: u32 = 6;
/// Period in which a policy is created and deleted.
const CHANGE: Duration = Duration::from_millis(200);
/// Growth of memory between the first third and the end that still counts as constant.
const FLAT_KIB: f64 = 1024.0;
/// Descriptors of connections that are being reopened.
const FLAT_DESCRIPTORS: u64 = 8;

#[derive(Default)]
struct Load {
    is_over: AtomicBool,
    reviews: AtomicUsize,
    changes: AtomicUsize,
}

impl Load {
    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    /// Sends reviews at a rate, over connections that are sometimes reopened.
    async fn ask(self: Arc<Self>, server: Arc<Process>, period: Duration) {
        let namespace = world::namespace(0);
        let allowed = world::review(&namespace);
        let denied = open(&allowed);
        let mut due = Instant::now();
        while self.goes_on() {
            let mut sender = client::connect(&server).await;
            for turn in 0..TURN {
                sleep_until(due).await;
                let is_refusal = turn % REFUSALS == REFUSALS - 1;
                let body = if is_refusal { &denied } else { &allowed };
                let is_allowed = client::ask(&mut sender, body).await;
                assert_ne!(is_allowed, is_refusal, "a wrong verdict");
                self.reviews.fetch_add(1, Ordering::Relaxed);
                due = (due + period).max(Instant::now());
            }
        }
    }

    /// Creates and deletes policies. The audit has findings for some of them.
    async fn change(self: Arc<Self>, client: Client) {
        for number in 0.. {
            if !self.goes_on() {
                return;
            }
            let namespace = world::namespace(number % WORLD.namespaces);
            let mut policy = world::policy(number, &namespace);
            policy["metadata"]["name"] = json!("comes-and-goes");
            if number % REFUSALS == 0 {
                policy["spec"]["podSelector"] = json!({});
            }
            world::create_policy(&client, &policy).await;
            sleep(CHANGE).await;
            let api = Api::<NetworkPolicy>::namespaced(client.clone(), &namespace);
            let deleted = api.delete("comes-and-goes", &DeleteParams::default()).await;
            deleted.expect("a policy that goes");
            self.changes.fetch_add(2, Ordering::Relaxed);
        }
    }
}

/// The same policy for all pods. It opens those of OpenBao.
fn open(review: &str) -> String {
    let mut review: serde_json::Value = serde_json::from_str(review).expect("JSON");
    review["request"]["object"]["spec"]["podSelector"] = json!({});
    review.to_string()
}

#[derive(Clone, Copy)]
struct Sample {
    minutes: f64,
    resident_kib: u64,
    anonymous_kib: u64,
    descriptors: u64,
    threads: u64,
}

impl Sample {
    fn take(server: &Process, since: Instant) -> Self {
        Self {
            minutes: since.elapsed().as_secs_f64() / 60.0,
            resident_kib: server.resident_kib(),
            anonymous_kib: server.status("RssAnon:"),
            descriptors: server.descriptors(),
            threads: server.status("Threads:"),
        }
    }
}

/// Prints the samples. Returns whether memory and descriptors stayed constant.
pub(crate) async fn show() -> bool {
    let minutes = std::env::var("SOAK_MINUTES").unwrap_or_default();
    let minutes: u32 = minutes.parse().unwrap_or(10);
    let plane = world::plane();
    let administrator = world::administrator(&plane).await;
    WORLD.write(&administrator).await;
    let body = world::review(&world::namespace(0));
    let server = world::server(&plane, &body, &mut Vec::new()).await;
    let server = Arc::new(server);
    let most = saturation(&server).await;
    let period = Duration::from_secs_f64(2.0 * count(CONNECTIONS) / most);
    let load = Arc::new(Load::default());
    let mut tasks = vec![tokio::spawn(Arc::clone(&load).change(administrator))];
    for _ in 0..CONNECTIONS {
        tasks.push(tokio::spawn(
            Arc::clone(&load).ask(Arc::clone(&server), period),
        ));
    }
    let begun = Instant::now();
    let mut samples = Vec::new();
    println!("minute  reviews  changes  resident KiB  anonymous KiB  descriptors  threads");
    for number in 0..=minutes * SAMPLES_A_MINUTE {
        sleep_until(begun + Duration::from_mins(1) / SAMPLES_A_MINUTE * number).await;
        assert!(
            tasks.iter().all(|task| !task.is_finished()),
            "the load ended"
        );
        let sample = Sample::take(&server, begun);
        if number % SAMPLES_A_MINUTE == 0 {
            println!(
                "{:>6.1} {:>8} {:>8} {:>13} {:>14} {:>12} {:>8}",
                sample.minutes,
                load.reviews.load(Ordering::Relaxed),
                load.changes.load(Ordering::Relaxed),
                sample.resident_kib,
                sample.anonymous_kib,
                sample.descriptors,
                sample.threads
            );
        }
        samples.push(sample);
    }
    load.is_over.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.expect("no wrong verdict");
    }
    let rate = count(load.reviews.load(Ordering::Relaxed)) / begun.elapsed().as_secs_f64();
    println!("{rate:.0} reviews a second, of {most:.0}");
    report(&samples[samples.len() / 3..])
}

/// Maximum number of reviews per second.
async fn saturation(server: &Arc<Process>) -> f64 {
    let load = Arc::new(Load::default());
    let asking: Vec<_> = (0..CONNECTIONS)
        .map(|_| tokio::spawn(Arc::clone(&load).ask(Arc::clone(server), Duration::ZERO)))
        .collect();
    sleep(SATURATION).await;
    let done = load.reviews.load(Ordering::Relaxed);
    load.is_over.store(true, Ordering::Relaxed);
    for task in asking {
        task.await.expect("no wrong verdict");
    }
    count(done) / SATURATION.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "millions")]
fn count(number: usize) -> f64 {
    number as f64
}

/// Prints the slopes after the first third, in which caches and pools fill up.
fn report(samples: &[Sample]) -> bool {
    let took = samples[samples.len() - 1].minutes - samples[0].minutes;
    let of = |value: fn(&Sample) -> u64| slope(samples, value);
    let resident = of(|sample| sample.resident_kib);
    let anonymous = of(|sample| sample.anonymous_kib);
    let descriptors = samples.iter().map(|sample| sample.descriptors);
    let (least, most) = (descriptors.clone().min(), descriptors.max());
    let (least, most) = (least.unwrap_or_default(), most.unwrap_or_default());
    println!("over the last {took:.1} minutes:");
    println!("resident memory: {resident:+.1} KiB a minute, anonymous {anonymous:+.1}");
    println!("descriptors: {least} to {most}");
    let is_flat = anonymous * took < FLAT_KIB && most - least <= FLAT_DESCRIPTORS;
    println!("flat: {}", if is_flat { "yes" } else { "NO" });
    is_flat
}

/// Slope per minute, by least squares.
#[expect(clippy::cast_precision_loss, reason = "kibibytes")]
fn slope(samples: &[Sample], value: fn(&Sample) -> u64) -> f64 {
    let number = count(samples.len());
    let mean = |of: &dyn Fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / number;
    let (time, level) = (mean(&|s| s.minutes), mean(&|s| value(s) as f64));
    let above: f64 = samples
        .iter()
        .map(|s| (s.minutes - time) * (value(s) as f64 - level))
        .sum();
    let below: f64 = samples.iter().map(|s| (s.minutes - time).powi(2)).sum();
    above / below.max(f64::EPSILON)
}
