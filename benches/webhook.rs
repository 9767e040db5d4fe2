//! Our server beside a bare one, in one run: only the ratios count, never the times.
//!
//! The bare server is axum and rustls with the same TLS settings; it decodes kube's
//! `AdmissionReview<DynamicObject>` and allows. Ours follows a real API server, with everything on
//! that is on by default. Both run as processes of their own and are asked in turns over TLS
//! connections that stay open: as fast as they answer, then at half of the rate that the bare one
//! reached. Ends with 1 where a bar is missed.

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
#[path = "../tests/support/control_plane.rs"]
mod control_plane;
#[path = "../tests/support/example.rs"]
mod example;
#[path = "../tests/support/guard.rs"]
mod guard;
#[path = "webhook/process.rs"]
mod process;
#[path = "cluster/world.rs"]
mod world;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use client::Pattern;
use process::Process;
use world::World;

/// Turns of each kind, and reviews of each server per turn.
const TURNS: usize = 25;
const REVIEWS: usize = 2_000;
/// Connections that stay open; the API server keeps a few.
const CONNECTIONS: usize = 4;
/// Starts of each server, of which the median counts.
const STARTS: usize = 7;
/// What ours may take of memory after the load, in megabytes.
const MEMORY: f64 = 12.0;
/// A small inventory.
const WORLD: World = World {
    namespaces: 1,
    clusters: 1,
    policies: 1,
};

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

/// What was seen of one server under one pattern of load.
#[derive(Default)]
struct Seen {
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
    fn turn(&mut self, server: &Process, body: &str, pattern: Pattern) {
        let before = server.cpu();
        let mut load = pattern.load(server, body);
        self.cpu += server.cpu().saturating_sub(before);
        self.wall += load.wall;
        load.latencies.sort_unstable();
        self.latencies.push(load.latencies);
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

/// Ours and the bare one.
type Both<T> = [T; 2];

/// Both servers in turns; the first turn warms up.
fn turns(servers: &Both<Process>, body: &str, pattern: Pattern) -> Both<Seen> {
    let mut seen = Both::<Seen>::default();
    for server in servers {
        pattern.load(server, body);
    }
    for _ in 0..TURNS {
        for (server, seen) in servers.iter().zip(&mut seen) {
            seen.turn(server, body, pattern);
        }
    }
    seen
}

/// From the start to the first review that is allowed, ours with the facts of a folder.
async fn starts(folder: &Path) -> Both<f64> {
    let body = client::review();
    let mut took = Both::<Vec<Duration>>::default();
    for _ in 0..STARTS {
        Process::guard(&world::program(), folder, &body, &mut took[0]).await;
        Process::bare(folder, &body, &mut took[1]).await;
    }
    took.map(median)
}

async fn compare() -> bool {
    let plane = world::plane();
    let administrator = world::administrator(&plane).await;
    WORLD.write(&administrator).await;
    let starts = starts(plane.folder()).await;
    let body = world::review(&world::namespace(0));
    let servers = [
        world::server(&plane, &body, &mut Vec::new()).await,
        Process::bare(plane.folder(), &body, &mut Vec::new()).await,
    ];
    let idle = servers.each_ref().map(Process::resident_kib);
    let mut pattern = Pattern {
        connections: CONNECTIONS,
        reviews: REVIEWS,
        period: Duration::ZERO,
    };
    let most = turns(&servers, &body, pattern);
    let connections = f64::from(u32::try_from(CONNECTIONS).expect("few"));
    pattern.period = Duration::from_secs_f64(2.0 * connections / most[1].throughput());
    let half = turns(&servers, &body, pattern);
    println!("review of {} bytes, {CONNECTIONS} connections", body.len());
    println!(
        "{:.0} reviews a second at most, {:.0} at half",
        most[1].throughput(),
        half[1].throughput()
    );
    let after = servers.each_ref().map(Process::resident_kib);
    let anonymous = servers.each_ref().map(|server| server.status("RssAnon:"));
    report(&[
        Row::micro("CPU per review, µs", &half, Seen::cpu_per_review, 1.0),
        Row::micro("p50, µs", &half, |seen| seen.latency(500), f64::INFINITY),
        Row::micro("p99, µs", &half, |seen| seen.latency(990), 1.0),
        Row::micro(
            "at most: CPU per review, µs",
            &most,
            Seen::cpu_per_review,
            1.0,
        ),
        Row::micro(
            "at most: time per review, µs",
            &most,
            |seen| 1.0 / seen.throughput(),
            1.0,
        ),
        Row::micro(
            "at most: p99, µs",
            &most,
            |seen| seen.latency(990),
            f64::INFINITY,
        ),
        Row::of(
            "start to ready, ms",
            starts.map(|seconds| seconds * 1e3),
            3.0,
        ),
        Row::of("idle memory, MB", idle.map(megabytes), f64::INFINITY),
        Row {
            most: MEMORY,
            ..Row::of("memory after load, MB", after.map(megabytes), f64::INFINITY)
        },
        Row::of(
            "of which anonymous, MB",
            anonymous.map(megabytes),
            f64::INFINITY,
        ),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "kibibytes")]
fn megabytes(kib: u64) -> f64 {
    kib as f64 * 1024.0 / 1e6
}

/// One figure of both servers, and what their ratio may be.
struct Row {
    name: &'static str,
    both: Both<f64>,
    bar: f64,
    /// What ours may be, whatever the other is.
    most: f64,
}

impl Row {
    const fn of(name: &'static str, both: Both<f64>, bar: f64) -> Self {
        Self {
            name,
            both,
            bar,
            most: f64::INFINITY,
        }
    }

    /// From seconds.
    fn micro(name: &'static str, seen: &Both<Seen>, of: impl Fn(&Seen) -> f64, bar: f64) -> Self {
        Self::of(name, seen.each_ref().map(|seen| of(seen) * 1e6), bar)
    }
}

/// Prints every figure beside its bar; whether all bars are met.
fn report(rows: &[Row]) -> bool {
    println!(
        "{:<28} {:>9} {:>9} {:>7} {:>7}",
        "", "ours", "bare", "ratio", "bar"
    );
    let mut met = true;
    for row in rows {
        let [ours, bare] = row.both;
        let ratio = ours / bare;
        let is_met = ratio <= row.bar && ours <= row.most;
        met &= is_met;
        let (name, bar) = (row.name, row.bar);
        let verdict = if is_met { "" } else { "  MISSED" };
        println!("{name:<28} {ours:>9.1} {bare:>9.1} {ratio:>7.2} {bar:>7.2}{verdict}");
    }
    println!("memory of ours after load is to be {MEMORY} MB at most");
    met
}
