//! What the handler of reviews needs at hand.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::beside::Beside;
use super::caution::Caution;
use super::intake::Intake;
use super::limits::Limits;
use super::workers::Workers;
use crate::admission::Admission;
use crate::audit::Metrics;

/// Where reviews are handed in.
#[derive(Clone, Debug)]
pub struct Desk {
    pub(super) admission: Arc<Admission>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) limits: Limits,
    pub(super) places: Arc<Semaphore>,
    pub(super) intake: Intake,
    pub(super) workers: Workers,
    /// Workers for small reviews under [caution](Caution), which wait for no large one there either.
    pub(super) careful: Workers,
    pub(super) caution: Arc<Caution>,
    pub(super) beside: Beside,
}

impl Desk {
    /// A desk that answers with `admission` and counts in `metrics`. Made inside a runtime, whose
    /// threads judge what is large.
    pub fn new(admission: Arc<Admission>, metrics: Arc<Metrics>, limits: Limits) -> Self {
        Self {
            admission,
            metrics,
            limits,
            places: Arc::new(Semaphore::new(limits.requests)),
            intake: Intake::new(limits),
            workers: Workers::new(limits.workers),
            careful: Workers::new(limits.workers),
            caution: Arc::new(Caution::new()),
            beside: Beside::default(),
        }
    }

    /// The same, which asks and tells a cluster.
    #[must_use]
    pub fn beside(self, beside: Beside) -> Self {
        Self { beside, ..self }
    }
}
