//! The settings of the webhooks' port: flags `--max-…` and `--…-timeout`, and in the file the key
//! `limits`.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SettingsError, Size};
use crate::duration::{go_duration, text};

/// Object and old object of up to 3 MB each, and what is around them.
const BODY_BYTES: usize = 7 * 1024 * 1024;
/// The largest bodies four times, or thousands of common ones.
const BYTES_IN_FLIGHT: usize = 32 * 1024 * 1024;

/// What the webhooks' port puts up with. Each that is left out keeps its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct LimitSettings {
    /// Connections at once; further ones wait [default: 1000]
    pub max_connections: Option<NonZeroU32>,

    /// Requests at once; further ones are answered with 429 [default: 256]
    pub max_requests: Option<NonZeroU32>,

    /// Size of a review; a larger one is answered with 413 [default: 7Mi]
    pub max_body_bytes: Option<Size>,

    /// Size of all reviews that are held at once; further ones wait, then are answered with 429
    /// [default: 32Mi]
    pub max_bytes_in_flight: Option<Size>,

    /// Size of a review up to which the thread that read it judges it; larger ones go to a worker
    /// [default: 16Ki]
    pub max_at_once_bytes: Option<Size>,

    /// Workers, and so large reviews judged at the same time [default: one for each processor]
    pub max_workers: Option<NonZeroU32>,

    /// Time for a TLS handshake [default: 2s]
    pub handshake_timeout: Option<TimeLimit>,

    /// Time to wait for the head of a request, the next one too; an API server waits 90 s [default: 2m]
    pub head_timeout: Option<TimeLimit>,

    /// Time for the body of a request [default: 3s]
    pub body_timeout: Option<TimeLimit>,

    /// Time from a request to its answer, where the caller does not ask for less [default: 9s]
    pub review_timeout: Option<TimeLimit>,

    /// Time that is left to requests in flight at shutdown [default: 25s]
    pub drain_timeout: Option<TimeLimit>,
}

impl LimitSettings {
    /// These, where they fit together.
    pub fn checked(self) -> Result<Self, SettingsError> {
        let body = self.max_body_bytes.or_else(|| Size::new(BODY_BYTES));
        let least = Size::new(BYTES_IN_FLIGHT).max(body);
        let in_flight = self.max_bytes_in_flight.or(least);
        if let (Some(in_flight), Some(body)) = (in_flight, body)
            && in_flight < body
        {
            return Err(SettingsError::BytesInFlight { body, in_flight });
        }
        Ok(Self {
            max_body_bytes: body,
            max_bytes_in_flight: in_flight,
            ..self
        })
    }

    /// What is set here, and what `other` sets beside it.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            max_connections: self.max_connections.or(other.max_connections),
            max_requests: self.max_requests.or(other.max_requests),
            max_body_bytes: self.max_body_bytes.or(other.max_body_bytes),
            max_bytes_in_flight: self.max_bytes_in_flight.or(other.max_bytes_in_flight),
            max_at_once_bytes: self.max_at_once_bytes.or(other.max_at_once_bytes),
            max_workers: self.max_workers.or(other.max_workers),
            handshake_timeout: self.handshake_timeout.or(other.handshake_timeout),
            head_timeout: self.head_timeout.or(other.head_timeout),
            body_timeout: self.body_timeout.or(other.body_timeout),
            review_timeout: self.review_timeout.or(other.review_timeout),
            drain_timeout: self.drain_timeout.or(other.drain_timeout),
        }
    }
}

/// A time as Kubernetes writes it: `10s`, `500ms`, `1m30s`. At most an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(with = "String")]
#[serde(try_from = "String", into = "String")]
pub struct TimeLimit(Duration);

/// What a [`TimeLimit`] is at most.
const LONGEST: Duration = Duration::from_hours(1);

/// A text is no [`TimeLimit`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a time above zero and up to an hour such as `10s`, `500ms` or `1m30s`, found `{0}`"
)]
pub struct NotATime(String);

impl FromStr for TimeLimit {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let time = go_duration(text).ok_or_else(|| NotATime(text.to_owned()))?;
        Self::try_from(time).map_err(|_| NotATime(text.to_owned()))
    }
}

impl TryFrom<Duration> for TimeLimit {
    type Error = NotATime;

    fn try_from(time: Duration) -> Result<Self, NotATime> {
        if time.is_zero() || time > LONGEST {
            return Err(NotATime(text(time)));
        }
        Ok(Self(time))
    }
}

impl From<TimeLimit> for String {
    fn from(limit: TimeLimit) -> Self {
        text(limit.0)
    }
}

impl TryFrom<String> for TimeLimit {
    type Error = NotATime;

    fn try_from(text: String) -> Result<Self, NotATime> {
        text.parse()
    }
}

impl From<TimeLimit> for Duration {
    fn from(limit: TimeLimit) -> Self {
        limit.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_and_an_end() {
        for (text, milliseconds) in [
            ("10s", 10_000),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
        ] {
            let time: TimeLimit = text.parse().unwrap();
            assert_eq!(
                Duration::from(time),
                Duration::from_millis(milliseconds),
                "{text}"
            );
            assert_eq!(String::from(time).parse(), Ok(time), "{text}");
        }
        for text in [
            "",
            "0s",
            "10",
            "-1s",
            "1s-2s",
            "61m",
            "99999999999999999999h",
            "soon",
        ] {
            let error = text.parse::<TimeLimit>().unwrap_err().to_string();
            assert!(error.contains(&format!("found `{text}`")), "{error}");
        }
    }

    fn server(text: &str) -> Result<LimitSettings, String> {
        let path = std::path::Path::new("settings.yaml");
        let settings = super::super::Settings::from_yaml(path, &format!("tls: ephemeral\n{text}"));
        let server = settings.and_then(|settings| settings.server());
        server
            .map(|server| server.limits)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_file_has_them_under_a_key_of_their_own() {
        let limits = server("limits: {maxRequests: 7, bodyTimeout: 500ms}").unwrap();
        assert_eq!(limits.max_requests, NonZeroU32::new(7));
        assert_eq!(limits.body_timeout, "500ms".parse().ok());
        for (text, problem) in [
            ("limits: {maxRequest: 7}", "maxRequest"),
            ("limits: {maxRequests: 0}", "maxRequests"),
            ("limits: {bodyTimeout: soon}", "found `soon`"),
        ] {
            let error = server(text).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_body_that_is_allowed_also_fits_in_flight() {
        let error = server("limits: {maxBytesInFlight: 1000}").unwrap_err();
        assert!(
            error.contains("at least `limits.maxBodyBytes`, `7Mi`, found `1000`"),
            "{error}"
        );
        let large = server("limits: {maxBodyBytes: 100000000}").unwrap();
        assert_eq!(large.max_bytes_in_flight, Size::new(100_000_000));
    }
}
