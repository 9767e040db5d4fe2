//! Integration tests, one binary; a module per subject.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests are tests; clippy knows only the marked functions"
)]

mod answer;
mod corpus;
mod docs;
mod http;
mod inventory;
mod semantics_doc;
mod sources;
mod support;
mod tls;
