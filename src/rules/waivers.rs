//! OBP701 and OBP702: waivers of the settings that have ended, or that waive nothing.

use super::{Cause, Finding, Onset};
use crate::config::{Waiver, WaiverState};
use crate::inventory::ObjectRef;

/// A waiver on a day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaiverReview<'a> {
    /// The waiver.
    pub(crate) waiver: &'a Waiver,
    /// Its index in the settings.
    pub(crate) index: usize,
    /// Its object or cluster.
    pub(crate) object: &'a ObjectRef,
    /// Its state.
    pub(crate) state: WaiverState,
    /// True if all findings that it could waive are known, and it waives none.
    pub(crate) is_unused: bool,
}

impl WaiverReview<'_> {
    fn finding(&self, cause: Cause) -> Finding {
        let path = format!("review.waivers[{}]", self.index);
        // Nothing is written. The level is that of the cause.
        let finding = Finding::of(cause, Onset::Introduced, self.object, path);
        Finding {
            onset: Onset::PreExisting,
            ..finding
        }
    }
}

/// The finding about a waiver that has ended, or ends within two weeks.
pub(crate) fn expired(review: &WaiverReview<'_>) -> Option<Finding> {
    let (codes, until) = (review.waiver.codes(), review.waiver.until);
    let (cause, verb) = match review.state {
        WaiverState::Active => return None,
        WaiverState::Ending => (Cause::WaiverEnding, "ends after"),
        WaiverState::Expired => (Cause::WaiverExpired, "ended after"),
    };
    let why = &review.waiver.reason;
    let reason = format!("the waiver of {codes} in the settings {verb} {until}: {why}");
    Some(Finding {
        help: "fix the object and remove the waiver, or give it another `until`".to_owned(),
        ..review.finding(cause).because(reason)
    })
}

/// The finding about a waiver that waives nothing.
pub(crate) fn unused(review: &WaiverReview<'_>) -> Option<Finding> {
    if !review.is_unused || review.state == WaiverState::Expired {
        return None;
    }
    let codes = review.waiver.codes();
    let reason = format!("the waiver of {codes} in the settings waives no finding");
    Some(Finding {
        help: "remove the waiver".to_owned(),
        ..review.finding(Cause::WaiverUnused).because(reason)
    })
}
