//! Violations that admission cannot see: two concurrent writes, and writes while no server runs. The audit
//! has to find each within five seconds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

use super::stage::{APPLY, Alone, LIMIT, Outage, Scene, plane};
use crate::control_plane::{ControlPlane, wait_until};
use crate::{example, guard};

const ROUNDS: usize = 100;
const PROMPT: Duration = Duration::from_secs(5);
/// Maximum number of attempts of a race.
const MAX_ATTEMPTS: usize = 1_000;

/// A client in this process, so that two calls are concurrent.
pub(super) async fn client(user: Option<&str>) -> Client {
    client_of(plane(), user).await
}

/// The same for another control plane.
pub(super) async fn client_of(plane: &ControlPlane, user: Option<&str>) -> Client {
    Client::try_from(config_of(plane, user).await).expect("a client")
}

/// Client configuration for a control plane.
pub(super) async fn config_of(plane: &ControlPlane, user: Option<&str>) -> Config {
    // With the feature `aws-lc` rustls has two providers, and chooses none by itself.
    let _chosen_before = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).expect("a kubeconfig");
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let mut config = config.expect("a configuration");
    config.auth_info.impersonate = user.map(str::to_owned);
    config
}

/// Log lines of the audit about one object and code, since a point in time.
struct Log<'a> {
    guard: &'a guard::Guard,
    words: [String; 2],
}

impl<'a> Log<'a> {
    fn of(guard: &'a guard::Guard, object: &str, code: &str) -> Self {
        let words = [format!("object={object} "), format!("code=\"{code}\"")];
        Self { guard, words }
    }

    /// Number of findings, and number of resolved ones.
    fn counts(&self) -> (usize, usize) {
        let printed = self.guard.printed();
        // The log has colours.
        let plain: String = strip_colours(&printed);
        let about = |line: &&str| self.words.iter().all(|word| line.contains(word.as_str()));
        let count = |text: &str| {
            plain
                .lines()
                .filter(|line| line.contains(text))
                .filter(about)
                .count()
        };
        (count("new audit finding"), count("resolved audit finding"))
    }

    fn stands(&self) -> bool {
        let (found, gone) = self.counts();
        found > gone
    }
}

/// The time of a log line.
fn time(line: &str) -> Option<Timestamp> {
    line.split_whitespace().next()?.parse().ok()
}

/// A log without terminal colours.
pub(super) fn strip_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_code, rest)| rest);
    }
    plain.push_str(rest);
    plain
}

/// A tenant's policy that allows the OpenBao pods to use DNS, as the core connections do.
fn dns(name: &str) -> NetworkPolicy {
    let to = json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}]);
    let ports = json!([{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]);
    let policy = json!({"metadata": {"name": name}, "spec": {
        "podSelector": {"matchLabels": {"openbao.org/cluster": "bao"}},
        "policyTypes": ["Egress"], "egress": [{"to": to, "ports": ports}]}});
    serde_json::from_value(policy).expect("a policy")
}

/// The managed policies without the DNS rule.
fn render_without_dns(scene: &Scene) {
    let policies = example::managed_policies(plane(), scene.namespace);
    let mut policies: Vec<Value> = serde_saphyr::from_multiple(&policies).expect("YAML");
    for policy in &mut policies {
        let egress = policy["spec"]["egress"].as_array_mut().expect("rules");
        let before = egress.len();
        egress.retain(|rule| !rule.to_string().contains("\"port\":53"));
        assert!(egress.len() < before, "{policy}");
        let written = example::as_operator(plane(), &policy.to_string()).run();
        assert!(written.status_ok, "{}", written.stderr);
    }
}

/// Deletes two policies at once as a tenant, one of which is needed, until both deletions have succeeded
/// often enough. The audit has to find each. Returns a summary.
fn race(scene: &Scene, log: &Log<'_>, policy: impl Fn(&str) -> NetworkPolicy) -> String {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let as_user = |user| {
        let client = runtime.block_on(client(Some(user)));
        Api::<NetworkPolicy>::namespaced(client, scene.namespace)
    };
    let (policies, operators) = (as_user("tenant-alice"), as_user(example::OPERATOR));
    let (mut broken, mut slowest) = (0, Duration::ZERO);
    for attempt in 0..MAX_ATTEMPTS {
        if broken == ROUNDS {
            break;
        }
        let names = ["a", "b"].map(|name| format!("{name}-{attempt}"));
        runtime.block_on(async {
            for name in &names {
                policies
                    .create(&PostParams::default(), &policy(name))
                    .await
                    .expect("allowed");
            }
        });
        wait_until("all is well again", LIMIT, || (!log.stands()).then_some(()));
        let allowed = runtime.block_on(async {
            let params = DeleteParams::default();
            let both = tokio::join!(
                policies.delete(&names[0], &params),
                policies.delete(&names[1], &params)
            );
            [both.0.is_ok(), both.1.is_ok()]
        });
        let begun = Instant::now();
        if allowed != [true, true] {
            // The second deletion was denied, so nothing is broken. The remaining policy is deleted without a race.
            runtime.block_on(async {
                let survivor = &names[usize::from(allowed[0])];
                operators
                    .delete(survivor, &DeleteParams::default())
                    .await
                    .expect("the operator may");
            });
        }
        wait_until("it is found", PROMPT, || log.stands().then_some(()));
        if allowed == [true, true] {
            slowest = slowest.max(begun.elapsed());
            broken += 1;
        }
    }
    assert_eq!(broken, ROUNDS);
    format!("{broken} of {ROUNDS} found, the slowest after {slowest:?}")
}

#[test]
fn two_deletions_that_cut_a_core_connection_together_are_found() {
    let scene = Scene::rendered("race-floor");
    render_without_dns(&scene);
    let object = "NetworkPolicy race-floor/bao-network-policy";
    let log = Log::of(scene.guard(), object, "OBP101");
    let went = race(&scene, &log, dns);
    println!("two deletions that cut a core connection: {went}");
}

#[test]
fn two_deletions_that_end_the_isolation_together_are_found() {
    let scene = Scene::with_cluster("race-isolation");
    // The operator's policy isolates its pods only for ingress. Other policies isolate them for egress.
    let policies = example::managed_policies(plane(), scene.namespace);
    let mut policies: Vec<Value> = serde_saphyr::from_multiple(&policies).expect("YAML");
    policies[0]["spec"]["policyTypes"] = json!(["Ingress"]);
    for policy in &policies {
        let written = example::as_operator(plane(), &policy.to_string()).run();
        assert!(written.status_ok, "{}", written.stderr);
    }
    let mut spec = policies[0]["spec"].clone();
    spec["policyTypes"] = json!(["Egress"]);
    spec["ingress"] = json!([]);
    let isolating = |name: &str| {
        let policy = json!({"metadata": {"name": name}, "spec": spec});
        serde_json::from_value(policy).expect("a policy")
    };
    let object = "OpenBaoCluster race-isolation/bao";
    let log = Log::of(scene.guard(), object, "OBP105");
    wait_until("the bare cluster is found", LIMIT, || {
        log.stands().then_some(())
    });
    let went = race(&scene, &log, isolating);
    println!("two deletions that end an isolation: {went}");
}

#[test]
fn writes_while_no_server_runs_are_found() {
    let namespace = Scene::rendered("race-outage").namespace;
    let outage = Outage::begin();
    let kinds = "validatingwebhookconfiguration,mutatingwebhookconfiguration";
    plane()
        .kubectl(["delete", kinds, "openbao-perimeter"])
        .run_ok();
    let scene = Scene::unguarded(namespace, &outage);
    let open = scene.scene("refused-OBP201-open-api-by-four-labels");
    let several: Vec<String> = (0..ROUNDS)
        .map(|at| open.replace("name: open-api", &format!("name: open-api-{at}")))
        .collect();
    // Deleted registrations stay in effect for a moment.
    wait_until("no webhook is called", LIMIT, || {
        scene
            .tenant(APPLY)
            .stdin(&several[0])
            .run()
            .status_ok
            .then_some(())
    });
    scene.tenant(APPLY).stdin(&several.join("\n---\n")).run_ok();
    drop((scene, outage));

    let alone = Alone::begin();
    let found = || {
        let printed = strip_colours(&alone.guard().printed());
        let lines = printed
            .lines()
            .filter(|line| line.contains("new audit finding"));
        let object = |line: &str| {
            let name = line
                .split_once("NetworkPolicy race-outage/open-api-")?
                .1
                .split_whitespace()
                .next()?;
            Some((name.to_owned(), time(line)?))
        };
        lines.filter_map(object).collect::<BTreeMap<_, _>>()
    };
    let found = wait_until("all of it is found", LIMIT, || {
        Some(found()).filter(|found| found.len() == ROUNDS)
    });
    // By the server's clock, since it was registered again in the meantime.
    let printed = strip_colours(&alone.guard().printed());
    let began = printed
        .lines()
        .filter(|line| line.contains("serving https"))
        .find_map(time);
    let last = *found.values().max().expect("a time");
    let took = last.duration_since(began.expect("a time"));
    println!(
        "written while nobody looked: {} of {ROUNDS} found, the last {took:#} after the start",
        found.len()
    );
    assert!(took.as_secs() < 5, "{took:#}");
    plane()
        .kubectl(["delete", "namespace", "race-outage", "--wait=false"])
        .run_ok();
}
