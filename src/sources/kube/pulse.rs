//! Whether the API server is still heard of, kind by kind.
//!
//! kube's watcher keeps bookmarks to itself, and an idle cluster sends nothing else. So the bytes
//! are looked at on their way in: whatever arrives on a watch, event or bookmark, is a beat, and so is the
//! API server's consent to begin a watch, a list that is whole, and its word that it does not
//! serve the kind. A connection that is dead has none of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::kube::client::Body;
use ::kube::{Client, Error};
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::{Bytes, Frame};
use tokio::time::{Instant, timeout};

use super::discovery::Served;
use super::{KINDS, is_for_advice};
use crate::inventory::{Freshness, Kind};

/// Seconds; kube's watcher takes no longer one.
const LONGEST_WATCH: u32 = 290;

/// Until the answer to a list or a watch begins. The API server itself gives up then.
const PATIENCE: Duration = Duration::from_mins(1);

/// Called with the kind of each beat and the seconds of Unix time.
type Listener = dyn Fn(Kind, u64) + Send + Sync;

/// When the API server was last heard of about each kind.
pub struct Pulse {
    start: Instant,
    limit: Duration,
    /// Not listed, nor taken as none, since the beginning.
    missing: Mutex<BTreeSet<Kind>>,
    /// How the custom kinds are served, as far as that is known.
    served: Mutex<BTreeMap<Kind, Served>>,
    /// Milliseconds from `start`.
    beats: BTreeMap<Kind, AtomicU64>,
    listener: Box<Listener>,
}

impl std::fmt::Debug for Pulse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pulse")
            .field("beats", &self.beats)
            .finish_non_exhaustive()
    }
}

impl Pulse {
    /// Every kind counts as heard of now, and is too old after `limit`. `listener` is told of each
    /// beat, with the seconds of Unix time.
    pub fn new(limit: Duration, listener: impl Fn(Kind, u64) + Send + Sync + 'static) -> Self {
        Self {
            start: Instant::now(),
            limit,
            missing: Mutex::new(KINDS.into()),
            served: Mutex::default(),
            // What only advice rests on may be forbidden, and makes nothing stale.
            beats: KINDS
                .into_iter()
                .filter(|kind| !is_for_advice(*kind))
                .map(|kind| (kind, AtomicU64::new(0)))
                .collect(),
            listener: Box::new(listener),
        }
    }

    /// The kinds that were not heard of for longer than the limit, and for how long.
    fn silent(&self) -> impl Iterator<Item = (Kind, Duration)> {
        let now = self.start.elapsed();
        let ages = self.beats.iter().map(move |(kind, beat)| {
            let beat = Duration::from_millis(beat.load(Ordering::Relaxed));
            (*kind, now.saturating_sub(beat))
        });
        ages.filter(|(_, age)| *age > self.limit)
    }

    /// The kind that was not heard of for longest, beyond the limit, and for how long.
    pub fn lost(&self) -> Option<(Kind, Duration)> {
        self.silent().max_by_key(|(_, age)| *age)
    }

    /// Whether the facts are recent enough to prove anything by. Where the API server answers that it does not list
    /// OpenBaoClusters, and this is not proved, only what is known of clusters is too old.
    pub fn freshness(&self) -> Freshness {
        let mut silent = self.silent().map(|(kind, _)| kind).peekable();
        if silent.peek().is_none() {
            return Freshness::Current;
        }
        let is_unproved = self.lock_served().get(&Kind::OpenBaoCluster) == Some(&Served::Unproved);
        if is_unproved && silent.all(|kind| kind == Kind::OpenBaoCluster) {
            Freshness::StaleClusters
        } else {
            Freshness::Stale
        }
    }

    /// How the custom kinds are served, as far as that is known.
    pub fn served(&self) -> BTreeMap<Kind, Served> {
        self.lock_served().clone()
    }

    /// Notes how a custom kind is served; whether that is something new.
    pub(super) fn serve(&self, kind: Kind, served: Served) -> bool {
        let before = self.lock_served().insert(kind, served.clone());
        before != Some(served)
    }

    fn lock_served(&self) -> MutexGuard<'_, BTreeMap<Kind, Served>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kinds of which it was not yet said what there is, in order.
    pub fn missing(&self) -> Vec<Kind> {
        let missing = self.missing.lock();
        let missing = missing.unwrap_or_else(PoisonError::into_inner);
        missing.iter().copied().collect()
    }

    /// Notes that it was said what there is of a kind.
    pub(super) fn complete(&self, kind: Kind) {
        let missing = self.missing.lock();
        missing
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&kind);
    }

    /// How long one watch may last, in seconds. An idle one is begun anew within the limit, and a
    /// dead one noticed (kube waits 5 seconds more).
    pub(super) fn watch_seconds(&self) -> u32 {
        let half = u32::try_from(self.limit.as_secs() / 2).unwrap_or(u32::MAX);
        half.clamp(1, LONGEST_WATCH)
    }

    /// Notes that the API server was heard of about a kind.
    pub(super) fn beat(&self, kind: Kind) {
        let at = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Some(beat) = self.beats.get(&kind) {
            beat.fetch_max(at, Ordering::Relaxed);
        }
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        (self.listener)(kind, unix.unwrap_or_default().as_secs());
    }

    /// The same client, with each beat of its watches noted for a kind.
    pub(super) fn hear(self: Arc<Self>, client: Client, kind: Kind) -> Client {
        let namespace = client.default_namespace().to_owned();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (client, pulse) = (client.clone(), Arc::clone(&self));
            async move {
                let is_watch = request.uri().query().is_some_and(asks_for_a_watch);
                let response = timeout(PATIENCE, client.send(request)).await;
                let response = response.map_err(|late| Error::Service(late.into()))??;
                let is_heard = is_watch && response.status().is_success();
                if is_heard {
                    pulse.beat(kind);
                }
                Ok::<_, Error>(response.map(|body| {
                    body.map_frame(move |frame| {
                        if is_heard && says_something(&frame) {
                            pulse.beat(kind);
                        }
                        frame
                    })
                }))
            }
        });
        Client::new(service, namespace)
    }
}

fn asks_for_a_watch(query: &str) -> bool {
    query.split('&').any(|part| part == "watch=true")
}

/// Not an error: what follows it is a new list, and until that is whole nothing new is known.
fn says_something(frame: &Frame<Bytes>) -> bool {
    let is_error = |data: &Bytes| data.starts_with(br#"{"type":"ERROR""#);
    frame.data_ref().is_some_and(|data| !is_error(data))
}
