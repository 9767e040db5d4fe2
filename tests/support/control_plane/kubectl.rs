//! Calls of kubectl.

use std::io::{self, Write as _};
use std::process::Command;
use std::thread;

use serde_json::Value;

/// Builder of a kubectl call.
pub(crate) struct Kubectl(pub(super) Command);

impl Kubectl {
    /// Impersonates a user. A service account is `system:serviceaccount:<namespace>:<name>`.
    pub(crate) fn as_user(mut self, user: &str) -> Self {
        self.0.args(["--as", user]);
        self
    }

    /// Puts the impersonated user into a group.
    pub(crate) fn as_group(mut self, group: &str) -> Self {
        self.0.args(["--as-group", group]);
        self
    }

    /// Adds an argument.
    pub(crate) fn with(mut self, arg: &str) -> Self {
        self.0.arg(arg);
        self
    }

    /// Sets standard input, for `-f -`.
    pub(crate) fn stdin(mut self, text: &str) -> Self {
        let (reader, mut writer) = io::pipe().expect("make a pipe");
        let text = text.to_owned();
        // A call that fails early does not read its input. Its own message shows the cause.
        thread::spawn(move || writer.write_all(text.as_bytes()));
        self.0.stdin(reader);
        self
    }

    /// Runs the call.
    pub(crate) fn run(mut self) -> Output {
        let output = self.0.output().expect("run kubectl");
        Output {
            status_ok: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a call that has to succeed. Returns its output; panics with its error otherwise.
    pub(crate) fn run_ok(self) -> String {
        let call = format!("{:?}", self.0);
        let output = self.run();
        assert!(output.status_ok, "{call}: {}", output.stderr);
        output.stdout
    }

    /// Like [`Kubectl::run_ok`], for a call that prints JSON.
    pub(crate) fn run_json(self) -> Value {
        serde_json::from_str(&self.run_ok()).expect("kubectl was asked for JSON")
    }
}

/// Result of a kubectl call.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status_ok: bool,
    pub(crate) stdout: String,
    /// Contains denials and admission warnings.
    pub(crate) stderr: String,
}
