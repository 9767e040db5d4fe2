//! A settings file that changes while the server runs.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::http::StatusCode;
use serde_json::Value;
use tokio::time::timeout;

use crate::cli::Serving;
use crate::support::{BOTH, PATIENCE, ask, connect_to, fetch, folder, post};
use crate::volume::Volume;

/// A policy with an OBP201 finding.
const REVIEW: &str = include_str!("../../../manifests/examples/reviews/refused.json");
const DENY: &str = "review: {levels: {OBP201: deny}}\n";
const WARN: &str = "review: {levels: {OBP201: warn}}\n";

/// Returns true if the write is allowed.
async fn is_allowed(reviews: SocketAddr, ca: &str) -> bool {
    let stream = connect_to(reviews, ca, BOTH).await.unwrap();
    let (status, body) = ask(stream, post("/validate", REVIEW)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let review: Value = serde_json::from_str(&body).unwrap();
    let response = &review["response"];
    let allowed = response["allowed"].as_bool().unwrap();
    // Both verdicts are about the same rule: no change is applied in part.
    let text = if allowed {
        &response["warnings"][0]
    } else {
        &response["status"]["message"]
    };
    assert!(text.as_str().unwrap().contains("OBP201"), "{body}");
    allowed
}

/// A server that reloads a settings file.
struct Stage {
    serving: Serving,
    ca: String,
    file: PathBuf,
}

impl Stage {
    async fn new(name: &str, text: &str) -> Self {
        let file = folder(&format!("{name}-file")).join("settings.yaml");
        fs::write(&file, text).unwrap();
        Self::following(name, file).await
    }

    async fn following(name: &str, file: PathBuf) -> Self {
        Self::start_with_flags(name, file, &[]).await
    }

    /// The same with flags.
    async fn start_with_flags(name: &str, file: PathBuf, flags: &[&str]) -> Self {
        let args = ["--config", file.to_str().unwrap()];
        let args: Vec<&str> = args.iter().chain(flags).copied().collect();
        let serving = Serving::start_with(name, &args).await;
        let ca = fs::read_to_string(&serving.ca).unwrap();
        Self { serving, ca, file }
    }

    /// Replaces the file as editors do.
    fn write(&self, text: &str) {
        let new = self.file.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    /// Waits until this number of changes had this outcome.
    async fn reloads(&self, outcome: &str, number: usize) {
        let metric = format!("settings_reloads_total{{outcome=\"{outcome}\"}} {number}\n");
        self.comes(self.serving.metrics, "/metrics", &metric).await;
    }

    /// Waits until a response contains a text.
    async fn comes(&self, address: SocketAddr, path: &str, text: &str) {
        let asked = async {
            loop {
                let (_, found) = fetch(address, path).await;
                if found.contains(text) {
                    return;
                }
            }
        };
        assert!(
            timeout(PATIENCE, asked).await.is_ok(),
            "no {text} in {}; the log: {}",
            fetch(address, path).await.1,
            self.log()
        );
    }

    fn log(&self) -> String {
        fs::read_to_string(self.serving.ca.with_file_name("log")).unwrap()
    }

    async fn verbose(&self) -> String {
        let (status, text) = fetch(self.serving.probes, "/readyz?verbose").await;
        assert_eq!(status, StatusCode::OK, "{text}");
        text
    }

    async fn is_allowed(&self) -> bool {
        is_allowed(self.serving.reviews, &self.ca).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_in_force_without_a_restart_and_without_a_failed_review() {
    let stage = Stage::new("settings-load", DENY).await;
    let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let load = tokio::spawn({
        let (reviews, ca) = (stage.serving.reviews, stage.ca.clone());
        let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
        async move {
            while !stop.load(Ordering::Relaxed) {
                is_allowed(reviews, &ca).await;
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    assert!(!stage.is_allowed().await);
    for (at, text) in [WARN, DENY, WARN, DENY, WARN].into_iter().enumerate() {
        stage.write(text);
        stage.reloads("applied", at + 1).await;
        assert_eq!(stage.is_allowed().await, text == WARN, "change {at}");
    }
    stop.store(true, Ordering::Relaxed);
    load.await.unwrap();
    assert!(answered.load(Ordering::Relaxed) > 5, "there was a load");
    stage.reloads("kept-old", 0).await;
}

#[tokio::test]
async fn an_invalid_file_keeps_the_old_settings_and_is_reported_once_until_it_is_fixed() {
    let stage = Stage::new("settings-broken", WARN).await;
    let broken = [
        ("review: {levels: {OBP201: refuse}}\n", "refuse"),
        ("reviews: {}\n", "reviews"),
        ("review: [\n", "settings.yaml"),
        ("baseline: v9\n", "v9"),
        ("logFilter: \"a=b=c\"\n", "a=b=c"),
        ("limits: {maxBytesInFlight: 1000}\n", "maxBytesInFlight"),
        // The file has an invalid setting, so nothing of it is applied.
        (
            "review: {levels: {OBP201: deny}}\ntls: ephemera\n",
            "ephemera",
        ),
    ];
    for (at, (text, named)) in broken.into_iter().enumerate() {
        stage.write(text);
        stage.reloads("kept-old", at + 1).await;
        assert!(stage.is_allowed().await, "{text}");
        let verbose = stage.verbose().await;
        let mut lines = verbose.lines();
        let notice = lines.find(|line| line.starts_with("[!]settings warning: "));
        assert!(notice.is_some_and(|line| line.contains(named)), "{verbose}");
    }
    let reports = stage.log().matches("keeping the old settings").count();
    assert_eq!(reports, broken.len());

    stage.write("# as at the start\nreview: {levels: {OBP201: warn}}\n");
    stage.reloads("unchanged", 1).await;
    assert!(!stage.verbose().await.contains("[!]settings"));
    stage.write(DENY);
    stage.reloads("applied", 1).await;
    assert!(!stage.is_allowed().await);
}

#[tokio::test]
async fn a_file_that_is_gone_keeps_the_old_settings() {
    let stage = Stage::new("settings-gone", WARN).await;
    fs::remove_file(&stage.file).unwrap();
    stage.reloads("kept-old", 1).await;
    assert!(stage.is_allowed().await);
    assert!(stage.verbose().await.contains("[!]settings warning"));
    stage.write(WARN);
    stage.reloads("unchanged", 1).await;
    assert!(!stage.verbose().await.contains("[!]settings"));
}

#[tokio::test]
async fn a_swapped_volume_is_read_again() {
    let folder = folder("settings-volume-file");
    let volume = Volume(&folder);
    let swap = |version: &str, text: &str| volume.swap(version, &[("settings.yaml", text)]);
    swap("..v1", DENY);
    let stage = Stage::following("settings-volume", volume.link("settings.yaml")).await;
    assert!(!stage.is_allowed().await);
    swap("..v2", WARN);
    stage.reloads("applied", 1).await;
    assert!(stage.is_allowed().await);
    // The same content in another folder is no change.
    swap("..v3", WARN);
    fs::remove_dir_all(folder.join("..v1")).unwrap();
    swap("..v4", DENY);
    stage.reloads("applied", 2).await;
    assert!(!stage.is_allowed().await);
    stage.reloads("unchanged", 0).await;
}

#[tokio::test]
async fn settings_that_need_a_restart_are_reported_and_the_rest_is_applied() {
    let stage = Stage::new("settings-restart", DENY).await;
    stage.write(&format!(
        "{WARN}clients: {{}}\nlimits: {{maxWorkers: 77}}\nlogFormat: json\n"
    ));
    stage.reloads("applied", 1).await;
    assert!(stage.is_allowed().await);
    let notice = "in force after a restart: limits.maxWorkers, logFormat\n";
    stage
        .comes(stage.serving.probes, "/readyz?verbose", notice)
        .await;
    assert!(stage.log().contains("some changed settings need a restart"));
    // Flags take precedence, so nothing waits for a restart.
    stage.write(&format!("{WARN}listen: 127.0.0.1:1\n"));
    stage.reloads("unchanged", 1).await;
    let gone = async { while stage.verbose().await.contains("[!]restart") {} };
    timeout(PATIENCE, gone).await.unwrap();
}

#[tokio::test]
async fn the_log_filter_changes_at_run_time() {
    let stage = Stage::new("settings-log", "logFilter: error\n").await;
    stage.is_allowed().await;
    assert_eq!(stage.log(), "");
    stage.write("logFilter: info\n");
    stage.reloads("applied", 1).await;
    stage.is_allowed().await;
    assert!(stage.log().contains("OBP201"), "{}", stage.log());
    stage.write("logFilter: error\n");
    stage.reloads("applied", 2).await;
    let before = stage.log();
    stage.is_allowed().await;
    assert_eq!(stage.log(), before);
}

#[tokio::test]
async fn what_a_flag_says_of_reviews_stays_whatever_the_file_says_next() {
    let file = folder("settings-flag-file").join("settings.yaml");
    fs::write(&file, DENY).unwrap();
    let stage = Stage::start_with_flags("settings-flag", file, &["--baseline", "v0.1"]).await;
    stage.write(&format!("baseline: v0.4\n{DENY}"));
    stage.reloads("unchanged", 1).await;
    stage.write(&format!("baseline: v0.4\n{WARN}"));
    stage.reloads("applied", 1).await;
    assert!(stage.is_allowed().await);
}
