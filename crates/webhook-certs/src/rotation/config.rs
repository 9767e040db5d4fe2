//! Lifetimes of certificates, and the names of the leaf.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::Validity;

/// Consistent lifetimes, and the names of the leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationConfig {
    ca: Duration,
    pub(super) leaf: Duration,
    settle: Duration,
    names: BTreeSet<String>,
}

/// Error of lifetimes or names that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotationConfigError {
    /// The CA would expire before the leaves that it has signed.
    #[error(
        "expected a CA that lives three times as long as a leaf, found `{ca:?}` for leaves of `{leaf:?}`"
    )]
    Ca {
        /// Lifetime of the CA.
        ca: Duration,
        /// Lifetime of a leaf.
        leaf: Duration,
    },
    /// The leaf would expire before every API server trusts a new bundle.
    #[error(
        "expected a leaf that lives three times as long as a new bundle takes, found `{leaf:?}` for `{settle:?}`"
    )]
    Leaf {
        /// Lifetime of a leaf.
        leaf: Duration,
        /// Time until every API server has noticed a bundle.
        settle: Duration,
    },
    /// The leaf would be valid for no name.
    #[error("expected a name for the certificate, found none")]
    Names,
}

impl RotationConfig {
    /// `ca` and `leaf` are lifetimes. `settle` is the time that an API server may take to notice a new
    /// bundle. Each is rounded down to whole seconds and is at least one second.
    ///
    /// A CA is renewed after two thirds of its lifetime. A leaf that it signed just before has to fit into
    /// the last third, and `settle` into a third of the leaf's lifetime.
    ///
    /// # Errors
    /// The lifetimes are not consistent, or there are no names.
    pub fn new(
        ca: Duration,
        leaf: Duration,
        settle: Duration,
        names: BTreeSet<String>,
    ) -> Result<Self, RotationConfigError> {
        let whole = |length: Duration| Duration::from_secs(length.as_secs().max(1));
        let (ca, leaf, settle) = (whole(ca), whole(leaf), whole(settle));
        if names.is_empty() {
            return Err(RotationConfigError::Names);
        }
        if leaf.as_secs() / 3 < settle.as_secs() {
            return Err(RotationConfigError::Leaf { leaf, settle });
        }
        if ca.as_secs() / 3 < leaf.as_secs() {
            return Err(RotationConfigError::Ca { ca, leaf });
        }
        Ok(Self {
            ca,
            leaf,
            settle,
            names,
        })
    }

    /// The time that a bundle has to be in the registrations before a leaf relies on it.
    pub const fn settle(&self) -> Duration {
        self.settle
    }

    /// The names and addresses of the leaf.
    pub const fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// The validity of a CA that is issued now.
    pub(super) fn ca_validity(&self, now: Timestamp) -> Validity {
        Validity::starting(now, self.ca)
    }

    /// The validity of a leaf that is issued now. It ends with its CA at the latest.
    pub(super) fn leaf_validity(&self, now: Timestamp, signer: Validity) -> Validity {
        let Validity { from, until } = Validity::starting(now, self.leaf);
        Validity {
            from,
            until: until.min(signer.until),
        }
    }
}
