//! A replica of the server with the service account of the manifests.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::control_plane::{ControlPlane, Server, wait_until};
use crate::e2e::stage::{LIMIT, program};
use crate::guard;

/// Grace period of a pod after SIGTERM.
const GRACE: Duration = Duration::from_secs(30);

pub(in crate::e2e) struct Replica {
    server: Server,
    pub(in crate::e2e) reviews: SocketAddr,
    probes: SocketAddr,
    metrics: SocketAddr,
    leaves: AtomicBool,
}

impl Replica {
    /// Starts it on free ports with self-managed certificates.
    pub(in crate::e2e) fn start(plane: &ControlPlane, name: &str, args: &str) -> Self {
        let args = format!(
            "KUBECONFIG=kubeconfig-guard {} serve --tls self-managed {args} \
             --listen 127.0.0.1:0 --probes-listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0",
            program().display(),
        );
        let server = plane.start_program(name, Path::new("/usr/bin/env"), &args);
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
            leaves: AtomicBool::new(false),
        }
    }

    pub(in crate::e2e) fn is_ready(&self) -> bool {
        guard::get(self.probes, "/readyz").is_some_and(|text| text.ends_with("\r\n\r\nok"))
    }

    /// The text of `/readyz?verbose`.
    pub(in crate::e2e) fn readyz(&self) -> String {
        let text = guard::get(self.probes, "/readyz?verbose").unwrap_or_default();
        text.replace('\r', "")
    }

    /// Everything that it printed and logged.
    pub(in crate::e2e) fn printed(&self) -> String {
        self.server.printed()
    }

    /// Number of rotation steps that it performed, even if it has ended since.
    pub(in crate::e2e) fn steps(&self, step: &str) -> usize {
        let taken = |line: &&str| {
            line.contains("certificate rotation step") && line.contains(&format!("\"{step}\""))
        };
        self.server.printed().lines().filter(taken).count()
    }

    /// The value of a metric with its labels.
    pub(in crate::e2e) fn metric(&self, name: &str) -> usize {
        let text = guard::get(self.metrics, "/metrics").unwrap_or_default();
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value.map_or(0, |value| value.trim().parse().expect("a number"))
    }

    /// Returns true if it was asked to end.
    pub(in crate::e2e) fn leaves(&self) -> bool {
        self.leaves.load(Ordering::Relaxed)
    }

    /// Asks it to end, and waits for a regular end.
    pub(in crate::e2e) fn leave(&self) {
        self.leaves.store(true, Ordering::Relaxed);
        self.server.terminate();
        let ended = wait_until("the replica ends", GRACE, || self.server.ended());
        assert_eq!(ended.code(), Some(0), "{}", self.server.log_tail());
    }

    /// Fails if it has ended by itself.
    pub(in crate::e2e) fn is_alive(&self) {
        let ended = self.server.has_ended() && !self.leaves();
        assert!(!ended, "{}", self.server.log_tail());
    }
}
