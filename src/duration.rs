//! Durations as text. Fields of settings use this module by `#[serde(with = "crate::duration")]`.

use std::time::Duration;

use k8s_openapi::jiff::{Span, SpanRelativeTo};
use serde::{Deserialize, Deserializer, Serializer};
use serde_json::Value;

/// Characters of a time. Longer ones could say more than a [`Duration`] holds.
const MAX_LENGTH: usize = 15;

/// A time such as `10s`, `500ms` or `1m30s`; `None` where it is none, or has a sign.
pub(crate) fn go_duration(text: &str) -> Option<Duration> {
    // kube's parser panics on what a `Duration` cannot hold: on signs in the middle, and on
    // numbers that take more characters than these.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '.';
    if text.is_empty() || text.len() > MAX_LENGTH || !text.chars().all(is_plain) {
        return None;
    }
    text.parse::<kube::core::Duration>()
        .ok()
        .map(Duration::from)
}

/// Error of a text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a duration such as `90d`, `12h` or `5m`, found `{0}`")]
pub(crate) struct NotADuration(String);

/// Parses a duration such as `90d`, `2160h`, `5m` or `1h 30m`. A day has 24 hours.
///
/// # Errors
/// The text is none, has a sign, or counts months or years, which have no length.
pub(crate) fn parse(text: &str) -> Result<Duration, NotADuration> {
    let duration = text.parse::<Span>().and_then(|span| {
        let duration = span.to_duration(SpanRelativeTo::days_are_24_hours())?;
        Duration::try_from(duration)
    });
    duration.map_err(|_| NotADuration(text.to_owned()))
}

/// Text of a duration in the largest unit in which it is whole: `90d`, `90s`, `1500ms`.
pub(crate) fn text(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    let mut units = UNITS.into_iter();
    let whole = units.find(|(_, unit)| nanoseconds != 0 && nanoseconds.is_multiple_of(*unit));
    let (name, unit) = whole.unwrap_or(("s", 1));
    format!("{}{name}", nanoseconds / unit)
}

/// Units of a duration, the largest first, in nanoseconds.
const UNITS: [(&str, u128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Serializes a duration as text.
pub(crate) fn serialize<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*duration))
}

/// Deserializes a duration from text.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    // The error about a number says that it needs a unit.
    let text = match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        other => other.to_string(),
    };
    parse(&text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit() {
        for (text, seconds) in [
            ("90d", 7_776_000),
            ("2160h", 7_776_000),
            ("1h 30m", 5_400),
            ("1m30s", 90),
            ("5m", 300),
            ("0s", 0),
        ] {
            let duration = parse(text).unwrap();
            assert_eq!(duration.as_secs(), seconds);
            assert_eq!(parse(&super::text(duration)), Ok(duration), "{text}");
        }
        for text in ["", "5", "-5m", "1mo", "1y", "soon", "99999999999999999999h"] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("`90d`"), "{text}: {error}");
        }
    }

    #[test]
    fn a_time_is_read_as_go_writes_it() {
        for (text, milliseconds) in [
            ("10s", 10_000),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("1.5s", 1_500),
            ("1h0m0.25s", 3_600_250),
            ("0", 0),
        ] {
            let expected = Duration::from_millis(milliseconds);
            assert_eq!(go_duration(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_duration_is_written_as_it_is_parsed() {
        for (time, expected) in [
            (Duration::from_hours(48), "2d"),
            (Duration::from_hours(2), "2h"),
            (Duration::from_mins(90), "90m"),
            (Duration::from_secs(90), "90s"),
            (Duration::from_millis(1_500), "1500ms"),
            (Duration::from_micros(7), "7us"),
            (Duration::from_nanos(7), "7ns"),
            (Duration::ZERO, "0s"),
        ] {
            assert_eq!(text(time), expected);
            assert_eq!(parse(expected), Ok(time), "{expected}");
        }
    }

    #[test]
    fn what_is_no_time_is_none_and_never_a_panic() {
        let longest = "9".repeat(MAX_LENGTH - 1) + "h";
        assert!(go_duration(&longest).is_some());
        for text in [
            "",
            "s",
            "10",
            "-5s",
            "1s-5s",
            "+1s",
            "1e300h",
            "NaNs",
            "infs",
            "1..5s",
            ".",
            "10 s",
            "%31s",
            "9999999999999999h",
        ] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }
}
