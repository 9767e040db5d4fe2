//! Memory of the largest policies that tenants can store, in any namespace, and of ordinary policies.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::{Value, json};

use crate::control_plane::{ControlPlane, wait_until};
use crate::guard;
use crate::process::Process;
use crate::world::{self, World};

/// Two namespaces. The first one has a cluster.
const TWO: World = World {
    namespaces: 2,
    clusters: 1,
    policies: 0,
};
const MANY: World = World {
    namespaces: 200,
    clusters: 100,
    policies: 0,
};
/// Number of ordinary policies. Half of them are in namespaces with a cluster.
const ORDINARY: usize = 10_000;
/// Limits: resident memory until the first review is allowed, and bytes per policy.
const MAX_KIB: u64 = 96 * 1024;
const READY: Duration = Duration::from_secs(30);
const GUARDED_BYTES: u64 = 4096;
const OTHER_BYTES: u64 = 512;
/// Number of concurrent writes.
const AT_ONCE: usize = 16;
const LIMIT: Duration = Duration::from_mins(3);

/// A server and the address of its metrics.
struct Measured {
    process: Process,
    metrics: SocketAddr,
    start: Duration,
}

impl Measured {
    async fn start(plane: &ControlPlane) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let metrics = free.local_addr().expect("a port");
        drop(free);
        let ca = plane.folder().join("ca.crt");
        let any = "127.0.0.1:0";
        let mut command = Command::new(world::program());
        command
            .args(["serve", "--tls", "ephemeral", "--listen", any])
            .args([
                "--probes-listen",
                any,
                "--metrics-listen",
                &metrics.to_string(),
            ])
            .arg("--ca-out")
            .arg(&ca)
            .env("KUBECONFIG", plane.kubeconfig());
        let mut starts = Vec::new();
        let body = world::review(&world::namespace(0));
        let process = Process::start(command, ca, &body, &mut starts).await;
        Self {
            process,
            metrics,
            start: starts[0],
        }
    }

    /// Waits until this number of policies is known.
    fn wait_for(&self, policies: usize) {
        let line =
            format!("openbao_perimeter_inventory_objects{{kind=\"NetworkPolicy\"}} {policies}\n");
        wait_until("the policies are known", LIMIT, || {
            guard::get(self.metrics, "/metrics").filter(|text| text.contains(&line))
        });
    }

    fn peak_kib(&self) -> u64 {
        self.process.status("VmHWM:")
    }
}

/// Policies with many empty rules.
struct Attack {
    policies: usize,
    rules: usize,
}

const ATTACKS: [Attack; 2] = [
    Attack {
        policies: 6,
        rules: 700_000,
    },
    Attack {
        policies: 50,
        rules: 100_000,
    },
];

impl Attack {
    /// Writes the policies. Checks the memory of a server that starts, restarts and lists again.
    async fn hold(&self, plane: &ControlPlane, client: &Client, namespace: &str) -> bool {
        let rules = vec![json!({}); self.rules];
        for number in 0..self.policies {
            let policy = json!({
                "metadata": {"name": format!("huge-{number}"), "namespace": namespace},
                "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": rules}
            });
            world::create_policy(client, &policy).await;
        }
        let stored = count(client).await;
        let first = Measured::start(plane).await;
        first.wait_for(stored);
        let (at_start, start) = (first.peak_kib(), first.start);
        drop(first);
        let second = Measured::start(plane).await;
        second.wait_for(stored);
        let at_restart = second.peak_kib();
        self.list_again(plane, client, &second, stored).await;
        let at_relist = second.peak_kib();
        println!(
            "{:>3} policies of {:>7} rules in {namespace}: peak {at_start} KiB at the start, {at_restart} at a restart, \
             {at_relist} at a relist; ready in {:.1?} and {:.1?}",
            self.policies, self.rules, start, second.start
        );
        let api = Api::<NetworkPolicy>::namespaced(client.clone(), namespace);
        for number in 0..self.policies {
            let name = format!("huge-{number}");
            let deleted = api.delete(&name, &DeleteParams::default()).await;
            deleted.expect("a policy that goes");
        }
        at_start.max(at_relist).max(at_restart) <= MAX_KIB && start.max(second.start) <= READY
    }

    /// A restarted API server does not know the resource versions that the server saw before.
    async fn list_again(
        &self,
        plane: &ControlPlane,
        client: &Client,
        server: &Measured,
        stored: usize,
    ) {
        server.process.signal("STOP");
        plane.stop_api_server();
        plane.start_api_server();
        wait_until("the API server answers", LIMIT, || {
            plane.is_ready().then_some(())
        });
        let policy = world::policy(self.policies, &world::namespace(1));
        world::create_policy(client, &policy).await;
        server.process.signal("CONT");
        server.wait_for(stored + 1);
        let name = policy["metadata"]["name"].as_str().expect("a name");
        let api = Api::<NetworkPolicy>::namespaced(client.clone(), &world::namespace(1));
        let deleted = api.delete(name, &DeleteParams::default()).await;
        deleted.expect("a policy that goes");
    }
}

async fn count(client: &Client) -> usize {
    let api = Api::<NetworkPolicy>::all(client.clone());
    let list = api.list_metadata(&ListParams::default()).await;
    list.expect("policies").items.len()
}

/// Anonymous memory of a server that knows all policies: the minimum of several starts.
async fn settled(plane: &ControlPlane, client: &Client) -> u64 {
    let stored = count(client).await;
    let mut least = u64::MAX;
    for _ in 0..3 {
        let server = Measured::start(plane).await;
        server.wait_for(stored);
        least = least.min(server.process.status("RssAnon:"));
    }
    least
}

/// Bytes of memory per ordinary policy, with clusters and without.
async fn slopes() -> bool {
    let plane = world::plane();
    let client = world::administrator(&plane).await;
    MANY.write(&client).await;
    let mut levels = vec![settled(&plane, &client).await];
    let half = MANY.namespaces / 2;
    for first in [0, half] {
        let policies: Vec<Value> = (0..ORDINARY / 2)
            .map(|number| {
                let namespace = world::namespace(first + number % half);
                world::policy(first * ORDINARY + number, &namespace)
            })
            .collect();
        let writes = policies.iter();
        let writes = writes.map(|policy| world::create_policy(&client, policy));
        stream::iter(writes).buffer_unordered(AT_ONCE).count().await;
        levels.push(settled(&plane, &client).await);
    }
    let each = |at: usize| levels[at].saturating_sub(levels[at - 1]) * 1024 * 2 / ORDINARY as u64;
    let [guarded, other] = [each(1), each(2)];
    println!(
        "{ORDINARY} ordinary policies: {guarded} bytes of memory for each beside a cluster, {other} for each other \
         ({levels:?} KiB anonymous)"
    );
    guarded <= GUARDED_BYTES && other <= OTHER_BYTES
}

/// Prints the figures. Returns whether all limits are met.
pub(crate) async fn show() -> bool {
    let begun = Instant::now();
    let plane = world::plane();
    let client = world::administrator(&plane).await;
    TWO.write(&client).await;
    let mut is_held = true;
    for namespace in [1, 0].map(world::namespace) {
        for attack in &ATTACKS {
            is_held &= attack.hold(&plane, &client, &namespace).await;
        }
    }
    drop(plane);
    is_held &= slopes().await;
    println!(
        "memory held: {} ({:.0?})",
        if is_held { "yes" } else { "NO" },
        begun.elapsed()
    );
    is_held
}
