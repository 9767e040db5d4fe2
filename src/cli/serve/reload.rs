//! Reloads the settings file: changes take effect as far as they can without a restart.
//!
//! A broken file, and one that `serve` would not start with, changes nothing.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::civil::Date;
use tokio::sync::{mpsc, oneshot};
use tracing_subscriber::filter::Targets;

use super::publish::Decision;
use crate::audit::metrics::SettingsReload;
use crate::audit::{EventQueue, Metrics};
use crate::cli::{Failure, with_causes};
use crate::config::ReviewConfig;
use crate::file_events::Changes;
use crate::server::probes::Readiness;
use crate::server::shutdown::{Phase, Shutdown};
use crate::settings::{Given, Keys, ServeFlags, SettingsFile, Switch};
use crate::telemetry::{self, LogFilter};

/// Interval of comparisons of the file, beside the events.
const INTERVAL: Duration = Duration::from_secs(10);

/// Interval of checks of the date, since some settings have a last day.
const DATE_INTERVAL: Duration = Duration::from_secs(1);

/// Parts of the server that a reload changes or reports to.
pub(super) struct ReloadTargets {
    pub(super) decisions: mpsc::Sender<Decision>,
    pub(super) filter: LogFilter,
    pub(super) events: Option<EventQueue>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) metrics: Arc<Metrics>,
}

/// Settings that `serve` would start with.
struct Loaded {
    config: Arc<ReviewConfig>,
    filter: Targets,
    events: Switch,
    keys: Keys,
}

impl Loaded {
    fn of(given: &Given<ServeFlags>, file: &SettingsFile, today: Date) -> Result<Self, Failure> {
        let settings = given.with(Some(file));
        settings.validate()?;
        Ok(Self {
            config: Arc::new(settings.review_config_on(today)?),
            filter: telemetry::filter(&settings.log_filter)?,
            events: settings.cluster.events,
            keys: Keys::of(&settings)?,
        })
    }
}

/// The configuration could not be put in force.
#[derive(Debug, thiserror::Error)]
#[error("the facts could not be compiled under these settings")]
struct NotCompiled;

/// Task that follows one file.
pub(super) struct Reloader {
    given: Given<ServeFlags>,
    path: PathBuf,
    targets: ReloadTargets,
    /// The clock.
    today: fn() -> Date,
    /// Last contents of the file, or the error of reading it: each is handled once.
    seen: Result<String, String>,
    /// Keys at the start: those that need a restart are still in force.
    started: Keys,
    /// Keys of the last good file.
    keys: Keys,
    config: Arc<ReviewConfig>,
    waiting: Vec<String>,
}

impl Reloader {
    /// Follows the file that was read at the start.
    pub(super) fn new(
        given: Given<ServeFlags>,
        file: SettingsFile,
        targets: ReloadTargets,
        today: fn() -> Date,
    ) -> Result<Self, Failure> {
        let Loaded { config, keys, .. } = Loaded::of(&given, &file, today())?;
        log_waivers(&config);
        Ok(Self {
            given,
            path: file.path,
            targets,
            today,
            seen: Ok(file.text),
            started: keys.clone(),
            keys,
            config,
            waiting: Vec::new(),
        })
    }

    /// Reads the file again on events and on a timer, until shutdown.
    pub(super) async fn run(mut self, mut shutdown: Shutdown) {
        // The folder is watched: a mounted ConfigMap changes by a swap of links in it.
        let mut changes = Changes::of([self.path.as_path()], INTERVAL);
        let mut dates = tokio::time::interval(DATE_INTERVAL);
        loop {
            // Dropped half way, it would lose an event.
            let mut change = pin!(changes.next());
            loop {
                tokio::select! {
                    () = shutdown.reached(Phase::Draining) => return,
                    () = &mut change => break,
                    _ = dates.tick() => self.renew_date((self.today)()).await,
                }
            }
            self.look().await;
        }
    }

    /// Puts the same settings in force on another day, if they depend on it.
    async fn renew_date(&mut self, today: Date) {
        let Some(config) = dated(&self.config, today) else {
            return;
        };
        if self.apply_review_config(&config).await.is_ok() {
            self.config = config;
            log_waivers(&self.config);
        }
    }

    async fn look(&mut self) {
        let read = tokio::fs::read_to_string(&self.path).await;
        let read = read.map_err(|error| error.to_string());
        if read == self.seen {
            return;
        }
        self.seen.clone_from(&read);
        let taken = match read {
            Ok(text) => self.take(text).await,
            Err(problem) => Err(problem.into()),
        };
        let file = self.path.display();
        let (reload, notice) = match taken {
            Ok(reload) => (reload, None),
            Err(failure) => {
                let why = one_line(&with_causes(&*failure));
                tracing::error!(%file, why, "settings file is broken, keeping the old settings");
                let notice = format!("`{file}` is broken, keeping the old settings: {why}");
                (SettingsReload::Kept, Some(notice))
            }
        };
        self.targets.readiness.notice("settings", notice.as_deref());
        self.targets.metrics.settings_reloaded(reload);
    }

    async fn take(&mut self, text: String) -> Result<SettingsReload, Failure> {
        let file = SettingsFile::parse(&self.path, text)?;
        let loaded = Loaded::of(&self.given, &file, (self.today)())?;
        let changed = self.keys.difference(&loaded.keys).live;
        let reload = if changed.is_empty() {
            SettingsReload::Unchanged
        } else {
            self.apply_review_config(&loaded.config).await?;
            self.apply_log_filter_and_events(loaded.filter, loaded.events);
            SettingsReload::Applied
        };
        let (file, outcome, keys) = (self.path.display(), reload.as_str(), changed.join(", "));
        tracing::info!(%file, outcome, keys, "settings reloaded");
        self.config = loaded.config;
        log_waivers(&self.config);
        self.keys = loaded.keys;
        self.report_waiting();
        Ok(reload)
    }

    /// Returns once reviews use this configuration.
    async fn apply_review_config(&self, config: &Arc<ReviewConfig>) -> Result<(), NotCompiled> {
        if *config == self.config {
            return Ok(());
        }
        let (done, applied) = oneshot::channel();
        let config = Arc::clone(config);
        let decision = Decision { config, done };
        let sent = self.targets.decisions.send(decision).await;
        sent.map_err(|_| NotCompiled)?;
        applied.await.map_err(|_| NotCompiled)
    }

    fn apply_log_filter_and_events(&self, filter: Targets, events: Switch) {
        if let Some(queue) = &self.targets.events {
            queue.enable(events == Switch::On);
        }
        if let Err(error) = self.targets.filter.replace(filter) {
            tracing::error!(%error, "cannot replace the log filter");
        }
    }

    /// Reports the keys that wait for a restart, when they change.
    fn report_waiting(&mut self) {
        let waiting = self.started.difference(&self.keys).fixed;
        if waiting == self.waiting {
            return;
        }
        let keys = waiting.join(", ");
        let notice = format!("changed in the file, in force after a restart: {keys}");
        let notice = (!waiting.is_empty()).then_some(notice);
        self.targets.readiness.notice("restart", notice.as_deref());
        if waiting.is_empty() {
            tracing::info!("no setting waits for a restart");
        } else {
            tracing::warn!(keys, "some changed settings need a restart");
        }
        self.waiting = waiting;
    }
}

/// Logs the waivers that end soon or have ended, once a day and with each change of the settings.
fn log_waivers(config: &ReviewConfig) {
    if let Some(waivers) = config.waiver_notice() {
        tracing::warn!(waivers, "waivers have ended or end soon");
    }
}

/// The configuration on this day, if that is another one.
fn dated(config: &ReviewConfig, today: Date) -> Option<Arc<ReviewConfig>> {
    let is_other = config.has_dates() && config.today != Some(today);
    is_other.then(|| Arc::new(config.clone().on(today)))
}

/// Problems of YAML have lines of their own.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use k8s_openapi::jiff::civil::date;
    use tokio::time::timeout;

    use super::*;
    use crate::admission::Admission;
    use crate::server::tls::Certificates;
    use crate::server::tls::ephemeral::Ephemeral;

    static IS_OVER: AtomicBool = AtomicBool::new(false);

    fn clock() -> Date {
        let day = if IS_OVER.load(Ordering::Relaxed) {
            1
        } else {
            31
        };
        date(2027, if day == 1 { 2 } else { 1 }, day)
    }

    fn targets(decisions: mpsc::Sender<Decision>) -> ReloadTargets {
        let metrics = Arc::new(Metrics::new());
        let served = Ephemeral::make().unwrap().served;
        let certificates = Arc::new(Certificates::new(served, Arc::clone(&metrics)));
        let readiness = Readiness::new(Arc::new(Admission::default()), certificates, None);
        ReloadTargets {
            decisions,
            filter: LogFilter::detached(),
            events: None,
            readiness: Arc::new(readiness),
            metrics,
        }
    }

    #[tokio::test]
    async fn the_day_after_the_last_one_is_in_force_within_seconds() {
        let path = std::env::temp_dir().join(format!("obp-dates-{}.yaml", std::process::id()));
        let entry = "{namespaces: [a], enforcement: warn, until: 2027-01-31}";
        let text = format!("review: {{enforcementByNamespace: [{entry}]}}\ntls: ephemeral\n");
        std::fs::write(&path, &text).unwrap();
        let file = SettingsFile::parse(&path, text).unwrap();
        let (sender, mut decisions) = mpsc::channel(1);
        let given = Given::default();
        let reloader = Reloader::new(given, file, targets(sender), clock).unwrap();
        assert_eq!(reloader.config.today, Some(date(2027, 1, 31)));
        let trigger = Shutdown::trigger();
        tokio::spawn(reloader.run(trigger.shutdown()));
        IS_OVER.store(true, Ordering::Relaxed);
        let decided = timeout(5 * DATE_INTERVAL, decisions.recv()).await;
        let config = decided.unwrap().unwrap().config;
        assert_eq!(config.today, Some(date(2027, 2, 1)));
        assert_eq!(config.enforcement_in("a"), config.enforcement_in("b"));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn another_day_changes_nothing_without_a_last_day() {
        let config = ReviewConfig::default().on(date(2027, 1, 31));
        assert_eq!(dated(&config, date(2027, 2, 1)), None);
    }
}
