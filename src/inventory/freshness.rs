//! Freshness of facts.

/// Whether facts are recent enough for proofs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// All facts are recent.
    Current,
    /// Facts about OpenBaoClusters are too old. Nothing is proved in namespaces that have some.
    StaleClusters,
    /// Facts are too old. Nothing is proved.
    Stale,
}
