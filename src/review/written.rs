//! The policy that a write is about, with data that is shared by all zones.

use std::cell::OnceCell;
use std::sync::Arc;

use super::request::Edit;
use crate::baseline::PolicyRegions;
use crate::inventory::{Fact, Policy};
use netpol::LabelSet;

/// A write of a policy, with the connections that its rules allow, computed once for all zones.
pub(super) struct PolicyWrite<'a> {
    pub(super) edit: &'a Edit<Policy>,
    pub(super) before: WriteSide,
    pub(super) after: WriteSide,
}

/// The policy before or after the write.
#[derive(Default)]
pub(super) struct WriteSide {
    /// The labels that the podSelector selects.
    pub(super) pods: Option<LabelSet>,
    pub(super) regions: OnceCell<Arc<PolicyRegions>>,
}

impl WriteSide {
    fn of(fact: Option<&Fact<Policy>>) -> Self {
        let policy = fact.and_then(Fact::read);
        Self {
            pods: policy.and_then(|policy| policy.pods.label_set()),
            regions: OnceCell::new(),
        }
    }
}

impl<'a> PolicyWrite<'a> {
    pub(super) fn of(edit: &'a Edit<Policy>) -> Self {
        Self {
            edit,
            before: WriteSide::of(edit.before.as_ref()),
            after: WriteSide::of(edit.after.as_ref()),
        }
    }

    /// Comparisons needed to find the selected part of a zone.
    pub(super) fn weight(&self) -> usize {
        let pods = [&self.before, &self.after].into_iter();
        let pods = pods.filter_map(|side| side.pods.as_ref());
        pods.map(LabelSet::weight).sum()
    }
}
