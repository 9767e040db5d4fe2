//! Watches of a Kubernetes cluster: OpenBaoClusters, OpenBaoRestores, NetworkPolicies, Namespaces, the API
//! server's Service, Gateways and GatewayClasses.
//!
//! Each kind is watched by its own task, which converts objects to facts at once. One task collects the
//! facts and publishes snapshots. A list after a lost watch is collected first and then replaces all objects
//! of the kind, so no reader sees half of it.

mod custom;
mod discovery;
mod follower;
mod fresh;
mod health;
pub(crate) mod identity;
mod items;
pub(crate) mod once;
pub(crate) mod operator;
mod policies;
mod problem;
mod reads;
mod responses;
mod rooms;
mod scope;
mod services;
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
use crate::inventory::{Kind, KindUse};
use crate::sources::Updates;
pub use discovery::Served;
use follower::Decode;
pub use fresh::{ReadError, Reader};
pub use health::WatchHealth;
use policies::{Guarded, VersionedObject};
use problem::problem;
use reads::Reads;
use responses::Listing;
use scope::Scope;
use snapshot_builder::{SnapshotBuilder, Step};

/// The watched kinds. Facts are complete when each was listed once.
const KINDS: [Kind; Kind::WATCHED.len()] = Kind::WATCHED;

/// The review configuration in force.
pub type ReviewConfigs = tokio::sync::watch::Receiver<Arc<ReviewConfig>>;

/// Maximum time for which lists of policies and Namespaces wait for the list of clusters.
const CLUSTERS_FIRST: Duration = Duration::from_secs(3);

/// Time without an error after which the backoff is reset.
const RETRIES_RESET: Duration = Duration::from_mins(2);

/// Maximum number of steps queued for the snapshot builder. When it is reached, watches wait.
const BACKLOG: usize = 1024;

/// Publishes the facts of a Kubernetes cluster until `shutdown`. Broken watches are restarted with backoff.
/// In the meantime the last facts stay, and `health` has their age.
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
        let known = known.clone();
        if kind.is_custom() {
            watches.spawn(custom::follow(client, health, kind, known, sender));
            continue;
        }
        let (decode, scope) = if kind == Kind::NetworkPolicy {
            (policies::decoder(known.clone(), configs.clone()), None)
        } else if scope::is_scoped(kind) {
            let decode = scope::scoped_decoder(kind, known.clone());
            (decode, Some(Scope::new(known.clone())))
        } else {
            (decoder(kind), None)
        };
        let waits = kind == Kind::NetworkPolicy || scope::is_scoped(kind);
        watches.spawn(async move {
            if waits {
                until_known(known).await;
            }
            follow(client, health, kind, (decode, scope), sender).await;
        });
    }
    let snapshots = updates.subscribe();
    watches.spawn(services::follow(
        client.clone(),
        Arc::clone(&health),
        snapshots,
        sender.downgrade(),
    ));
    let reads = Reads::new(client, sender.downgrade());
    drop(sender);
    tokio::select! {
        () = shutdown => {}
        () = SnapshotBuilder::new(updates, guarded, configs, reads).run(receiver) => {}
    }
}

/// Waits a short time for the list of clusters, so that relevant objects are kept when they are listed and
/// not read twice.
async fn until_known(mut guarded: tokio::sync::watch::Receiver<Guarded>) {
    let known = guarded.wait_for(Option::is_some);
    // Objects that turn out to be relevant later are read then.
    let _late = timeout(CLUSTERS_FIRST, known).await;
}

/// The conversion of a kind's objects into facts.
fn decoder(kind: Kind) -> Decode {
    Box::new(move |outline, json| {
        let object = read::object_json(&outline.of_kind(kind), json)?;
        let version = outline.number();
        Some(VersionedObject { object, version })
    })
}

/// Watches one kind until the receiver of the steps is gone.
async fn follow(
    client: Client,
    health: Arc<WatchHealth>,
    kind: Kind,
    (decode, scope): (Decode, Option<Scope>),
    steps: mpsc::Sender<(Kind, Step)>,
) {
    let listing = listing(client, kind);
    let events = follower::follow(listing, Arc::clone(&health), kind, decode, scope);
    // Every attempt begins with `Init`, even one that fails at once, so `Init` must not reset the backoff. A
    // failed attempt sends `Interrupted`, which drops a partial list.
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

/// Logs the problem of a watch once, however often it recurs.
fn complain(kind: Kind, problem: &str, last: &mut Option<String>) {
    if last.as_deref() != Some(problem) {
        tracing::warn!(
            kind = kind.label(),
            problem,
            "watch interrupted, trying again"
        );
        *last = Some(problem.to_owned());
    }
}

/// Delays before a broken watch is restarted: up to 10 s, so that reviews are not denied for stale facts long
/// after the API server is back; up to a minute for kinds that no review depends on.
fn retries(kind: Kind) -> ResetTimerBackoff<ExponentialBackoff> {
    let (least, most) = if kind.used_for() == KindUse::Verdicts {
        (Duration::from_millis(150), Duration::from_secs(5))
    } else {
        (Duration::from_millis(800), Duration::from_secs(30))
    };
    // Jitter adds up to 100%.
    let delays = ExponentialBuilder::default()
        .with_min_delay(least)
        .with_max_delay(most)
        .with_jitter()
        .without_max_times();
    ResetTimerBackoff::new(delays.into(), RETRIES_RESET)
}

fn resource(kind: Kind, version: &str) -> ApiResource {
    let gvk = GroupVersionKind::gvk(kind.group_of(version), version, kind.as_str());
    ApiResource::from_gvk_with_plural(&gvk, kind.plural())
}

fn listing(client: Client, kind: Kind) -> Listing {
    let resource = resource(kind, kind.first_version());
    if kind == Kind::Service {
        let (namespace, name) = API_SERVER_SERVICE;
        let listing = Listing::new(client, &resource, Some(namespace));
        return listing.fields(format!("metadata.name={name}"));
    }
    Listing::new(client, &resource, None)
}

/// Returns true if the API server answered with this status code.
fn has_code(error: &watcher::Error, code: u16) -> bool {
    let (watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error)) =
        error
    else {
        return false;
    };
    matches!(error, Error::Api(status) if status.code == code)
}

/// `None` if an event does not change the facts.
fn step(event: Event<VersionedObject>) -> Option<Step> {
    match event {
        Event::Init => None,
        Event::InitDone => Some(Step::Done),
        Event::InitApply(found) => Some(Step::Listed(found.object)),
        Event::Apply(found) => Some(Step::Set(found)),
        Event::Delete(found) => Some(Step::Remove(found.object.reference(), found.version)),
    }
}
