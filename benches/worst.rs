//! The worst review that a search over hostile inputs finds, bytes to bytes, in CPU time.
//!
//! Namespaces full of policies, clusters that declare a lot, and writes beside them are made from a few
//! numbers. The search changes the numbers of the slowest ones it knows and keeps what is slower.
//! `WORST_SECONDS` says how long, `WORST_SEED` where it begins. Status 1 where the bar is missed.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot run should say so and stop"
)]
#![allow(missing_docs, reason = "a program of its own")]

use std::env;
use std::fs;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openbao_perimeter::admission::{Admission, Point};
use openbao_perimeter::inventory::{Change, Snapshot, read};
use openbao_perimeter::posture::Posture;
use openbao_perimeter::review::World;
use serde_json::{Value, json};

/// CPU time that no review may take.
const BAR: Duration = Duration::from_millis(250);
/// What an API server stores of one object.
const LARGEST_OBJECT: usize = 1_400_000;
/// How many of the slowest are changed further.
const KEPT: usize = 12;

/// What peers are made of.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Peers {
    /// Pods of one namespace by random literals: `Exists` and `DoesNotExist`.
    Literals,
    /// Namespaces by name.
    Namespaces,
    /// Addresses, with exceptions.
    Blocks,
    /// Pods by long lists of values.
    Values,
    /// No peers: everyone.
    Everyone,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Write {
    NewPolicy,
    ChangedPolicy,
    DeletedPolicy,
    NewCluster,
    ChangedCluster,
}

/// Some rules: how many, and how large each is.
#[derive(Clone, Copy, Debug)]
struct Rules {
    peers_of: Peers,
    rules: usize,
    peers: usize,
    ports: usize,
    parts: usize,
    keys: usize,
}

/// A hostile input in numbers.
#[derive(Clone, Copy, Debug)]
struct Shape {
    write: Write,
    point: usize,
    clusters: usize,
    neighbours: usize,
    declared: Rules,
    stored: Rules,
    written: Rules,
    subject: usize,
    seed: u64,
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound.max(1) as u64).unwrap_or_default()
    }

    fn size(&mut self, most: usize) -> usize {
        let bits = most.ilog2() as usize + 1;
        let scale = 1 << self.roll(bits);
        (scale + self.roll(scale)).min(most)
    }

    fn one<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.roll(all.len())]
    }

    fn rules(&mut self) -> Rules {
        let kinds = [
            Peers::Literals,
            Peers::Namespaces,
            Peers::Blocks,
            Peers::Values,
            Peers::Everyone,
        ];
        Rules {
            peers_of: self.one(&kinds),
            rules: self.size(10_000),
            peers: self.size(1_000),
            ports: self.size(1_000),
            parts: self.size(64),
            keys: self.size(120),
        }
    }

    fn shape(&mut self) -> Shape {
        let writes = [
            Write::NewPolicy,
            Write::ChangedPolicy,
            Write::DeletedPolicy,
            Write::NewCluster,
            Write::ChangedCluster,
        ];
        Shape {
            write: self.one(&writes),
            point: self.roll(2),
            clusters: self.size(100),
            neighbours: self.size(300),
            declared: self.rules(),
            stored: self.rules(),
            written: self.rules(),
            subject: self.roll(20),
            seed: self.0,
        }
    }

    /// The shape with a few of its numbers changed.
    fn changed(&mut self, shape: Shape) -> Shape {
        let mut next = shape;
        for _ in 0..=self.roll(3) {
            let other = self.shape();
            let part = self.roll(3);
            let rules = match part {
                0 => &mut next.declared,
                1 => &mut next.stored,
                _ => &mut next.written,
            };
            match self.roll(13) {
                0 => next.write = other.write,
                1 => next.point = other.point,
                2 => next.clusters = other.clusters,
                3 => next.neighbours = other.neighbours,
                4 => next.subject = other.subject,
                5 => next.seed = other.seed,
                6 => rules.peers_of = other.written.peers_of,
                7 => rules.rules = other.written.rules,
                8 => rules.peers = other.written.peers,
                9 => rules.ports = other.written.ports,
                10 => rules.parts = other.written.parts,
                11 => rules.keys = other.written.keys,
                _ => rules.rules = (rules.rules * 2).min(10_000),
            }
        }
        next
    }

    fn peer(&mut self, rules: &Rules, at: usize) -> Value {
        let literal = |dice: &mut Self| {
            let operator = dice.one(&["Exists", "DoesNotExist"]);
            json!({"key": format!("k{}", dice.roll(rules.keys)), "operator": operator})
        };
        match rules.peers_of {
            Peers::Literals => json!({
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "clients"}},
                "podSelector": {"matchExpressions": (0..rules.parts).map(|_| literal(self)).collect::<Vec<_>>()},
            }),
            Peers::Namespaces => json!({
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": format!("client-{at}")}},
            }),
            Peers::Blocks => {
                let except =
                    |part| format!("10.{}.{}.{}/32", at % 256, at / 256 % 256, 2 * part % 256);
                let except: Vec<_> = (0..rules.parts).map(except).collect();
                json!({"ipBlock": {"cidr": format!("10.{}.{}.0/24", at % 256, at / 256 % 256), "except": except}})
            }
            Peers::Values => {
                let values: Vec<_> = (0..rules.parts * 8)
                    .map(|value| format!("v{value}"))
                    .collect();
                let operator = self.one(&["In", "NotIn"]);
                json!({"podSelector": {"matchExpressions": [
                    {"key": format!("k{}", self.roll(rules.keys)), "operator": operator, "values": values},
                ]}})
            }
            Peers::Everyone => json!({"podSelector": {}}),
        }
    }

    /// Rules of one direction, as many as fit into an object.
    fn written(&mut self, rules: &Rules, peers_field: &str, most: usize) -> Vec<Value> {
        let mut room = LARGEST_OBJECT;
        let mut written = Vec::new();
        for at in 0..rules.rules.min(most) {
            let mut rule = json!({});
            let peers = if rules.peers_of == Peers::Everyone {
                0
            } else {
                rules.peers
            };
            let mut list = Vec::new();
            let mut size = 0;
            for peer in 0..peers {
                let peer = self.peer(rules, at * peers + peer);
                size += peer.to_string().len();
                list.push(peer);
                if size > room {
                    break;
                }
            }
            if !list.is_empty() {
                rule[peers_field] = list.into();
            }
            // One port is the API's; more are every second one, so that no two merge.
            let ports: Vec<_> = match rules.ports {
                0 | 1 => vec![json!({"port": 8200})],
                many => (0..many)
                    .map(|port| json!({"port": 2 * (port + at % 8) + 1}))
                    .collect(),
            };
            rule["ports"] = ports.into();
            size = rule.to_string().len();
            if size > room {
                break;
            }
            room -= size;
            written.push(rule);
        }
        written
    }

    fn policy(&mut self, name: &str, rules: &Rules, subject: usize) -> Value {
        let key = |dice: &mut Self| {
            let key = format!("topology.kubernetes.io/k{}", dice.roll(rules.keys));
            json!({"key": key, "operator": dice.one(&["Exists", "DoesNotExist"])})
        };
        let subject: Vec<_> = (0..subject).map(|_| key(self)).collect();
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": "bao"},
            "spec": {
                "podSelector": {"matchExpressions": subject},
                "policyTypes": ["Ingress"],
                "ingress": self.written(rules, "from", usize::MAX),
            },
        })
    }

    fn cluster(&mut self, name: &str, rules: &Rules) -> Value {
        json!({
            "apiVersion": "openbao.org/v1alpha1",
            "kind": "OpenBaoCluster",
            "metadata": {"name": name, "namespace": "bao"},
            "spec": {
                "profile": "Development",
                "network": {"apiServerCIDR": "10.96.0.1/32", "ingressRules": self.written(rules, "from", 1_000)},
            },
        })
    }
}

/// A server that knows the namespace, and the review that it is asked.
fn stage(shape: &Shape) -> (Admission, Point, Vec<u8>) {
    let mut dice = Dice(shape.seed | 1);
    let mut objects = vec![dice.cluster("bao", &shape.declared)];
    // The others declare nothing, so that a namespace of many clusters is quickly made.
    let plain = Rules {
        rules: 0,
        ..shape.declared
    };
    objects.extend((1..shape.clusters).map(|at| dice.cluster(&format!("c{at}"), &plain)));
    let stored = Rules {
        rules: shape.stored.rules.min(20_000 / shape.neighbours.max(1)),
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
    let posture = Arc::new(Posture::default());
    admission.publish(World::compile(None, Arc::new(snapshot), posture));
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
    let point = [Point::Validate, Point::Mutate][shape.point];
    (admission, point, body.to_string().into_bytes())
}

/// CPU time of this thread.
fn used() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").expect("the kernel counts");
    let nanoseconds = stat.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanoseconds.expect("CPU time first"))
}

/// CPU time of one review, the least of several, and what was answered.
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

fn setting(name: &str, default: u64) -> u64 {
    let value = env::var(name).ok().filter(|text| !text.is_empty());
    value.map_or(default, |text| text.parse().expect("a number"))
}

fn main() -> ExitCode {
    let mut dice = Dice(setting("WORST_SEED", 1) | 1);
    let end = Instant::now() + Duration::from_secs(setting("WORST_SECONDS", 60));
    let mut slowest: Vec<(Duration, Shape)> = Vec::new();
    let mut tried = 0;
    while Instant::now() < end {
        let known = dice.roll(slowest.len() + 4);
        let shape = match slowest.get(known) {
            Some((_, shape)) => {
                let shape = *shape;
                dice.changed(shape)
            }
            None => dice.shape(),
        };
        let (took, ..) = measured(&shape, 1);
        tried += 1;
        slowest.push((took, shape));
        slowest.sort_by(|a, b| b.0.cmp(&a.0));
        slowest.truncate(KEPT);
    }
    let mut worst = Duration::ZERO;
    for (_, shape) in &slowest {
        // Again, without what happened to slow it.
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
