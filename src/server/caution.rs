//! Small reviews are judged where they were read, and are small work, nearly all of them. One that
//! was not is a sign of more: its namespace may hold selectors that make every proof long. Then
//! reviews of any size are handed to the workers for a while, so that no connection waits for another.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// A review that took this long is not small work: a hundred of the common ones.
const LONG: Duration = Duration::from_millis(3);
/// How long caution lasts after it.
const WHILE: Duration = Duration::from_secs(1);

/// Whether small reviews are handed on too.
#[derive(Debug)]
pub(super) struct Caution {
    since: Instant,
    /// Milliseconds after `since` at which it ends.
    until: AtomicU64,
}

impl Caution {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            until: AtomicU64::new(0),
        }
    }

    /// Whether it is called for at `now`.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.milliseconds(now) < self.until.load(Ordering::Relaxed)
    }

    /// Notes that a review was judged where it was read, from `begun` to `ended`.
    pub(super) fn note(&self, begun: Instant, ended: Instant) {
        if ended.saturating_duration_since(begun) >= LONG {
            let until = self.milliseconds(ended + WHILE);
            self.until.fetch_max(until, Ordering::Relaxed);
        }
    }

    fn milliseconds(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.since).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lasts_a_while_after_a_review_that_took_long() {
        let caution = Caution::new();
        let at = |milliseconds| caution.since + Duration::from_millis(milliseconds);
        caution.note(at(100), at(102));
        assert!(!caution.is_due(at(103)), "2 ms are not long");
        caution.note(at(200), at(290));
        for (now, due) in [(290, true), (1_289, true), (1_290, false)] {
            assert_eq!(caution.is_due(at(now)), due, "{now}");
        }
        caution.note(at(0), at(5));
        assert!(caution.is_due(at(1_289)), "an older one takes nothing away");
    }
}
