//! From the settings of the webhooks' port to its limits.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::server::listener::Limits;
use crate::settings::{LimitSettings, SettingsError, Size, TimeLimit};

/// What is set, and the defaults beside it.
pub(super) fn limits(set: &LimitSettings) -> Limits {
    let default = Limits::default();
    let number = |set: Option<NonZeroU32>, default: usize| {
        set.map_or(default, |set| {
            usize::try_from(set.get()).unwrap_or(usize::MAX)
        })
    };
    let size = |set: Option<Size>, default| set.map_or(default, Size::bytes);
    let time = |set: Option<TimeLimit>, default| set.map_or(default, Duration::from);
    Limits {
        connections: number(set.max_connections, default.connections),
        requests: number(set.max_requests, default.requests),
        body_bytes: size(set.max_body_bytes, default.body_bytes),
        handshake: time(set.handshake_timeout, default.handshake),
        head: time(set.head_timeout, default.head),
        write: default.write,
        body: time(set.body_timeout, default.body),
        drain: time(set.drain_timeout, default.drain),
        bytes_in_flight: size(set.max_bytes_in_flight, default.bytes_in_flight),
        review: time(set.review_timeout, default.review),
        at_once_bytes: size(set.max_at_once_bytes, default.at_once_bytes),
        workers: number(set.max_workers, default.workers),
    }
}

/// The limits that hold with these settings, as settings.
pub(super) fn effective(set: LimitSettings) -> Result<LimitSettings, SettingsError> {
    let limits = limits(&set.checked()?);
    let number = |limit: usize| u32::try_from(limit).ok().and_then(NonZeroU32::new);
    let time = |limit| TimeLimit::try_from(limit).ok();
    Ok(LimitSettings {
        max_connections: number(limits.connections),
        max_requests: number(limits.requests),
        max_body_bytes: Size::new(limits.body_bytes),
        max_bytes_in_flight: Size::new(limits.bytes_in_flight),
        max_at_once_bytes: Size::new(limits.at_once_bytes),
        max_workers: number(limits.workers),
        handshake_timeout: time(limits.handshake),
        head_timeout: time(limits.head),
        body_timeout: time(limits.body),
        review_timeout: time(limits.review),
        drain_timeout: time(limits.drain),
    })
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

    #[test]
    fn the_limits_that_hold_are_all_told_and_hold_again() {
        let set = LimitSettings {
            max_body_bytes: Size::new(50_000_000),
            body_timeout: "1500ms".parse().ok(),
            ..LimitSettings::default()
        };
        let told = effective(set).unwrap();
        assert_eq!(limits(&told), limits(&set.checked().unwrap()));
        let Ok(serde_json::Value::Object(keys)) = serde_json::to_value(told) else {
            panic!("expected an object");
        };
        assert!(!keys.values().any(serde_json::Value::is_null), "{keys:?}");
    }
}
