//! Reads of one namespace, past the watches.
//!
//! A read that has begun may be older than what a caller knows, so nobody joins it: who comes while
//! one is under way waits for the next, together with all others who do. So there is one read of a
//! namespace at a time and one that waits, and what they cost does not grow with the callers. Each
//! namespace has an allowance of its own, and one that was quiet waits for no busy one. Objects are
//! read one by one, and one read at a time may hold a large one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::kube::{Client, Error};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout};

use super::answers::{Gate, Listing};
use super::custom;
use super::discovery::{self, Served};
use super::policies::{self, Wanted};
use super::{ReviewConfigs, resource};
use crate::inventory::read::{self, outline::outline};
use crate::inventory::{Kind, Object};
use crate::rate::Bucket;

/// One read, from its turn to its end. Reviews wait less.
const LIMIT: Duration = Duration::from_secs(5);
/// Reads of one namespace at once after a quiet time, and how often one more of them may begin.
const BURST: u32 = 10;
const PERIOD: Duration = Duration::from_millis(100);
/// After so long without a read a namespace counts as quiet.
const QUIET: Duration = Duration::from_secs(10);
/// Reads under way at once: of namespaces that were quiet before, and as many of all others.
const AT_ONCE: usize = 16;

/// Why nothing was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The API server does not answer.
    #[error("the API server did not answer in time")]
    Late,
    /// The API server refuses, or is not reached.
    #[error("cannot read kind `{kind}`: {problem}")]
    Api {
        /// Kind.
        kind: &'static str,
        /// What happened.
        problem: String,
    },
    /// The API server serves the kind in no version, as it says now.
    #[error("no version of kind `{kind}` is served")]
    Unserved {
        /// Kind.
        kind: &'static str,
    },
    /// The task that read is gone.
    #[error("the read was given up")]
    GivenUp,
}

/// The objects of a namespace, or why there are none.
pub(super) type Answer = Result<Vec<Object>, ReadError>;

type Key = (Arc<str>, &'static [Kind]);

/// Reads namespaces.
#[derive(Clone)]
pub struct Reader {
    client: Client,
    configs: ReviewConfigs,
    queue: Arc<Queue>,
    /// Who waits may be on any thread that serves connections. What it reads, for others too and
    /// maybe a lot, is no work for that one.
    runtime: Handle,
}

struct Queue {
    slots: Mutex<BTreeMap<Key, Slot>>,
    /// Namespaces that were read a short while ago.
    recent: Mutex<BTreeMap<Arc<str>, Recent>>,
    quiet: Semaphore,
    busy: Semaphore,
    gate: Gate,
}

/// One namespace: the read that has not begun, and whose turn it is.
#[derive(Default)]
struct Slot {
    waiting: Option<Shared<BoxFuture<'static, Answer>>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    /// Reads through this client, on the runtime that this is called in, as much as the posture in force allows.
    pub fn new(client: Client, configs: ReviewConfigs) -> Self {
        Self {
            client,
            configs,
            queue: Arc::new(Queue::new()),
            runtime: Handle::current(),
        }
    }

    /// The objects of these kinds in a namespace, and the Namespace itself where it is among them,
    /// at some moment after this call.
    ///
    /// # Errors
    /// The API server does not answer, or refuses.
    pub async fn read(&self, namespace: Arc<str>, kinds: &'static [Kind]) -> Answer {
        let key = (namespace, kinds);
        let read = {
            let mut slots = self.queue.slots();
            let slot = slots.entry(key.clone()).or_default();
            let begin = || {
                let turn = Arc::clone(&slot.turn);
                let read = self.runtime.spawn(self.clone().take_turn(key, turn));
                let ended = read.map(|ended| ended.unwrap_or(Err(ReadError::GivenUp)));
                ended.boxed().shared()
            };
            slot.waiting.get_or_insert_with(begin).clone()
        };
        read.await
    }

    async fn take_turn(self, key: Key, turn: Arc<tokio::sync::Mutex<()>>) -> Answer {
        let _turn = turn.lock_owned().await;
        let Reserved { wait, is_quiet } = self.queue.reserve(&key.0, Instant::now());
        sleep(wait).await;
        let _place = self.queue.place(is_quiet).await;
        // From here on it may be too old for whoever comes.
        if let Some(slot) = self.queue.slots().get_mut(&key) {
            slot.waiting = None;
        }
        let answer = timeout(LIMIT, self.objects(&key)).await;
        let mut slots = self.queue.slots();
        if slots.get(&key).is_some_and(|slot| slot.waiting.is_none()) {
            slots.remove(&key);
        }
        answer.unwrap_or(Err(ReadError::Late))
    }

    async fn objects(&self, (namespace, kinds): &Key) -> Answer {
        let mut objects = Vec::new();
        let mut gate = self.queue.gate.clone();
        for kind in *kinds {
            let found = self.of_kind(namespace, *kind, &mut gate).await;
            objects.extend(found.map_err(|error| ReadError::Api {
                kind: kind.as_str(),
                problem: error.to_string(),
            })??);
        }
        Ok(objects)
    }

    /// Without a resource version, so no older than this call. A list that answers 404 is no answer: discovery tells
    /// whether the kind is served in another version, or in none.
    async fn of_kind(&self, namespace: &str, kind: Kind, gate: &mut Gate) -> Result<Answer, Error> {
        let first = kind.versions()[0];
        let gone = match self.list(namespace, kind, first, gate).await {
            Err(Error::Api(status)) if status.code == 404 && kind.is_custom() => status,
            objects => return objects.map(Ok),
        };
        match discovery::served(&self.client, kind).await? {
            Served::Unread(version) => {
                let client = self.client.clone();
                let named = custom::list(client, namespace, kind, &version, gate).await;
                named.map(Ok)
            }
            Served::Read(version) if version != first => {
                self.list(namespace, kind, version, gate).await.map(Ok)
            }
            Served::Nowhere => Ok(Err(ReadError::Unserved {
                kind: kind.as_str(),
            })),
            Served::Read(_) | Served::Unproved => Err(Error::Api(gone)),
        }
    }

    async fn list(
        &self,
        namespace: &str,
        kind: Kind,
        version: &str,
        gate: &mut Gate,
    ) -> Result<Vec<Object>, Error> {
        let (client, resource) = (self.client.clone(), resource(kind, version));
        let listing = if kind == Kind::Namespace {
            let named = format!("metadata.name={namespace}");
            Listing::new(client, &resource, None).fields(named)
        } else {
            Listing::new(client, &resource, Some(namespace))
        };
        if kind == Kind::NetworkPolicy {
            let caps = self.configs.borrow().caps;
            let read = policies::read(&listing, Wanted::default(), &caps, gate).await?;
            return Ok(read.found.into_iter().map(|found| found.object).collect());
        }
        let read = |json: &[u8]| read::object_json(&outline(json)?.of_kind(kind), json);
        listing.all(gate, read).await.map(|(objects, _)| objects)
    }
}

impl Queue {
    fn new() -> Self {
        Self {
            slots: Mutex::default(),
            recent: Mutex::default(),
            quiet: Semaphore::new(AT_ONCE),
            busy: Semaphore::new(AT_ONCE),
            gate: Gate::shared(),
        }
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<Key, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a token of a namespace's own.
    fn reserve(&self, namespace: &Arc<str>, now: Instant) -> Reserved {
        let recent = self.recent.lock();
        let mut recent = recent.unwrap_or_else(PoisonError::into_inner);
        recent.retain(|_, known| now < known.last + QUIET || !known.bucket.is_full(now));
        let is_quiet = !recent.contains_key(namespace);
        let known = recent.entry(namespace.clone()).or_insert_with(|| Recent {
            bucket: Bucket::new(BURST, PERIOD, now),
            last: now,
        });
        known.last = now;
        Reserved {
            wait: known.bucket.reserve(now),
            is_quiet,
        }
    }

    /// A place among the reads that are under way. Namespaces that were quiet do not stand behind those that were not.
    async fn place(&self, is_quiet: bool) -> Option<SemaphorePermit<'_>> {
        // Nobody closes them.
        let busy = self.busy.acquire();
        if !is_quiet {
            return busy.await.ok();
        }
        tokio::select! {
            place = self.quiet.acquire() => place.ok(),
            place = busy => place.ok(),
        }
    }
}

/// A namespace that was read a short while ago.
struct Recent {
    bucket: Bucket,
    last: Instant,
}

/// A namespace's turn.
struct Reserved {
    /// How long it waits for itself.
    wait: Duration,
    /// Whether nothing was read of it for a while.
    is_quiet: bool,
}
