//! Compares `check` on 1,000 NetworkPolicies and 100 OpenBaoClusters with parsing the same files: CPU time in
//! alternating runs, each in its own process, and memory of `check`. Then the time and memory of `check` on 20,000
//! NetworkPolicies.
//!
//! The reference program reads the files and decodes each into typed objects with the YAML crate. It knows
//! the kind of each file. The exit status is 1 if a limit is exceeded.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark that cannot run has nobody to tell but the one who started it"
)]

#[path = "check/files.rs"]
mod files;

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::networking::v1::NetworkPolicy;
use nix::sys::resource::{UsageWho, getrusage};
use openbao_perimeter::inventory::crd::OpenBaoCluster;

/// Argument that makes this program the reference.
const YARDSTICK: &str = "parse";
/// Number of runs of each program.
const TURNS: usize = 21;
/// Maximum CPU time of `check`, as a multiple of the reference.
const TIMES: f64 = 2.0;
/// Maximum memory of `check`, in MB.
const MEMORY: f64 = 40.0;
/// Number of runs on 20,000 policies.
const LONG_TURNS: usize = 5;
/// Maximum elapsed time of `check` on 20,000 policies, in seconds.
const LONG_TIME: f64 = 2.0;
/// Maximum memory of `check` on 20,000 policies, in MB.
const LONG_MEMORY: f64 = 120.0;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(YARDSTICK) {
        let folder = arguments.next().expect("a folder");
        parse(Path::new(&folder));
        return ExitCode::SUCCESS;
    }
    // The kernel reports the maximum of all children, so the large folder comes last.
    let small = compare(&written(1_000));
    let large = large(&written(20_000));
    if small && large {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A folder with so many policies.
fn written(policies: usize) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-check-{policies}"));
    let _fresh = fs::remove_dir_all(&folder);
    let bytes = files::write(&folder, policies / files::NAMESPACES);
    println!("{policies} NetworkPolicies and 100 OpenBaoClusters, {bytes} bytes");
    folder
}

/// The reference program.
fn parse(folder: &Path) {
    let (mut policies, mut clusters) = (Vec::new(), Vec::new());
    for namespace in sorted(folder) {
        let text = |kind: &str| fs::read_to_string(namespace.join(kind)).unwrap();
        let read: Vec<OpenBaoCluster> =
            serde_saphyr::from_multiple(&text("clusters.yaml")).unwrap();
        clusters.extend(read);
        let read: Vec<NetworkPolicy> = serde_saphyr::from_multiple(&text("policies.yaml")).unwrap();
        policies.extend(read);
    }
    assert_eq!((policies.len(), clusters.len()), (1_000, 100));
    black_box((policies, clusters));
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Runs a command and returns its CPU time and its elapsed time.
fn run(command: &mut Command, ends_with: i32) -> (Duration, Duration) {
    let (before, start) = (spent(), Instant::now());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let (after, wall) = (spent(), start.elapsed());
    assert_eq!(output.status.code(), Some(ends_with), "{output:?}");
    (after.saturating_sub(before), wall)
}

/// CPU time of all child processes that have ended.
fn spent() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let part = |time: nix::sys::time::TimeVal| {
        Duration::from_secs(time.tv_sec().unsigned_abs())
            + Duration::from_micros(time.tv_usec().unsigned_abs())
    };
    part(usage.user_time()) + part(usage.system_time())
}

fn compare(folder: &Path) -> bool {
    let mut check = Command::new(env!("CARGO_BIN_EXE_openbao-perimeter"));
    check.arg("check").arg(folder);
    let mut yardstick = Command::new(std::env::current_exe().unwrap());
    yardstick.arg(YARDSTICK).arg(folder);
    // The kernel reports the maximum of all children. Only `check` has run so far.
    run(&mut check, 1);
    let megabytes = peak();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        ours.push(run(&mut check, 1));
        theirs.push(run(&mut yardstick, 0));
    }
    let [ours, theirs] =
        [ours, theirs].map(|times| (median(&times, |run| run.0), median(&times, |run| run.1)));
    println!(
        "processor: check {:.1} ms, parsing {:.1} ms; clock: {:.1} and {:.1} ms",
        ours.0, theirs.0, ours.1, theirs.1
    );
    let time = holds(
        "check / parsing into typed objects",
        ours.0 / theirs.0,
        TIMES,
    );
    let memory = holds("peak memory of check, MB", megabytes, MEMORY);
    time && memory
}

/// Runs `check` on many policies.
fn large(folder: &Path) -> bool {
    let mut check = Command::new(env!("CARGO_BIN_EXE_openbao-perimeter"));
    check.arg("check").arg(folder);
    let runs: Vec<_> = (0..LONG_TURNS).map(|_| run(&mut check, 1)).collect();
    let [processor, elapsed] =
        [median(&runs, |run| run.0), median(&runs, |run| run.1)].map(|time| time / 1e3);
    println!("processor: check {processor:.2} s; clock: {elapsed:.2} s");
    let time = holds("check on 20,000 policies, s", elapsed, LONG_TIME);
    let memory = holds("peak memory of it, MB", peak(), LONG_MEMORY);
    time && memory
}

/// Largest memory of a child process that has ended, in MB.
#[expect(clippy::cast_precision_loss, reason = "kilobytes")]
fn peak() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    usage.max_rss() as f64 * 1_024.0 / 1e6
}

/// The median in milliseconds.
fn median(runs: &[(Duration, Duration)], time: impl Fn(&(Duration, Duration)) -> Duration) -> f64 {
    let mut times: Vec<Duration> = runs.iter().map(time).collect();
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn holds(what: &str, found: f64, bar: f64) -> bool {
    let is_held = found <= bar;
    let verdict = if is_held { "ok" } else { "MISSED" };
    println!("ratio: {what}: {found:.2} (bar {bar}) {verdict}");
    is_held
}
