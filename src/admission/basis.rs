//! The facts that a review can use.

use crate::review::CompiledSnapshot;

/// Facts for a review.
#[derive(Clone, Copy, Debug)]
pub(super) enum Basis<'a> {
    /// Facts.
    Facts(&'a CompiledSnapshot),
    /// Facts, but those about OpenBaoClusters are too old.
    StaleClusters(&'a CompiledSnapshot),
    /// No facts, or none that are recent enough.
    None,
    /// A live read was needed and failed.
    Unread,
}

impl<'a> Basis<'a> {
    /// The facts, if they are recent enough for every namespace.
    pub(super) const fn compiled(&self) -> Option<&'a CompiledSnapshot> {
        match self {
            Self::Facts(compiled) => Some(compiled),
            Self::StaleClusters(_) | Self::None | Self::Unread => None,
        }
    }

    /// The facts for a review of an object in this namespace.
    pub(super) fn of_namespace(self, namespace: &str) -> Self {
        match self {
            Self::StaleClusters(compiled) => {
                let facts = compiled.facts(namespace);
                if facts.is_some_and(|facts| !facts.clusters.is_empty()) {
                    Self::None
                } else {
                    Self::Facts(compiled)
                }
            }
            basis => basis,
        }
    }
}
