//! OBP402 without a proof: a policy is too large to prove.

use crate::config::SizeLimits;
use crate::inventory::size::{TooLarge, too_large};
use crate::inventory::{ObjectRef, Policy};

use super::{Cause, Finding, Onset};

/// Findings for all parts that are too large.
pub(crate) fn check(object: &ObjectRef, policy: &Policy, caps: &SizeLimits) -> Vec<Finding> {
    let large = too_large(policy, caps);
    let finding = |large: &TooLarge| finding(object, large, Onset::Introduced);
    large.iter().map(finding).collect()
}

/// The finding for one part that is too large.
pub(crate) fn finding(object: &ObjectRef, large: &TooLarge, onset: Onset) -> Finding {
    Finding {
        reason: format!(
            "{} {} are too many to review; expected at most {}",
            large.found, large.what, large.cap
        ),
        help: "split the policy, or merge related entries into fewer and wider ones".to_owned(),
        ..Finding::of(Cause::Undecided, onset, object, large.path.clone())
    }
}
