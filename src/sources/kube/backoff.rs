//! How soon a broken watch is tried again.

use std::time::Duration;

use ::kube::runtime::utils::Backoff;
use ::kube::runtime::watcher::DefaultBackoff;

use super::{Kind, is_for_advice};

/// kube's own delays, with its jitter, in part. Whole they grow to a minute: for as long as that,
/// verdicts would be refused for the age of their facts although the API server is back.
pub(super) struct Delays {
    whole: DefaultBackoff,
    parts: u32,
}

impl Delays {
    /// Up to ten seconds, and up to a minute where no verdict waits.
    pub(super) fn of(kind: Kind) -> Self {
        Self {
            whole: DefaultBackoff::default(),
            parts: if is_for_advice(kind) { 1 } else { 6 },
        }
    }
}

impl Iterator for Delays {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.whole.next().map(|delay| delay / self.parts)
    }
}

impl Backoff for Delays {
    fn reset(&mut self) {
        self.whole.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shortest and the longest delay of a long outage.
    fn delays(kind: Kind) -> (Duration, Duration) {
        let delays: Vec<_> = Delays::of(kind).take(50).collect();
        let all = || delays.iter().copied();
        (all().min().unwrap(), all().max().unwrap())
    }

    #[test]
    fn facts_that_verdicts_rest_on_are_asked_for_again_within_ten_seconds() {
        let seconds = Duration::from_secs;
        let (shortest, longest) = delays(Kind::NetworkPolicy);
        assert!(shortest >= Duration::from_millis(100), "{shortest:?}");
        assert!((seconds(5)..=seconds(10)).contains(&longest), "{longest:?}");
        let (_, longest) = delays(Kind::Gateway);
        assert!(
            (seconds(30)..=seconds(60)).contains(&longest),
            "{longest:?}"
        );
    }
}
