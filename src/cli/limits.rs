//! From the settings of the webhooks' port to its limits.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::server::listener::Limits;
use crate::settings::{LimitSettings, TimeLimit};

/// What is set, and the defaults beside it.
pub(super) fn limits(set: &LimitSettings) -> Limits {
    let default = Limits::default();
    let number = |set: Option<NonZeroU32>, default: usize| {
        set.map_or(default, |set| {
            usize::try_from(set.get()).unwrap_or(usize::MAX)
        })
    };
    let time = |set: Option<TimeLimit>, default| set.map_or(default, Duration::from);
    Limits {
        connections: number(set.max_connections, default.connections),
        requests: number(set.max_requests, default.requests),
        body_bytes: number(set.max_body_bytes, default.body_bytes),
        handshake: time(set.handshake_timeout, default.handshake),
        first_byte: time(set.head_timeout, default.first_byte),
        head: time(set.head_timeout, default.head),
        idle: default.idle,
        body: time(set.body_timeout, default.body),
        drain: time(set.drain_timeout, default.drain),
        bytes_in_flight: number(set.max_bytes_in_flight, default.bytes_in_flight),
        review: time(set.review_timeout, default.review),
        at_once_bytes: number(set.max_at_once_bytes, default.at_once_bytes),
        workers: number(set.max_workers, default.workers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn nothing_set_is_the_default() {
        assert_eq!(limits(&LimitSettings::default()), Limits::default());
        let settings = Settings {
            tls: Some(crate::settings::TlsMode::Ephemeral),
            ..Settings::default()
        };
        // What the settings complete and the server's own defaults are the same numbers.
        let completed = settings.server().unwrap().limits;
        assert_eq!(limits(&completed), Limits::default());
    }
}
