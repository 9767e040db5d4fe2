//! OBP402 before any proof: a policy so large that no proof of it is tried.

use crate::inventory::size::{TooLarge, too_large};
use crate::inventory::{ObjectRef, Policy};
use crate::posture::Caps;

use super::{Code, Finding, Level};

/// Findings for all that is too large.
pub fn check(object: &ObjectRef, policy: &Policy, caps: &Caps) -> Vec<Finding> {
    let finding = |large: TooLarge| Finding {
        code: Code::Obp402,
        level: Level::Deny,
        object: object.clone(),
        path: large.path,
        reason: format!(
            "{} {} are more than can be proved; expected at most {}",
            large.found, large.what, large.cap
        ),
        witness: None,
        only_if: None,
        help: "split the policy, or merge what belongs together into fewer and wider entries"
            .to_owned(),
    };
    too_large(policy, caps).into_iter().map(finding).collect()
}
