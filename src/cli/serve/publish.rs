//! The one writer of what reviews are judged by: facts and settings, compiled and swapped together.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use crate::admission::Admission;
use crate::audit::Metrics;
use crate::inventory::Snapshot;
use crate::posture::Posture;
use crate::review::World;

/// Another posture, to be put in force.
pub(super) struct Decision {
    pub(super) posture: Arc<Posture>,
    /// Told once it is.
    pub(super) done: oneshot::Sender<()>,
}

/// What is published, and where.
pub(super) struct Publisher {
    pub(super) admission: Arc<Admission>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    pub(super) decisions: mpsc::Receiver<Decision>,
    pub(super) worlds: watch::Sender<Option<Arc<World>>>,
}

impl Publisher {
    /// Publishes each snapshot, and the last one again under each decision, until the facts end.
    pub(super) async fn run(mut self) {
        loop {
            tokio::select! {
                changed = self.snapshots.changed() => match changed {
                    Ok(()) => {
                        let posture = self.admission.posture();
                        self.publish(posture).await;
                    }
                    Err(_ended) => return,
                },
                Some(Decision { posture, done }) = self.decisions.recv() => {
                    if self.publish(posture).await {
                        // Nobody may wait any more.
                        let _told = done.send(());
                    }
                }
            }
        }
    }

    /// Compiles the latest facts under a posture, and swaps both at once; whether they are in force
    /// now.
    async fn publish(&mut self, posture: Arc<Posture>) -> bool {
        let Some(snapshot) = self.snapshots.borrow_and_update().clone() else {
            self.admission.decide(posture);
            return true;
        };
        let previous = self.admission.world();
        let known = previous.clone();
        // Pure work that may take milliseconds in a large cluster: off the threads that serve.
        let compile = move || World::compile(known.as_deref(), snapshot, posture);
        match tokio::task::spawn_blocking(compile).await {
            Ok(world) => {
                let before = previous.map(|known| Arc::clone(&known.snapshot));
                self.metrics
                    .inventory(&before.unwrap_or_default(), &world.snapshot);
                self.admission.publish(world);
                self.worlds.send_replace(self.admission.world());
                true
            }
            Err(error) => {
                tracing::error!(%error, "Keeping the old facts");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stage {
        admission: Arc<Admission>,
        snapshots: watch::Sender<Option<Arc<Snapshot>>>,
        decisions: mpsc::Sender<Decision>,
        worlds: watch::Receiver<Option<Arc<World>>>,
    }

    fn stage() -> Stage {
        let admission = Arc::new(Admission::default());
        let (updates, snapshots) = watch::channel(None);
        let (sender, decisions) = mpsc::channel(1);
        let (told, worlds) = watch::channel(None);
        let publisher = Publisher {
            admission: Arc::clone(&admission),
            metrics: Arc::new(Metrics::new()),
            snapshots,
            decisions,
            worlds: told,
        };
        tokio::spawn(publisher.run());
        Stage {
            admission,
            snapshots: updates,
            decisions: sender,
            worlds,
        }
    }

    impl Stage {
        async fn decide(&self, proof_budget: u32) {
            let posture = Arc::new(Posture {
                proof_budget,
                ..Posture::default()
            });
            let (done, told) = oneshot::channel();
            let decision = Decision { posture, done };
            assert!(self.decisions.send(decision).await.is_ok());
            told.await.unwrap();
        }

        async fn learn(&mut self) {
            self.snapshots.send_replace(Some(Arc::default()));
            self.worlds.changed().await.unwrap();
        }

        fn budget(&self) -> u32 {
            self.admission.posture().proof_budget
        }
    }

    #[tokio::test]
    async fn a_decision_holds_before_there_are_facts_and_goes_on_with_them() {
        let mut stage = stage();
        stage.decide(7).await;
        assert_eq!(stage.budget(), 7);
        assert!(!stage.admission.is_ready());
        stage.learn().await;
        assert_eq!(stage.budget(), 7);
        assert!(stage.admission.is_ready());
    }

    #[tokio::test]
    async fn a_decision_is_in_force_with_the_facts_when_it_is_told_to_be() {
        let mut stage = stage();
        stage.learn().await;
        let before = stage.admission.world().unwrap();
        stage.decide(8).await;
        let after = stage.admission.world().unwrap();
        assert_eq!(after.posture.proof_budget, 8);
        assert!(Arc::ptr_eq(&before.snapshot, &after.snapshot));
        // The audit judges by it too.
        assert!(stage.worlds.has_changed().unwrap());
        stage.learn().await;
        assert_eq!(stage.budget(), 8);
    }

    #[tokio::test]
    async fn facts_go_on_when_nobody_decides_any_more() {
        let mut stage = stage();
        let (gone, _) = mpsc::channel(1);
        stage.decisions = gone;
        stage.learn().await;
        stage.learn().await;
        assert!(stage.admission.is_ready());
    }
}
