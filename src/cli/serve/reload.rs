//! The settings file, followed: what changes in it is put in force, as far as that goes without a
//! restart.
//!
//! A broken file, and one that `serve` would not start with, changes nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

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

/// How often the file is compared, beside the events.
const INTERVAL: Duration = Duration::from_secs(10);

/// Where settings are put in force, and where it is told.
pub(super) struct ReloadTargets {
    pub(super) decisions: mpsc::Sender<Decision>,
    pub(super) filter: LogFilter,
    pub(super) events: Option<EventQueue>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) metrics: Arc<Metrics>,
}

/// Settings that `serve` would start with.
struct Sound {
    config: Arc<ReviewConfig>,
    filter: Targets,
    events: Switch,
    keys: Keys,
}

impl Sound {
    fn of(given: &Given<ServeFlags>, file: &SettingsFile) -> Result<Self, Failure> {
        let settings = given.with(Some(file));
        settings.validate()?;
        Ok(Self {
            config: Arc::new(settings.review_config()?),
            filter: telemetry::filter(&settings.log_filter)?,
            events: settings.cluster.events,
            keys: Keys::of(&settings)?,
        })
    }
}

/// The posture could not be put in force.
#[derive(Debug, thiserror::Error)]
#[error("the facts could not be compiled under these settings")]
struct NotCompiled;

/// Follows one file.
pub(super) struct Follower {
    given: Given<ServeFlags>,
    path: PathBuf,
    hands: ReloadTargets,
    /// What the file held last, or why it could not be read: each is looked at once.
    seen: Result<String, String>,
    /// What was in force at the start: what needs a restart still is.
    started: Keys,
    /// What the last sound file made of it.
    keys: Keys,
    config: Arc<ReviewConfig>,
    waiting: Vec<String>,
}

impl Follower {
    /// Of the file that was read at the start.
    pub(super) fn new(
        given: Given<ServeFlags>,
        file: SettingsFile,
        hands: ReloadTargets,
    ) -> Result<Self, Failure> {
        let Sound { config, keys, .. } = Sound::of(&given, &file)?;
        Ok(Self {
            given,
            path: file.path,
            hands,
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
        loop {
            tokio::select! {
                () = shutdown.reached(Phase::Draining) => return,
                () = changes.next() => {}
            }
            self.look().await;
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
                tracing::error!(%file, why, "Keeping the old settings");
                let notice = format!("`{file}` is broken, the settings before it stay: {why}");
                (SettingsReload::Kept, Some(notice))
            }
        };
        self.hands.readiness.notice("settings", notice.as_deref());
        self.hands.metrics.settings_reloaded(reload);
    }

    async fn take(&mut self, text: String) -> Result<SettingsReload, Failure> {
        let file = SettingsFile::parse(&self.path, text)?;
        let sound = Sound::of(&self.given, &file)?;
        let changed = self.keys.difference(&sound.keys).live;
        let reload = if changed.is_empty() {
            SettingsReload::Unchanged
        } else {
            self.put_in_force(&sound.config).await?;
            self.beside_reviews(sound.filter, sound.events);
            SettingsReload::Applied
        };
        let (file, outcome, keys) = (self.path.display(), reload.as_str(), changed.join(", "));
        tracing::info!(%file, outcome, keys, "Read the settings again");
        self.config = sound.config;
        self.keys = sound.keys;
        self.tell_what_waits();
        Ok(reload)
    }

    /// Returns once reviews are judged by this posture.
    async fn put_in_force(&self, config: &Arc<ReviewConfig>) -> Result<(), NotCompiled> {
        if *config == self.config {
            return Ok(());
        }
        let (done, told) = oneshot::channel();
        let config = Arc::clone(config);
        let decision = Decision { config, done };
        let sent = self.hands.decisions.send(decision).await;
        sent.map_err(|_| NotCompiled)?;
        told.await.map_err(|_| NotCompiled)
    }

    fn beside_reviews(&self, filter: Targets, events: Switch) {
        if let Some(queue) = &self.hands.events {
            queue.enable(events == Switch::On);
        }
        if let Err(error) = self.hands.filter.replace(filter) {
            tracing::error!(%error, "Keeping the old log filter");
        }
    }

    /// Tells which keys are not in force, when those are others than before.
    fn tell_what_waits(&mut self) {
        let waiting = self.started.difference(&self.keys).fixed;
        if waiting == self.waiting {
            return;
        }
        let keys = waiting.join(", ");
        let notice = format!("changed in the file, and not in force before a restart: {keys}");
        let notice = (!waiting.is_empty()).then_some(notice);
        self.hands.readiness.notice("restart", notice.as_deref());
        if waiting.is_empty() {
            tracing::info!("No setting waits for a restart any more");
        } else {
            tracing::warn!(keys, "Some settings change with a restart only");
        }
        self.waiting = waiting;
    }
}

/// Problems of YAML have lines of their own.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
