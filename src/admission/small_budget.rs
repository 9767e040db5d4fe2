//! Reviews with a small budget, which run on the thread that read the request.

use std::collections::BTreeSet;

use super::{Admission, Answer, WebhookKind};

/// Proof budget in steps, about 2 ms. A typical review needs a few dozen steps.
pub(super) const STEPS: u32 = 2_000;

impl Admission {
    /// Answers one body with a small budget. `None` if that is not enough; then [`answer`](Self::answer) has
    /// to be called.
    pub(crate) fn answer_with_small_budget(
        &self,
        webhook: WebhookKind,
        body: &[u8],
    ) -> Option<Answer> {
        let compiled = self.small_budget.load();
        let answer = self.answer_by(
            self.basis(compiled.as_deref()),
            webhook,
            body,
            BTreeSet::new(),
        );
        (!answer.ran_out).then_some(answer)
    }
}
