//! The review: one pure function from a request and the facts to a verdict.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

pub mod request;
pub mod verdict;

use std::sync::Arc;

pub use request::{Edit, Operation, Request, Subject, Writer};
pub use verdict::{Outcome, Repair, Repairs, Verdict};

use crate::inventory::Snapshot;
use crate::posture::Posture;

/// A snapshot with everything that can be worked out before a request arrives: the zones, floors
/// and ceilings of each cluster.
#[derive(Clone, Debug)]
pub struct World {
    /// The facts.
    pub snapshot: Arc<Snapshot>,
    /// The settings.
    pub posture: Arc<Posture>,
}

impl World {
    /// Compiles a snapshot; namespaces that `previous` has with the same facts are taken over.
    pub fn compile(
        _previous: Option<&Self>,
        snapshot: Arc<Snapshot>,
        posture: Arc<Posture>,
    ) -> Self {
        Self { snapshot, posture }
    }
}

/// Judges one write.
pub fn review(_world: &World, _request: &Request) -> Verdict {
    Verdict::default()
}

/// The verdict while the facts are not complete or too old.
pub fn not_ready(_request: &Request) -> Verdict {
    Verdict::default()
}

/// What the mutating webhook restores in one write.
pub fn repair(_world: &World, _request: &Request) -> Repairs {
    Repairs::default()
}

pub mod render {
    //! Findings as text.
    use super::{Finding, Verdict};

    /// The message of a refusal: every finding, with its connection and what to do; several lines.
    pub fn message(_verdict: &Verdict) -> String {
        String::new()
    }

    /// One line for a warning header, at most 256 characters, no control characters.
    pub fn warning(_finding: &Finding) -> String {
        String::new()
    }
}

use crate::rules::Finding;
