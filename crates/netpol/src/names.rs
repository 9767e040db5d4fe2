//! Finite or co-finite sets of names: label values, port names.
//!
//! Intersection, union and difference are exact, without a list of all possible names.
//!
//! ```
//! use netpol::names::Names;
//!
//! let not_a = Names::all_but(["a"]);
//! assert!(!not_a.contains("a") && not_a.contains("b"));
//! assert_eq!(Names::all().minus(&not_a), Names::only(["a"]));
//! ```

use std::sync::Arc;

use smallvec::SmallVec;

/// A sorted list of unique names. A single name, the common case, needs no allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listed(SmallVec<[Arc<str>; 1]>);

/// Number of names that are inserted one by one. More are merged with the list.
const FEW: usize = 4;

impl Listed {
    const fn new() -> Self {
        Self(SmallVec::new_const())
    }

    fn contains(&self, name: &str) -> bool {
        match &self.0[..] {
            [one] => &**one == name,
            many => many.binary_search_by(|listed| (**listed).cmp(name)).is_ok(),
        }
    }

    /// Number of names.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The first name in order.
    pub fn first(&self) -> Option<&Arc<str>> {
        self.0.first()
    }

    /// Returns true if `name` is listed.
    pub fn lists(&self, name: &str) -> bool {
        self.contains(name)
    }

    /// The names in sorted order.
    pub fn iter(&self) -> std::slice::Iter<'_, Arc<str>> {
        self.0.iter()
    }

    fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|name| keep(name)).cloned().collect())
    }

    fn and(&self, other: &Self) -> Self {
        self.filtered(|name| other.contains(name))
    }

    fn without(&self, other: &Self) -> Self {
        self.filtered(|name| !other.contains(name))
    }

    fn or(&self, other: &Self) -> Self {
        let (mut ours, mut theirs) = (self.iter().peekable(), other.iter().peekable());
        let mut both = SmallVec::with_capacity(self.count() + other.count());
        while let (Some(own), Some(their)) = (ours.peek(), theirs.peek()) {
            let order = own.cmp(their);
            let new = if order.is_le() {
                ours.next()
            } else {
                theirs.next()
            };
            if order.is_eq() {
                theirs.next();
            }
            both.extend(new.cloned());
        }
        both.extend(ours.chain(theirs).cloned());
        Self(both)
    }

    /// Adds a few names.
    fn insert(&mut self, others: &Self) {
        for name in others {
            if let Err(at) = self.0.binary_search(name) {
                self.0.insert(at, name.clone());
            }
        }
    }

    fn is_subset(&self, other: &Self) -> bool {
        self.0.len() <= other.0.len() && self.0.iter().all(|name| other.contains(name))
    }

    fn is_disjoint(&self, other: &Self) -> bool {
        let (few, many) = if self.0.len() <= other.0.len() {
            (self, other)
        } else {
            (other, self)
        };
        !few.0.iter().any(|name| many.contains(name))
    }
}

impl<'a> IntoIterator for &'a Listed {
    type Item = &'a Arc<str>;
    type IntoIter = std::slice::Iter<'a, Arc<str>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<V: Into<Arc<str>>> FromIterator<V> for Listed {
    fn from_iter<I: IntoIterator<Item = V>>(names: I) -> Self {
        let mut names: SmallVec<[Arc<str>; 1]> = names.into_iter().map(Into::into).collect();
        names.sort_unstable();
        names.dedup();
        Self(names)
    }
}

/// A set of names: the listed ones, or all others. The representation is unique, because the number of
/// possible names is treated as unlimited.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Names {
    /// Exactly the listed names.
    Only(Listed),
    /// Every name except the listed ones.
    AllBut(Listed),
}

use Names::{AllBut, Only};

impl Names {
    /// Every name.
    pub const fn all() -> Self {
        AllBut(Listed::new())
    }

    /// No name.
    pub const fn none() -> Self {
        Only(Listed::new())
    }

    /// Exactly these names.
    pub fn only<V: Into<Arc<str>>>(names: impl IntoIterator<Item = V>) -> Self {
        Only(names.into_iter().collect())
    }

    /// All names except these.
    pub fn all_but<V: Into<Arc<str>>>(names: impl IntoIterator<Item = V>) -> Self {
        AllBut(names.into_iter().collect())
    }

    /// The names in the list, either included or excluded.
    pub(crate) const fn listed(&self) -> &Listed {
        match self {
            Only(listed) | AllBut(listed) => listed,
        }
    }

    /// Returns true if the set contains no name.
    pub fn is_empty(&self) -> bool {
        matches!(self, Only(listed) if listed.0.is_empty())
    }

    /// Returns true if the set contains every name.
    pub fn is_all(&self) -> bool {
        matches!(self, AllBut(listed) if listed.0.is_empty())
    }

    /// Returns true if the set contains `name`.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Only(listed) => listed.contains(name),
            AllBut(listed) => !listed.contains(name),
        }
    }

    /// All names that are not in the set.
    #[must_use]
    pub fn complement(&self) -> Self {
        match self {
            Only(listed) => AllBut(listed.clone()),
            AllBut(listed) => Only(listed.clone()),
        }
    }

    /// Names in both sets.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        match (self, other) {
            (Only(a), Only(b)) => Only(a.and(b)),
            (Only(only), AllBut(but)) | (AllBut(but), Only(only)) => Only(only.without(but)),
            (AllBut(a), AllBut(b)) => AllBut(a.or(b)),
        }
    }

    /// Names in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.complement()
            .intersect(&other.complement())
            .complement()
    }

    /// Names in `self` that are not in `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        match (self, other) {
            (Only(a), Only(b)) => Only(a.without(b)),
            (Only(only), AllBut(but)) => Only(only.and(but)),
            (AllBut(but), Only(only)) => AllBut(but.or(only)),
            (AllBut(a), AllBut(b)) => Only(b.without(a)),
        }
    }

    /// Removes the names of `other`.
    pub(crate) fn remove(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Only(a), Only(b)) => a.0.retain(|name| !b.contains(name)),
            (AllBut(but), Only(only)) if only.count() <= FEW => but.insert(only),
            _ => *self = self.minus(other),
        }
    }

    /// Returns true if `other` contains all of `self`.
    pub fn is_subset(&self, other: &Self) -> bool {
        match (self, other) {
            (Only(a), Only(b)) => a.is_subset(b),
            (Only(only), AllBut(but)) => only.is_disjoint(but),
            (AllBut(_), Only(_)) => false,
            (AllBut(a), AllBut(b)) => b.is_subset(a),
        }
    }

    /// Returns true if no name is in both.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        match (self, other) {
            (Only(a), Only(b)) => a.is_disjoint(b),
            (Only(only), AllBut(but)) | (AllBut(but), Only(only)) => only.is_subset(but),
            (AllBut(_), AllBut(_)) => false,
        }
    }

    /// The same set restricted to names that `legal` accepts.
    #[must_use]
    pub(crate) fn retain(&self, legal: impl Fn(&str) -> bool) -> Self {
        match self {
            Only(listed) => Only(listed.filtered(legal)),
            AllBut(listed) => AllBut(listed.filtered(legal)),
        }
    }
}
