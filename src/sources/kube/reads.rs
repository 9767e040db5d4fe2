//! Reads of the policies of namespaces that became guarded.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ::kube::Client;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};

use super::answers::{Gate, Listing};
use super::policies::{self, Policies, Wanted};
use super::resource;
use super::snapshot_builder::Step;
use crate::config::SizeLimits;
use crate::inventory::{Kind, NamespaceFacts};

/// Namespaces that are read at once.
const AT_ONCE: usize = 4;
/// How long one read may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How long after a failed read the next one begins.
const PAUSE: Duration = Duration::from_secs(1);

/// Reads namespaces in the background, each once at a time.
pub(super) struct Reads {
    client: Client,
    steps: mpsc::WeakSender<(Kind, Step)>,
    turns: Arc<Semaphore>,
    gate: Gate,
    under_way: BTreeSet<Arc<str>>,
    /// Namespaces whose last read failed, which was logged.
    failing: BTreeSet<Arc<str>>,
}

impl Reads {
    /// Reads through a client, and hands what was read over as steps.
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

    /// Begins to read the policies of a namespace of which there are stubs, unless that is under way.
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
            // Nobody may listen any more.
            let _sent = steps
                .send((Kind::NetworkPolicy, Step::Read(namespace, read)))
                .await;
        });
    }

    /// A read has ended, with policies or without.
    pub(super) fn ended(&mut self, namespace: &Arc<str>, read: Option<&Policies>) {
        self.under_way.remove(namespace);
        if read.is_some() {
            self.failing.remove(namespace);
        } else {
            self.failing.insert(namespace.clone());
        }
    }
}
