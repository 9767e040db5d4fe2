//! A real control plane on loopback: etcd, the API server and, on request, the controller manager.
//!
//! Servers and folder are removed when the process that started them ends, even if it is killed. So a control
//! plane may be in a `static LazyLock`, which is never dropped. The binaries come from `make control-plane`,
//! or from the folder in `KUBEBUILDER_ASSETS`.

#![allow(dead_code, reason = "each user needs another part")]
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]
#![allow(clippy::wrong_self_convention, reason = "`as_user` builds")]

use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{self, Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};
use std::{env, thread};

use serde_json::json;

#[path = "control_plane/kubectl.rs"]
mod kubectl;
#[path = "control_plane/server.rs"]
mod server;

pub(crate) use kubectl::{Kubectl, Output};
pub(crate) use server::Server;

/// Four seconds are enough on an idle machine. The limit is for one that compiles at the same time.
const START_DEADLINE: Duration = Duration::from_mins(2);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Running servers, stopped and removed when dropped.
pub(crate) struct ControlPlane {
    // Dropped in this order: clients before servers, the folder last.
    controller_manager: OnceLock<Server>,
    api_server: Mutex<Option<Server>>,
    etcd: Mutex<Option<Server>>,
    api_port: u16,
    ports: [u16; 2],
    /// Additional flags of the API server.
    flags: String,
    folder: Folder,
}

impl ControlPlane {
    /// Starts etcd and the API server. Returns once requests are answered.
    pub(crate) fn start() -> Self {
        Self::start_with(|_| String::new())
    }

    /// The same with more flags for the API server. Files for these flags are written into the folder first.
    pub(crate) fn start_with(flags: impl Fn(&Path) -> String) -> Self {
        let mut started = Self::try_start(&flags);
        for _ in 1..3 {
            // Free ports may be taken before the servers bind them.
            if matches!(&started, Err(logs) if logs.contains("address already in use")) {
                started = Self::try_start(&flags);
            }
        }
        started.unwrap_or_else(|logs| panic!("the control plane did not start\n{logs}"))
    }

    fn try_start(flags: impl Fn(&Path) -> String) -> Result<Self, String> {
        let folder = Folder::create();
        let [client_port, peer_port, api_port] = free_ports();
        let plane = Self {
            controller_manager: OnceLock::new(),
            api_server: Mutex::default(),
            etcd: Mutex::default(),
            api_port,
            ports: [client_port, peer_port],
            flags: flags(&folder.path),
            folder,
        };
        plane.write_kubeconfig();
        plane.start_etcd();
        plane.start_api_server();
        plane.wait_for_start()?;
        Ok(plane)
    }

    fn wait_for_start(&self) -> Result<(), String> {
        let etcd = self.etcd.lock().expect("lock etcd");
        let api_server = self.api_server.lock().expect("lock the API server");
        let servers: Vec<&Server> = etcd.iter().chain(api_server.iter()).collect();
        wait_for_start(&servers, || self.is_ready())
    }

    /// Starts etcd with its stored data. Does not wait for it.
    pub(crate) fn start_etcd(&self) {
        let server = start_etcd(&self.folder, self.ports);
        *self.etcd.lock().expect("lock etcd") = Some(server);
    }

    /// Kills etcd.
    pub(crate) fn stop_etcd(&self) {
        *self.etcd.lock().expect("lock etcd") = None;
    }

    /// Starts the API server on its port. Does not wait for it.
    pub(crate) fn start_api_server(&self) {
        let server = start_api_server(&self.folder, self.ports[0], self.api_port, &self.flags);
        *self.api_server.lock().expect("lock the API server") = Some(server);
    }

    /// Kills the API server.
    pub(crate) fn stop_api_server(&self) {
        *self.api_server.lock().expect("lock the API server") = None;
    }

    /// Starts garbage collection and namespace deletion, once. Returns when both run. Without them a deleted
    /// namespace stays `Terminating`, and owned objects are not deleted with their owner.
    pub(crate) fn start_controller_manager(&self) {
        self.start_controllers(
            "garbage-collector-controller,namespace-controller",
            "generic-garbage-collector namespace-controller",
        );
    }

    /// Starts these controllers, once. Returns when each runs: each creates its service account at its start.
    pub(crate) fn start_controllers(&self, controllers: &str, accounts: &str) {
        let server = self.controller_manager.get_or_init(|| {
            let args = format!(
                "--kubeconfig=kubeconfig --leader-elect=false --secure-port=0 \
                --controllers={controllers} --use-service-account-credentials"
            );
            Server::start(&self.folder, "kube-controller-manager", &args)
        });
        let get = ["get", "sa", "-n", "kube-system"].into_iter();
        let has_begun = || {
            let accounts = accounts.split_whitespace();
            self.kubectl(get.clone().chain(accounts)).run().status_ok
        };
        wait_for_start(&[server], has_begun)
            .unwrap_or_else(|log| panic!("the controller manager did not start\n{log}"));
    }

    /// Starts these controllers, once, all with the user of this kubeconfig. Does not wait for them.
    pub(crate) fn start_controllers_as_one(&self, kubeconfig: &str, controllers: &str) {
        self.controller_manager.get_or_init(|| {
            let args = format!(
                "--kubeconfig={kubeconfig} --leader-elect=false --secure-port=0 \
                --controllers={controllers}"
            );
            Server::start(&self.folder, "kube-controller-manager", &args)
        });
    }

    /// The administrator's kubeconfig, for other programs than kubectl.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder().join("kubeconfig")
    }

    /// Folder with the servers' logs and files of the test. It is removed with the control plane.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder.path
    }

    /// A kubectl call as the administrator, unless [`Kubectl::as_user`] is used. A collection is deleted by
    /// path, since `delete --all` deletes objects one by one: `["delete", "--raw",
    /// "/apis/networking.k8s.io/v1/namespaces/x/networkpolicies"]`.
    pub(crate) fn kubectl<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Kubectl {
        let mut command = Command::new(binary("kubectl"));
        command.arg("--kubeconfig").arg(self.kubeconfig());
        // The cache is keyed by host and port, and a port may be used again by another server.
        command.arg("--cache-dir").arg(self.folder().join("cache"));
        // Defaults and aliases of the developer are ignored.
        command.env("KUBERC", "off").args(args);
        Kubectl(command)
    }

    /// Applies manifests as the administrator. Panics if one is denied. Server-side, since client-side apply
    /// copies the object into an annotation, which is too small for some CRDs.
    pub(crate) fn apply_ok(&self, manifests: &str) {
        let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.kubectl(apply).stdin(manifests).run_ok();
    }

    /// Starts another program with the administrator's `KUBECONFIG`. It runs in [`ControlPlane::folder`]
    /// until it is dropped or this process ends.
    pub(crate) fn start_program(&self, name: &str, program: &Path, args: &str) -> Server {
        let environment = ("KUBECONFIG", self.kubeconfig());
        Server::run(&self.folder, name, program, args, Some(environment))
    }

    /// Returns true if requests are answered.
    pub(crate) fn is_ready(&self) -> bool {
        // Connecting to the port is cheap, while a kubectl call that cannot connect is slow.
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.api_port)).is_ok()
            // A list of failed checks contains "ok" too.
            && self.kubectl(["get", "--raw", "/readyz"]).run().stdout == "ok"
            // The namespace is created in the background. Readiness does not wait for it.
            && self.kubectl(["get", "namespace", "default"]).run().status_ok
    }

    fn write_kubeconfig(&self) {
        let url = format!("https://127.0.0.1:{}", self.api_port);
        let cluster = json!({"server": url, "insecure-skip-tls-verify": true});
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": self.folder.name}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            "current-context": "test",
        });
        fs::write(self.kubeconfig(), kubeconfig.to_string()).expect("write the kubeconfig");
    }
}

/// Calls `ask` until it returns a value. Panics with `what` after the limit.
pub(crate) fn wait_until<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        thread::sleep(POLL_INTERVAL);
    }
}

/// Waits until `ready`. If a server has ended, the error is the end of its log.
fn wait_for_start(servers: &[&Server], ready: impl Fn() -> bool) -> Result<(), String> {
    let started = Instant::now();
    loop {
        let ended = servers.iter().any(|server| server.has_ended());
        if ended || started.elapsed() > START_DEADLINE {
            return Err(servers.iter().map(|server| server.log_tail()).collect());
        }
        if ready() {
            return Ok(());
        }
        thread::sleep(POLL_INTERVAL);
    }
}

fn start_etcd(folder: &Folder, [client_port, peer_port]: [u16; 2]) -> Server {
    let url = format!("http://127.0.0.1:{client_port}");
    let peer_url = format!("http://127.0.0.1:{peer_port}");
    let args = format!(
        "--data-dir=etcd --unsafe-no-fsync --log-level=warn \
         --listen-client-urls={url} --advertise-client-urls={url} \
         --listen-peer-urls={peer_url} --initial-advertise-peer-urls={peer_url} \
         --initial-cluster=default={peer_url}"
    );
    Server::start(folder, "etcd", &args)
}

fn start_api_server(folder: &Folder, etcd_port: u16, port: u16, flags: &str) -> Server {
    // A unique token: another test's server on the same port must not be taken for this one.
    let tokens = format!("{},admin,admin,\"system:masters\"\n", folder.name);
    fs::write(folder.path.join("tokens.csv"), tokens).expect("write the token file");
    let key = include_str!("../control-plane/sa-test.key");
    fs::write(folder.path.join("sa.key"), key).expect("write the signing key");
    // Since 1.37 an API server does not start that would advertise a loopback address. Nothing connects to this one.
    let printed = Command::new(binary("kube-apiserver"))
        .arg("--version")
        .output();
    let version = String::from_utf8(printed.expect("run kube-apiserver").stdout).expect("UTF-8");
    let advertised = if version.contains(" v1.37.") {
        "192.0.2.1"
    } else {
        "127.0.0.1"
    };
    let args = format!(
        "--etcd-servers=http://127.0.0.1:{etcd_port} --secure-port={port} --cert-dir=certificates \
         --bind-address=127.0.0.1 --advertise-address={advertised} \
         --endpoint-reconciler-type=none \
         --token-auth-file=tokens.csv --authorization-mode=RBAC --allow-privileged \
         --service-account-key-file=sa.key --service-account-signing-key-file=sa.key \
         --service-account-issuer=https://kubernetes.default.svc \
         --service-cluster-ip-range=10.96.0.0/24 {flags}"
    );
    Server::start(folder, "kube-apiserver", &args)
}

/// Flags of an API server that writes the metadata of requests to [`AUDIT_LOG`].
pub(crate) fn audit_flags(folder: &Path) -> String {
    let policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n";
    fs::write(folder.join("audit-policy.yaml"), policy).expect("write the audit policy");
    format!("--audit-policy-file=audit-policy.yaml --audit-log-path={AUDIT_LOG}")
}

/// The audit log in the folder of a control plane.
pub(crate) const AUDIT_LOG: &str = "audit.log";

/// Twice, in case a server still wrote something while it was killed.
const REMOVE_TIED: &str = r#"read -r end; rm -rf "$1" || { sleep 1; rm -rf "$1"; }"#;

/// A folder that is removed even if this process is killed. etcd alone would leave 130 MB each time.
struct Folder {
    name: String,
    path: PathBuf,
    shell: Child,
}

impl Folder {
    fn create() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("control-plane-{}-{count}", process::id());
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/target/tmp")).join(&name);
        // In a container the same process number is soon used again.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("create the control plane's folder");
        let shell = shell(REMOVE_TIED).arg(&path).spawn().expect("run sh");
        Self { name, path, shell }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = self.shell.wait();
    }
}

/// A shell whose input is a pipe that only this process holds, in its own process group. An interrupt from
/// the terminal ends this process, and the closed pipe ends the rest.
fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]);
    command.stdin(Stdio::piped()).process_group(0);
    command
}

/// Path of a server or tool of the control plane.
pub(crate) fn binary(name: &str) -> PathBuf {
    found(name).unwrap_or_else(|| panic!("{name} is missing: run `make control-plane`"))
}

/// Path of a file of the control plane. The search order is that of build.sh.
pub(crate) fn found(name: &str) -> Option<PathBuf> {
    let assets = env::var("KUBEBUILDER_ASSETS").unwrap_or_default();
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/target/control-plane");
    let paths = [assets.as_str(), built].map(|folder| Path::new(folder).join(name));
    let found = paths.iter().find(|path| path.is_file())?;
    Some(path::absolute(found).expect("know the current folder"))
}

/// Three different ports that were free a moment ago.
fn free_ports() -> [u16; 3] {
    let bind = |()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a free port");
    let port = |listener: TcpListener| listener.local_addr().expect("read the port").port();
    [(); 3].map(bind).map(port)
}
