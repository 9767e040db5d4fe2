//! Wakes whoever follows files when they change.
//!
//! Events are a hint: network mounts have none, and watches can be lost. Who relies on them has a
//! timer too.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, Watcher};
use tokio::sync::Notify;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

pub use notify::RecursiveMode;

/// Files that are written together are read together: the time to wait after an event.
pub const DEBOUNCE: Duration = Duration::from_millis(100);

/// Says when to look at files again: after events in their folders, and every so often.
#[derive(Debug)]
pub struct Changes {
    changed: Arc<Notify>,
    timer: Interval,
    _watcher: Option<RecommendedWatcher>,
}

impl Changes {
    /// Observes the folders of these files.
    pub fn of<'a>(files: impl IntoIterator<Item = &'a Path>, every: Duration) -> Self {
        let changed = Arc::new(Notify::new());
        let folders: Vec<&Path> = files.into_iter().map(folder).collect();
        let at = folders.iter().copied();
        let watcher = observe(at, RecursiveMode::NonRecursive, Arc::clone(&changed));
        let watcher = watcher.inspect_err(|error| {
            tracing::warn!(?folders, %error, "No file events, files are read on a timer only");
        });
        let mut timer = interval(every);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            changed,
            timer,
            _watcher: watcher.ok(),
        }
    }

    /// Waits until it is worth a look. The first is at once: files may have changed before they were
    /// observed.
    pub async fn next(&mut self) {
        tokio::select! {
            () = self.changed.notified() => sleep(DEBOUNCE).await,
            _ = self.timer.tick() => {}
        }
    }
}

/// Wakes `changed` on every change of what is in these folders, while the watcher that is returned
/// lives. A folder is watched, never a file: a mounted Secret or an editor replaces the file, after
/// which a watch on it is dead.
pub fn observe<'a>(
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

/// The folder that a file is in.
pub fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Reading the files raises events too; they are no change.
const fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}
