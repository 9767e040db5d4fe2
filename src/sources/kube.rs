//! A cluster's watches: OpenBaoClusters and OpenBaoRestores, NetworkPolicies, Namespaces, the API
//! server's Service, Gateways and their classes.
//!
//! Each kind is watched by a task of its own, which reduces objects to facts at once; one task
//! gathers the facts and publishes snapshots. A list after a lost watch is gathered first and then
//! swapped in whole, so no reader ever sees half of it.

mod answers;
mod custom;
mod discovery;
mod follower;
mod fresh;
mod health;
mod items;
mod policies;
mod problem;
mod reads;
mod snapshot_builder;

use std::future::{Future, ready};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ::kube::api::{ApiResource, GroupVersionKind};
use ::kube::runtime::WatchStreamExt;
use ::kube::runtime::utils::ResetTimerBackoff;
use ::kube::runtime::watcher::{self, Event, ExponentialBackoff};
use ::kube::{Client, Error};
use backon::ExponentialBuilder;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::ReviewConfig;
use crate::inventory::read::{self, API_SERVER_SERVICE};
use crate::inventory::{Kind, Rests};
use crate::sources::Updates;
use answers::Listing;
pub use discovery::Served;
use follower::Decode;
pub use fresh::{ReadError, Reader};
pub use health::WatchHealth;
use policies::{Found, Guarded};
use problem::problem;
use reads::Reads;
use snapshot_builder::{SnapshotBuilder, Step};

/// The kinds that are watched; facts are complete when each was listed once.
const KINDS: [Kind; 7] = Kind::ALL;

/// What the platform's owner decided, as it is in force.
pub type ReviewConfigs = tokio::sync::watch::Receiver<Arc<ReviewConfig>>;

/// How long the list of the policies waits for that of the clusters.
const CLUSTERS_FIRST: Duration = Duration::from_secs(3);

/// Time without an error after which the delays begin anew.
const RETRIES_RESET: Duration = Duration::from_mins(2);

/// Steps that may wait for the gatherer before watches are held back.
const BACKLOG: usize = 1024;

/// Publishes the facts of a cluster until `shutdown`. Watches that break are started again with
/// backoff; meanwhile the last facts stay, and `health` has their age.
pub async fn watch(
    client: Client,
    health: Arc<WatchHealth>,
    configs: ReviewConfigs,
    updates: Updates,
    shutdown: impl Future<Output = ()>,
) {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    let (guarded, known) = tokio::sync::watch::channel(None);
    let mut watches = JoinSet::new();
    for kind in KINDS {
        let (client, health, sender) = (client.clone(), Arc::clone(&health), sender.clone());
        if kind.is_custom() {
            watches.spawn(custom::follow(client, health, kind, sender));
        } else if kind == Kind::NetworkPolicy {
            let decode = policies::decoder(known.clone(), configs.clone());
            let known = known.clone();
            watches.spawn(async move {
                until_known(known).await;
                follow(client, health, kind, decode, sender).await;
            });
        } else {
            watches.spawn(follow(client, health, kind, decoder(kind), sender));
        }
    }
    let reads = Reads::new(client, sender.downgrade());
    drop(sender);
    tokio::select! {
        () = shutdown => {}
        () = SnapshotBuilder::new(updates, guarded, configs, reads).run(receiver) => {}
    }
}

/// Waits a little for the clusters: then all policies that matter are kept as they are listed, and none is read twice.
async fn until_known(mut guarded: tokio::sync::watch::Receiver<Guarded>) {
    let known = guarded.wait_for(Option::is_some);
    // Policies that turn out to matter are read then.
    let _late = timeout(CLUSTERS_FIRST, known).await;
}

/// Makes facts of the objects of a kind.
fn decoder(kind: Kind) -> Decode {
    Box::new(move |outline, json| {
        let object = read::object_json(&outline.of_kind(kind), json)?;
        let version = outline.number();
        Some(Found { object, version })
    })
}

/// One kind's watch, until nobody listens any more.
async fn follow(
    client: Client,
    health: Arc<WatchHealth>,
    kind: Kind,
    decode: Decode,
    steps: mpsc::Sender<(Kind, Step)>,
) {
    let listing = listing(client, kind);
    let events = follower::follow(listing, Arc::clone(&health), kind, decode);
    // Every attempt begins with `Init`, also one that fails at once: as a success it would end the
    // backoff. A failed attempt says `Interrupted` instead, which drops what was listed so far.
    let progress = |event: &watcher::Result<Event<_>>| !matches!(event, Ok(Event::Init));
    let events = events.filter(move |event| ready(progress(event)));
    let mut events = pin!(events.backoff(retries(kind)));
    let mut complaint = None;
    while let Some(event) = events.next().await {
        let step = match event {
            Ok(event) => {
                complaint = None;
                step(event)
            }
            Err(error) => {
                complain(kind, &problem(&error), &mut complaint);
                Some(Step::Interrupted)
            }
        };
        let Some(step) = step else { continue };
        let is_whole = step == Step::Done;
        if is_whole {
            health.complete(kind);
        }
        if steps.send((kind, step)).await.is_err() {
            return;
        }
        if is_whole {
            health.succeeded(kind);
        }
    }
}

/// Logs what is wrong with a watch once, however often it comes back.
fn complain(kind: Kind, problem: &str, last: &mut Option<String>) {
    if last.as_deref() != Some(problem) {
        tracing::warn!(
            kind = kind.as_str(),
            problem,
            "watch interrupted, trying again"
        );
        *last = Some(problem.to_owned());
    }
}

/// Delays before a broken watch is tried again: up to 10 s, so that verdicts are not denied for stale
/// facts for long once the API server is back, and up to a minute where no verdict waits.
fn retries(kind: Kind) -> ResetTimerBackoff<ExponentialBackoff> {
    let (least, most) = if kind.rests() == Rests::Advice {
        (Duration::from_millis(800), Duration::from_secs(30))
    } else {
        (Duration::from_millis(150), Duration::from_secs(5))
    };
    // Jitter adds up to as much again.
    let delays = ExponentialBuilder::default()
        .with_min_delay(least)
        .with_max_delay(most)
        .with_jitter()
        .without_max_times();
    ResetTimerBackoff::new(delays.into(), RETRIES_RESET)
}

fn resource(kind: Kind, version: &str) -> ApiResource {
    let gvk = GroupVersionKind::gvk(kind.group(), version, kind.as_str());
    ApiResource::from_gvk_with_plural(&gvk, kind.plural())
}

fn listing(client: Client, kind: Kind) -> Listing {
    let resource = resource(kind, kind.versions()[0]);
    if kind == Kind::Service {
        let (namespace, name) = API_SERVER_SERVICE;
        let listing = Listing::new(client, &resource, Some(namespace));
        return listing.fields(format!("metadata.name={name}"));
    }
    Listing::new(client, &resource, None)
}

/// Whether the API server answered with this status.
fn is_refused(error: &watcher::Error, code: u16) -> bool {
    let (watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error)) =
        error
    else {
        return false;
    };
    matches!(error, Error::Api(status) if status.code == code)
}

/// `None` where an event says nothing about the facts.
fn step(event: Event<Found>) -> Option<Step> {
    match event {
        Event::Init => None,
        Event::InitDone => Some(Step::Done),
        Event::InitApply(found) => Some(Step::Listed(found.object)),
        Event::Apply(found) => Some(Step::Set(found)),
        Event::Delete(found) => Some(Step::Remove(found.object.reference(), found.version)),
    }
}
