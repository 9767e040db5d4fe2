//! Live reads of one namespace.
//!
//! A read that has started may be older than what a later caller knows, so that caller waits for the next
//! read, together with all other waiting callers. So a namespace has at most one running read and one
//! pending read, and the cost does not grow with the number of callers. Reads are rate limited by namespace,
//! and a namespace without recent reads does not wait for busy ones. Objects are read one by one, and one
//! read at a time may hold a large object.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::kube::{Client, Error};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout};

use super::custom;
use super::discovery::{self, Served};
use super::policies::{self, Wanted};
use super::responses::{Gate, Listing};
use super::{ReviewConfigs, resource};
use crate::inventory::read::{self, outline::outline};
use crate::inventory::{Kind, Object};
use crate::rate::Bucket;

/// Timeout of one read. Reviews wait for a shorter time.
const LIMIT: Duration = Duration::from_secs(5);
/// Burst of reads of one namespace after a quiet time.
const BURST: u32 = 10;
/// Time after which one more read of a namespace may start.
const PERIOD: Duration = Duration::from_millis(100);
/// Time without a read after which a namespace counts as quiet.
const QUIET: Duration = Duration::from_secs(10);
/// Maximum number of concurrent reads of quiet namespaces, and of all others.
const AT_ONCE: usize = 16;

/// Reason for which nothing was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The API server did not answer in time.
    #[error("the API server did not answer in time")]
    Late,
    /// The API server answered with an error, or cannot be reached.
    #[error("cannot read kind `{kind}`: {problem}")]
    Api {
        /// Kind.
        kind: &'static str,
        /// The problem.
        problem: String,
    },
    /// The API server serves the kind in no version.
    #[error("no version of kind `{kind}` is served")]
    Unserved {
        /// Kind.
        kind: &'static str,
    },
    /// The reading task has ended.
    #[error("the read was cancelled")]
    GivenUp,
}

/// The objects of a namespace, or the reason for which they are unknown.
pub(super) type ReadResult = Result<Vec<Object>, ReadError>;

type Key = (Arc<str>, &'static [Kind]);

/// Reads namespaces.
#[derive(Clone)]
pub struct Reader {
    client: Client,
    configs: ReviewConfigs,
    queue: Arc<Queue>,
    /// Runtime of the reads. A caller can be on any thread that serves connections, and a read may be large
    /// and shared by other callers, so it does not run there.
    runtime: Handle,
}

struct Queue {
    slots: Mutex<BTreeMap<Key, Slot>>,
    /// Namespaces with recent reads.
    recent: Mutex<BTreeMap<Arc<str>, Recent>>,
    quiet: Semaphore,
    busy: Semaphore,
    gate: Gate,
}

/// One namespace: the read that has not started, and the turn to start one.
#[derive(Default)]
struct Slot {
    waiting: Option<Shared<BoxFuture<'static, ReadResult>>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    /// Reads through `client` on the current runtime, limited by the configuration in force.
    pub fn new(client: Client, configs: ReviewConfigs) -> Self {
        Self {
            client,
            configs,
            queue: Arc::new(Queue::new()),
            runtime: Handle::current(),
        }
    }

    /// The objects of these kinds in a namespace, and the Namespace itself if it is among the kinds, at some
    /// point after this call.
    ///
    /// # Errors
    /// The API server does not answer, or answers with an error.
    pub async fn read(&self, namespace: Arc<str>, kinds: &'static [Kind]) -> ReadResult {
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

    async fn take_turn(self, key: Key, turn: Arc<tokio::sync::Mutex<()>>) -> ReadResult {
        let _turn = turn.lock_owned().await;
        let Reserved { wait, is_quiet } = self.queue.reserve(&key.0, Instant::now());
        sleep(wait).await;
        let _place = self.queue.place(is_quiet).await;
        // From here on the read may be too old for later callers.
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

    async fn objects(&self, (namespace, kinds): &Key) -> ReadResult {
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

    /// Lists without a resource version, so the result is not older than this call. If the list answers 404,
    /// discovery shows whether the kind is served in another version or in none.
    async fn of_kind(
        &self,
        namespace: &str,
        kind: Kind,
        gate: &mut Gate,
    ) -> Result<ReadResult, Error> {
        let first = kind.first_version();
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
            let read = policies::read(&listing, Wanted::all(), &caps, gate).await?;
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

    /// Takes a token from the namespace's rate limit.
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

    /// A permit for a concurrent read. Namespaces without recent reads do not wait behind the others.
    async fn place(&self, is_quiet: bool) -> Option<SemaphorePermit<'_>> {
        // The semaphores are never closed.
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

/// A namespace with a recent read.
struct Recent {
    bucket: Bucket,
    last: Instant,
}

/// A reserved start time.
struct Reserved {
    /// Delay by the rate limit of the namespace.
    wait: Duration,
    /// True if the namespace had no recent read.
    is_quiet: bool,
}
