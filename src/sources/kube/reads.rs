//! Reads of the policies of namespaces that became guarded.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ::kube::Client;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::policies::{self, Policies, Wanted};
use super::resource;
use super::responses::{Gate, Listing};
use super::snapshot_builder::Step;
use crate::config::SizeLimits;
use crate::inventory::{Kind, Snapshot};

/// Maximum number of concurrent reads.
const AT_ONCE: usize = 4;
/// Timeout of one read.
const LIMIT: Duration = Duration::from_secs(30);
/// Delay after a failed read.
const PAUSE: Duration = Duration::from_secs(1);

/// Reads policies in the background, at most one read per namespace at a time. The next read starts once the
/// result of an earlier one is merged, so that it starts with the memory that is left.
pub(super) struct Reads {
    client: Client,
    steps: mpsc::WeakSender<(Kind, Step)>,
    gate: Gate,
    /// Namespaces that wait for a read, the longest waiting first.
    waiting: VecDeque<Arc<str>>,
    /// Those, and the namespaces that are being read.
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
            gate: Gate::shared(),
            waiting: VecDeque::new(),
            under_way: BTreeSet::new(),
            failing: BTreeSet::new(),
        }
    }

    /// Queues reads of the policies that exist only as stubs in guarded namespaces, and starts as many as may
    /// run. The policies of each may take `limit` bytes: a read that starts later gets the limit of its time.
    pub(super) fn begin(
        &mut self,
        facts: &Snapshot,
        guarded: &BTreeSet<Arc<str>>,
        caps: SizeLimits,
        limit: usize,
    ) {
        let unread = |namespace: &Arc<str>| {
            let facts = facts.namespace(namespace)?;
            (guarded.contains(namespace) && !facts.stubs.is_empty()).then_some(facts)
        };
        for namespace in guarded {
            if unread(namespace).is_some() && self.under_way.insert(namespace.clone()) {
                self.waiting.push_back(namespace.clone());
            }
        }
        while self.under_way.len() - self.waiting.len() < AT_ONCE
            && let Some(namespace) = self.waiting.pop_front()
        {
            match unread(&namespace) {
                Some(facts) => self.start(namespace, Wanted::missing(facts, limit), caps),
                None => _ = self.under_way.remove(&namespace),
            }
        }
    }

    fn start(&mut self, namespace: Arc<str>, wanted: Wanted, caps: SizeLimits) {
        let Some(steps) = self.steps.upgrade() else {
            return;
        };
        let resource = resource(Kind::NetworkPolicy, Kind::NetworkPolicy.first_version());
        let listing = Listing::new(self.client.clone(), &resource, Some(&namespace));
        let mut gate = self.gate.clone();
        let is_news = !self.failing.contains(&namespace);
        tokio::spawn(async move {
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
