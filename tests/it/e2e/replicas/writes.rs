//! Continuous writes of a tenant at half of the maximum rate, and their results.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::{Client, Error};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::stage::Stage;
use crate::e2e::race::client_of;
use crate::e2e::stage::TENANT;
use crate::example;

const WRITERS: usize = 4;
/// Duration of the load at the maximum rate.
const SATURATION: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Allowed,
    Refused,
    Repaired,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Run {
    Real,
    Dry,
}

/// One write and its expected result.
struct Write {
    expected: Verdict,
    run: Run,
    name: String,
    /// The policy to apply; `None` for a deletion.
    policy: Option<Value>,
}

impl Write {
    async fn act(&self, policies: &Api<NetworkPolicy>) -> Result<Verdict, String> {
        let Some(policy) = &self.policy else {
            let deleted = policies.delete(&self.name, &DeleteParams::default()).await;
            return verdict(deleted.map(|_| Value::Null));
        };
        let mut params = PatchParams::apply("tenant").force();
        params.dry_run = self.run == Run::Dry;
        let patch = Patch::Apply(policy);
        let applied = policies.patch(&self.name, &params, &patch).await;
        verdict(applied.map(|policy| json!(policy.spec)))
    }
}

/// The result of a write. Everything but a verdict is an error.
fn verdict(written: Result<Value, Error>) -> Result<Verdict, String> {
    match written {
        // The Raft port, which the tenant has left out.
        Ok(spec) if spec["ingress"].to_string().contains("8201") => Ok(Verdict::Repaired),
        Ok(_) => Ok(Verdict::Allowed),
        Err(Error::Api(status))
            if status.message.contains("denied the request")
                && status.message.contains("OBP201") =>
        {
            Ok(Verdict::Refused)
        }
        Err(error) => Err(error.to_string()),
    }
}

/// A sequence of writes that is repeated.
struct Script {
    name: String,
    web: Value,
    open: Value,
    repaired: Value,
}

impl Script {
    fn of(writer: usize) -> Self {
        let scene = |name| serde_saphyr::from_str(&example::scene(name, "bao")).expect("YAML");
        Self {
            name: format!("load-{writer}"),
            web: scene("allowed-policy-for-web-pods"),
            open: scene("refused-OBP201-open-api-by-empty-selector"),
            repaired: scene("repaired-raft-rule-removed"),
        }
    }

    fn round(&self, round: usize) -> [Write; 7] {
        let named = |policy: &Value, what: &str| {
            let mut policy = policy.clone();
            policy["metadata"]["name"] = json!(format!("{}-{what}", self.name));
            policy["metadata"]["annotations"] = json!({"round": round.to_string()});
            policy
        };
        let write = |expected, run, policy: Value| Write {
            expected,
            run,
            name: policy["metadata"]["name"].as_str().expect("a name").into(),
            policy: Some(policy),
        };
        let web = named(&self.web, "web");
        let mut later = web.clone();
        later["spec"]["ingress"] = json!([]);
        [
            write(Verdict::Allowed, Run::Real, web.clone()),
            write(Verdict::Refused, Run::Dry, named(&self.open, "open")),
            write(Verdict::Allowed, Run::Real, later),
            write(Verdict::Repaired, Run::Dry, self.repaired.clone()),
            write(Verdict::Refused, Run::Real, named(&self.open, "open")),
            write(Verdict::Allowed, Run::Dry, named(&self.web, "dry")),
            Write {
                policy: None,
                ..write(Verdict::Allowed, Run::Real, web)
            },
        ]
    }
}

#[derive(Default)]
struct Seen {
    right: BTreeMap<(Verdict, Run), usize>,
    /// Errors instead of verdicts.
    failed: Vec<String>,
    wrong: Vec<String>,
    times: Vec<Duration>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    /// Microseconds between two writes of a writer; 0 while the maximum rate is measured.
    period: AtomicU64,
    seen: Mutex<Seen>,
}

impl Shared {
    fn note(&self, write: &Write, outcome: Result<Verdict, String>, took: Duration) {
        let mut seen = self.seen.lock().unwrap();
        seen.times.push(took);
        let Write {
            expected,
            run,
            name,
            ..
        } = write;
        match outcome {
            Ok(verdict) if verdict == *expected => {
                *seen.right.entry((verdict, *run)).or_default() += 1;
            }
            Ok(verdict) => seen
                .wrong
                .push(format!("{name}: {verdict:?}, not {expected:?}")),
            Err(error) => seen.failed.push(format!("{name} after {took:?}: {error}")),
        }
    }

    async fn write(self: Arc<Self>, policies: Api<NetworkPolicy>, script: Script) {
        let mut due = Instant::now();
        for round in 0.. {
            for write in script.round(round) {
                if self.is_over.load(Ordering::Relaxed) {
                    return;
                }
                sleep_until(due).await;
                let begun = Instant::now();
                let outcome = write.act(&policies).await;
                self.note(&write, outcome, begun.elapsed());
                let period = Duration::from_micros(self.period.load(Ordering::Relaxed));
                due = (due + period).max(Instant::now());
            }
        }
    }
}

/// Writes in the background.
pub(in crate::e2e) struct Writes {
    runtime: Runtime,
    shared: Arc<Shared>,
    writers: Vec<JoinHandle<()>>,
    /// Maximum number of writes per second.
    most: usize,
    begun: Instant,
}

impl Writes {
    /// Starts, measures the maximum rate, and continues at half of it.
    pub(in crate::e2e) fn start(stage: &Stage) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let shared = Arc::new(Shared::default());
        let client = |user| async move {
            let client: Client = client_of(&stage.plane, user).await;
            Api::namespaced(client, "bao")
        };
        let mut writers = Vec::new();
        for writer in 0..WRITERS {
            let policies = runtime.block_on(client(Some(TENANT)));
            let shared = Arc::clone(&shared);
            writers.push(runtime.spawn(shared.write(policies, Script::of(writer))));
        }
        std::thread::sleep(SATURATION);
        let done = std::mem::take(&mut shared.seen.lock().unwrap().times).len();
        let seconds = usize::try_from(SATURATION.as_secs()).expect("few");
        let micros = 2 * WRITERS * 1_000_000 * seconds / done.max(1);
        let micros = u64::try_from(micros).expect("a time");
        shared.period.store(micros, Ordering::Relaxed);
        Self {
            runtime,
            shared,
            writers,
            most: done / seconds,
            begun: Instant::now(),
        }
    }

    /// The number of writes. Fails if any had another verdict.
    pub(in crate::e2e) fn stop(self) -> String {
        let took = self.begun.elapsed();
        self.shared.is_over.store(true, Ordering::Relaxed);
        for writer in self.writers {
            self.runtime.block_on(writer).expect("no panic");
        }
        let mut seen = self.shared.seen.lock().unwrap();
        let (failed, wrong) = (seen.failed.len(), seen.wrong.len());
        seen.times.sort_unstable();
        let at = |per_thousand: usize| seen.times[(seen.times.len() - 1) * per_thousand / 1_000];
        let rate = seen.times.len() / usize::try_from(took.as_secs()).expect("few").max(1);
        let all: usize = seen.right.values().sum();
        let counts: Vec<String> = seen
            .right
            .iter()
            .map(|((verdict, run), count)| format!("{count} {verdict:?} {run:?}"))
            .collect();
        let report = format!(
            "{all} writes in {took:.0?}, {rate}/s of {}/s, {failed} failed, {wrong} wrong; {}; \
             p50 {:.0?}, p99 {:.0?}, slowest {:.0?}",
            self.most,
            counts.join(", "),
            at(500),
            at(990),
            at(1_000),
        );
        assert!(
            failed + wrong == 0,
            "{report}\n{:#?}\n{:#?}",
            seen.failed,
            seen.wrong
        );
        report
    }
}
