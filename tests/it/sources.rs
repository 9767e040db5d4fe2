//! Sources: folders of manifests that change, and watches that break.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod cluster;
mod folder;
mod fresh;
mod guarded;
mod health;
mod other_kinds;
mod place;
mod versions;
