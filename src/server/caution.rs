//! Small reviews are judged where they were read, and are small work, nearly all of them. One that
//! was not is a sign of more: its namespace may hold selectors that make every proof long. Then
//! reviews of any size are handed to workers for a while, so that no connection waits for another.
//! Small ones have workers of their own: large ones take long, and would keep them waiting again.
//!
//! Work is told by the proofs themselves. By the clock, a review that another thread interrupted
//! would look long, and a busy machine would be given more to do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Steps of a review that is not small work. A common one takes some dozens, and the whole budget
/// takes a tenth of a second.
const LONG: u64 = 2_000;
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

    /// Notes what the proofs of a review took that ended at `now`.
    pub(super) fn note(&self, work: u64, now: Instant) {
        if work >= LONG {
            let until = self.milliseconds(now + WHILE);
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
    fn it_lasts_a_while_after_a_review_that_took_much() {
        let caution = Caution::new();
        let at = |milliseconds| caution.since + Duration::from_millis(milliseconds);
        caution.note(LONG - 1, at(100));
        assert!(!caution.is_due(at(101)));
        caution.note(LONG, at(290));
        for (now, due) in [(290, true), (1_289, true), (1_290, false)] {
            assert_eq!(caution.is_due(at(now)), due, "{now}");
        }
        caution.note(u64::MAX, at(5));
        assert!(caution.is_due(at(1_289)), "an older one takes nothing away");
    }
}
