//! A cluster's watches: OpenBaoClusters and OpenBaoRestores, NetworkPolicies, Namespaces, the API
//! server's Service, Gateways and their classes.
//!
//! Each kind is watched by a task of its own, which reduces objects to facts at once; one task
//! gathers the facts and publishes snapshots. A list after a lost watch is gathered first and then
//! swapped in whole, so no reader ever sees half of it.

mod backoff;
mod custom;
mod discovery;
mod fresh;
mod gather;
mod problem;
mod pulse;

use std::future::{Future, ready};
use std::pin::pin;
use std::sync::Arc;

use ::kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use ::kube::runtime::WatchStreamExt;
use ::kube::runtime::watcher::{self, Event};
use ::kube::{Client, Error, ResourceExt};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::inventory::read::{self, API_SERVER_SERVICE};
use crate::inventory::{Kind, Object};
use crate::sources::Updates;
use backoff::Delays;
pub use discovery::Served;
pub use fresh::{ReadError, Reader};
use gather::{Gatherer, Step};
use problem::problem;
pub use pulse::Pulse;

/// The kinds that are watched; facts are complete when each was listed once.
const KINDS: [Kind; 7] = Kind::ALL;

/// Whether the kind is a custom one, which a cluster may do without.
const fn is_custom(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::OpenBaoCluster | Kind::OpenBaoRestore | Kind::Gateway | Kind::GatewayClass
    )
}

/// Whether only advice rests on the kind, so that a cluster is guarded without it too.
const fn is_for_advice(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::OpenBaoRestore | Kind::Gateway | Kind::GatewayClass
    )
}

/// Steps that may wait for the gatherer before watches are held back.
const BACKLOG: usize = 1024;

/// Publishes the facts of a cluster until `shutdown`. Watches that break are started again with
/// backoff; meanwhile the last facts stay, and `pulse` tells how old they may be.
pub async fn watch(
    client: Client,
    pulse: Arc<Pulse>,
    updates: Updates,
    shutdown: impl Future<Output = ()>,
) {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    let mut watches = JoinSet::new();
    for kind in KINDS {
        let client = Arc::clone(&pulse).hear(client.clone(), kind);
        let (pulse, sender) = (Arc::clone(&pulse), sender.clone());
        if is_custom(kind) {
            watches.spawn(custom::follow(client, pulse, kind, sender));
        } else {
            watches.spawn(follow(client, pulse, kind, sender));
        }
    }
    drop(sender);
    tokio::select! {
        () = shutdown => {}
        () = Gatherer::new(updates).run(receiver) => {}
    }
}

/// One kind's watch, until nobody listens any more.
async fn follow(client: Client, pulse: Arc<Pulse>, kind: Kind, steps: mpsc::Sender<(Kind, Step)>) {
    let (api, config) = scope(client, kind);
    let config = config.timeout(pulse.watch_seconds());
    // Every attempt begins with `Init`, also one that fails at once: as a success it would end the
    // backoff. A failed attempt says `Interrupted` instead, which drops what was listed so far.
    let progress = |event: &watcher::Result<Event<_>>| !matches!(event, Ok(Event::Init));
    let events = watcher::watcher(api, config).filter(move |event| ready(progress(event)));
    let mut events = pin!(events.backoff(Delays::of(kind)));
    let mut complaint = None;
    while let Some(event) = events.next().await {
        let step = match event {
            Ok(event) => {
                complaint = None;
                step(event, |object| fact(kind, object))
            }
            Err(error) => {
                complain(kind, &problem(&error), &mut complaint);
                Some(Step::Interrupted)
            }
        };
        let Some(step) = step else { continue };
        let is_whole = step == Step::Done;
        if is_whole {
            pulse.complete(kind);
        }
        if steps.send((kind, step)).await.is_err() {
            return;
        }
        if is_whole {
            pulse.beat(kind);
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

fn resource(kind: Kind, version: &str) -> ApiResource {
    let gvk = GroupVersionKind::gvk(kind.group(), version, kind.as_str());
    ApiResource::from_gvk_with_plural(&gvk, kind.plural())
}

fn scope(client: Client, kind: Kind) -> (Api<DynamicObject>, watcher::Config) {
    let resource = resource(kind, kind.versions()[0]);
    let config = watcher::Config::default();
    if kind == Kind::Service {
        let (namespace, name) = API_SERVER_SERVICE;
        let api = Api::namespaced_with(client, namespace, &resource);
        return (api, config.fields(&format!("metadata.name={name}")));
    }
    (Api::all_with(client, &resource), config)
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
fn step<K>(event: Event<K>, fact: impl Fn(K) -> Option<Object>) -> Option<Step> {
    match event {
        Event::Init => None,
        Event::InitDone => Some(Step::Done),
        Event::InitApply(object) => fact(object).map(Step::Listed),
        Event::Apply(object) => fact(object).map(Step::Set),
        Event::Delete(object) => fact(object).map(|object| Step::Remove(object.reference())),
    }
}

fn fact(kind: Kind, object: DynamicObject) -> Option<Object> {
    read::object_of(kind, &written(object)?)
}

/// The object as JSON, without what is never looked at.
fn written(mut object: DynamicObject) -> Option<Value> {
    object.managed_fields_mut().clear();
    let name = object.name_any();
    serde_json::to_value(object)
        .inspect_err(|error| tracing::error!(name, %error, "object cannot be written as JSON"))
        .ok()
}
