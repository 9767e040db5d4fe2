//! A folder that is read again when it changes.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::RecommendedWatcher;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{LoadError, Manifests, inventory};
use crate::file_events::{self, DEBOUNCE, RecursiveMode};
use crate::inventory::{Kind, Snapshot};
use crate::printable;
use crate::sources::Updates;

/// Interval of reads. Not every change causes an event: network mounts have none, and watches can be lost.
const INTERVAL: Duration = Duration::from_secs(10);

/// Publishes the facts of a folder or file, and publishes them again after each change until `shutdown`. If
/// the files become invalid, the last valid facts stay. Each new error is logged once.
///
/// # Errors
/// The errors of the first [`load`](super::load): without facts there is nothing to serve.
pub async fn watch(
    path: PathBuf,
    updates: Updates,
    shutdown: impl Future<Output = ()>,
) -> Result<(), LoadError> {
    let changed = Arc::new(Notify::new());
    // Watching starts before the first load, so no change is missed.
    let _watcher = observe(&path, changed.clone());
    let mut reader = Reader::new(path, updates);
    reader.publish(reader.read().await?);
    let mut timer = interval(INTERVAL);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer.tick().await;
    tokio::pin!(shutdown);
    loop {
        let due = async {
            tokio::select! {
                () = changed.notified() => sleep(DEBOUNCE).await,
                _ = timer.tick() => {}
            }
        };
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            () = due => reader.reload().await,
        }
    }
}

struct Reader {
    path: PathBuf,
    updates: Updates,
    published: Arc<Snapshot>,
    complaint: Option<String>,
}

impl Reader {
    fn new(path: PathBuf, updates: Updates) -> Self {
        Self {
            path,
            updates,
            published: Arc::default(),
            complaint: None,
        }
    }

    async fn read(&self) -> Result<Manifests, LoadError> {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || inventory(&path));
        read.await.unwrap_or_else(|_| {
            Err(LoadError::Interrupted {
                path: self.path.clone(),
            })
        })
    }

    async fn reload(&mut self) {
        match self.read().await {
            Ok(manifests) => {
                if self.complaint.take().is_some() {
                    tracing::info!(path = %self.path.display(), "inventory is readable again");
                }
                self.publish(manifests);
            }
            Err(error) => self.complain(&error),
        }
    }

    /// Publishes the facts if they have changed.
    fn publish(&mut self, manifests: Manifests) {
        let defaulted = manifests.defaulted.len();
        let snapshot = manifests.into_snapshot();
        let is_known = self.updates.borrow().is_some() && snapshot == *self.published;
        if is_known {
            return;
        }
        self.published = Arc::new(snapshot.sharing(&self.published));
        tracing::info!(
            path = %self.path.display(),
            clusters = self.published.count(Kind::OpenBaoCluster),
            policies = self.published.count(Kind::NetworkPolicy),
            unreadable = self.published.unreadable().count(),
            "inventory loaded"
        );
        if defaulted > 0 {
            tracing::warn!(
                objects = defaulted,
                "objects without metadata.namespace are taken to be in namespace default"
            );
        }
        if self.published.count(Kind::OpenBaoCluster) == 0 {
            tracing::warn!("no OpenBaoCluster in the inventory, nothing is guarded");
        }
        self.updates.send_replace(Some(self.published.clone()));
    }

    fn complain(&mut self, error: &LoadError) {
        let text = error.to_string();
        if self.complaint.as_ref() != Some(&text) {
            tracing::error!(
                error = &*printable::line(&text),
                "inventory is not valid, keeping the last valid one"
            );
            self.complaint = Some(text);
        }
    }
}

/// Wakes `changed` on every change below `path`. For a single file its folder is watched, because editors
/// replace the file.
fn observe(path: &Path, changed: Arc<Notify>) -> Option<RecommendedWatcher> {
    let folder = if path.is_file() {
        file_events::folder(path)
    } else {
        path
    };
    file_events::observe([folder], RecursiveMode::Recursive, changed)
        .inspect_err(|error| {
            tracing::warn!(%error, "file events are not available, reading the inventory at an interval");
        })
        .ok()
}
