//! Compares the server with a bare one in one run. Only ratios count, not times.
//!
//! The bare server is axum and rustls with the same TLS settings. It decodes kube's
//! `AdmissionReview<DynamicObject>` and allows it. The measured server follows a real API server, with all
//! default features. Both run as their own processes and get reviews alternately over
//! open TLS connections: first at the maximum rate, then at half of the rate that the bare server
//! reached. The exit status is 1 if a limit is exceeded.
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

/// Number of turns of each kind; each sends the same number of reviews to both servers.
const TURNS: usize = 100;
const REVIEWS: usize = 2_000;
/// Number of open connections. The API server keeps a few.
const CONNECTIONS: usize = 4;
/// Number of starts of each server. The median counts.
const STARTS: usize = 7;
/// Maximum memory after the load, in megabytes.
const MEMORY: f64 = 20.0;
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

/// Measurements of one server in one turn.
struct Diff {
    /// CPU time per review.
    cpu: Duration,
    /// Elapsed time per review.
    wall: Duration,
    /// Sorted latencies.
    latencies: Vec<Duration>,
}

impl Diff {
    fn take(server: &Process, body: &str, pattern: Pattern) -> Self {
        let before = server.cpu();
        let mut load = pattern.load(server, body);
        let cpu = server.cpu().saturating_sub(before);
        load.latencies.sort_unstable();
        let reviews = u32::try_from(load.latencies.len()).expect("few");
        Self {
            cpu: cpu / reviews,
            wall: load.wall / reviews,
            latencies: load.latencies,
        }
    }

    /// The latency that `per_thousand` of a thousand reviews do not exceed.
    fn latency(&self, per_thousand: usize) -> Duration {
        self.latencies[self.latencies.len() * per_thousand / 1_000]
    }
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    of[of.len() / 2]
}

/// The measured server and the bare one.
type Both<T> = [T; 2];

/// Runs both servers alternately, each equally often first.
fn turns(servers: &Both<Process>, body: &str, pattern: Pattern) -> Vec<Both<Diff>> {
    let of_both = |number: usize| {
        let first = number % 2;
        let one = Diff::take(&servers[first], body, pattern);
        let other = Diff::take(&servers[1 - first], body, pattern);
        if first == 0 {
            [one, other]
        } else {
            [other, one]
        }
    };
    // The first turns are warm-up.
    (0..TURNS + 2).map(of_both).skip(2).collect()
}

/// Time from the start to the first allowed review. The measured server reads its facts from a folder.
async fn starts(folder: &Path) -> Both<f64> {
    let body = client::review();
    let mut took = Both::<Vec<Duration>>::default();
    for _ in 0..STARTS {
        Process::guard(&world::program(), folder, &body, &mut took[0]).await;
        Process::bare(folder, &body, &mut took[1]).await;
    }
    took.map(|took| median(took.iter().map(Duration::as_secs_f64).collect()))
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
    let connections = u32::try_from(CONNECTIONS).expect("few");
    let wall = median(
        most.iter()
            .map(|[_, bare]| bare.wall.as_secs_f64())
            .collect(),
    );
    pattern.period = Duration::from_secs_f64(2.0 * wall) * connections;
    let half = turns(&servers, &body, pattern);
    println!("review of {} bytes, {CONNECTIONS} connections", body.len());
    println!("{:.0} reviews a second at most", 1.0 / wall);
    let after = servers.each_ref().map(Process::resident_kib);
    let anonymous = servers.each_ref().map(|server| server.status("RssAnon:"));
    report(&[
        Row::turns("CPU per review, µs", &half, |turn| turn.cpu, 1.05),
        Row::turns("p50, µs", &half, |turn| turn.latency(500), f64::INFINITY),
        Row::turns("p99, µs", &half, |turn| turn.latency(990), 1.2),
        Row::turns("at most: CPU per review, µs", &most, |turn| turn.cpu, 1.05),
        Row::turns("at most: time per review, µs", &most, |turn| turn.wall, 1.0),
        Row::turns(
            "at most: p99, µs",
            &most,
            |turn| turn.latency(990),
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

/// One figure of both servers, and the limit of its ratio.
struct Row {
    name: &'static str,
    both: Both<f64>,
    ratio: f64,
    bar: f64,
    /// Absolute limit of the measured server.
    most: f64,
}

impl Row {
    fn of(name: &'static str, both: Both<f64>, bar: f64) -> Self {
        Self {
            name,
            both,
            ratio: both[0] / both[1],
            bar,
            most: f64::INFINITY,
        }
    }

    /// The median turn of each server in microseconds, and the median of the ratios of turns. Other load on
    /// the machine is similar in two consecutive turns, but not in all turns.
    fn turns(
        name: &'static str,
        turns: &[Both<Diff>],
        of: impl Fn(&Diff) -> Duration,
        bar: f64,
    ) -> Self {
        let figures: Vec<Both<f64>> = turns
            .iter()
            .map(|both| both.each_ref().map(|turn| of(turn).as_secs_f64() * 1e6))
            .collect();
        let of_one = |at: usize| median(figures.iter().map(|both| both[at]).collect());
        Self {
            ratio: median(figures.iter().map(|[ours, bare]| ours / bare).collect()),
            ..Self::of(name, [of_one(0), of_one(1)], bar)
        }
    }
}

/// Prints every figure and its limit. Returns whether all limits are met.
fn report(rows: &[Row]) -> bool {
    println!(
        "{:<28} {:>9} {:>9} {:>7} {:>7}",
        "", "ours", "bare", "ratio", "bar"
    );
    let mut met = true;
    for row in rows {
        let [ours, bare] = row.both;
        let is_met = row.ratio <= row.bar && ours <= row.most;
        met &= is_met;
        let (name, ratio, bar) = (row.name, row.ratio, row.bar);
        let verdict = if is_met { "" } else { "  MISSED" };
        println!("{name:<28} {ours:>9.1} {bare:>9.1} {ratio:>7.2} {bar:>7.2}{verdict}");
    }
    println!("memory of ours after load is to be {MEMORY} MB at most");
    met
}
