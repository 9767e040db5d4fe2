//! Searches hostile inputs for the review with the most CPU time, from request bytes to response bytes.
//!
//! A few numbers define a namespace full of policies, clusters with many declarations, and a write. The
//! search changes the numbers of the slowest inputs and keeps slower ones. `WORST_SECONDS` is the duration,
//! `WORST_SEED` the seed. The exit status is 1 if the limit is exceeded.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot run should say so and stop"
)]
#![allow(missing_docs, reason = "a program of its own")]

#[path = "worst/shape.rs"]
mod shape;

use std::env;
use std::fs;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openbao_perimeter::admission::{Admission, WebhookKind};
use openbao_perimeter::config::ReviewConfig;
use openbao_perimeter::inventory::{Change, Snapshot, read};
use openbao_perimeter::review::CompiledSnapshot;
use serde_json::json;

use shape::{Dice, Rules, Shape, Write};

/// Maximum CPU time of a review.
const BAR: Duration = Duration::from_millis(250);
/// Number of slowest inputs that are changed further.
const KEPT: usize = 12;

/// A server that knows the namespace, and the review to send.
fn stage(shape: &Shape) -> (Admission, WebhookKind, Vec<u8>) {
    let mut dice = Dice::new(shape.seed);
    let mut objects = vec![dice.cluster("bao", &shape.declared)];
    // The other clusters declare nothing, so that many clusters are created quickly.
    let plain = Rules {
        count: 0,
        ..shape.declared
    };
    objects.extend((1..shape.clusters).map(|at| dice.cluster(&format!("c{at}"), &plain)));
    let stored = Rules {
        count: shape.stored.count.min(20_000 / shape.neighbours.max(1)),
        peers: shape.stored.peers.min(20),
        ..shape.stored
    };
    let name = |at: usize| format!("policy-{at}");
    let subject = shape.subject;
    objects.extend((0..shape.neighbours).map(|at| dice.policy(&name(at), &stored, subject)));
    let (old, new) = match shape.write {
        Write::NewPolicy => (None, Some(dice.policy("written", &shape.written, subject))),
        Write::ChangedPolicy => {
            let new = dice.policy("policy-0", &shape.written, subject);
            let mut old = new.clone();
            if let Some(rules) = old["spec"]["ingress"].as_array_mut() {
                rules.reverse();
            }
            (Some(old), Some(new))
        }
        Write::DeletedPolicy => (objects.last().cloned(), None),
        Write::NewCluster => (None, Some(dice.cluster("new", &shape.written))),
        Write::ChangedCluster => {
            let new = dice.cluster("bao", &shape.written);
            (Some(objects[0].clone()), Some(new))
        }
    };
    if shape.write == Write::NewCluster && shape.clusters == 1 {
        objects.remove(0);
    }
    let changes = objects.iter().filter_map(read::object).map(Change::Set);
    let snapshot = Snapshot::default().apply(changes);
    let admission = Admission::default();
    let config = Arc::new(ReviewConfig::default());
    admission.publish(CompiledSnapshot::compile(None, Arc::new(snapshot), config));
    let object = new.as_ref().or(old.as_ref()).expect("something is written");
    let (group, version, resource) = match object["kind"].as_str() {
        Some("NetworkPolicy") => ("networking.k8s.io", "v1", "networkpolicies"),
        _ => ("openbao.org", "v1alpha1", "openbaoclusters"),
    };
    let operation = match (&old, &new) {
        (None, _) => "CREATE",
        (_, None) => "DELETE",
        _ => "UPDATE",
    };
    let body = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "5f2f3c0e-0f4e-4d53-9f6e-2f4b1a0c7d11",
            "kind": {"group": group, "version": version, "kind": object["kind"]},
            "resource": {"group": group, "version": version, "resource": resource},
            "name": object["metadata"]["name"],
            "namespace": "bao",
            "operation": operation,
            "userInfo": {"username": "tenant", "groups": ["system:authenticated"]},
            "object": new,
            "oldObject": old,
            "dryRun": false,
        },
    });
    let point = [WebhookKind::Validate, WebhookKind::Mutate][shape.point];
    (admission, point, body.to_string().into_bytes())
}

/// CPU time of this thread.
fn used() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").expect("the kernel counts");
    let nanoseconds = stat.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanoseconds.expect("CPU time first"))
}

/// CPU time of one review (the minimum of several runs), and the answer.
fn measured(shape: &Shape, runs: usize) -> (Duration, usize, String) {
    let (admission, point, body) = stage(shape);
    let mut least = Duration::MAX;
    let mut answer = String::new();
    for _ in 0..runs {
        let start = used();
        let answered = black_box(admission.answer(point, black_box(&body)));
        least = least.min(used().saturating_sub(start));
        answer = String::from_utf8_lossy(&answered.body)
            .chars()
            .take(300)
            .collect();
    }
    (least, body.len(), answer)
}

pub(crate) fn setting(name: &str, default: u64) -> u64 {
    let value = env::var(name).ok().filter(|text| !text.is_empty());
    value.map_or(default, |text| text.parse().expect("a number"))
}

fn main() -> ExitCode {
    let mut dice = Dice::new(setting("WORST_SEED", 1));
    let end = Instant::now() + Duration::from_secs(setting("WORST_SECONDS", 60));
    let mut slowest: Vec<(Duration, Shape)> = Vec::new();
    let mut tried = 0;
    let mut starts = Dice::starts();
    while Instant::now() < end {
        let known = dice.roll(slowest.len() + 2);
        let shape = match (starts.pop(), slowest.get(known)) {
            (Some(start), _) => start,
            (None, Some((_, shape))) => {
                let shape = *shape;
                dice.changed(shape)
            }
            (None, None) => dice.shape(),
        };
        let (took, ..) = measured(&shape, 1);
        tried += 1;
        slowest.push((took, shape));
        slowest.sort_by_key(|(took, _)| std::cmp::Reverse(*took));
        slowest.truncate(KEPT);
    }
    let mut worst = Duration::ZERO;
    for (_, shape) in &slowest {
        // Measured again, since other load may have slowed it down.
        let (took, size, answer) = measured(shape, 3);
        worst = worst.max(took);
        println!("worst: {took:?} for {size} bytes: {shape:?}\n  {answer}");
    }
    let is_held = worst <= BAR;
    let word = if is_held { "ok" } else { "MISSED" };
    println!("worst review of {tried} hostile ones: {worst:?} of CPU (bar {BAR:?}) {word}");
    if is_held {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
