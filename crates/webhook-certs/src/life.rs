//! Wall-clock time in whole seconds, as certificates have it.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use serde::{Deserialize, Serialize};

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// A point in time: seconds since 1970. Written as people read it, `2026-11-24T21:34:00Z`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Moment(i64);

impl Moment {
    /// From seconds of Unix time.
    pub const fn from_unix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds of Unix time.
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// How long it is from here to a later moment; nothing when it is not later.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_secs(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }
}

/// A part of a second that has begun does not count: a certificate is good up to its last second.
impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(seconds(since))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, length: Duration) -> Self {
        Self(self.0.saturating_add(seconds(length)))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;

    fn sub(self, length: Duration) -> Self {
        Self(self.0.saturating_sub(seconds(length)))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_second(self.0) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => write!(f, "{} s of Unix time", self.0),
        }
    }
}

fn seconds(length: Duration) -> i64 {
    i64::try_from(length.as_secs()).unwrap_or(i64::MAX)
}

/// From when until when something is good: up to, and without, `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// When it was made.
    pub from: Moment,
    /// When it expires.
    pub until: Moment,
}

impl Life {
    /// Whether a moment is in it.
    pub fn holds(&self, at: Moment) -> bool {
        self.from <= at && at < self.until
    }

    /// Begins at a moment.
    pub fn starting(from: Moment, length: Duration) -> Self {
        Self {
            from,
            until: from + length,
        }
    }

    /// When two thirds have passed: the rest is the time in which a renewal may fail.
    pub fn renewal(self) -> Moment {
        self.from + self.from.until(self.until) * 2 / 3
    }

    /// Whether it is over at a moment.
    pub fn is_over(self, now: Moment) -> bool {
        self.until <= now
    }
}

/// A length of time, written as `90d`, `2160h`, `5m` or `1h 30m`. A day has 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Length(Duration);

/// A text that is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a length of time such as `90d`, `12h` or `5m`, found `{0}`")]
pub struct NotALength(String);

impl Length {
    /// As the standard library has it.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for Length {
    type Err = NotALength;

    fn from_str(text: &str) -> Result<Self, NotALength> {
        // Months and years have no length.
        let length = text.parse::<Span>().and_then(|span| {
            let length = span.to_duration(SpanRelativeTo::days_are_24_hours())?;
            Duration::try_from(length)
        });
        length.map(Self).map_err(|_| NotALength(text.to_owned()))
    }
}

impl From<Duration> for Length {
    fn from(length: Duration) -> Self {
        Self(length)
    }
}

impl From<Length> for String {
    fn from(Length(length): Length) -> Self {
        let (days, rest) = (length.as_secs() / DAY, length.as_secs() % DAY);
        if days > 0 && rest == 0 && length.subsec_nanos() == 0 {
            return format!("{days}d");
        }
        SignedDuration::try_from(length).map_or_else(
            |_| format!("{}s", length.as_secs()),
            |length| format!("{length:#}"),
        )
    }
}

impl TryFrom<String> for Length {
    type Error = NotALength;

    fn try_from(text: String) -> Result<Self, NotALength> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_written_with_its_unit() {
        for (text, seconds) in [
            ("90d", 7_776_000),
            ("2160h", 7_776_000),
            ("1h 30m", 5_400),
            ("5m", 300),
            ("0s", 0),
        ] {
            let length = text.parse::<Length>().unwrap();
            assert_eq!(length.get().as_secs(), seconds);
            assert_eq!(String::from(length).parse(), Ok(length), "{text}");
        }
        for text in ["", "5", "-5m", "1mo", "1y", "soon", "99999999999999999999h"] {
            let error = text.parse::<Length>().unwrap_err().to_string();
            assert!(error.contains("`90d`"), "{text}: {error}");
        }
    }

    #[test]
    fn a_moment_is_written_as_people_read_it() {
        let moment = Moment::from_unix(1_795_555_555);
        assert_eq!(moment.to_string(), "2026-11-24T21:25:55Z");
    }

    #[test]
    fn two_thirds_of_a_life_lead_to_its_renewal() {
        let life = Life::starting(Moment::from_unix(1_000), Duration::from_secs(90));
        assert_eq!(life.renewal(), Moment::from_unix(1_060));
        assert!(!life.is_over(Moment::from_unix(1_089)));
        assert!(life.is_over(Moment::from_unix(1_090)));
    }
}
