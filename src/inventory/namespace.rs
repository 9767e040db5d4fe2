//! Namespace as a fact.

use std::sync::Arc;

/// A Namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Name.
    pub(crate) name: Arc<str>,
    /// True if it is being deleted (deletion timestamp or phase `Terminating`).
    pub terminating: bool,
}
