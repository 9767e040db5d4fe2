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

pub use notify::RecursiveMode;

/// Files that are written together are read together: the time to wait after an event.
pub const DEBOUNCE: Duration = Duration::from_millis(100);

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
