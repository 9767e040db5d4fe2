//! How long things live, and what the leaf is good for.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Life, Moment};

/// Lifetimes that fit together, and the names of the leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    ca: Duration,
    pub(super) leaf: Duration,
    settle: Duration,
    names: BTreeSet<String>,
}

/// Why lifetimes or names cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// The CA ends before the leaves that it has signed.
    #[error(
        "expected a CA that lives three times as long as a leaf, found `{ca:?}` for leaves of `{leaf:?}`"
    )]
    Ca {
        /// Life of the CA.
        ca: Duration,
        /// Life of a leaf.
        leaf: Duration,
    },
    /// The leaf ends before a new bundle is believed.
    #[error(
        "expected a leaf that lives three times as long as a new bundle takes, found `{leaf:?}` for `{settle:?}`"
    )]
    Leaf {
        /// Life of a leaf.
        leaf: Duration,
        /// How long a bundle takes.
        settle: Duration,
    },
    /// Nobody could ask for the leaf.
    #[error("expected a name for the certificate, found none")]
    Names,
}

impl Terms {
    /// `ca` and `leaf` live as long as that; `settle` is how long an API server may take to notice
    /// a new bundle. All in whole seconds, shorter ones count as one.
    ///
    /// A CA is renewed after two thirds of its life. The leaf that it signed just before that must
    /// fit into the last third, and in turn leave time for the settling.
    pub fn new(
        ca: Duration,
        leaf: Duration,
        settle: Duration,
        names: BTreeSet<String>,
    ) -> Result<Self, TermsError> {
        let whole = |length: Duration| Duration::from_secs(length.as_secs().max(1));
        let (ca, leaf, settle) = (whole(ca), whole(leaf), whole(settle));
        if names.is_empty() {
            return Err(TermsError::Names);
        }
        if leaf.as_secs() / 3 < settle.as_secs() {
            return Err(TermsError::Leaf { leaf, settle });
        }
        if ca.as_secs() / 3 < leaf.as_secs() {
            return Err(TermsError::Ca { ca, leaf });
        }
        Ok(Self {
            ca,
            leaf,
            settle,
            names,
        })
    }

    /// How long a bundle has to be in the registrations before a leaf relies on it.
    pub const fn settle(&self) -> Duration {
        self.settle
    }

    /// What the leaf has to be good for.
    pub const fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// The life of a CA that is made now.
    pub(super) fn ca_life(&self, now: Moment) -> Life {
        Life::starting(now, self.ca)
    }

    /// The life of a leaf that is made now by a CA: it ends with it at the latest.
    pub(super) fn leaf_life(&self, now: Moment, signer: Life) -> Life {
        let Life { from, until } = Life::starting(now, self.leaf);
        Life {
            from,
            until: until.min(signer.until),
        }
    }
}
