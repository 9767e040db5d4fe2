//! The age of facts.

/// Whether facts are recent enough to prove anything by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// All are.
    Current,
    /// Those about OpenBaoClusters are too old, so nothing is proved where there are some.
    StaleClusters,
    /// They are too old, so nothing is proved.
    Stale,
}
