//! Namespace as a fact.

use std::sync::Arc;

use super::Labels;

/// A Namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Name.
    pub(crate) name: Arc<str>,
    /// True if it is being deleted (deletion timestamp or phase `Terminating`).
    pub terminating: bool,
    /// Labels; `None` if they are not known.
    pub(crate) labels: Option<Labels>,
}
