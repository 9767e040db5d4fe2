//! Reads of the policies of namespaces that became guarded.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ::kube::Client;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};

use super::policies::{self, Policies, Wanted};
use super::resource;
use super::responses::{Gate, Listing};
use super::snapshot_builder::Step;
use crate::config::SizeLimits;
use crate::inventory::{Kind, NamespaceFacts};

/// Maximum number of concurrent reads.
const AT_ONCE: usize = 4;
/// Timeout of one read.
const LIMIT: Duration = Duration::from_secs(30);
/// Delay after a failed read.
const PAUSE: Duration = Duration::from_secs(1);

/// Reads policies in the background, at most one read per namespace at a time.
pub(super) struct Reads {
    client: Client,
    steps: mpsc::WeakSender<(Kind, Step)>,
    turns: Arc<Semaphore>,
    gate: Gate,
    under_way: BTreeSet<Arc<str>>,
    /// Namespaces whose last read failed. The failure was logged.
    failing: BTreeSet<Arc<str>>,
}

impl Reads {
    /// Reads through a client and sends the results as steps.
    pub(super) fn new(client: Client, steps: mpsc::WeakSender<(Kind, Step)>) -> Self {
        Self {
            client,
            steps,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            gate: Gate::shared(),
            under_way: BTreeSet::new(),
            failing: BTreeSet::new(),
        }
    }

    /// Starts a read of the policies that exist only as stubs in a namespace, unless one is running.
    pub(super) fn begin(&mut self, namespace: &Arc<str>, facts: &NamespaceFacts, caps: SizeLimits) {
        let Some(steps) = self.steps.upgrade() else {
            return;
        };
        if !self.under_way.insert(namespace.clone()) {
            return;
        }
        let resource = resource(Kind::NetworkPolicy, Kind::NetworkPolicy.versions()[0]);
        let listing = Listing::new(self.client.clone(), &resource, Some(namespace));
        let (turns, mut gate) = (Arc::clone(&self.turns), self.gate.clone());
        let namespace = namespace.clone();
        let wanted = Wanted::missing(facts);
        let is_news = !self.failing.contains(&namespace);
        tokio::spawn(async move {
            let _turn = turns.acquire_owned().await;
            let read = timeout(LIMIT, policies::read(&listing, wanted, &caps, &mut gate)).await;
            let problem = match &read {
                Ok(Ok(_)) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_late) => Some("no answer in time".to_owned()),
            };
            if let Some(problem) = problem.filter(|_| is_news) {
                tracing::warn!(
                    %namespace,
                    problem,
                    "cannot read the policies of a guarded namespace, trying again"
                );
            }
            let read = read.ok().and_then(Result::ok);
            if read.is_none() {
                sleep(PAUSE).await;
            }
            // The receiver may be gone.
            let _sent = steps
                .send((Kind::NetworkPolicy, Step::Read(namespace, read)))
                .await;
        });
    }

    /// Handles the end of a read, successful or not.
    pub(super) fn ended(&mut self, namespace: &Arc<str>, read: Option<&Policies>) {
        self.under_way.remove(namespace);
        if read.is_some() {
            self.failing.remove(namespace);
        } else {
            self.failing.insert(namespace.clone());
        }
    }
}
