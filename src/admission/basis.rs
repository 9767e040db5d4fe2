//! The facts that a review rests on, if there are any.

use crate::review::CompiledSnapshot;

/// Facts to judge a review by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Basis<'a> {
    /// Facts.
    Facts(&'a CompiledSnapshot),
    /// Facts, of which those about OpenBaoClusters are too old.
    StaleClusters(&'a CompiledSnapshot),
    /// There are none, or none that are recent enough.
    None,
    /// Newer ones were needed and could not be had.
    Unread,
}

impl<'a> Basis<'a> {
    /// The facts, where they are recent enough whatever the namespace.
    pub(super) const fn world(&self) -> Option<&'a CompiledSnapshot> {
        match self {
            Self::Facts(world) => Some(world),
            Self::StaleClusters(_) | Self::None | Self::Unread => None,
        }
    }

    /// The same for a review of an object in this namespace.
    pub(super) fn of_namespace(self, namespace: &str) -> Self {
        match self {
            Self::StaleClusters(world) => {
                let facts = world.facts(namespace);
                if facts.is_some_and(|facts| !facts.clusters.is_empty()) {
                    Self::None
                } else {
                    Self::Facts(world)
                }
            }
            basis => basis,
        }
    }
}
