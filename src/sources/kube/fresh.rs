//! Reads of one namespace, past the watches.
//!
//! A read that has begun may be older than what a caller knows, so nobody joins it: who comes while
//! one is under way waits for the next, together with all others who do. So there is one read of a
//! namespace at a time and one that waits, and what they cost does not grow with the callers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::kube::api::{Api, ApiResource, DynamicObject, ListParams};
use ::kube::{Client, Error};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};

use super::discovery::{self, Served};
use super::{custom, fact, is_custom, resource};
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
            objects.extend(found.map_err(|error| of_read(*kind, &error))??);
        }
        Ok(objects)
    }

    /// Without a resource version, so no older than this call. A list that answers 404 is no answer: discovery tells
    /// whether the kind is served in another version, or in none.
    async fn of_kind(&self, namespace: &str, kind: Kind) -> Result<Answer, Error> {
        let client = self.client.clone();
        let first = resource(kind, kind.versions()[0]);
        if kind == Kind::Namespace {
            let found = Api::all_with(client, &first).get_opt(namespace).await?;
            let found = found.and_then(|object| fact(kind, object));
            return Ok(Ok(found.into_iter().collect()));
        }
        let gone = match list(client.clone(), namespace, kind, &first).await {
            Err(Error::Api(status)) if status.code == 404 && is_custom(kind) => status,
            objects => return objects.map(Ok),
        };
        match discovery::served(&client, kind).await? {
            Served::Unread(version) => {
                let resource = resource(kind, &version);
                Ok(Ok(custom::list(client, namespace, &resource).await?))
            }
            Served::Read(version) if version != kind.versions()[0] => {
                let resource = resource(kind, version);
                list(client, namespace, kind, &resource).await.map(Ok)
            }
            Served::Nowhere => Ok(Err(ReadError::Unserved {
                kind: kind.as_str(),
            })),
            Served::Read(_) | Served::Unproved => Err(Error::Api(gone)),
        }
    }
}

async fn list(
    client: Client,
    namespace: &str,
    kind: Kind,
    resource: &ApiResource,
) -> Result<Vec<Object>, Error> {
    let api = Api::<DynamicObject>::namespaced_with(client, namespace, resource);
    let items = api.list(&ListParams::default()).await?.items.into_iter();
    Ok(items.filter_map(|object| fact(kind, object)).collect())
}

fn of_read(kind: Kind, error: &Error) -> ReadError {
    ReadError::Api {
        kind: kind.as_str(),
        problem: error.to_string(),
    }
}

impl Queue {
    fn slots(&self) -> MutexGuard<'_, BTreeMap<Key, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
