//! Values of one label.

use std::sync::Arc;

use crate::names::Names;

/// Possible values of one label key, and whether the key may be absent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Values {
    pub(super) present: Names,
    pub(super) absent: bool,
}

impl Values {
    /// Any value, or absent: the meaning of a selector that does not mention the key.
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

    /// Returns true if nothing is allowed: no value, and not absent either.
    pub fn is_empty(&self) -> bool {
        !self.absent && self.present.is_empty()
    }

    /// Returns true if everything is allowed.
    pub fn is_any(&self) -> bool {
        self.absent && self.present.is_all()
    }

    /// Returns true if the key may be absent.
    pub const fn allows_absent(&self) -> bool {
        self.absent
    }

    /// The values the key may have.
    pub const fn values(&self) -> &Names {
        &self.present
    }

    /// Returns true if `value` is allowed. `None` stands for an absent key.
    pub fn contains(&self, value: Option<&str>) -> bool {
        value.map_or(self.absent, |value| self.present.contains(value))
    }

    /// The values in both; may be empty.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        Self {
            present: self.present.intersect(&other.present),
            absent: self.absent && other.absent,
        }
    }

    /// The values that are not in `other`; may be empty.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self {
            present: self.present.minus(&other.present),
            absent: self.absent && !other.absent,
        }
    }

    pub(super) fn remove(&mut self, other: &Self) {
        self.present.remove(&other.present);
        self.absent &= !other.absent;
    }

    /// Returns true if `other` allows everything that `self` allows.
    pub fn is_subset(&self, other: &Self) -> bool {
        (other.absent || !self.absent) && self.present.is_subset(&other.present)
    }

    /// Returns true if no value, and no absence, is in both.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        !(self.absent && other.absent) && self.present.is_disjoint(&other.present)
    }
}
