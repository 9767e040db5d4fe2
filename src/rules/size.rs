//! OBP402 before any proof: a policy so large that no proof of it is tried.

use crate::inventory::size::{TooLarge, too_large};
use crate::inventory::{ObjectRef, Policy};
use crate::posture::Caps;

use super::{Code, Finding, Level};

/// Findings for all that is too large.
pub fn check(object: &ObjectRef, policy: &Policy, caps: &Caps) -> Vec<Finding> {
    let finding = |large: TooLarge| Finding {
        reason: format!(
            "{} {} are more than can be proved; expected at most {}",
            large.found, large.what, large.cap
        ),
        help: "split the policy, or merge what belongs together into fewer and wider entries"
            .to_owned(),
        ..Finding::new(Code::Obp402, Level::Deny, object, large.path)
    };
    too_large(policy, caps).into_iter().map(finding).collect()
}
