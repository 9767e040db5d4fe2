//! How often something may happen: a bucket of tokens, without a clock or a task of its own.

use std::time::Duration;

use tokio::time::Instant;

/// So many at once, and one more in each period.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    period: Duration,
    burst: u32,
    /// When the bucket will be full again; the past while it is.
    full: Instant,
}

impl Bucket {
    /// A full bucket.
    pub const fn new(burst: u32, period: Duration, now: Instant) -> Self {
        Self {
            period,
            burst,
            full: now,
        }
    }

    /// Takes a token, and says how long to wait until it is there.
    pub fn reserve(&mut self, now: Instant) -> Duration {
        self.full = self.full.max(now) + self.period;
        (self.full - now).saturating_sub(self.period * self.burst)
    }

    /// Takes a token where there is one.
    pub fn take(&mut self, now: Instant) -> Option<Token> {
        let after = self.full.max(now) + self.period;
        (after - now <= self.period * self.burst).then(|| {
            self.full = after;
            Token
        })
    }

    /// Whether nothing was taken for so long that it is full.
    pub fn is_full(&self, now: Instant) -> bool {
        self.full <= now
    }
}

/// The right to do it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_one_in_each_period() {
        let start = Instant::now();
        let mut bucket = Bucket::new(3, SECOND, start);
        let taken = (0..5).filter_map(|_| bucket.take(start)).count();
        assert_eq!(taken, 3);
        assert_eq!(bucket.take(start + SECOND / 2), None);
        assert_eq!(bucket.take(start + SECOND), Some(Token));
        assert_eq!(bucket.take(start + SECOND), None);
        assert!(!bucket.is_full(start + SECOND * 2));
        assert!(bucket.is_full(start + SECOND * 4));
        let later = start + SECOND * 100;
        assert_eq!((0..5).filter_map(|_| bucket.take(later)).count(), 3);
    }

    #[test]
    fn who_reserves_waits_its_turn() {
        let start = Instant::now();
        let mut bucket = Bucket::new(2, SECOND, start);
        let waits: Vec<Duration> = (0..4).map(|_| bucket.reserve(start)).collect();
        assert_eq!(waits, [Duration::ZERO, Duration::ZERO, SECOND, SECOND * 2]);
    }
}
