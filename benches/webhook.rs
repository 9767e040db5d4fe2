//! Our server beside a bare one, in one run: only the ratios count, never the times.
//!
//! The bare server is axum and rustls with the same TLS settings; it decodes kube's
//! `AdmissionReview<DynamicObject>` and allows. Both run as processes of their own and are asked in
//! turns over TLS connections that stay open. Ends with 1 where a bar is missed.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark that cannot run has nobody to tell but the one who started it"
)]

#[path = "webhook/bare.rs"]
mod bare;
#[path = "webhook/client.rs"]
mod client;
#[path = "webhook/process.rs"]
mod process;

use std::process::ExitCode;
use std::time::Duration;

use process::Process;

/// Turns, and reviews of each server per turn.
const TURNS: usize = 25;
const REVIEWS: usize = 2_000;
/// Connections that stay open; the API server keeps a few.
const CONNECTIONS: usize = 4;
/// Starts of each server, of which the median counts.
const STARTS: usize = 7;
/// What wall-clock figures may be off by on a machine that does other things too.
const NOISE: f64 = 1.1;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if std::env::args().any(|argument| argument == bare::ARGUMENT) {
        runtime.block_on(bare::serve());
        return ExitCode::SUCCESS;
    }
    if runtime.block_on(compare()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What was seen of one server.
#[derive(Default)]
struct Seen {
    starts: Vec<Duration>,
    idle_kib: u64,
    cpu: Duration,
    wall: Duration,
    /// Of each turn, sorted.
    latencies: Vec<Vec<Duration>>,
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

impl Seen {
    fn start(&self) -> f64 {
        median(self.starts.clone())
    }

    fn cpu_per_review(&self) -> f64 {
        self.cpu.as_secs_f64() / self.reviews()
    }

    fn throughput(&self) -> f64 {
        self.reviews() / self.wall.as_secs_f64()
    }

    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    fn reviews(&self) -> f64 {
        self.latencies.iter().map(Vec::len).sum::<usize>() as f64
    }

    /// The latency that `per_thousand` of a thousand reviews of a turn do not exceed, in the median
    /// turn: one turn in which the machine did something else says nothing about the server.
    fn latency(&self, per_thousand: usize) -> f64 {
        let of_turn = |turn: &Vec<Duration>| turn[turn.len() * per_thousand / 1_000];
        median(self.latencies.iter().map(of_turn).collect())
    }
}

async fn compare() -> bool {
    let folder = std::env::temp_dir().join(format!("webhook-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let body = client::review();
    let mut ours = Seen::default();
    let mut bare = Seen::default();
    let mut servers = Vec::new();
    for _ in 0..STARTS {
        servers = vec![
            Process::guard(&folder, &body, &mut ours.starts).await,
            Process::bare(&folder, &body, &mut bare.starts).await,
        ];
    }
    ours.idle_kib = servers[0].resident_kib();
    bare.idle_kib = servers[1].resident_kib();
    for turn in 0..=TURNS {
        for (server, seen) in servers.iter().zip([&mut ours, &mut bare]) {
            let before = server.cpu();
            let mut load = client::load(server, &body, CONNECTIONS, REVIEWS).await;
            // The first turn warms up.
            if turn > 0 {
                seen.cpu += server.cpu().saturating_sub(before);
                seen.wall += load.wall;
                load.latencies.sort_unstable();
                seen.latencies.push(load.latencies);
            }
        }
    }
    println!("review of {} bytes, {CONNECTIONS} connections", body.len());
    println!(
        "after load: ours {} KiB, bare {} KiB",
        servers[0].resident_kib(),
        servers[1].resident_kib()
    );
    drop(servers);
    let _left_over = std::fs::remove_dir_all(&folder);
    report(&ours, &bare)
}

/// Prints every figure beside its bar; whether all bars are met.
#[expect(clippy::cast_precision_loss, reason = "kibibytes")]
fn report(ours: &Seen, bare: &Seen) -> bool {
    const MICRO: f64 = 1e6;
    let rows = [
        (
            "CPU per review, µs",
            ours.cpu_per_review() * MICRO,
            bare.cpu_per_review() * MICRO,
            1.0,
        ),
        (
            "time per review, µs",
            MICRO / ours.throughput(),
            MICRO / bare.throughput(),
            NOISE,
        ),
        (
            "p50, µs",
            ours.latency(500) * MICRO,
            bare.latency(500) * MICRO,
            f64::INFINITY,
        ),
        (
            "p99, µs",
            ours.latency(990) * MICRO,
            bare.latency(990) * MICRO,
            NOISE,
        ),
        (
            "start to ready, ms",
            ours.start() * 1e3,
            bare.start() * 1e3,
            3.0,
        ),
        (
            "idle memory, MiB",
            ours.idle_kib as f64 / 1024.0,
            bare.idle_kib as f64 / 1024.0,
            f64::INFINITY,
        ),
    ];
    println!(
        "{:<22} {:>9} {:>9} {:>7} {:>7}",
        "", "ours", "bare", "ratio", "bar"
    );
    let mut met = true;
    for (name, ours, bare, bar) in rows {
        let ratio = ours / bare;
        let verdict = if ratio <= bar { "" } else { "  MISSED" };
        met &= ratio <= bar;
        println!("{name:<22} {ours:>9.1} {bare:>9.1} {ratio:>7.2} {bar:>7.2}{verdict}");
    }
    let slim = ours.idle_kib <= 20 * 1024;
    println!(
        "idle memory at most 20 MiB: {}",
        if slim { "met" } else { "MISSED" }
    );
    met && slim
}
