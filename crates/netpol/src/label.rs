//! Sets of labels: which pods (or namespaces) a conjunction of label requirements can mean.
//!
//! A [`LabelSet`] is a product with one dimension per label key; a key that is not mentioned may
//! have any value or be absent. One dimension is a [`Values`]: a finite or co-finite set of
//! values, and whether the key may be absent. The form is closed under intersection and
//! difference per key, so a selector is exactly one `LabelSet` and `NotIn` needs no list of the
//! world. Both types are never empty: an operation that could leave nothing returns an `Option`.
//!
//! ```
//! use netpol::label::{LabelSet, Values};
//!
//! let web = LabelSet::any().and("app", Values::one_of(["web"])).expect("satisfiable");
//! let not_db = LabelSet::any().and("app", Values::none_of_or_absent(["db"])).expect("satisfiable");
//! assert!(web.is_subset(&not_db));
//! assert!(web.and("app", Values::absent()).is_none(), "`app` cannot be present and absent");
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use super::names::{Listed, Names};

/// The one namespace label that the API server itself sets, to the namespace's name, on every
/// write (KEP-2161): it is never absent and cannot be forged.
pub const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// What one label key may be: a set of values, and whether the key may be absent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Values {
    present: Names,
    absent: bool,
}

impl Values {
    /// Any value, or absent: what a selector that does not mention the key says.
    pub const fn any() -> Self {
        Self {
            present: Names::all(),
            absent: true,
        }
    }

    /// Key absent (`DoesNotExist`).
    pub const fn absent() -> Self {
        Self {
            present: Names::none(),
            absent: true,
        }
    }

    /// Key present with any value (`Exists`).
    pub const fn present() -> Self {
        Self {
            present: Names::all(),
            absent: false,
        }
    }

    /// Key present with one of these values (`In`).
    pub fn one_of<V: Into<Arc<str>>>(values: impl IntoIterator<Item = V>) -> Self {
        Self {
            present: Names::only(values),
            absent: false,
        }
    }

    /// Key absent, or present with another value (`NotIn`).
    pub fn none_of_or_absent<V: Into<Arc<str>>>(values: impl IntoIterator<Item = V>) -> Self {
        Self {
            present: Names::all_but(values),
            absent: true,
        }
    }

    /// The same values, or absent.
    pub fn or_absent(self) -> Self {
        Self {
            absent: true,
            ..self
        }
    }

    /// Whether nothing is left: no value, and not absent either.
    pub fn is_empty(&self) -> bool {
        !self.absent && self.present.is_empty()
    }

    /// Whether everything is allowed.
    pub fn is_any(&self) -> bool {
        self.absent && self.present.is_all()
    }

    /// Whether the key may be absent.
    pub const fn allows_absent(&self) -> bool {
        self.absent
    }

    /// The values the key may have.
    pub const fn values(&self) -> &Names {
        &self.present
    }

    /// Whether `value` (or, with `None`, an absent key) is in the set.
    pub fn contains(&self, value: Option<&str>) -> bool {
        value.map_or(self.absent, |value| self.present.contains(value))
    }

    /// Both at once; may be empty.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        Self {
            present: self.present.intersect(&other.present),
            absent: self.absent && other.absent,
        }
    }

    /// The part outside `other`; may be empty.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self {
            present: self.present.minus(&other.present),
            absent: self.absent && !other.absent,
        }
    }

    /// Whether `other` allows all that `self` allows.
    pub fn is_subset(&self, other: &Self) -> bool {
        (other.absent || !self.absent) && self.present.is_subset(&other.present)
    }

    /// Whether the two share nothing.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        !(self.absent && other.absent) && self.present.is_disjoint(&other.present)
    }
}

/// A conjunction of requirements on labels, satisfiable by construction. Unmentioned keys are free.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelSet {
    /// Sorted by key, each key once, none of them free.
    keys: Vec<(Arc<str>, Values)>,
}

impl LabelSet {
    /// Every set of labels.
    pub const fn any() -> Self {
        Self { keys: Vec::new() }
    }

    /// All of these requirements at once; `None` where some contradict each other.
    pub fn all_of(mut keys: Vec<(Arc<str>, Values)>) -> Option<Self> {
        keys.sort_by(|(a, _), (b, _)| a.cmp(b));
        // In pairs, and those in pairs again: one after the other, the work would grow with the
        // square of the requirements on one key.
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

    /// Adds one requirement; `None` when it contradicts what is there.
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

    /// Replaces the values of one key. The caller holds them non-empty.
    fn set(&mut self, key: Arc<str>, values: Values) {
        match (self.find(&key), values.is_any()) {
            (Ok(at), true) => drop(self.keys.remove(at)),
            (Ok(at), false) => self.keys[at].1 = values,
            (Err(_), true) => {}
            (Err(at), false) => self.keys.insert(at, (key, values)),
        }
    }

    /// The same set with `key` limited to exactly `values`; `None` when those are empty.
    #[must_use]
    pub(crate) fn with(&self, key: &Arc<str>, values: Values) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let mut copy = self.clone();
        copy.set(key.clone(), values);
        Some(copy)
    }

    /// What `key` may be.
    pub fn values(&self, key: &str) -> Values {
        self.constraint(key).cloned().unwrap_or_else(Values::any)
    }

    /// The constrained keys, in order.
    pub fn constrained(&self) -> impl Iterator<Item = (&Arc<str>, &Values)> {
        self.keys.iter().map(|(key, values)| (key, values))
    }

    /// Comparisons that it takes to hold another set against this one.
    pub fn weight(&self) -> usize {
        let values = |(_, values): &(_, Values)| values.present.listed().count().max(1);
        self.keys.iter().map(values).sum()
    }

    /// Whether this set and `other` share nothing, or else on how many keys `other` cuts it.
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

    /// Whether `key` is constrained.
    pub fn constrains(&self, key: &str) -> bool {
        self.constraint(key).is_some()
    }

    /// Whether no key is constrained.
    pub fn is_any(&self) -> bool {
        self.keys.is_empty()
    }

    /// Both conjunctions at once; `None` when they contradict each other.
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

    /// Whether every set of labels in `self` is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        other.keys.len() <= self.keys.len() && self.cut_by(other).next().is_none()
    }

    /// Whether no set of labels is in both.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        let (small, large) = self.by_size(other);
        small.keys.iter().any(|(key, ours)| {
            large
                .constraint(key)
                .is_some_and(|theirs| ours.is_disjoint(theirs))
        })
    }

    /// The keys on which `other` asks for more than `self` promises: the dimensions on which
    /// `other` cuts `self`.
    pub(crate) fn cut_by<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a Values)> {
        other.constrained().filter(|(key, theirs)| {
            !self
                .constraint(key)
                .is_some_and(|ours| ours.is_subset(theirs))
        })
    }

    /// Whether these labels satisfy the conjunction.
    pub fn matches(&self, labels: &BTreeMap<Arc<str>, Arc<str>>) -> bool {
        self.constrained()
            .all(|(key, values)| values.contains(labels.get(key).map(AsRef::as_ref)))
    }

    /// The set as seen on a namespace, where [`NAMESPACE_NAME`] is never absent and always a DNS
    /// label; `None` when nothing is left.
    #[must_use]
    pub fn on_namespaces(mut self) -> Option<Self> {
        let Ok(at) = self.find(NAMESPACE_NAME) else {
            return Some(self);
        };
        let names = self.keys[at].1.present.retain(is_dns_label);
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

    /// The names of the namespaces that the set can mean, where they are listed.
    pub fn namespace_names(&self) -> Option<&Listed> {
        match self.constraint(NAMESPACE_NAME)?.values() {
            Names::Only(listed) => Some(listed),
            Names::AllBut(_) => None,
        }
    }
}

/// Whether `text` can name a namespace (RFC 1123 label).
pub fn is_dns_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let edge = |byte: Option<&u8>| byte.is_some_and(|byte| *byte != b'-');
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().copied().all(inner)
}
