//! The watch of a custom resource. Its objects are watched if a supported version is served; otherwise only
//! their names.
//!
//! Known objects are removed only after [discovery] proves that the kind is gone. A kind that was served
//! before needs two proofs, half a minute apart: one of several API servers may not know it for a moment.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ::kube::runtime::WatchStreamExt;
use ::kube::runtime::utils::{Backoff as _, ResetTimerBackoff};
use ::kube::runtime::watcher::{self, Event, ExponentialBackoff};
use ::kube::{Client, Error};
use futures_util::StreamExt;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::discovery::{self, Served};
use super::follower::{self, Decode};
use super::health::WatchHealth;
use super::policies::{Guarded, VersionedObject};
use super::problem::problem;
use super::responses::{Gate, Listing};
use super::scope::{self, Scope};
use super::snapshot_builder::Step;
use super::{complain, decoder, has_code, resource, retries, step, until_known};
use crate::inventory::read::outline::{Outline, outline};
use crate::inventory::{Fact, Kind, KindUse, Object, Unread, read};

/// Minimum time between two proofs that a kind which was served is gone.
const PROOFS: Duration = Duration::from_secs(30);

/// Interval of discovery while OpenBaoClusters are served only in unsupported versions.
const CHECK_INTERVAL: Duration = Duration::from_secs(3);

/// The watch of one custom resource.
struct Watch {
    client: Client,
    health: Arc<WatchHealth>,
    kind: Kind,
    guarded: watch::Receiver<Guarded>,
    steps: mpsc::Sender<(Kind, Step)>,
    /// Delays for kinds that are used only for advice.
    delays: ResetTimerBackoff<ExponentialBackoff>,
    /// True if it was ever served.
    was_served: bool,
    /// Time since which every discovery proves that it is not served.
    gone_since: Option<Instant>,
    complaint: Option<String>,
}

/// Reason for the end of a watch.
enum End {
    /// The list or the watch answers 404.
    Unserved,
    /// The kind is now served in another way.
    Otherwise(Served),
    /// The receiver of the steps is gone.
    Closed,
}

/// Watches a custom resource until the receiver of the steps is gone.
pub(super) async fn follow(
    client: Client,
    health: Arc<WatchHealth>,
    kind: Kind,
    guarded: watch::Receiver<Guarded>,
    steps: mpsc::Sender<(Kind, Step)>,
) {
    if scope::is_scoped(kind) {
        until_known(guarded.clone()).await;
    }
    let watch = Watch {
        client,
        health,
        kind,
        guarded,
        steps,
        delays: retries(kind),
        was_served: false,
        gone_since: None,
        complaint: None,
    };
    watch.run().await;
}

impl Watch {
    async fn run(mut self) {
        let mut served = Served::Read(self.kind.first_version());
        loop {
            let first = Served::Read(self.kind.first_version());
            let (tried, end) = match &served {
                Served::Unread(version) if self.is_needed() => {
                    (served.clone(), self.names(version).await)
                }
                Served::Read(version) => (served.clone(), self.objects(version).await),
                _ => (first, self.objects(self.kind.first_version()).await),
            };
            let next = match end {
                End::Closed => return,
                End::Otherwise(next) => Some(next),
                End::Unserved => self.look(&tried).await,
            };
            let Some(next) = next else { return };
            served = next;
        }
    }

    /// Watches objects in a supported version until it is no longer served.
    async fn objects(&mut self, version: &'static str) -> End {
        let resource = resource(self.kind, version);
        let listing = Listing::new(self.client.clone(), &resource, None);
        let decode = if scope::is_scoped(self.kind) {
            scope::scoped_decoder(self.kind, self.guarded.clone())
        } else {
            decoder(self.kind)
        };
        self.take(listing, decode, &Served::Read(version)).await
    }

    /// Watches names of objects in an unsupported version, until a supported one is served or this one is no
    /// longer served.
    async fn names(&mut self, version: &Arc<str>) -> End {
        let resource = resource(self.kind, version);
        let listing = Listing::new(self.client.clone(), &resource, None).metadata();
        let (kind, is_unread) = (self.kind, Served::Unread(version.clone()));
        let version = version.clone();
        let decode = Box::new(move |outline: &Outline, json: &[u8]| {
            Some(VersionedObject {
                object: named(kind, outline, json, &version)?,
                version: outline.number(),
            })
        });
        self.take(listing, decode, &is_unread).await
    }

    /// Handles the events of a watch. For an unsupported version, discovery is repeated in the meantime.
    async fn take(&mut self, listing: Listing, decode: Decode, served: &Served) -> End {
        let is_unread = matches!(served, Served::Unread(_));
        let scope = scope::is_scoped(self.kind).then(|| Scope::new(self.guarded.clone()));
        let health = Arc::clone(&self.health);
        let events = follower::follow(listing, health, self.kind, decode, scope);
        // As in `follow` of the other kinds, every attempt begins with `Init`.
        let progress = |event: &watcher::Result<Event<_>>| !matches!(event, Ok(Event::Init));
        let events = events.filter(move |event| std::future::ready(progress(event)));
        let mut events = pin!(events.backoff(retries(self.kind)));
        let mut checks = interval_at(Instant::now() + CHECK_INTERVAL, CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = checks.tick(), if is_unread => {
                    match discovery::served(&self.client, self.kind).await {
                        Ok(found @ (Served::Read(_) | Served::Unread(_))) if found != *served => {
                            return End::Otherwise(found);
                        }
                        // If the version is no longer served, the watch itself fails.
                        _ => continue,
                    }
                }
            };
            let step = match event {
                None => return End::Closed,
                Some(Ok(event)) => {
                    self.complaint = None;
                    step(event)
                }
                Some(Err(error)) if has_code(&error, 404) => return End::Unserved,
                Some(Err(error)) if !self.is_needed() && has_code(&error, 403) => {
                    let text = "not permitted to list this kind, trying again later";
                    complain(self.kind, text, &mut self.complaint);
                    Some(Step::Unread(Unread::Forbidden))
                }
                Some(Err(error)) => {
                    complain(self.kind, &problem(&error), &mut self.complaint);
                    // Nobody waits for this kind, whatever its API server answers.
                    let is_first = self.kind.used_for() == KindUse::Seen && !self.was_served;
                    Some(if is_first {
                        Step::Unread(Unread::Failed)
                    } else {
                        Step::Interrupted
                    })
                }
            };
            let Some(step) = step else { continue };
            if step == Step::Done {
                self.was_served = true;
                self.gone_since = None;
                self.delays.reset();
                self.record(served);
            }
            if self.send(step).await.is_none() {
                return End::Closed;
            }
        }
    }

    /// Runs discovery after a list or a watch of `tried` answered 404, and waits before the next attempt;
    /// `None` if the receiver is gone.
    async fn look(&mut self, tried: &Served) -> Option<Served> {
        let found = discovery::served(&self.client, self.kind).await;
        if let Ok(served @ Served::Read(_)) = &found
            && served != tried
        {
            self.gone_since = None;
            return Some(served.clone());
        }
        let is_gone = matches!(found, Ok(Served::Nowhere));
        let since = is_gone.then(|| self.gone_since.unwrap_or_else(Instant::now));
        self.gone_since = since;
        let is_proved = !self.was_served || since.is_some_and(|since| since.elapsed() >= PROOFS);
        let is_needed = self.is_needed();
        let unknown = |reason| {
            if is_needed {
                Step::Interrupted
            } else {
                Step::Unread(reason)
            }
        };
        let (next, step) = match &found {
            Ok(Served::Nowhere) if is_proved => (Served::Nowhere, Step::Absent),
            Ok(Served::Unread(version)) if found.as_ref().ok() != Some(tried) => {
                let reason = Unread::Version(version.clone());
                (Served::Unread(version.clone()), unknown(reason))
            }
            Ok(_) => (Served::Unproved, unknown(Unread::Failed)),
            Err(error) => {
                complain(self.kind, &error.to_string(), &mut self.complaint);
                (Served::Unproved, unknown(Unread::Failed))
            }
        };
        let is_named = matches!(next, Served::Unread(_)) && is_needed;
        self.record(&next);
        self.send(step).await?;
        if is_named {
            return Some(next);
        }
        self.wait().await;
        // It is served after all: by another API server, or a moment later.
        let is_served = |found: &Served| matches!(found, Served::Read(_) | Served::Unread(_));
        Some(found.ok().filter(is_served).unwrap_or(next))
    }

    /// Returns true if reviews depend on this kind.
    fn is_needed(&self) -> bool {
        self.kind.used_for() == KindUse::Verdicts
    }

    async fn wait(&mut self) {
        let delay = if self.is_needed() {
            CHECK_INTERVAL
        } else {
            self.delays.next().unwrap_or(CHECK_INTERVAL)
        };
        sleep(delay).await;
    }

    /// Sends a step and updates the health of the watch; `None` if the receiver is gone.
    async fn send(&self, step: Step) -> Option<()> {
        let is_whole = matches!(step, Step::Done | Step::Absent);
        if is_whole || matches!(step, Step::Unread(_)) {
            self.health.complete(self.kind);
        }
        self.steps.send((self.kind, step)).await.ok()?;
        if is_whole {
            self.health.succeeded(self.kind);
        }
        Some(())
    }

    /// Records how the kind is served. A change is logged, with a remedy.
    fn record(&self, served: &Served) {
        if !self.health.serve(self.kind, served.clone()) {
            return;
        }
        let (kind, version) = (self.kind.label(), served.version());
        match (served, self.kind) {
            (Served::Read(_), _) => {
                tracing::info!(
                    kind,
                    version,
                    "kind is served in a version that this release supports"
                );
            }
            (Served::Unread(_), Kind::OpenBaoCluster) => tracing::error!(
                kind,
                version,
                "kind is served in a version that this release cannot read: policies that may select OpenBao pods are \
                 denied (OBP403) in namespaces with OpenBaoClusters; upgrade openbao-perimeter"
            ),
            (Served::Unread(_), _) => tracing::warn!(
                kind,
                version,
                "kind is served in a version that this release cannot read: its objects are not read; upgrade \
                 openbao-perimeter"
            ),
            (Served::Nowhere, Kind::OpenBaoCluster) => tracing::warn!(
                kind,
                "no version of this kind is served: nothing is guarded until its CRD is installed"
            ),
            // Few clusters serve more than one or two of them.
            (Served::Nowhere, _) if self.kind.used_for() == KindUse::Seen => {}
            (Served::Nowhere, _) => {
                tracing::info!(
                    kind,
                    "no version of this kind is served: assuming no objects"
                );
            }
            (Served::Unproved, _) => tracing::warn!(
                kind,
                "list returned 404, and discovery does not confirm that the kind is gone: keeping the last known objects"
            ),
        }
    }
}

/// The objects of a namespace in an unsupported version, by their metadata.
pub(super) async fn list(
    client: Client,
    namespace: &str,
    kind: Kind,
    version: &str,
    gate: &mut Gate,
) -> Result<Vec<Object>, Error> {
    let listing = Listing::new(client, &resource(kind, version), Some(namespace)).metadata();
    let named = |json: &[u8]| named(kind, &outline(json)?, json, version);
    listing.all(gate, named).await.map(|(objects, _)| objects)
}

/// An object of which only the metadata was read, because its version is unsupported.
fn named(kind: Kind, outline: &Outline, json: &[u8], version: &str) -> Option<Object> {
    let broken = read::other_version(json, &outline.of_kind(kind), version);
    // No review depends on the names of other kinds.
    (kind == Kind::OpenBaoCluster).then(|| Object::Cluster(Fact::Unreadable(broken.into())))
}
