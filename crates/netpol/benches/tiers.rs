//! Decides 30 ClusterNetworkPolicies of 25 rules a direction against 50 required and permitted regions: the whole check of
//! one space of pods, compiled policies given. The exit status is 1 if the limit is exceeded.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot run should say so and stop"
)]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use netpol::budget::Budget;
use netpol::stack::{CompiledPolicy, NetworkPolicies, Protected, Stack};
use netpol::testing::tiers::LargeWorld;
use netpol::tier::TierSettings;
use netpol::{Direction, LabelSet, RegionRef};

/// Number of runs.
const TURNS: usize = 51;
/// Maximum time of the median run.
const LIMIT: Duration = Duration::from_millis(2);
/// Index of the policy that is written. It selects the pods.
const WRITTEN: usize = 18;

fn main() -> ExitCode {
    let world = LargeWorld::new(30, 25, 25);
    let settings = TierSettings::default();
    let policies = world.policies.iter();
    let compiled: Vec<_> = policies
        .map(|policy| CompiledPolicy::of(policy, &settings))
        .collect();
    let mut times: Vec<Duration> = (0..TURNS)
        .map(|_| {
            let started = Instant::now();
            black_box(decide(&world, &compiled));
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    let median = times[TURNS / 2];
    println!("30 policies of 25 rules, 50 regions: {median:?} (at most {LIMIT:?})");
    if median <= LIMIT {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Number of problems: required regions that are denied, and regions that are allowed beyond the permitted ones.
fn decide(world: &LargeWorld, compiled: &[CompiledPolicy]) -> usize {
    let policies: Vec<&CompiledPolicy> = compiled.iter().collect();
    let any = LabelSet::any();
    let mut budget = Budget::new(u32::MAX);
    let mut found = 0;
    for direction in Direction::ALL {
        let entries = &world.entries[direction as usize];
        let permitted: Vec<RegionRef<'_>> = entries.iter().map(RegionRef::from).collect();
        let layer = NetworkPolicies {
            must: permitted.clone(),
            may: Vec::new(),
            isolated: vec![&any],
            has_unreadable: false,
        };
        let protected = Protected {
            space: &world.space,
            namespace: &world.namespace,
            other_namespaces: &world.other_namespaces,
        };
        let stack =
            Stack::new(direction, protected, &policies, layer, &mut budget).expect("budget");
        for entry in entries {
            let denied = stack.denied(entry, None, &mut budget).expect("budget");
            found += usize::from(denied.is_some());
        }
        let accepted = stack.accepted(WRITTEN, &permitted, None, &mut budget);
        found += accepted.expect("budget").len();
        for area in stack.reach(WRITTEN) {
            let allowed = stack.allowed(&area, &permitted, None, &mut budget);
            found += usize::from(allowed.expect("budget").is_some());
        }
    }
    found
}
