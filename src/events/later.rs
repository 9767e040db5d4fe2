//! Notices that were not taken, until they are tried again.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::audit::outbox::Notice;

/// Times that one notice is tried again.
pub(super) const TRIES: u32 = 4;
/// Before the first of them; each later pause is four times as long, the last above five minutes.
const PAUSE: Duration = Duration::from_secs(5);
/// Notices that wait at once.
const MOST: usize = 64;

/// They come out by the time at which they are due.
#[derive(Debug, Default)]
pub(super) struct Later {
    waiting: BTreeMap<(Instant, u64), (Notice, u32)>,
    /// Tells those apart that are due at once.
    next: u64,
}

impl Later {
    /// Keeps a notice that is to be tried for the `tries`th time again; `None` where that is too often,
    /// or too many wait.
    pub(super) fn put(&mut self, notice: Notice, tries: u32) -> Option<()> {
        if tries == 0 || tries > TRIES || self.waiting.len() >= MOST {
            return None;
        }
        self.next = self.next.wrapping_add(1);
        let due = Instant::now() + PAUSE * 4_u32.pow(tries - 1);
        self.waiting.insert((due, self.next), (notice, tries));
        Some(())
    }

    /// The next one, once it is due. None is lost where this is not waited for to the end.
    pub(super) async fn due(&mut self) -> (Notice, u32) {
        let Some((&(due, _), _)) = self.waiting.first_key_value() else {
            return std::future::pending().await;
        };
        sleep_until(due).await;
        match self.waiting.pop_first() {
            Some((_, again)) => again,
            None => std::future::pending().await,
        }
    }
}
