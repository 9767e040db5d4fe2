//! Health of the watches: the time of the last success of each kind.
//!
//! A success is a whole list, an event, a bookmark, a watch that the API server ends in its time, or
//! proof that the kind is not served. The beginning of a watch is none: a server that accepts every
//! call and then stays silent is not healthy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::KINDS;
use super::discovery::Served;
use crate::inventory::{Freshness, Kind, Rests};

/// Longest duration of one watch.
const LONGEST_WATCH: Duration = Duration::from_secs(290);

/// Longest time for an answer. The API server itself gives up then.
const LONGEST_CALL: Duration = Duration::from_mins(1);

/// Called with the kind of each success and the seconds of Unix time.
type Listener = dyn Fn(Kind, u64) + Send + Sync;

/// Last success of each watch, and the kinds that were never listed.
pub struct WatchHealth {
    start: Instant,
    limit: Duration,
    /// Kinds that were not yet listed, nor proved to be unserved.
    missing: Mutex<BTreeSet<Kind>>,
    /// How the custom kinds are served, as far as that is known.
    served: Mutex<BTreeMap<Kind, Served>>,
    /// Milliseconds from `start`, by kind.
    successes: BTreeMap<Kind, AtomicU64>,
    listener: Box<Listener>,
}

impl std::fmt::Debug for WatchHealth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchHealth")
            .field("successes", &self.successes)
            .finish_non_exhaustive()
    }
}

impl WatchHealth {
    /// Health in which every kind succeeded now, and is stale after `limit`. `listener` is called at
    /// each success, with the seconds of Unix time.
    pub fn new(limit: Duration, listener: impl Fn(Kind, u64) + Send + Sync + 'static) -> Self {
        Self {
            start: Instant::now(),
            limit,
            missing: Mutex::new(KINDS.into()),
            served: Mutex::default(),
            // A kind that only advice rests on may be forbidden, and makes nothing stale.
            successes: KINDS
                .into_iter()
                .filter(|kind| kind.rests() == Rests::Verdicts)
                .map(|kind| (kind, AtomicU64::new(0)))
                .collect(),
            listener: Box::new(listener),
        }
    }

    /// The kinds without a success for longer than the limit, each with its age.
    fn stale(&self) -> impl Iterator<Item = (Kind, Duration)> {
        let now = self.start.elapsed();
        let ages = self.successes.iter().map(move |(kind, last)| {
            let last = Duration::from_millis(last.load(Ordering::Relaxed));
            (*kind, now.saturating_sub(last))
        });
        ages.filter(|(_, age)| *age > self.limit)
    }

    /// The kind whose last success is oldest, beyond the limit, with its age.
    pub fn lost(&self) -> Option<(Kind, Duration)> {
        self.stale().max_by_key(|(_, age)| *age)
    }

    /// Whether the facts are recent enough to prove anything by. Where the API server answers that it does not list
    /// OpenBaoClusters, and this is not proved, only what is known of clusters is too old.
    pub fn freshness(&self) -> Freshness {
        let mut stale = self.stale().map(|(kind, _)| kind).peekable();
        if stale.peek().is_none() {
            return Freshness::Current;
        }
        let is_unproved = self.lock_served().get(&Kind::OpenBaoCluster) == Some(&Served::Unproved);
        if is_unproved && stale.all(|kind| kind == Kind::OpenBaoCluster) {
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

    /// The kinds that are not yet complete, in order.
    pub fn missing(&self) -> Vec<Kind> {
        let missing = self.missing.lock();
        let missing = missing.unwrap_or_else(PoisonError::into_inner);
        missing.iter().copied().collect()
    }

    /// Notes that a kind is complete: listed, or proved to be unserved.
    pub(super) fn complete(&self, kind: Kind) {
        let missing = self.missing.lock();
        missing
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&kind);
    }

    /// Duration of one watch: a third of the limit, so that an idle watch succeeds in time.
    pub(super) fn watch_time(&self) -> Duration {
        (self.limit / 3).clamp(Duration::from_secs(1), LONGEST_WATCH)
    }

    /// Time in which a list or a watch has to be answered.
    pub(super) fn call_limit(&self) -> Duration {
        (self.limit / 3).min(LONGEST_CALL)
    }

    /// Notes a success of the watch of a kind.
    pub(super) fn succeeded(&self, kind: Kind) {
        let at = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Some(last) = self.successes.get(&kind) {
            last.fetch_max(at, Ordering::Relaxed);
        }
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        (self.listener)(kind, unix.unwrap_or_default().as_secs());
    }
}
