//! Self-managed certificates on a real API server: two replicas with the rights of the manifests
//! share one Secret, and their leaf and CA rotate while reviews are answered.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use k8s_openapi::ByteString;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use super::stage::{LIMIT, program};
use crate::control_plane::{ControlPlane, Server, wait_until};
use crate::{example, guard};

/// Long enough for one rotation of the CA and a replacement of a lost Secret, thrice.
const ROTATION: Duration = Duration::from_mins(5);
/// As long as a bundle is promised to work once another one has taken its place.
const SETTLE: Duration = Duration::from_secs(6);
const SERVICE: &str = "openbao-perimeter.openbao-perimeter-system.svc";
const MANAGER: &str = "openbao-perimeter-self-managed";
const REGISTRATIONS: [&str; 2] = [
    "validatingwebhookconfiguration",
    "mutatingwebhookconfiguration",
];

/// One of our servers, as the account that the manifests give it.
struct Replica {
    server: Server,
    reviews: SocketAddr,
    probes: SocketAddr,
    metrics: SocketAddr,
}

impl Replica {
    fn start(plane: &ControlPlane, name: &str) -> Self {
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

    fn is_ready(&self) -> bool {
        guard::get(self.probes, "/readyz").is_some_and(|text| text.ends_with("\r\n\r\nok"))
    }

    /// How many steps of a kind it took.
    fn steps(&self, step: &str) -> u64 {
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

struct Stage {
    plane: ControlPlane,
    replicas: [Replica; 2],
    registrations: String,
}

impl Stage {
    fn set_up() -> Self {
        let plane = ControlPlane::start();
        for manifest in ["namespace", "rbac", "self-managed/rbac"] {
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
            registrations: manifest_text("webhook").replace("port: 9443", &port),
            plane,
            replicas,
        }
    }

    fn apply(&self, args: &str) -> crate::control_plane::Output {
        let args = format!("apply -f - {args}");
        let call = self.plane.kubectl(args.split_whitespace());
        call.stdin(&self.registrations).run()
    }

    fn registration(&self, kind: &str) -> Value {
        let get = ["get", kind, "openbao-perimeter", "-o=json", "--show-managed-fields"];
        self.plane.kubectl(get).run_json()
    }

    /// The CAs of an entry; all entries have the same ones.
    fn bundle(&self) -> Option<String> {
        let mut bundles = REGISTRATIONS.iter().flat_map(|kind| {
            let entries = self.registration(kind)["webhooks"].clone();
            let entries = entries.as_array().cloned().unwrap_or_default();
            entries.into_iter().map(|entry| entry["clientConfig"]["caBundle"].clone())
        });
        let first = bundles.next()?;
        if !bundles.all(|bundle| bundle == first) {
            return None;
        }
        let bytes: ByteString = serde_json::from_value(first).ok()?;
        String::from_utf8(bytes.0).ok()
    }

    fn cas(&self) -> usize {
        let bundle = self.bundle().unwrap_or_default();
        bundle.matches("BEGIN CERTIFICATE").count()
    }

    fn steps(&self, step: &str) -> u64 {
        self.replicas.iter().map(|replica| replica.steps(step)).sum()
    }

    fn wait_for(&self, what: &str, mut is_so: impl FnMut() -> bool) {
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

/// Whether a handshake with the replica succeeds for somebody who trusts the bundle.
fn is_trusted(replica: SocketAddr, bundle: &str) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for ca in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        let ca = ca.map_err(|error| error.to_string())?;
        roots.add(ca).map_err(|error| error.to_string())?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(SERVICE).map_err(|error| error.to_string())?;
    let client = ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
    let stream = TcpStream::connect(replica).map_err(|error| error.to_string())?;
    let mut stream = StreamOwned::new(client, stream);
    while stream.conn.is_handshaking() {
        let done = stream.conn.complete_io(&mut stream.sock);
        done.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Writes that never stop, and what failed of them.
struct Load {
    is_over: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    failed: Arc<Mutex<Vec<String>>>,
    workers: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(stage: &Arc<Stage>) -> Self {
        let mut load = Self {
            is_over: Arc::default(),
            done: Arc::default(),
            failed: Arc::default(),
            workers: Vec::new(),
        };
        let policy = example::scene("allowed-policy-for-web-pods", "bao");
        let writer = Arc::clone(stage);
        load.spawn(move || {
            let ask = ["apply", "--dry-run=server", "-f", "-"];
            let answer = writer.plane.kubectl(ask).stdin(&policy).run();
            if answer.status_ok { Ok(()) } else { Err(answer.stderr) }
        });
        // An API server may go by an older bundle for a moment, and connects anew only at times: this
        // one does so all the time, with a bundle that it read a moment ago.
        let reader = Arc::clone(stage);
        load.spawn(move || {
            let started = Instant::now();
            let Some(bundle) = reader.bundle() else {
                return Ok(());
            };
            for replica in &reader.replicas {
                let trusted = is_trusted(replica.reviews, &bundle);
                // On a busy machine reading alone may take longer than a bundle is promised for.
                if started.elapsed() < SETTLE {
                    trusted.map_err(|error| format!("{error}\n{bundle}"))?;
                }
            }
            Ok(())
        });
        load
    }

    fn spawn(&mut self, mut act: impl FnMut() -> Result<(), String> + Send + 'static) {
        let (is_over, done) = (Arc::clone(&self.is_over), Arc::clone(&self.done));
        let failed = Arc::clone(&self.failed);
        self.workers.push(thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                match act() {
                    Ok(()) => drop(done.fetch_add(1, Ordering::Relaxed)),
                    Err(error) => failed.lock().unwrap().push(error),
                }
            }
        }));
    }

    /// How many writes and handshakes there were, none of which failed.
    fn stop(self) -> usize {
        self.is_over.store(true, Ordering::Relaxed);
        for worker in self.workers {
            worker.join().unwrap();
        }
        let failed = self.failed.lock().unwrap();
        let done = self.done.load(Ordering::Relaxed);
        assert!(failed.is_empty(), "{} of {done}: {failed:#?}", failed.len());
        done
    }
}

#[test]
fn two_replicas_rotate_leaf_and_ca_under_load_without_a_failure() {
    let stage = Arc::new(Stage::set_up());
    stage.wait_for("both are ready before there is a registration", || {
        stage.replicas.iter().all(Replica::is_ready)
    });
    assert_eq!(stage.steps("begin"), 1, "one of them made the Secret");

    let applied = stage.apply("");
    assert!(applied.status_ok, "{applied:?}");
    stage.wait_for("the bundle is in all entries", || stage.cas() > 0);
    let policy = example::scene("allowed-policy-for-web-pods", "bao");
    stage.wait_for("the API server trusts the webhooks", || {
        let ask = ["apply", "--dry-run=server", "-f", "-"];
        stage.plane.kubectl(ask).stdin(&policy).run().status_ok
    });

    let load = Load::start(&stage);
    let renewed = stage.steps("renew");
    stage.wait_for("a leaf is renewed", || stage.steps("renew") > renewed);
    let before = stage.bundle().unwrap();
    stage.wait_for("a CA is announced", || stage.steps("announce") > 0);
    stage.wait_for("old and new CA are in the bundle", || stage.cas() == 2);
    assert_eq!(stage.steps("promote"), 0, "before it signs");
    stage.wait_for("the new CA signs", || stage.steps("promote") > 0);
    stage.wait_for("the old CA is gone", || {
        !stage.bundle().is_some_and(|bundle| bundle.contains(before.trim_end()))
    });
    the_secret_is_lost(&stage);
    let done = load.stop();
    let written = ["renew", "announce", "promote", "retire"].map(|step| stage.steps(step));
    println!("{done} writes and handshakes, 0 failed; renew, announce, promote, retire: {written:?}");
}

/// Whoever deletes the Secret gets new keys, and nobody notices.
fn the_secret_is_lost(stage: &Stage) {
    let promoted = stage.steps("promote");
    let secret = "-n openbao-perimeter-system delete secret openbao-perimeter-self-managed";
    stage.plane.kubectl(secret.split(' ')).run_ok();
    stage.wait_for("a new CA signs", || stage.steps("promote") > promoted);
}

#[test]
fn the_bundle_stays_whoever_applies_the_manifests() {
    let stage = Stage::set_up();
    let applied = stage.apply("");
    assert!(applied.status_ok, "{applied:?}");
    stage.wait_for("the bundle is in all entries", || stage.cas() > 0);
    let delivery = "--server-side --field-manager=delivery";
    // Client-side apply came first, so its field manager has to give way once.
    let first = format!("{delivery} --force-conflicts");
    for args in ["", &first, delivery, ""] {
        let applied = stage.apply(args);
        assert!(applied.status_ok, "{args}: {applied:?}");
        assert!(stage.cas() > 0, "gone after {args:?}");
    }
    for kind in REGISTRATIONS {
        assert_eq!(owned(&stage.registration(kind)), ["clientConfig.caBundle", "name"], "{kind}");
    }
    let delete = ["delete", REGISTRATIONS[1], "openbao-perimeter"];
    stage.plane.kubectl(delete).run_ok();
    let applied = stage.apply("");
    assert!(applied.status_ok, "{applied:?}");
    stage.wait_for("the bundle is in the new registration", || stage.cas() > 0);
}

/// The fields of all entries that our field manager owns, each once.
fn owned(registration: &Value) -> Vec<String> {
    let managers = registration["metadata"]["managedFields"].as_array().unwrap();
    let own = managers.iter().find(|entry| entry["manager"] == MANAGER).unwrap();
    let fields = own["fieldsV1"].as_object().unwrap();
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["f:webhooks"]);
    let mut found = std::collections::BTreeSet::new();
    for entry in fields["f:webhooks"].as_object().unwrap().values() {
        for (field, below) in entry.as_object().unwrap() {
            let Some(field) = field.strip_prefix("f:") else {
                continue;
            };
            match below.as_object().unwrap().keys().next() {
                None => found.insert(field.to_owned()),
                Some(below) => found.insert(format!("{field}.{}", &below[2..])),
            };
        }
    }
    found.into_iter().collect()
}
