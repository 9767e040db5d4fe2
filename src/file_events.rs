//! Notification of changed files.
//!
//! Events are only a hint: network mounts have none, and watches can be lost. So callers use a timer too.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, Watcher};
use tokio::sync::Notify;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

pub(crate) use notify::RecursiveMode;

/// Delay after an event, so that files that are written together are read together.
pub(crate) const DEBOUNCE: Duration = Duration::from_millis(100);

/// Times at which to read files again: after events in their folders, and at an interval.
#[derive(Debug)]
pub(crate) struct Changes {
    changed: Arc<Notify>,
    timer: Interval,
    _watcher: Option<RecommendedWatcher>,
}

impl Changes {
    /// Watches the folders of these files.
    pub(crate) fn of<'a>(files: impl IntoIterator<Item = &'a Path>, every: Duration) -> Self {
        let changed = Arc::new(Notify::new());
        let folders: Vec<&Path> = files.into_iter().map(folder).collect();
        let at = folders.iter().copied();
        let watcher = observe(at, RecursiveMode::NonRecursive, Arc::clone(&changed));
        let watcher = watcher.inspect_err(|error| {
            tracing::warn!(?folders, %error, "file events are not available, reading files on a timer");
        });
        let mut timer = interval(every);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            changed,
            timer,
            _watcher: watcher.ok(),
        }
    }

    /// Waits until the files should be read. The first time is at once, since files may have changed before
    /// they were watched.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            () = self.changed.notified() => sleep(DEBOUNCE).await,
            _ = self.timer.tick() => {}
        }
    }
}

/// Wakes `changed` on every change in these folders, until the returned watcher is dropped. Folders are
/// watched, not files: mounted Secrets and editors replace a file, and a watch on it would end.
pub(crate) fn observe<'a>(
    folders: impl IntoIterator<Item = &'a Path>,
    mode: RecursiveMode,
    changed: Arc<Notify>,
) -> notify::Result<RecommendedWatcher> {
    let wake = move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| is_change(event.kind)) {
            changed.notify_one();
        }
    };
    let mut watcher = notify::recommended_watcher(wake)?;
    for folder in folders {
        watcher.watch(folder, mode)?;
    }
    Ok(watcher)
}

/// The folder of a file.
pub(crate) fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Reading a file causes events that are no changes.
const fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}
