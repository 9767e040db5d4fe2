//! Files that are read again when they change.
//!
//! Mounted Secrets change by a swap of symlinks, after which a watch on the file is dead; so the
//! folder is watched, and the files are read on a timer as well. What counts is the content.

use std::path::Path;
use std::time::Duration;

use super::TlsError;
use crate::audit::metrics::Reload;
use crate::file_events::Changes;
use crate::server::shutdown::{Phase, Shutdown};

/// What is followed.
pub(super) trait Followed {
    /// What the files hold, for comparison.
    type Contents: PartialEq;

    /// The files.
    fn files(&self) -> Vec<&Path>;

    /// Reads them.
    fn contents(&self) -> Result<Self::Contents, TlsError>;

    /// Takes what is new; what is in use stays where that is broken.
    fn take(&self, contents: &Self::Contents) -> Result<(), TlsError>;

    /// Counts how it went.
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
        // A few kilobytes from a file system in memory: not worth a thread of its own.
        reader.look();
    }
}

struct Reader<'a, F: Followed> {
    followed: &'a F,
    /// What was found last, or why it could not be read: each is told once.
    known: Result<F::Contents, String>,
}

impl<F: Followed> Reader<'_, F> {
    fn look(&mut self) {
        let found = self.followed.contents();
        let (taken, found) = match found {
            Ok(found) if self.known.as_ref() == Ok(&found) => return,
            Ok(found) => match self.followed.take(&found) {
                // What is not good now may be later, and the old pair may end meanwhile.
                Err(error @ TlsError::NotNow { .. }) => (Err(error), None),
                taken => (taken, Some(found)),
            },
            Err(error) => (Err(error), None),
        };
        // Also when broken, so that one broken pair is told once.
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
                tracing::warn!(error, "Keeping the old certificate");
                Reload::Kept
            }
        });
    }
}
