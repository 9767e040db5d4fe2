//! Reads of one namespace, past the watches.
//!
//! A read that has begun may be older than what a caller knows, so nobody joins it: who comes while
//! one is under way waits for the next, together with all others who do. So there is one read of a
//! namespace at a time and one that waits, and what they cost does not grow with the callers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::kube::api::{Api, DynamicObject, ListParams};
use ::kube::{Client, Error};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};

use super::{fact, resource};
use crate::inventory::{Kind, Object};
use crate::rate::Bucket;

/// One read, from its turn to its end. Reviews wait less.
const LIMIT: Duration = Duration::from_secs(5);
/// Reads at once after a quiet time, and how often one more may begin.
const BURST: u32 = 50;
const PERIOD: Duration = Duration::from_millis(20);

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
    queue: Arc<Queue>,
    /// Who waits may be on any thread that serves connections. What it reads, for others too and
    /// maybe a lot, is no work for that one.
    runtime: Handle,
}

struct Queue {
    slots: Mutex<BTreeMap<Key, Slot>>,
    bucket: Mutex<Bucket>,
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
    /// Reads through this client, on the runtime that this is called in.
    pub fn new(client: Client) -> Self {
        let queue = Queue {
            slots: Mutex::default(),
            bucket: Mutex::new(Bucket::new(BURST, PERIOD, Instant::now())),
        };
        Self {
            client,
            queue: Arc::new(queue),
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
        let wait = {
            let bucket = self.queue.bucket.lock();
            bucket
                .unwrap_or_else(PoisonError::into_inner)
                .reserve(Instant::now())
        };
        sleep(wait).await;
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
        for kind in *kinds {
            let found = self.of_kind(namespace, *kind).await;
            let found = found.map_err(|error| ReadError::Api {
                kind: kind.as_str(),
                problem: error.to_string(),
            })?;
            objects.extend(found.into_iter().filter_map(|object| fact(*kind, object)));
        }
        Ok(objects)
    }

    /// Without a resource version, so no older than this call. A kind that is not served has no
    /// objects.
    async fn of_kind(&self, namespace: &str, kind: Kind) -> Result<Vec<DynamicObject>, Error> {
        let (client, resource) = (self.client.clone(), resource(kind));
        if kind == Kind::Namespace {
            let found = Api::all_with(client, &resource).get_opt(namespace).await?;
            return Ok(found.into_iter().collect());
        }
        let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, &resource);
        match api.list(&ListParams::default()).await {
            Ok(list) => Ok(list.items),
            Err(Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

impl Queue {
    fn slots(&self) -> MutexGuard<'_, BTreeMap<Key, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
