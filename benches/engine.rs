//! Compares proofs with the decoding of the same policy, as ratios in one run.
//!
//! Each proof is measured next to the typed decoding of its policy, so that the figures are comparable on any
//! machine. The limits are given with the ratios. If one is exceeded, the exit status is 1.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot run should say so and stop"
)]
#![allow(missing_docs, reason = "a program of its own")]

use std::fs;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use netpol::cover::{Budget, uncovered};
use netpol::label::Values;
use netpol::testing::dice::Seeded;
use netpol::{LabelSet, Region};
use openbao_perimeter::admission::{Admission, WebhookKind};
use openbao_perimeter::code::EnforcementPoint;
use openbao_perimeter::config::ReviewConfig;
use openbao_perimeter::inventory::{Change, Fact, Kind, ObjectRef, Policy, Snapshot, read};
use openbao_perimeter::review::{
    CompiledSnapshot, Edit, Operation, Outcome, Request, Subject, Writer, review,
};
use openbao_perimeter::rules::policy_change::whole;
use serde_json::{Value, json};

/// The type that a server without an engine decodes.
type Bare = kube::core::admission::AdmissionReview<NetworkPolicy>;

/// A policy of the cluster `c0` whose rules are all inside the declared ceiling.
fn policy(rules: usize, declared: usize) -> Value {
    let rule = |at: usize| {
        json!({
            "from": [{
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": format!("client-{}", at % declared)}},
                "podSelector": {"matchLabels": {"app": format!("web-{at}"), "tier": "front"}},
            }],
            "ports": [{"port": 8200, "protocol": "TCP"}],
        })
    };
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "clients", "namespace": "ns-0"},
        "spec": {
            // Servers only: no peer may connect to the jobs.
            "podSelector": {
                "matchLabels": {"openbao.org/cluster": "c0"},
                "matchExpressions": [{
                    "key": "openbao.org/component",
                    "operator": "NotIn",
                    "values": ["backup", "restore", "upgrade-snapshot"],
                }],
            },
            "policyTypes": ["Ingress"],
            "ingress": (0..rules).map(rule).collect::<Vec<_>>(),
        },
    })
}

/// An OpenBaoCluster that declares this number of namespaces as clients.
fn cluster(namespace: &str, name: &str, declared: usize) -> Value {
    let rule = |at: usize| {
        json!({
            "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": format!("client-{at}")}}}],
            "ports": [{"port": 8200, "protocol": "TCP"}],
        })
    };
    json!({
        "apiVersion": "openbao.org/v1alpha1",
        "kind": "OpenBaoCluster",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "profile": "Development",
            "network": {
                "apiServerCIDR": "10.96.0.1/32",
                "ingressRules": (0..declared).map(rule).collect::<Vec<_>>(),
            },
        },
    })
}

/// Namespaces with one cluster each, and policies of tenants distributed over them.
fn compiled(clusters: usize, policies: usize, declared: usize) -> CompiledSnapshot {
    let mut objects: Vec<Value> = (0..clusters)
        .map(|at| cluster(&format!("ns-{at}"), &format!("c{at}"), declared))
        .collect();
    objects.extend((0..policies).map(|at| {
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": format!("tenant-{at}"), "namespace": format!("ns-{}", at % clusters.max(1))},
            "spec": {
                "podSelector": {"matchLabels": {"app": format!("web-{at}")}},
                "policyTypes": ["Ingress"],
                "ingress": [{"from": [{"podSelector": {}}]}],
            },
        })
    }));
    let changes = objects.iter().filter_map(read::object).map(Change::Set);
    let snapshot = Snapshot::default().apply(changes);
    CompiledSnapshot::compile(None, Arc::new(snapshot), Arc::new(ReviewConfig::default()))
}

fn object() -> ObjectRef {
    ObjectRef {
        kind: Kind::NetworkPolicy,
        namespace: "ns-0".into(),
        name: "clients".into(),
    }
}

fn create(policy: Fact<Policy>) -> Request {
    let edit = Edit {
        object: object(),
        before: None,
        after: Some(policy),
        spec_changed: true,
    };
    let writer = Writer {
        name: "tenant".to_owned(),
        ..Writer::default()
    };
    Request {
        operation: Operation::Create,
        writer,
        point: EnforcementPoint::Webhook,
        subject: Subject::Policy(edit),
    }
}

/// A review of about 3 KB: a tenant's policy with typical metadata.
fn review_body() -> Vec<u8> {
    let mut object = policy(6, 40);
    object["metadata"]["annotations"] =
        json!({ "kubectl.kubernetes.io/last-applied-configuration": object.to_string() });
    let body = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "5f2f3c0e-0f4e-4d53-9f6e-2f4b1a0c7d11",
            "kind": {"group": "networking.k8s.io", "version": "v1", "kind": "NetworkPolicy"},
            "resource": {"group": "networking.k8s.io", "version": "v1", "resource": "networkpolicies"},
            "name": "clients",
            "namespace": "ns-0",
            "operation": "CREATE",
            "userInfo": {"username": "tenant", "groups": ["system:authenticated"]},
            "object": object,
            "oldObject": null,
            "dryRun": false,
        },
    });
    body.to_string().into_bytes()
}

/// Criterion's output for one run, and the CPU time per iteration.
struct Bench {
    criterion: Criterion,
}

impl Bench {
    fn new() -> Self {
        let criterion = Criterion::default()
            .sample_size(20)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(1))
            .without_plots();
        Self { criterion }
    }

    fn cpu_time(&mut self, name: &str, mut run: impl FnMut()) -> f64 {
        self.criterion
            .bench_function(name, |bencher| bencher.iter(&mut run));
        cpu_time(run)
    }
}

/// CPU time of one iteration in nanoseconds. Elapsed time would be too long on a busy machine, and the ratios
/// would be noise.
fn cpu_time(mut run: impl FnMut()) -> f64 {
    let used = || -> f64 {
        let stat = fs::read_to_string("/proc/thread-self/schedstat").expect("the kernel counts");
        let nanoseconds = stat.split(' ').next().and_then(|text| text.parse().ok());
        nanoseconds.expect("CPU time first")
    };
    run();
    let (start, end) = (used(), Instant::now() + Duration::from_secs(2));
    let mut runs = 0.0;
    while Instant::now() < end {
        run();
        runs += 1.0;
    }
    (used() - start) / runs
}

struct Bars {
    missed: bool,
}

impl Bars {
    fn hold(&mut self, what: &str, ratio: f64, bar: f64) {
        let verdict = if ratio <= bar { "ok" } else { "MISSED" };
        self.missed |= ratio > bar;
        println!("ratio: {what}: {ratio:.2} (bar {bar}) {verdict}");
    }
}

fn main() -> ExitCode {
    let mut bench = Bench::new();
    let mut bars = Bars { missed: false };
    for (rules, declared, bar) in [(1_000, 50, 1.0), (5_000, 200, 3.0)] {
        proof(&mut bench, &mut bars, rules, declared, bar);
    }
    whole_review(&mut bench, &mut bars);
    growth();
    hard_labels(&mut bars);
    allocations();
    if bars.missed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn proof(bench: &mut Bench, bars: &mut Bars, rules: usize, declared: usize, bar: f64) {
    let json = policy(rules, declared).to_string();
    let compiled = compiled(1, 0, declared);
    let request = create(read::policy(json.as_bytes(), &object()));
    assert_eq!(
        review(&compiled, &request).outcome(),
        Outcome::Allow,
        "the accept path is measured"
    );
    let decode = bench.cpu_time(&format!("decode_{rules}_rules"), || {
        black_box(serde_json::from_str::<NetworkPolicy>(black_box(&json)).expect("a policy"));
    });
    let proof = bench.cpu_time(&format!("proof_{rules}_rules_{declared}_entries"), || {
        black_box(review(&compiled, black_box(&request)));
    });
    bars.hold(
        &format!("proof of {rules} rules against {declared} entries / typed decode"),
        proof / decode,
        bar,
    );
}

fn whole_review(bench: &mut Bench, bars: &mut Bars) {
    let body = review_body();
    let review: Value = serde_json::from_slice(&body).expect("a review");
    let object = review["request"]["object"].to_string();
    println!(
        "review of {} bytes, object of {} bytes",
        body.len(),
        object.len()
    );
    let admission = Admission::default();
    admission.publish(compiled(100, 10_000, 40));
    let answer = admission.answer(WebhookKind::Validate, &body);
    assert!(String::from_utf8_lossy(&answer.body).contains("\"allowed\":true"));
    let decode = bench.cpu_time("decode_review", || {
        black_box(serde_json::from_slice::<Bare>(black_box(&body)).expect("a review"));
    });
    let whole = bench.cpu_time("review_bytes_to_bytes", || {
        black_box(admission.answer(WebhookKind::Validate, black_box(&body)));
    });
    bars.hold(
        "review, bytes to bytes, 100 clusters and 10,000 policies / typed decode",
        whole / decode,
        2.0,
    );
}

/// Time as a function of the rules of the changed policy, and of factors that should not matter.
fn growth() {
    for rules in [125, 250, 500, 1_000, 2_000, 4_000, 8_000] {
        let json = policy(rules, 50).to_string();
        let (compiled, request) = (
            compiled(1, 0, 50),
            create(read::policy(json.as_bytes(), &object())),
        );
        let time = cpu_time(|| {
            black_box(review(&compiled, &request));
        });
        let work = allocation_counter::measure(|| {
            black_box(review(&compiled, &request));
        });
        println!(
            "growth: {rules} rules: {:.0} ns, {} allocations and {} bytes a rule",
            time / f64::from(u32::try_from(rules).unwrap_or(u32::MAX)),
            work.count_total / rules as u64,
            work.bytes_total / rules as u64
        );
    }
    let json = policy(10, 50).to_string();
    for clusters in [1, 10, 100, 1_000] {
        let (compiled, request) = (
            compiled(clusters, clusters * 10, 50),
            create(read::policy(json.as_bytes(), &object())),
        );
        let time = cpu_time(|| {
            black_box(review(&compiled, &request));
        });
        println!(
            "growth: {clusters} clusters and {} policies elsewhere: {time:.0} ns a review",
            clusters * 10
        );
    }
}

/// Random 3-literal label logic: does a union of conjunctions cover everything? Each instance must be decided
/// or given up within 1/20 of the API server's ten seconds.
fn hard_labels(bars: &mut Bars) {
    let mut worst = Duration::ZERO;
    let mut given_up = 0;
    for seed in 0..20 {
        let covers = random_clauses(60, 258, seed);
        let covers: Vec<&Region> = covers.iter().collect();
        let start = Instant::now();
        let mut budget = Budget::new(ReviewConfig::default().proof_budget);
        given_up +=
            u32::from(uncovered(&whole(&LabelSet::any()).into(), &covers, &mut budget).is_err());
        worst = worst.max(start.elapsed());
    }
    println!(
        "hard labels: 20 instances of 60 keys and 258 three-literal selectors, {given_up} given up, worst {worst:?}"
    );
    bars.hold(
        "hard label logic, worst / half a second",
        worst.as_secs_f64() / 0.5,
        1.0,
    );
}

fn random_clauses(keys: usize, clauses: u64, seed: u64) -> Vec<Region> {
    let mut dice = Seeded::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut clause = || {
        let mut set = LabelSet::any();
        for _ in 0..3 {
            let (key, values) = (
                format!("k{}", dice.roll(keys)),
                [Values::present(), Values::absent()],
            );
            set = set.clone().and(key, dice.pick(&values)).unwrap_or(set);
        }
        Region::from(whole(&set))
    };
    (0..clauses).map(|_| clause()).collect()
}

fn allocations() {
    let admission = Admission::default();
    admission.publish(compiled(100, 10_000, 40));
    let body = review_body();
    let count = |run: &dyn Fn()| allocation_counter::measure(run).count_total;
    let whole = count(&|| {
        black_box(admission.answer(WebhookKind::Validate, &body));
    });
    let decode = count(&|| {
        black_box(serde_json::from_slice::<Bare>(&body).expect("a review"));
    });
    println!(
        "allocations: {whole} for a whole accepted review of {} bytes, {decode} for its typed decode alone",
        body.len()
    );
}
