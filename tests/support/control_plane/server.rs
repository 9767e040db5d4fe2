//! One server of the control plane, tied to the process that started it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command};
use std::sync::Mutex;

use super::{Folder, START_DEADLINE, binary, shell, wait_until};

/// Runs a server until it ends, or until the pipe closes, as it does whenever this process ends. The watcher
/// ends with the server, so it cannot kill another process with the same number.
const RUN_TIED: &str = r#"exec 3<&0
pid=$1; shift
"$@" 3<&- & server=$!
echo "$server" > "$pid"
{ read -r end; kill -9 "$server"; } <&3 & watcher=$!
wait "$server"; status=$?; kill "$watcher"; exit "$status""#;

/// A server and its shell. It is killed when dropped.
pub(crate) struct Server {
    log: PathBuf,
    pid: PathBuf,
    shell: Mutex<Child>,
}

impl Server {
    /// Starts a server in the folder. Its arguments name files there without a path.
    pub(super) fn start(folder: &Folder, name: &str, args: &str) -> Self {
        Self::run(folder, name, &binary(name), args, None)
    }

    pub(super) fn run(
        folder: &Folder,
        name: &str,
        program: &Path,
        args: &str,
        environment: Option<(&str, PathBuf)>,
    ) -> Self {
        let log = folder.path.join(format!("{name}.log"));
        let pid = folder.path.join(format!("{name}.pid"));
        let output = File::create(&log).expect("create the log");
        let _stale = fs::remove_file(&pid);
        let mut command = shell(RUN_TIED);
        command.arg(&pid).arg(program).args(args.split_whitespace());
        command.envs(environment);
        command.stdout(output.try_clone().expect("share the log"));
        command.stderr(output).current_dir(&folder.path);
        let shell = Mutex::new(command.spawn().expect("run sh"));
        Self { log, pid, shell }
    }

    /// Everything it printed so far to both outputs.
    pub(crate) fn printed(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended().is_some()
    }

    /// Its exit status, once it has ended.
    pub(crate) fn ended(&self) -> Option<process::ExitStatus> {
        let mut shell = self.shell.lock().expect("lock the shell");
        shell.try_wait().ok().flatten()
    }

    /// Its process number.
    pub(crate) fn pid(&self) -> String {
        let read = || Some(fs::read_to_string(&self.pid).ok()?.trim().to_owned());
        wait_until("the process number is known", START_DEADLINE, || {
            read().filter(|pid| !pid.is_empty())
        })
    }

    /// Sends SIGTERM, as Kubernetes does.
    pub(crate) fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.pid()]).status();
        assert!(sent.expect("run kill").success());
    }

    pub(crate) fn log_tail(&self) -> String {
        let log = self.printed();
        let mut tail: Vec<_> = log.lines().rev().take(30).collect();
        tail.reverse();
        format!("--- {}\n{}\n", self.log.display(), tail.join("\n"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.shell.get_mut().map(Child::wait); // Closes the pipe first.
    }
}
