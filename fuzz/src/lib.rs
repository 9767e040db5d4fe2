//! Properties of every input, as functions that panic on a violation.
//!
//! `fuzz_targets/` has one libFuzzer binary for each. `tests/it/corpus.rs` of the main package compiles the
//! same code and replays `corpus/`. An input is either text or JSON as a person would write it, or bytes that
//! [`arbitrary::Unstructured`] turns into an object.

#![allow(
    unreachable_pub,
    reason = "a crate of its own for the targets, a private module of the replaying test"
)]
#![allow(
    clippy::expect_used,
    reason = "a check that fails panics: that is how libFuzzer and tests notice"
)]

mod envelope;
mod other_policy;
mod review;
mod sets;
mod shape;
mod text;
mod world;

pub use envelope::envelope;
pub use other_policy::other_policy;
pub use review::{cluster_review, policy_review};
pub use sets::set_laws;
pub use text::{cidr_text, port_text, selector};

/// One check.
pub type Check = fn(&[u8]);

/// Every target: its name, which is that of its binary and of its folder in `corpus/`, and its check.
pub const TARGETS: [(&str, Check); 8] = [
    ("cidr_text", cidr_text),
    ("port_text", port_text),
    ("selector", selector),
    ("policy_review", policy_review),
    ("cluster_review", cluster_review),
    ("envelope", envelope),
    ("set_laws", set_laws),
    ("other_policy", other_policy),
];
