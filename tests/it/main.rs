//! Integration tests, one binary; a module per subject.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests are tests; clippy knows only the marked functions"
)]

#[path = "../support/control_plane.rs"]
mod control_plane;
#[path = "../support/example.rs"]
mod example;
#[path = "../support/guard.rs"]
mod guard;

mod answer;
mod arrows;
mod cli;
mod cli_scenes;
mod corpus;
mod docs;
mod e2e;
mod fresh;
mod http;
mod inventory;
mod manifests;
mod registration;
mod scenes;
mod semantics_doc;
mod sources;
mod support;
mod tls;
