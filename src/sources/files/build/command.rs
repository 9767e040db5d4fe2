//! Runs of a tool: without network, settings of the user and input, and with bounds for time and output.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::time::timeout;

/// Longest run of a tool.
const MAX_DURATION: Duration = Duration::from_mins(1);
/// Longest output of a tool in bytes.
const MAX_OUTPUT: u64 = 256 * 1024 * 1024;
/// Longest problem that is printed, in characters.
const MAX_PROBLEM_LENGTH: usize = 400;
/// An address where nothing listens: a proxy for tools that would fetch something.
const NOWHERE: &str = "http://127.0.0.1:9";

/// Failure of a build.
pub(super) enum Failed {
    /// This tool is not installed.
    NoTool(&'static str),
    /// The build ended with an error.
    Problem(String),
}

/// The file of a program on the PATH.
pub(super) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut files = std::env::split_paths(&path).map(|folder| folder.join(name));
    files.find(|file| file.is_file())
}

/// The output of a program that reads and writes nothing else than its arguments say.
pub(super) fn output<S: AsRef<OsStr>>(
    program: &Path,
    arguments: &[S],
    home: &Path,
) -> Result<String, Failed> {
    let problem = |text: String| Failed::Problem(text);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| problem(error.to_string()))?;
    let run =
        runtime.block_on(async { timeout(MAX_DURATION, run(program, arguments, home)).await });
    match run {
        Ok(result) => result.map_err(problem),
        Err(_late) => Err(problem(format!(
            "it took longer than {} s",
            MAX_DURATION.as_secs()
        ))),
    }
}

async fn run<S: AsRef<OsStr>>(
    program: &Path,
    arguments: &[S],
    home: &Path,
) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().kill_on_drop(true);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    for name in [
        "HOME",
        "TMPDIR",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
    ] {
        command.env(name, home);
    }
    for name in [
        "HELM_CACHE_HOME",
        "HELM_CONFIG_HOME",
        "HELM_DATA_HOME",
        "HELM_PLUGINS",
    ] {
        command.env(name, home.join("helm"));
    }
    for name in [
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ] {
        command.env(name, NOWHERE);
    }
    command.env("KUBECONFIG", home.join("none"));
    command
        .env("GIT_ALLOW_PROTOCOL", "none")
        .env("GIT_TERMINAL_PROMPT", "0");
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (out, err) = tokio::try_join!(bounded(out), bounded(err))?;
    let status = child.wait().await.map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(last_error(&String::from_utf8_lossy(&err)));
    }
    String::from_utf8(out).map_err(|_| "its output is not UTF-8".to_owned())
}

async fn bounded(pipe: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        let read = pipe.take(MAX_OUTPUT + 1).read_to_end(&mut bytes).await;
        read.map_err(|error| error.to_string())?;
    }
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_OUTPUT) {
        return Err("its output is longer than 256 MiB".to_owned());
    }
    Ok(bytes)
}

/// The error that a tool printed, in one line.
fn last_error(err: &str) -> String {
    let from = err.find("Error: ").map_or(0, |at| at + "Error: ".len());
    // Advice follows after an empty line.
    let first = err[from..]
        .trim_start()
        .split("\n\n")
        .next()
        .unwrap_or_default();
    let words: Vec<&str> = first.split_whitespace().collect();
    let text = words.join(" ");
    if text.is_empty() {
        return "it failed without a message".to_owned();
    }
    if text.chars().count() <= MAX_PROBLEM_LENGTH {
        return text;
    }
    text.chars().take(MAX_PROBLEM_LENGTH).chain(['…']).collect()
}
