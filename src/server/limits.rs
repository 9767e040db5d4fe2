//! Limits of a port.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bounds in number, size and time; the key `limits` of the settings file.
///
/// Each wait has an end, so that no client can hold the server up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Maximum number of connections; further ones wait
    #[serde(rename = "maxConnections")]
    #[schemars(range(min = 1))]
    pub connections: usize,

    /// Maximum number of concurrent requests; further ones are answered with 429
    #[serde(rename = "maxRequests")]
    #[schemars(range(min = 1))]
    pub requests: usize,

    /// Maximum size of a review; a larger one is answered with 413
    #[serde(rename = "maxBodyBytes", with = "crate::size")]
    #[schemars(with = "String")]
    pub body_bytes: usize,

    /// Maximum size of all reviews in memory; further ones wait, then are answered with 429
    #[serde(rename = "maxBytesInFlight", with = "crate::size")]
    #[schemars(with = "String")]
    pub bytes_in_flight: usize,

    /// Maximum size of a review that the receiving thread evaluates itself; larger ones go to a worker
    #[serde(rename = "maxAtOnceBytes", with = "crate::size")]
    #[schemars(with = "String")]
    pub at_once_bytes: usize,

    /// Number of workers, which is the number of large reviews evaluated at the same time [default: one for each processor]
    #[serde(rename = "maxWorkers")]
    #[schemars(range(min = 1), extend("default" = null))]
    pub workers: usize,

    /// Time for a TLS handshake
    #[serde(rename = "handshakeTimeout", with = "crate::duration")]
    #[schemars(with = "String")]
    pub handshake: Duration,

    /// Time to wait for the headers of the first and of each further request of a connection; an API server waits 90 s
    #[serde(rename = "headTimeout", with = "crate::duration")]
    #[schemars(with = "String")]
    pub head: Duration,

    /// Time for the body of a request
    #[serde(rename = "bodyTimeout", with = "crate::duration")]
    #[schemars(with = "String")]
    pub body: Duration,

    /// Time from a request to its answer, where the caller does not ask for less
    #[serde(rename = "reviewTimeout", with = "crate::duration")]
    #[schemars(with = "String")]
    pub review: Duration,

    /// Time for requests in flight to finish at shutdown
    #[serde(rename = "drainTimeout", with = "crate::duration")]
    #[schemars(with = "String")]
    pub drain: Duration,

    /// Time that a client may take to read an answer before more of it can be sent. Not a setting.
    #[serde(skip)]
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_000,
            requests: 256,
            // Object and old object of up to 3 MB each, and the fields around them.
            body_bytes: 7 * 1024 * 1024,
            // The largest bodies four times, or thousands of common ones.
            bytes_in_flight: 32 * 1024 * 1024,
            // For larger bodies, a change of thread costs little compared with the review (docs/decisions).
            at_once_bytes: 16 * 1024,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            handshake: Duration::from_secs(2),
            // An API server closes an idle connection after 90 s, and it has to be first: a review that is sent while the
            // server closes the connection is lost, and the API server does not repeat it.
            head: Duration::from_mins(2),
            body: Duration::from_secs(3),
            // The API server's default timeout is 10 s.
            review: Duration::from_secs(9),
            drain: Duration::from_secs(25),
            write: Duration::from_secs(5),
        }
    }
}
