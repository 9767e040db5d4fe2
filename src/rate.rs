//! Token bucket without a clock and without a task.

use std::time::Duration;

use tokio::time::Instant;

/// Bucket that holds `burst` tokens and gains one in each period.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    period: Duration,
    burst: u32,
    /// Time at which the bucket is full again. It is in the past if the bucket is full.
    full: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(crate) const fn new(burst: u32, period: Duration, now: Instant) -> Self {
        Self {
            period,
            burst,
            full: now,
        }
    }

    /// Takes a token. Returns the time until it is available.
    pub(crate) fn reserve(&mut self, now: Instant) -> Duration {
        self.full = self.full.max(now) + self.period;
        (self.full - now).saturating_sub(self.period * self.burst)
    }

    /// Returns true if the bucket is full.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.full <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_reservation_waits_for_its_token() {
        let start = Instant::now();
        let mut bucket = Bucket::new(2, SECOND, start);
        let waits: Vec<Duration> = (0..4).map(|_| bucket.reserve(start)).collect();
        assert_eq!(waits, [Duration::ZERO, Duration::ZERO, SECOND, SECOND * 2]);
        assert!(!bucket.is_full(start + SECOND * 3));
        assert!(bucket.is_full(start + SECOND * 4));
    }
}
