//! Validity periods in whole seconds, the precision of certificates.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The current time, rounded down to a whole second: a certificate is valid through its last second.
pub fn now() -> Timestamp {
    whole(Timestamp::now())
}

/// A time, rounded down to a whole second.
fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_millisecond().div_euclid(1_000)).unwrap_or(at)
}

/// A time plus a duration, at most the year 9999.
pub fn after(at: Timestamp, duration: Duration) -> Timestamp {
    at.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

/// A time minus a duration.
pub(crate) fn before(at: Timestamp, duration: Duration) -> Timestamp {
    at.saturating_sub(duration).unwrap_or(Timestamp::MIN)
}

/// The time from `at` until `later`; zero if `later` is not later.
pub fn until(at: Timestamp, later: Timestamp) -> Duration {
    let between: SignedDuration = at.duration_until(later);
    Duration::try_from(between).unwrap_or_default()
}

/// Validity period of a certificate. `until` is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Time of issue.
    pub from: Timestamp,
    /// Time of expiry.
    pub until: Timestamp,
}

impl Validity {
    /// Returns true if the period contains a time.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }

    /// The period of a duration that begins at a time, rounded down to a whole second.
    pub fn starting(from: Timestamp, duration: Duration) -> Self {
        let from = whole(from);
        Self {
            from,
            until: whole(after(from, duration)),
        }
    }

    /// Time of renewal, after two thirds of the period. In the last third a renewal may fail and be
    /// repeated.
    pub fn renewal(self) -> Timestamp {
        whole(after(self.from, until(self.from, self.until) * 2 / 3))
    }

    /// Returns true if the certificate has expired.
    pub fn is_over(self, now: Timestamp) -> bool {
        self.until <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn two_thirds_of_a_validity_lead_to_its_renewal() {
        let validity = Validity::starting(at(1_000), Duration::from_secs(90));
        assert_eq!(validity.renewal(), at(1_060));
        assert!(!validity.is_over(at(1_089)));
        assert!(validity.is_over(at(1_090)));
        assert!(validity.contains(at(1_000)) && !validity.contains(at(999)));
    }

    #[test]
    fn a_validity_has_whole_seconds_and_ends_with_time_at_the_latest() {
        let start = after(at(1_000), Duration::from_millis(700));
        let validity = Validity::starting(start, Duration::from_millis(1_700));
        assert_eq!([validity.from, validity.until], [at(1_000), at(1_001)]);
        let longest = Validity::starting(start, Duration::MAX);
        assert_eq!(longest.until, whole(Timestamp::MAX));
        assert_eq!(until(at(5), at(3)), Duration::ZERO);
        assert_eq!(until(at(3), at(5)), Duration::from_secs(2));
    }
}
