//! Files that are read again when they change.
//!
//! A mounted Secret changes by a swap of symlinks, which ends a watch on the file. So the folder is watched,
//! and the files are also read at an interval. Only a change of the content counts.

use std::path::Path;
use std::time::Duration;

use super::TlsError;
use crate::audit::metrics::Reload;
use crate::file_events::Changes;
use crate::server::shutdown::{Phase, Shutdown};

/// Files that are followed.
pub(super) trait Followed {
    /// Content of the files, for comparison.
    type Contents: PartialEq;

    /// The files.
    fn files(&self) -> Vec<&Path>;

    /// Reads the files.
    fn contents(&self) -> Result<Self::Contents, TlsError>;

    /// Uses new content. The old one stays in use if this fails.
    fn take(&self, contents: &Self::Contents) -> Result<(), TlsError>;

    /// Counts the outcome.
    fn count(&self, reload: Reload);
}

/// Follows until shutdown: on events, and every `interval`.
pub(super) async fn follow<F: Followed>(
    followed: F,
    known: F::Contents,
    interval_between: Duration,
    mut shutdown: Shutdown,
) {
    let mut changes = Changes::of(followed.files(), interval_between);
    let mut reader = Reader {
        followed: &followed,
        known: Ok(known),
    };
    loop {
        tokio::select! {
            () = shutdown.reached(Phase::Draining) => return,
            () = changes.next() => {}
        }
        // A few kilobytes from a file system in memory need no thread of their own.
        reader.look();
    }
}

struct Reader<'a, F: Followed> {
    followed: &'a F,
    /// The last content, or the error of the last read. Each is logged once.
    known: Result<F::Contents, String>,
}

impl<F: Followed> Reader<'_, F> {
    fn look(&mut self) {
        let found = self.followed.contents();
        let (taken, found) = match found {
            Ok(found) if self.known.as_ref() == Ok(&found) => return,
            Ok(found) => match self.followed.take(&found) {
                // It may become valid later, and the old certificate may expire.
                Err(error @ TlsError::NotNow { .. }) => (Err(error), None),
                taken => (taken, Some(found)),
            },
            Err(error) => (Err(error), None),
        };
        // A malformed content is recorded too, so that it is logged once.
        let found = match (found, &taken) {
            (None, Err(error)) => Err(error.to_string()),
            (None, Ok(())) => return,
            (Some(found), _) => Ok(found),
        };
        if found.is_err() && found.as_ref().err() == self.known.as_ref().err() {
            return;
        }
        self.known = found;
        self.followed.count(match taken {
            Ok(()) => Reload::Swapped,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "keeping the old certificate");
                Reload::Kept
            }
        });
    }
}
