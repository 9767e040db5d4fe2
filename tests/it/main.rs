//! Integration tests, one binary: the router in memory, the server on loopback sockets.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests are tests; clippy knows only the marked functions"
)]

mod answer;
mod http;
mod support;
mod tls;
