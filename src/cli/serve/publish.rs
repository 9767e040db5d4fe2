//! Publishes facts and settings to reviews, compiled and swapped together.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Duration, Instant, sleep_until, timeout};

use crate::admission::Admission;
use crate::audit::Metrics;
use crate::config::{Baseline, ReviewConfig};
use crate::inventory::Snapshot;
use crate::review::CompiledSnapshot;

/// Another configuration to put in force.
pub(super) struct Decision {
    pub(super) config: Arc<ReviewConfig>,
    /// Receives a message once it is.
    pub(super) done: oneshot::Sender<()>,
}

/// Compiler of facts.
pub(super) type Compile =
    fn(Option<&CompiledSnapshot>, Arc<Snapshot>, Arc<ReviewConfig>) -> CompiledSnapshot;

/// Sets the warning of `/readyz?verbose`, or removes it.
pub(super) type Notify = Box<dyn Fn(Option<&str>) + Send + Sync>;

/// Pause after the compilation of facts, as a multiple of the time that it took. Tenants who write all the
/// time keep less than a quarter of a core busy; a review that the newest facts could change reads them live.
const PACE: u32 = 3;

/// Longest pause after a compilation.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Longest time for which the first facts wait for the release of the operator.
const BASELINE_FIRST: Duration = Duration::from_secs(3);

/// Warning while the newest facts are not in force.
const NOT_COMPILED: &str = "the newest facts or settings could not be compiled (a bug in openbao-perimeter, see the log); \
    while facts are missing, writes of the reviewed kinds are denied (OBP403)";

/// Task that publishes.
pub(super) struct Publisher {
    pub(super) admission: Arc<Admission>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    pub(super) decisions: mpsc::Receiver<Decision>,
    pub(super) published: watch::Sender<Option<Arc<CompiledSnapshot>>>,
    /// The baseline of the operator's release; `None` until it was asked for.
    pub(super) baselines: watch::Receiver<Option<Baseline>>,
    /// Receives the configuration that is in force.
    pub(super) configs: watch::Sender<Arc<ReviewConfig>>,
    pub(super) compile: Compile,
    pub(super) notify: Notify,
}

impl Publisher {
    /// Publishes each snapshot, and the last one again under each decision and baseline, until the facts end.
    pub(super) async fn run(mut self) {
        if self.admission.config().detects_baseline {
            let known = self.baselines.wait_for(Option::is_some);
            let _late = timeout(BASELINE_FIRST, known).await;
        }
        let mut earliest = Instant::now();
        loop {
            tokio::select! {
                changed = changed(&mut self.snapshots, earliest) => match changed {
                    Ok(()) => {
                        let (config, start) = (self.admission.config(), Instant::now());
                        self.publish(config).await;
                        earliest = Instant::now() + MAX_PAUSE.min(start.elapsed() * PACE);
                    }
                    Err(_ended) => return,
                },
                Ok(()) = self.baselines.changed() => {
                    self.publish(self.admission.config()).await;
                }
                Some(Decision { config, done }) = self.decisions.recv() => {
                    if self.publish(config).await {
                        // The receiver may be gone.
                        let _received = done.send(());
                    }
                }
            }
        }
    }

    /// Compiles the latest facts under a configuration, and swaps both at once; whether they are in force
    /// now.
    async fn publish(&mut self, config: Arc<ReviewConfig>) -> bool {
        let config = self.with_baseline(config);
        let Some(snapshot) = self.snapshots.borrow_and_update().clone() else {
            self.configs.send_replace(Arc::clone(&config));
            self.admission.decide(config);
            return true;
        };
        let decided = Arc::clone(&config);
        let previous = self.admission.compiled();
        let (known, newest) = (previous.clone(), Arc::clone(&snapshot));
        // Pure work that may take milliseconds in a large cluster: off the threads that serve.
        let compile = self.compile;
        let compile = move || compile(known.as_deref(), snapshot, config);
        match tokio::task::spawn_blocking(compile).await {
            Ok(compiled) => {
                let before = previous.map(|known| Arc::clone(&known.snapshot));
                self.metrics
                    .inventory(&before.unwrap_or_default(), &compiled.snapshot);
                self.metrics.layers(&compiled);
                self.admission.publish(compiled);
                self.configs.send_if_modified(|known| {
                    let is_new = **known != *decided;
                    *known = decided;
                    is_new
                });
                self.published.send_replace(self.admission.compiled());
                (self.notify)(None);
                true
            }
            Err(error) => {
                tracing::error!(%error, "cannot compile the newest facts");
                self.metrics.panicked();
                // Under another configuration the same facts are as good as they were.
                if previous.is_none_or(|known| !Arc::ptr_eq(&known.snapshot, &newest)) {
                    self.admission.outdate();
                }
                (self.notify)(Some(NOT_COMPILED));
                false
            }
        }
    }
}

impl Publisher {
    /// The configuration with the baseline of the operator's release, if no setting names one.
    fn with_baseline(&mut self, config: Arc<ReviewConfig>) -> Arc<ReviewConfig> {
        let baseline = self
            .baselines
            .borrow_and_update()
            .unwrap_or(Baseline::NEWEST);
        if !config.detects_baseline || config.baseline == baseline {
            return config;
        }
        Arc::new(ReviewConfig {
            baseline,
            ..ReviewConfig::clone(&config)
        })
    }
}

/// Waits for other facts, and until `earliest`.
async fn changed(
    snapshots: &mut watch::Receiver<Option<Arc<Snapshot>>>,
    earliest: Instant,
) -> Result<(), watch::error::RecvError> {
    sleep_until(earliest).await;
    snapshots.changed().await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::admission::WebhookKind;
    use crate::audit::Resolution;
    use crate::inventory::{Change, read};

    struct Stage {
        admission: Arc<Admission>,
        snapshots: watch::Sender<Option<Arc<Snapshot>>>,
        decisions: mpsc::Sender<Decision>,
        published: watch::Receiver<Option<Arc<CompiledSnapshot>>>,
        metrics: Arc<Metrics>,
        notices: watch::Receiver<Option<String>>,
    }

    /// Time that a compilation with the budget of 14 takes.
    const SLOW: Duration = Duration::from_millis(50);

    /// Fails with facts about namespace `cursed`, and with the budget of 13. Slow with the budget of 14.
    fn compile(
        known: Option<&CompiledSnapshot>,
        snapshot: Arc<Snapshot>,
        config: Arc<ReviewConfig>,
    ) -> CompiledSnapshot {
        let is_cursed = snapshot.namespace("cursed").is_some() || config.proof_budget == 13;
        assert!(!is_cursed, "on purpose");
        if config.proof_budget == 14 {
            std::thread::sleep(SLOW);
        }
        CompiledSnapshot::compile(known, snapshot, config)
    }

    fn cursed() -> Snapshot {
        let namespace =
            json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "cursed"}});
        let namespace = read::object(&namespace).unwrap();
        Snapshot::default().apply([Change::Set(namespace)])
    }

    fn stage() -> Stage {
        let admission = Arc::new(Admission::default());
        let (updates, snapshots) = watch::channel(None);
        let (sender, decisions) = mpsc::channel(1);
        let (compiled, audited) = watch::channel(None);
        let metrics = Arc::new(Metrics::new());
        let (notify, notices) = watch::channel(None);
        let publisher = Publisher {
            admission: Arc::clone(&admission),
            metrics: Arc::clone(&metrics),
            snapshots,
            decisions,
            published: compiled,
            baselines: watch::channel(Some(Baseline::NEWEST)).1,
            configs: watch::channel(Arc::default()).0,
            compile,
            notify: Box::new(move |text| {
                notify.send_replace(text.map(ToOwned::to_owned));
            }),
        };
        tokio::spawn(publisher.run());
        Stage {
            admission,
            snapshots: updates,
            decisions: sender,
            published: audited,
            metrics,
            notices,
        }
    }

    impl Stage {
        async fn decide(&self, proof_budget: u32) {
            let config = Arc::new(ReviewConfig {
                proof_budget,
                ..ReviewConfig::default()
            });
            let (done, applied) = oneshot::channel();
            let decision = Decision { config, done };
            assert!(self.decisions.send(decision).await.is_ok());
            applied.await.unwrap();
        }

        async fn learn(&mut self) {
            self.snapshots.send_replace(Some(Arc::default()));
            self.published.changed().await.unwrap();
        }

        /// Whether a policy that is about nothing is denied for want of facts.
        fn denies(&self) -> bool {
            let policy = json!({"metadata": {"name": "web", "namespace": "shop"},
                "spec": {"podSelector": {"matchLabels": {"app": "web"}}}});
            let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
                "request": {"uid": "a", "operation": "CREATE", "namespace": "shop", "name": "web",
                    "kind": {"group": "networking.k8s.io", "version": "v1", "kind": "NetworkPolicy"},
                    "resource": {"group": "networking.k8s.io", "version": "v1", "resource": "networkpolicies"},
                    "userInfo": {"username": "alice"}, "object": policy}});
            let answer = self
                .admission
                .answer(WebhookKind::Validate, review.to_string().as_bytes());
            let codes = answer.record.codes();
            assert!(codes.is_empty() || codes == "OBP403", "{codes}");
            answer.record.resolution == Resolution::Deny
        }

        fn budget(&self) -> u32 {
            self.admission.config().proof_budget
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
        let before = stage.admission.compiled().unwrap();
        stage.decide(8).await;
        let after = stage.admission.compiled().unwrap();
        assert_eq!(after.config.proof_budget, 8);
        assert!(Arc::ptr_eq(&before.snapshot, &after.snapshot));
        // The audit judges by it too.
        assert!(stage.published.has_changed().unwrap());
        stage.learn().await;
        assert_eq!(stage.budget(), 8);
    }

    #[tokio::test]
    async fn facts_that_cannot_be_compiled_are_counted_and_told_and_nothing_is_proved_by_older_ones()
     {
        let mut stage = stage();
        stage.learn().await;
        assert!(!stage.denies());
        stage.snapshots.send_replace(Some(Arc::new(cursed())));
        stage.notices.wait_for(Option::is_some).await.unwrap();
        assert!(stage.denies());
        assert_eq!(stage.metrics.panics(), 1);
        stage.learn().await;
        assert!(!stage.denies());
        stage.notices.wait_for(Option::is_none).await.unwrap();
    }

    #[tokio::test]
    async fn a_decision_that_cannot_be_put_in_force_leaves_the_facts_as_good_as_they_were() {
        let mut stage = stage();
        stage.learn().await;
        let config = Arc::new(ReviewConfig {
            proof_budget: 13,
            ..ReviewConfig::default()
        });
        let (done, applied) = oneshot::channel();
        let decision = Decision { config, done };
        assert!(stage.decisions.send(decision).await.is_ok());
        assert!(applied.await.is_err());
        assert!(stage.notices.borrow().is_some());
        assert!(!stage.denies());
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

    #[tokio::test]
    async fn a_slow_compilation_is_followed_by_a_pause() {
        let mut stage = stage();
        stage.decide(14).await;
        stage.learn().await;
        let first = Instant::now();
        stage.learn().await;
        assert!(first.elapsed() >= SLOW * (PACE + 1));
    }
}
