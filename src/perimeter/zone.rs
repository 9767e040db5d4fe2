//! A zone: the pods whose connections are judged, as the labels they can carry.
//!
//! A zone is closed-world on its own side: known keys have known values, keys that others add at
//! run time are free, and every other key is absent. So a policy for `app=web` selects nothing of
//! a zone, while one for `openbao-active=true` does.
//!
//! ```
//! use openbao_perimeter::perimeter::label::{LabelSet, Values};
//! use openbao_perimeter::perimeter::zone::{OtherKeys, Zone};
//!
//! let zone = Zone::new([("app", Values::one_of(["bao"]))], vec!["openbao-*".into()], OtherKeys::Absent);
//! let web = LabelSet::any().and("tier", Values::one_of(["web"])).expect("satisfiable");
//! assert!(zone.select(&web).is_none(), "no pod of the zone has a `tier`");
//! let active = LabelSet::any().and("openbao-active", Values::one_of(["true"])).expect("satisfiable");
//! assert_eq!(zone.select(&active), Some(active), "some pods of the zone");
//! let whole = LabelSet::any().and("app", Values::present()).expect("satisfiable");
//! assert_eq!(zone.select(&whole), Some(LabelSet::any()), "every pod of the zone");
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use super::label::{LabelSet, Values};

/// What is assumed of a label key that nothing is known about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherKeys {
    /// No pod of the zone carries it.
    Absent,
    /// Some pods of the zone may carry it with any value.
    Free,
}

/// The labels that pods of a zone can carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    known: BTreeMap<Arc<str>, Values>,
    free: Vec<Arc<str>>,
    others: OtherKeys,
}

impl Zone {
    /// A zone of pods with these known labels, and free keys as exact names or patterns with `*`.
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
            free,
            others,
        }
    }

    /// What pods of the zone can have under `key`.
    pub fn values(&self, key: &str) -> Values {
        if let Some(values) = self.known.get(key) {
            return values.clone();
        }
        let free =
            self.others == OtherKeys::Free || self.free.iter().any(|pattern| matches(pattern, key));
        if free {
            Values::any()
        } else {
            Values::absent()
        }
    }

    /// The known keys and what they can be.
    pub fn known(&self) -> impl Iterator<Item = (&Arc<str>, &Values)> {
        self.known.iter()
    }

    /// The part of the zone that a selector selects, `None` where that is nothing. Only keys on
    /// which the selector takes less than the whole zone are constrained, so the whole zone is
    /// [`LabelSet::any`].
    pub fn select(&self, selector: &LabelSet) -> Option<LabelSet> {
        let mut part = LabelSet::any();
        for (key, asked) in selector.constrained() {
            let ours = self.values(key);
            let both = ours.intersect(asked);
            if both.is_empty() {
                return None;
            }
            if both != ours {
                part = part.with(key, both)?;
            }
        }
        Some(part)
    }

    /// A part of the zone with the zone's own knowledge of `keys` written out, so that it can be
    /// split on them.
    #[must_use]
    pub fn written_out<'a>(
        &self,
        part: &LabelSet,
        keys: impl IntoIterator<Item = &'a Arc<str>>,
    ) -> LabelSet {
        keys.into_iter().fold(part.clone(), |part, key| {
            if part.constrains(key) {
                return part;
            }
            part.with(key, self.values(key)).unwrap_or(part)
        })
    }
}

/// Whether `text` is `pattern`, in which each `*` stands for any text.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let Some((prefix, mut pattern)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut rest) = text.strip_prefix(prefix) else {
        return false;
    };
    while let Some((part, behind)) = pattern.split_once('*') {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
        pattern = behind;
    }
    rest.ends_with(pattern)
}
