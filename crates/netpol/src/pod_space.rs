//! A pod space: protected pods, described by the labels they can have.
//!
//! It is a closed world: known keys have known values, keys that are added at run time are free, and
//! every other key is absent. So a policy for `app=web` selects no pod of it, while one for
//! `openbao-active=true` does.
//!
//! ```
//! use netpol::label::{LabelSet, Values};
//! use netpol::pod_space::{OtherKeys, PodSpace};
//!
//! let space = PodSpace::new([("app", Values::one_of(["bao"]))], vec!["openbao-*".into()], OtherKeys::Absent);
//! let web = LabelSet::any().and("tier", Values::one_of(["web"])).expect("satisfiable");
//! assert!(space.select(&web).is_none(), "no pod of it has a `tier`");
//! let active = LabelSet::any().and("openbao-active", Values::one_of(["true"])).expect("satisfiable");
//! assert_eq!(space.select(&active), Some(active), "some of its pods");
//! let whole = LabelSet::any().and("app", Values::present()).expect("satisfiable");
//! assert_eq!(space.select(&whole), Some(LabelSet::any()), "every one of its pods");
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::label::{LabelSet, Values};

/// The treatment of label keys that are neither known nor added at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherKeys {
    /// No pod of the space has them.
    Absent,
    /// Pods of the space may have them, with any value.
    Free,
}

/// The labels that a group of pods can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSpace {
    known: BTreeMap<Arc<str>, Values>,
    free: Keys,
    others: OtherKeys,
}

impl PodSpace {
    /// A space with these known labels. `free` lists keys that are added at run time, as names or patterns
    /// with `*`.
    pub fn new<K: Into<Arc<str>>>(
        known: impl IntoIterator<Item = (K, Values)>,
        free: Vec<Arc<str>>,
        others: OtherKeys,
    ) -> Self {
        Self {
            known: known
                .into_iter()
                .map(|(key, values)| (key.into(), values))
                .collect(),
            free: Keys::new(free),
            others,
        }
    }

    /// The values that pods of the space can have for `key`.
    pub fn values(&self, key: &str) -> Values {
        match self.known.get(key) {
            Some(values) => values.clone(),
            None if self.is_free(key) => Values::any(),
            None => Values::absent(),
        }
    }

    /// Returns true if a key that is not known may be present with any value.
    fn is_free(&self, key: &str) -> bool {
        self.others == OtherKeys::Free || self.free.contains(key)
    }

    /// Returns true if every pod of it could also be in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        let mut keys = self.known.keys().chain(other.known.keys());
        let is_free = self.others == OtherKeys::Absent || other.others == OtherKeys::Free;
        let is_runtime = self.free == other.free || other.others == OtherKeys::Free;
        is_free && is_runtime && keys.all(|key| self.values(key).is_subset(&other.values(key)))
    }

    /// The known keys and their possible values.
    pub fn known(&self) -> impl Iterator<Item = (&Arc<str>, &Values)> {
        self.known.iter()
    }

    /// The part of it that a selector selects; `None` if it selects nothing. Only keys on which the
    /// selector is narrower than the space are constrained, so the whole space is [`LabelSet::any`].
    pub fn select(&self, selector: &LabelSet) -> Option<LabelSet> {
        let mut part = Vec::new();
        for (key, asked) in selector.constrained() {
            match self.known.get(key) {
                Some(ours) if ours.is_subset(asked) => {}
                Some(ours) => part.push((key.clone(), ours.intersect(asked))),
                None if self.is_free(key) => part.push((key.clone(), asked.clone())),
                None if asked.allows_absent() => {}
                None => return None,
            }
        }
        LabelSet::all_of(part)
    }

    /// A part of it with its values of `keys` added, so that it can be split on these keys.
    #[must_use]
    pub fn written_out<'a>(
        &self,
        part: &LabelSet,
        keys: impl IntoIterator<Item = &'a Arc<str>>,
    ) -> LabelSet {
        let others: BTreeSet<&Arc<str>> = keys
            .into_iter()
            .filter(|key| !part.constrains(key))
            .collect();
        if others.is_empty() {
            return part.clone();
        }
        let others = others.into_iter();
        let others = others.map(|key| (key.clone(), self.values(key)));
        let own = part.constrained();
        let own = own.map(|(key, values)| (key.clone(), values.clone()));
        LabelSet::all_of(own.chain(others).collect()).unwrap_or_else(|| part.clone())
    }
}

/// Label keys, as names and as patterns. They are separated once, since every selector is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Keys {
    listed: BTreeSet<Arc<str>>,
    patterns: Vec<Pattern>,
}

impl Keys {
    fn new(keys: Vec<Arc<str>>) -> Self {
        let (patterns, listed): (Vec<_>, Vec<_>) =
            keys.into_iter().partition(|key| key.contains('*'));
        Self {
            listed: listed.into_iter().collect(),
            patterns: patterns.iter().map(|key| Pattern::new(key)).collect(),
        }
    }

    fn contains(&self, key: &str) -> bool {
        self.listed.contains(key) || self.patterns.iter().any(|pattern| pattern.matches(key))
    }
}

/// A pattern in which each `*` matches any text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    /// Text before the first `*`.
    begins: Box<str>,
    /// Texts between two `*`.
    holds: Vec<Box<str>>,
    /// Text after the last `*`; `None` if there is no `*`.
    ends: Option<Box<str>>,
}

impl Pattern {
    fn new(pattern: &str) -> Self {
        let mut parts = pattern.split('*').map(Box::from);
        let begins = parts.next().unwrap_or_default();
        let mut holds: Vec<Box<str>> = parts.collect();
        let ends = holds.pop();
        Self {
            begins,
            holds,
            ends,
        }
    }

    fn matches(&self, text: &str) -> bool {
        let Some(mut rest) = text.strip_prefix(&*self.begins) else {
            return false;
        };
        let Some(ends) = &self.ends else {
            return rest.is_empty();
        };
        for part in &self.holds {
            let Some(at) = rest.find(&**part) else {
                return false;
            };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(&**ends)
    }
}

/// Returns true if `text` matches `pattern`, in which each `*` matches any text.
pub fn matches(pattern: &str, text: &str) -> bool {
    Pattern::new(pattern).matches(text)
}
