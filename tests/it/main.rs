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
mod cases;
mod certificates;
mod cli;
mod cli_before;
mod cli_can;
mod cli_certs;
mod cli_flags;
mod cli_inputs;
mod cli_outputs;
mod cli_scenes;
mod cli_shell;
mod cli_show;
mod cli_silence;
mod cli_suggest;
mod cli_tiers;
mod cli_unjudged;
mod cli_views;
mod corpus;
mod docs;
mod e2e;
mod enforcement;
mod fresh;
mod hostile;
mod hostile_files;
mod http;
mod inventory;
mod limits;
mod logs;
mod manifests;
mod page;
mod pipelines;
mod probes;
mod reference;
mod registration;
mod releases;
mod render;
mod scenes;
mod semantics_doc;
mod settings;
mod sources;
mod strict;
mod support;
mod tls;
mod volume;
mod waivers;
