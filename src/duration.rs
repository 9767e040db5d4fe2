//! Times as Go and Kubernetes write them.

use std::time::Duration;

/// Characters of a time. Longer ones could say more than a [`Duration`] holds.
const LONGEST: usize = 15;

/// A time such as `10s`, `500ms` or `1m30s`; `None` where it is none, or has a sign.
///
/// ```
/// use openbao_perimeter::duration::go_duration;
///
/// assert_eq!(go_duration("1.5s").map(|time| time.as_millis()), Some(1_500));
/// assert_eq!(go_duration("-1s"), None);
/// ```
pub fn go_duration(text: &str) -> Option<Duration> {
    // kube's parser panics on what a `Duration` cannot hold: on signs in the middle, and on
    // numbers that take more characters than these.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '.';
    if text.is_empty() || text.len() > LONGEST || !text.chars().all(is_plain) {
        return None;
    }
    text.parse::<kube::core::Duration>()
        .ok()
        .map(Duration::from)
}

/// A time in the largest unit in which it is whole, as [`go_duration`] reads it: `90s`, `2h`,
/// `1500ms`.
pub fn text(time: Duration) -> String {
    let nanoseconds = time.as_nanos();
    let mut units = UNITS.into_iter();
    let whole = units.find(|(_, unit)| nanoseconds != 0 && nanoseconds.is_multiple_of(*unit));
    let (name, unit) = whole.unwrap_or(("s", 1));
    format!("{}{name}", nanoseconds / unit)
}

/// The units of a time, the largest first, in nanoseconds.
const UNITS: [(&str, u128); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_time_is_written_as_it_is_read() {
        for (time, expected) in [
            (Duration::from_hours(2), "2h"),
            (Duration::from_mins(90), "90m"),
            (Duration::from_secs(90), "90s"),
            (Duration::from_millis(1_500), "1500ms"),
            (Duration::from_micros(7), "7us"),
            (Duration::from_nanos(7), "7ns"),
            (Duration::ZERO, "0s"),
        ] {
            assert_eq!(text(time), expected);
            assert_eq!(go_duration(expected), Some(time), "{expected}");
        }
    }

    #[test]
    fn what_is_no_time_is_none_and_never_a_panic() {
        let longest = "9".repeat(LONGEST - 1) + "h";
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
