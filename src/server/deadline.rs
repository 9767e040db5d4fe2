//! Deadline of an answer: the caller's `?timeout=` minus a margin.

use std::time::Duration;

use tokio::time::Instant;

use crate::duration::go_duration;

/// Deadline of a request that arrived at `begun`: within `limit`, and early enough for a caller with a
/// timeout in its query.
pub(super) fn deadline(begun: Instant, query: Option<&str>, limit: Duration) -> Instant {
    let asked = query.and_then(timeout).map(less_margin);
    begun + asked.map_or(limit, |asked| asked.min(limit))
}

/// Subtracts time for the response to travel: a tenth, between 20 ms and one second.
fn less_margin(asked: Duration) -> Duration {
    let margin = asked / 10;
    asked.saturating_sub(margin.clamp(Duration::from_millis(20), Duration::from_secs(1)))
}

/// The value of `timeout` as a Go duration; `None` if it is absent or malformed.
fn timeout(query: &str) -> Option<Duration> {
    let text = query
        .split('&')
        .find_map(|part| part.strip_prefix("timeout="))?;
    go_duration(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_parameter_of_that_name_counts() {
        for query in ["timeout=2s", "a=b&timeout=2s&c"] {
            assert_eq!(timeout(query), Some(Duration::from_secs(2)), "{query}");
        }
        for query in [
            "",
            "timeout",
            "timeout=",
            "xtimeout=1s",
            "timeouts=1s",
            "TIMEOUT=1s",
        ] {
            assert_eq!(timeout(query), None, "{query}");
        }
    }

    #[test]
    fn it_is_due_before_the_caller_gives_up() {
        let begun = Instant::now();
        let limit = Duration::from_secs(9);
        for (query, milliseconds) in [
            (None, 9_000),
            (Some("timeout=soon"), 9_000),
            (Some("timeout=30s"), 9_000),
            (Some("timeout=10s"), 9_000),
            (Some("timeout=5s"), 4_500),
            (Some("timeout=100ms"), 80),
            (Some("timeout=1ms"), 0),
        ] {
            let due = deadline(begun, query, limit).duration_since(begun);
            assert_eq!(due, Duration::from_millis(milliseconds), "{query:?}");
        }
    }
}
