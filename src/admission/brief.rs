//! An answer with a small budget of work, for a review that is judged where it was read.

use std::collections::BTreeSet;

use super::{Admission, Answer, WebhookKind};

/// Steps of the proofs of one review, about 2 ms. A common one takes some dozens.
pub(super) const STEPS: u32 = 2_000;

impl Admission {
    /// Answers one body with a small budget of work; `None` where that is not enough, and the body has to be
    /// [answered](Self::answer) with the whole budget.
    pub fn answer_briefly(&self, webhook: WebhookKind, body: &[u8]) -> Option<Answer> {
        let world = self.brief.load();
        let answer = self.answer_by(self.basis(world.as_deref()), webhook, body, BTreeSet::new());
        (!answer.ran_out).then_some(answer)
    }
}
