//! Health of the watches: the time of the last success of each kind.
//!
//! A success is a complete list, an event, a bookmark, a watch that ends at its regular time, or a proof that
//! the kind is not served. The start of a watch is none: a server that accepts every call and then stays
//! silent is not healthy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use tokio::time::Instant;

use super::KINDS;
use super::discovery::Served;
use crate::inventory::{Freshness, Kind, KindUse};

/// Maximum duration of one watch.
const MAX_WATCH: Duration = Duration::from_secs(290);

/// Maximum timeout of a call. The API server gives up after the same time.
const MAX_CALL: Duration = Duration::from_mins(1);

/// Called with the kind of each success and the Unix time in seconds.
type Listener = dyn Fn(Kind, u64) + Send + Sync;

/// Last success of each watch, and the kinds that were never listed.
pub struct WatchHealth {
    start: Instant,
    limit: Duration,
    /// Kinds that were neither listed nor proved to be unserved.
    missing: Mutex<BTreeSet<Kind>>,
    /// Served versions of the custom resources, if known.
    served: Mutex<BTreeMap<Kind, Served>>,
    /// Milliseconds from `start`, by kind.
    successes: BTreeMap<Kind, AtomicU64>,
    /// Problem of the last reads of Services, for which their ports are unknown.
    services_problem: ArcSwapOption<String>,
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
    /// Health in which every kind succeeded now. It becomes stale after `limit`. `listener` is called at each
    /// success with the Unix time in seconds.
    pub fn new(limit: Duration, listener: impl Fn(Kind, u64) + Send + Sync + 'static) -> Self {
        Self {
            start: Instant::now(),
            limit,
            missing: Mutex::new(KINDS.into()),
            served: Mutex::default(),
            // A kind that is used only for advice may be forbidden. It makes nothing stale.
            successes: KINDS
                .into_iter()
                .filter(|kind| kind.used_for() == KindUse::Verdicts)
                .map(|kind| (kind, AtomicU64::new(0)))
                .collect(),
            services_problem: ArcSwapOption::empty(),
            listener: Box::new(listener),
        }
    }

    /// Records the first problem of the reads of Services, if any.
    pub(super) fn read_services(&self, problem: Option<String>) {
        self.services_problem.store(problem.map(Arc::new));
    }

    /// The first problem of the last reads of Services.
    pub fn services_problem(&self) -> Option<Arc<String>> {
        self.services_problem.load_full()
    }

    /// The kinds without a success for longer than the limit, with their ages.
    fn stale(&self) -> impl Iterator<Item = (Kind, Duration)> {
        let now = self.start.elapsed();
        let ages = self.successes.iter().map(move |(kind, last)| {
            let last = Duration::from_millis(last.load(Ordering::Relaxed));
            (*kind, now.saturating_sub(last))
        });
        ages.filter(|(_, age)| *age > self.limit)
    }

    /// The kind with the oldest success beyond the limit, with its age.
    pub fn lost(&self) -> Option<(Kind, Duration)> {
        self.stale().max_by_key(|(_, age)| *age)
    }

    /// Freshness of the facts. If the API server does not list OpenBaoClusters, and it is not proved that
    /// there are none, only facts about clusters are too old.
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

    /// Served versions of the custom resources, if known.
    pub fn served(&self) -> BTreeMap<Kind, Served> {
        self.lock_served().clone()
    }

    /// Records the served version of a custom resource. Returns whether it has changed.
    pub(super) fn serve(&self, kind: Kind, served: Served) -> bool {
        let before = self.lock_served().insert(kind, served.clone());
        before != Some(served)
    }

    fn lock_served(&self) -> MutexGuard<'_, BTreeMap<Kind, Served>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kinds that are not complete yet, in order.
    pub fn missing(&self) -> Vec<Kind> {
        let missing = self.missing.lock();
        let missing = missing.unwrap_or_else(PoisonError::into_inner);
        missing.iter().copied().collect()
    }

    /// Records that a kind is complete: listed, or proved to be unserved.
    pub(super) fn complete(&self, kind: Kind) {
        let missing = self.missing.lock();
        missing
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&kind);
    }

    /// Duration of one watch: a third of the limit, so that an idle watch succeeds in time.
    pub(super) fn watch_time(&self) -> Duration {
        (self.limit / 3).clamp(Duration::from_secs(1), MAX_WATCH)
    }

    /// Timeout of a list or a watch.
    pub(super) fn call_limit(&self) -> Duration {
        (self.limit / 3).min(MAX_CALL)
    }

    /// Records a success of the watch of a kind.
    pub(super) fn succeeded(&self, kind: Kind) {
        let at = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Some(last) = self.successes.get(&kind) {
            last.fetch_max(at, Ordering::Relaxed);
        }
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        (self.listener)(kind, unix.unwrap_or_default().as_secs());
    }
}
