//! Random instances and small enumerable worlds, for property tests of this crate and of its users.

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "test support: a failure is a panic"
)]

pub mod dice;
pub mod domain;
pub mod tiers;
