//! Two replicas, a balancer before them, and a control plane.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use k8s_openapi::ByteString;
use serde_json::Value;

use crate::control_plane::{ControlPlane, Output, Server, wait_until};
use crate::e2e::stage::{LIMIT, program};
use crate::{example, guard};

/// Long enough for one rotation of the CA and a replacement of a lost Secret, thrice.
const ROTATION: Duration = Duration::from_mins(5);
pub(super) const REGISTRATIONS: [&str; 2] = [
    "validatingwebhookconfiguration",
    "mutatingwebhookconfiguration",
];

/// One of our servers, as the account that the manifests give it.
pub(super) struct Replica {
    pub(super) server: Server,
    pub(super) reviews: SocketAddr,
    probes: SocketAddr,
    metrics: SocketAddr,
}

impl Replica {
    pub(super) fn start(plane: &ControlPlane, name: &str) -> Self {
        let inventory = example::folder().join("inventory");
        // Much faster than anybody would have it, and still slow enough for a busy machine.
        let args = format!(
            "KUBECONFIG=kubeconfig-guard {} serve --inventory {} --tls self-managed \
             --self-managed-ca-lifetime 60s --self-managed-lifetime 20s --self-managed-settle 6s \
             --listen 127.0.0.1:0 --probes-listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0",
            program().display(),
            inventory.display()
        );
        let server = plane.start_beside(name, Path::new("/usr/bin/env"), &args);
        let find = |start: &str, end: &str| {
            wait_until("the server prints its addresses", LIMIT, || {
                assert!(!server.has_ended(), "{}", server.log_tail());
                let printed = server.printed();
                let address = printed
                    .lines()
                    .find_map(|line| line.strip_prefix(start)?.strip_suffix(end));
                address.map(|address| address.parse().expect("an address"))
            })
        };
        Self {
            reviews: find("serving https://", "/validate"),
            probes: find("serving http://", "/readyz"),
            metrics: find("serving http://", "/metrics"),
            server,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        guard::get(self.probes, "/readyz").is_some_and(|text| text.ends_with("\r\n\r\nok"))
    }

    /// How many steps of a kind it took.
    pub(super) fn steps(&self, step: &str) -> u64 {
        let line = format!("openbao_perimeter_self_managed_steps_total{{step=\"{step}\"}} ");
        let text = guard::get(self.metrics, "/metrics").unwrap_or_default();
        let count = text.lines().find_map(|text| text.strip_prefix(&line));
        count.map_or(0, |count| count.parse().expect("a number"))
    }
}

/// Both replicas behind one address, as a Service does it.
struct Balancer {
    port: u16,
    _accepting: JoinHandle<()>,
}

impl Balancer {
    fn start(targets: [SocketAddr; 2]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a port");
        let port = listener.local_addr().expect("know the port").port();
        let accepting = thread::spawn(move || {
            for (stream, target) in listener.incoming().zip(targets.iter().cycle()) {
                let (Ok(client), Ok(server)) = (stream, TcpStream::connect(target)) else {
                    continue;
                };
                forward(&client, &server);
                forward(&server, &client);
            }
        });
        Self {
            port,
            _accepting: accepting,
        }
    }
}

fn forward(from: &TcpStream, to: &TcpStream) {
    let mut from = from.try_clone().expect("share a socket");
    let mut to = to.try_clone().expect("share a socket");
    thread::spawn(move || {
        let _ended = std::io::copy(&mut from, &mut to);
        let _closed = to.shutdown(std::net::Shutdown::Both);
    });
}

pub(super) struct Stage {
    pub(super) plane: ControlPlane,
    pub(super) replicas: [Replica; 2],
    pub(super) registrations: String,
}

impl Stage {
    pub(super) fn set_up() -> Self {
        let plane = ControlPlane::start();
        for manifest in ["base/namespace", "base/rbac", "overlays/self-managed/rbac"] {
            plane.apply_ok(&manifest_text(manifest));
        }
        plane.apply_ok(&example::inventory("namespace", "bao"));
        plane.apply_ok(guard::SERVICE);
        impersonate(&plane);
        // Both at once: one of them makes the Secret.
        let replicas = ["replica-0", "replica-1"].map(|name| Replica::start(&plane, name));
        let balancer = Balancer::start([replicas[0].reviews, replicas[1].reviews]);
        let port = format!("port: {}", balancer.port);
        Self {
            registrations: manifest_text("registrations/webhook").replace("port: 9443", &port),
            plane,
            replicas,
        }
    }

    pub(super) fn apply(&self, args: &str) -> Output {
        let args = format!("apply -f - {args}");
        let call = self.plane.kubectl(args.split_whitespace());
        call.stdin(&self.registrations).run()
    }

    pub(super) fn registration(&self, kind: &str) -> Value {
        let get = [
            "get",
            kind,
            "openbao-perimeter",
            "-o=json",
            "--show-managed-fields",
        ];
        self.plane.kubectl(get).run_json()
    }

    /// The CAs of an entry; all entries have the same ones.
    pub(super) fn bundle(&self) -> Option<String> {
        let mut bundles = REGISTRATIONS.iter().flat_map(|kind| {
            let entries = self.registration(kind)["webhooks"].clone();
            let entries = entries.as_array().cloned().unwrap_or_default();
            entries
                .into_iter()
                .map(|entry| entry["clientConfig"]["caBundle"].clone())
        });
        let first = bundles.next()?;
        if !bundles.all(|bundle| bundle == first) {
            return None;
        }
        let bytes: ByteString = serde_json::from_value(first).ok()?;
        String::from_utf8(bytes.0).ok()
    }

    pub(super) fn cas(&self) -> usize {
        let bundle = self.bundle().unwrap_or_default();
        bundle.matches("BEGIN CERTIFICATE").count()
    }

    pub(super) fn steps(&self, step: &str) -> u64 {
        self.replicas
            .iter()
            .map(|replica| replica.steps(step))
            .sum()
    }

    pub(super) fn wait_for(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        wait_until(what, ROTATION, || {
            for replica in &self.replicas {
                assert!(!replica.server.has_ended(), "{}", replica.server.log_tail());
            }
            is_so().then_some(())
        });
    }
}

fn manifest_text(name: &str) -> String {
    fs::read_to_string(format!("manifests/{name}.yaml")).expect("read a manifest")
}

/// The replicas have the rights of their account, not the administrator's.
fn impersonate(plane: &ControlPlane) {
    let text = fs::read_to_string(plane.kubeconfig()).expect("read the kubeconfig");
    let mut config: Value = serde_json::from_str(&text).expect("JSON");
    let account = "system:serviceaccount:openbao-perimeter-system:openbao-perimeter";
    config["users"][0]["user"]["as"] = account.into();
    let file = plane.folder().join("kubeconfig-guard");
    fs::write(file, config.to_string()).expect("write the kubeconfig");
}
