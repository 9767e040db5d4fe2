//! Finite or co-finite sets of names: label values, port names.
//!
//! Closed under intersection, union and difference without knowing all names there are.
//!
//! ```
//! use openbao_perimeter::perimeter::names::Names;
//!
//! let not_a = Names::all_but(["a"]);
//! assert!(!not_a.contains("a") && not_a.contains("b"));
//! assert_eq!(Names::all().minus(&not_a), Names::only(["a"]));
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

/// A set of names: those listed, or all but those listed. The form is unique, because the number
/// of possible names is treated as unlimited.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Names {
    /// Exactly the listed names.
    Only(BTreeSet<Arc<str>>),
    /// Every name except the listed ones.
    AllBut(BTreeSet<Arc<str>>),
}

use Names::{AllBut, Only};

impl Names {
    /// Every name.
    pub const fn all() -> Self {
        AllBut(BTreeSet::new())
    }

    /// No name.
    pub const fn none() -> Self {
        Only(BTreeSet::new())
    }

    /// Exactly these.
    pub fn only<V: Into<Arc<str>>>(names: impl IntoIterator<Item = V>) -> Self {
        Only(names.into_iter().map(Into::into).collect())
    }

    /// All except these.
    pub fn all_but<V: Into<Arc<str>>>(names: impl IntoIterator<Item = V>) -> Self {
        AllBut(names.into_iter().map(Into::into).collect())
    }

    /// Whether no name is in it.
    pub fn is_empty(&self) -> bool {
        matches!(self, Only(listed) if listed.is_empty())
    }

    /// Whether every name is in it.
    pub fn is_all(&self) -> bool {
        matches!(self, AllBut(listed) if listed.is_empty())
    }

    /// Whether `name` is in it.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Only(listed) => listed.contains(name),
            AllBut(listed) => !listed.contains(name),
        }
    }

    /// The names written down, whichever way they count.
    pub const fn mentioned(&self) -> &BTreeSet<Arc<str>> {
        match self {
            Only(listed) | AllBut(listed) => listed,
        }
    }

    /// Everything that is not in it.
    #[must_use]
    pub fn complement(&self) -> Self {
        match self {
            Only(listed) => AllBut(listed.clone()),
            AllBut(listed) => Only(listed.clone()),
        }
    }

    /// In both.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        match (self, other) {
            (Only(a), Only(b)) => Only(a & b),
            (Only(only), AllBut(but)) | (AllBut(but), Only(only)) => Only(only - but),
            (AllBut(a), AllBut(b)) => AllBut(a | b),
        }
    }

    /// In either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.complement()
            .intersect(&other.complement())
            .complement()
    }

    /// In `self` and not in `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        match (self, other) {
            (Only(a), Only(b)) => Only(a - b),
            (Only(only), AllBut(but)) => Only(only & but),
            (AllBut(but), Only(only)) => AllBut(but | only),
            (AllBut(a), AllBut(b)) => Only(b - a),
        }
    }

    /// Whether all of `self` is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        match (self, other) {
            (Only(a), Only(b)) => a.is_subset(b),
            (Only(only), AllBut(but)) => only.is_disjoint(but),
            (AllBut(_), Only(_)) => false,
            (AllBut(a), AllBut(b)) => b.is_subset(a),
        }
    }

    /// Whether no name is in both.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        match (self, other) {
            (Only(a), Only(b)) => a.is_disjoint(b),
            (Only(only), AllBut(but)) | (AllBut(but), Only(only)) => only.is_subset(but),
            (AllBut(_), AllBut(_)) => false,
        }
    }

    /// The same set over the smaller universe of names that `legal` accepts.
    #[must_use]
    pub(crate) fn retain(&self, legal: impl Fn(&str) -> bool) -> Self {
        let keep = |listed: &BTreeSet<Arc<str>>| {
            listed.iter().filter(|name| legal(name)).cloned().collect()
        };
        match self {
            Only(listed) => Only(keep(listed)),
            AllBut(listed) => AllBut(keep(listed)),
        }
    }
}
