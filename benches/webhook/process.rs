//! A server in its own process.

#![allow(dead_code, reason = "each user needs another part")]

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::client;

pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) ca: PathBuf,
}

impl Process {
    /// Starts the measured server with the example inventory.
    pub(crate) async fn guard(
        program: &Path,
        folder: &Path,
        body: &str,
        starts: &mut Vec<Duration>,
    ) -> Self {
        let ca = folder.join("guard.crt");
        let inventory = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/examples/inventory");
        let any = "127.0.0.1:0";
        let mut command = Command::new(program);
        command
            .args(["serve", "--tls", "ephemeral", "--listen", any])
            .args(["--probes-listen", any, "--metrics-listen", any])
            .arg("--inventory")
            .arg(inventory)
            .arg("--ca-out")
            .arg(&ca);
        Self::start(command, ca, body, starts).await
    }

    /// Starts a server. Measures the time to the first allowed review, which the measured server does not
    /// send before its inventory is complete.
    pub(crate) async fn start(
        mut command: Command,
        ca: PathBuf,
        body: &str,
        starts: &mut Vec<Duration>,
    ) -> Self {
        let begun = Instant::now();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a server that starts");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line
            .trim()
            .strip_prefix("serving https://")
            .and_then(|rest| rest.strip_suffix("/validate"))
            .expect("the address as the first line")
            .parse()
            .unwrap();
        let process = Self { child, address, ca };
        client::until_allowed(&process, body).await;
        starts.push(begun.elapsed());
        process
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap()
    }

    /// CPU time so far of all running threads. `stat` counts in hundredths of a second, in which hundreds of
    /// reviews are answered, so it is not used.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = format!("/proc/{}/task", self.child.id());
        let threads = std::fs::read_dir(tasks).unwrap();
        let nanoseconds = threads.filter_map(|thread| {
            let schedstat = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            schedstat.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanoseconds.sum())
    }

    /// Resident memory.
    pub(crate) fn resident_kib(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// A number of `/proc/PID/status`.
    pub(crate) fn status(&self, name: &str) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        let sent = kill
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "a signal");
    }

    /// Open descriptors.
    pub(crate) fn descriptors(&self) -> u64 {
        let folder = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(folder).unwrap().count() as u64
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
