//! Label sets: the pods or namespaces that a conjunction of label requirements can select.
//!
//! A [`LabelSet`] is a product with one dimension per label key. A key that is not mentioned may have any
//! value or be absent. One dimension is a [`Values`]: a finite or co-finite set of values, and whether the
//! key may be absent. Intersection and difference per key stay in this form, so a selector is exactly one
//! `LabelSet`, and `NotIn` needs no list of existing labels. Both types are never empty: an operation that
//! could leave nothing returns an `Option`.
//!
//! ```
//! use netpol::label::{LabelSet, Values};
//!
//! let web = LabelSet::any().and("app", Values::one_of(["web"])).expect("satisfiable");
//! let not_db = LabelSet::any().and("app", Values::none_of_or_absent(["db"])).expect("satisfiable");
//! assert!(web.is_subset(&not_db));
//! assert!(web.and("app", Values::absent()).is_none(), "`app` cannot be present and absent");
//! ```

mod values;

use std::sync::Arc;

use litemap::LiteMap;

pub use values::Values;

use super::names::{Listed, Names};

/// The namespace label that the API server sets to the namespace's name on every write (KEP-2161). It is
/// never absent and cannot be forged.
pub const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// Labels of an object, or of `matchLabels`: few pairs, of which a process keeps very many, so a sorted vector.
pub type Labels = LiteMap<Arc<str>, Arc<str>>;

/// The labels `pairs`, in exactly the memory that they need. Of two pairs with one key the last one counts.
pub fn labels(pairs: Vec<(Arc<str>, Arc<str>)>) -> Labels {
    let mut labels = Labels::with_capacity(pairs.len());
    labels.extend(pairs);
    labels
}

/// A conjunction of requirements on labels, satisfiable by construction. Keys that are not mentioned are
/// free.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelSet {
    /// Sorted by unique key. No entry allows everything.
    keys: Vec<(Arc<str>, Values)>,
}

impl LabelSet {
    /// Every set of labels.
    pub const fn any() -> Self {
        Self { keys: Vec::new() }
    }

    /// The conjunction of these requirements; `None` if they contradict each other.
    pub fn all_of(mut keys: Vec<(Arc<str>, Values)>) -> Option<Self> {
        keys.sort_by(|(a, _), (b, _)| a.cmp(b));
        // Merges pairs, then pairs of pairs. Merging one after the other would take quadratic time if many
        // requirements have the same key.
        loop {
            let before = keys.len();
            let mut is_merged = false;
            keys.dedup_by(|(key, values), (known, both)| {
                is_merged = !is_merged && key == known;
                if is_merged {
                    *both = both.intersect(values);
                }
                is_merged
            });
            if keys.len() == before {
                break;
            }
        }
        keys.retain(|(_, values)| !values.is_any());
        let mut values = keys.iter().map(|(_, values)| values);
        (!values.any(Values::is_empty)).then_some(Self { keys })
    }

    fn find(&self, key: &str) -> Result<usize, usize> {
        self.keys.binary_search_by(|(own, _)| (**own).cmp(key))
    }

    fn constraint(&self, key: &str) -> Option<&Values> {
        let at = self.find(key).ok()?;
        self.keys.get(at).map(|(_, values)| values)
    }

    /// Adds one requirement; `None` if it contradicts the others.
    #[must_use]
    pub fn and(mut self, key: impl Into<Arc<str>>, values: Values) -> Option<Self> {
        let key = key.into();
        let both = match self.constraint(&key) {
            Some(known) => known.intersect(&values),
            None => values,
        };
        if both.is_empty() {
            return None;
        }
        self.set(key, both);
        Some(self)
    }

    /// Replaces the values of one key. `values` must not be empty.
    fn set(&mut self, key: Arc<str>, values: Values) {
        match (self.find(&key), values.is_any()) {
            (Ok(at), true) => drop(self.keys.remove(at)),
            (Ok(at), false) => self.keys[at].1 = values,
            (Err(_), true) => {}
            (Err(at), false) => self.keys.insert(at, (key, values)),
        }
    }

    /// The possible values of `key`.
    pub fn values(&self, key: &str) -> Values {
        self.constraint(key).cloned().unwrap_or_else(Values::any)
    }

    /// The constrained keys in sorted order.
    pub fn constrained(&self) -> impl Iterator<Item = (&Arc<str>, &Values)> {
        self.keys.iter().map(|(key, values)| (key, values))
    }

    /// Comparisons needed to compare another set with this one.
    pub fn weight(&self) -> usize {
        let values = |(_, values): &(_, Values)| values.present.listed().count().max(1);
        self.keys.iter().map(values).sum()
    }

    /// Number of keys on which `other` cuts this set; `None` if the two are disjoint.
    pub(crate) fn cuts(&self, other: &Self) -> Option<usize> {
        let mut cuts = 0;
        for (key, theirs) in &other.keys {
            match self.constraint(key) {
                Some(ours) if ours.is_disjoint(theirs) => return None,
                Some(ours) if ours.is_subset(theirs) => {}
                Some(_) | None => cuts += 1,
            }
        }
        Some(cuts)
    }

    /// Returns true if `key` is constrained.
    pub fn constrains(&self, key: &str) -> bool {
        self.constraint(key).is_some()
    }

    /// Returns true if no key is constrained.
    pub fn is_any(&self) -> bool {
        self.keys.is_empty()
    }

    /// The conjunction of both; `None` if they contradict each other.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        let (small, large) = self.by_size(other);
        let mut result = large.clone();
        for (key, values) in &small.keys {
            result = result.and(key.clone(), values.clone())?;
        }
        Some(result)
    }

    fn by_size<'a>(&'a self, other: &'a Self) -> (&'a Self, &'a Self) {
        if self.keys.len() <= other.keys.len() {
            (self, other)
        } else {
            (other, self)
        }
    }

    /// Returns true if every label set in `self` is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        other.keys.len() <= self.keys.len()
            && other.keys.iter().all(|(key, theirs)| {
                self.constraint(key)
                    .is_some_and(|ours| ours.is_subset(theirs))
            })
    }

    /// Returns true if no label set is in both.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        let (small, large) = self.by_size(other);
        small.keys.iter().any(|(key, ours)| {
            large
                .constraint(key)
                .is_some_and(|theirs| ours.is_disjoint(theirs))
        })
    }

    /// Narrows the set to `other` on each key on which `other` cuts it. Passes the disjoint parts outside to
    /// `outside`. The two must overlap.
    pub(crate) fn narrow(&mut self, other: &Self, mut outside: impl FnMut(Self)) {
        for (key, theirs) in &other.keys {
            let at = self.find(key);
            let (left, kept) = match at {
                Ok(at) if self.keys[at].1.is_subset(theirs) => continue,
                Ok(at) => {
                    let ours = &self.keys[at].1;
                    (ours.minus(theirs), ours.intersect(theirs))
                }
                Err(_) => (Values::any().minus(theirs), theirs.clone()),
            };
            outside(self.replaced(at, key, left));
            match at {
                Ok(at) => self.keys[at].1 = kept,
                Err(at) => self.keys.insert(at, (key.clone(), kept)),
            }
        }
    }

    /// The same set with other values for the key, which is or would be `at` this place.
    fn replaced(&self, at: Result<usize, usize>, key: &Arc<str>, values: Values) -> Self {
        let (before, after) = match at {
            Ok(at) => (&self.keys[..at], &self.keys[at + 1..]),
            Err(at) => self.keys.split_at(at),
        };
        let mut keys = Vec::with_capacity(before.len() + 1 + after.len());
        keys.extend_from_slice(before);
        keys.push((key.clone(), values));
        keys.extend_from_slice(after);
        Self { keys }
    }

    /// Removes `other` from the set. `other` must cut it on at most one key. Returns false if it cuts none.
    pub(crate) fn subtract(&mut self, other: &Self) -> bool {
        for (key, theirs) in &other.keys {
            match self.find(key) {
                Ok(at) if self.keys[at].1.is_subset(theirs) => continue,
                Ok(at) => self.keys[at].1.remove(theirs),
                Err(at) => {
                    let left = Values::any().minus(theirs);
                    self.keys.insert(at, (key.clone(), left));
                }
            }
            return true;
        }
        false
    }

    /// Returns true if these labels satisfy the conjunction.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.constrained()
            .all(|(key, values)| values.contains(labels.get(key).map(AsRef::as_ref)))
    }

    /// The set for namespaces, where [`NAMESPACE_NAME`] is always present and a DNS label; `None` if nothing
    /// is left.
    #[must_use]
    pub fn on_namespaces(mut self) -> Option<Self> {
        let Ok(at) = self.find(NAMESPACE_NAME) else {
            return Some(self);
        };
        let values = &self.keys[at].1;
        let mut names = values.present.listed().iter();
        if !values.absent && !values.present.is_all() && names.all(|name| is_dns_label(name)) {
            return Some(self);
        }
        let names = values.present.retain(is_dns_label);
        if names.is_empty() {
            return None;
        }
        if names.is_all() {
            self.keys.remove(at);
        } else {
            self.keys[at].1 = Values {
                present: names,
                absent: false,
            };
        }
        Some(self)
    }

    /// The names of the selected namespaces, if the set lists them.
    pub fn namespace_names(&self) -> Option<&Listed> {
        match self.constraint(NAMESPACE_NAME)?.values() {
            Names::Only(listed) => Some(listed),
            Names::AllBut(_) => None,
        }
    }
}

/// Returns true if `text` is a valid namespace name (RFC 1123 label).
pub fn is_dns_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let edge = |byte: Option<&u8>| byte.is_some_and(|byte| *byte != b'-');
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().copied().all(inner)
}
