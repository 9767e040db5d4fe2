//! Reads of the ports behind Services that clusters need or name, for advice. Only these are read, one by one, again
//! every few minutes. Those that cannot be read are unknown.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ::kube::core::Request;
use ::kube::{Client, Error};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::WatchHealth;
use super::problem::problem;
use super::resource;
use super::responses::{Gate, Listing};
use super::snapshot_builder::Step;
use crate::inventory::read::{self, API_SERVER_SERVICE};
use crate::inventory::service::{self, Named, SERVICE_NAME};
use crate::inventory::{Cluster, Fact, Kind, Object, ObjectRef, Restore, Services, Snapshot};

/// Maximum number of Services that are read.
const MOST: usize = 64;
/// Pause between two looks at the clusters.
const PAUSE: Duration = Duration::from_secs(2);
/// Number of looks after which known Services are read again.
const LOOKS: u32 = 150;

/// Reads the Services of the clusters in each snapshot until the receiver of the steps is gone.
pub(super) async fn follow(
    client: Client,
    health: Arc<WatchHealth>,
    mut snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    steps: mpsc::WeakSender<(Kind, Step)>,
) {
    let (mut known, mut looks) = (BTreeSet::new(), 0);
    loop {
        sleep(PAUSE).await;
        looks += 1;
        let is_new = snapshots.has_changed();
        if is_new.is_ok_and(|is_new| !is_new) && looks <= LOOKS {
            continue;
        }
        let found = snapshots.borrow_and_update().as_deref().map(wanted);
        if let Some(found) = found
            && (found != known || looks > LOOKS)
        {
            let (objects, failure) = read(&client, &found).await;
            (known, looks) = (found, 0);
            let last = health.services_problem();
            if failure.is_some() && failure.as_ref() != last.as_deref() {
                let problem = failure.as_deref();
                tracing::warn!(problem, "ports of some Services are not known");
            }
            health.read_services(failure);
            let mut services = Services::default();
            for object in objects {
                services.set(object);
            }
            let step = Step::Services(services.into());
            let Some(steps) = steps.upgrade() else { return };
            if steps.send((Kind::EndpointSlice, step)).await.is_err() {
                return;
            }
        }
    }
}

/// The Services of all clusters and restores.
fn wanted(snapshot: &Snapshot) -> BTreeSet<Named> {
    let all = || snapshot.namespaces.values();
    let clusters = all().flat_map(|facts| facts.clusters.values().filter_map(Fact::read));
    let restores = all().flat_map(|facts| facts.restores.values().filter_map(Fact::read));
    limited(clusters.map(AsRef::as_ref), restores.map(AsRef::as_ref))
}

/// The Services that clusters need, and those that clusters and restores name: at most [`MOST`], needed ones first.
pub(super) fn limited<'a>(
    clusters: impl Iterator<Item = &'a Cluster> + Clone,
    restores: impl Iterator<Item = &'a Restore>,
) -> BTreeSet<Named> {
    let needed = clusters.clone().flat_map(service::of_every_server);
    let named = clusters.flat_map(Cluster::dial_targets).cloned();
    let of_restores = restores.flat_map(|restore| restore.needs.dial_targets.clone());
    let all = needed.chain(named).chain(of_restores);
    let mut found = BTreeSet::new();
    for named in all.filter_map(|dial| service::dialled(&dial)) {
        if found.len() < MOST {
            found.insert(named);
        }
    }
    found
}

/// The Services and their EndpointSlices, and the first problem.
pub(super) async fn read(
    client: &Client,
    wanted: &BTreeSet<Named>,
) -> (Vec<Object>, Option<String>) {
    let (mut objects, mut failure) = (Vec::new(), None);
    for named in wanted {
        for found in [of_service(client, named).await, slices(client, named).await] {
            match found {
                Ok(found) => objects.extend(found),
                Err(Error::Api(status)) if status.code == 404 => {}
                Err(error) => {
                    failure.get_or_insert(problem(&error));
                }
            }
        }
    }
    (objects, failure)
}

/// The Service. The only one that leads to no pods is watched.
async fn of_service(client: &Client, named: &Named) -> Result<Vec<Object>, Error> {
    let (namespace, name) = named;
    if (&**namespace, &**name) == API_SERVER_SERVICE {
        return Ok(Vec::new());
    }
    let request = Request::new(format!("/api/v1/namespaces/{namespace}/services"));
    let request = request.get(name, &::kube::api::GetParams::default());
    let text = client.request_text(request.map_err(Error::BuildRequest)?);
    let reference = ObjectRef {
        kind: Kind::Service,
        namespace: Arc::clone(namespace),
        name: Arc::clone(name),
    };
    let object = read::object_json(&reference, text.await?.as_bytes());
    Ok(object.into_iter().collect())
}

async fn slices(client: &Client, (namespace, name): &Named) -> Result<Vec<Object>, Error> {
    let kind = Kind::EndpointSlice;
    let resource = resource(kind, kind.first_version());
    let listing = Listing::new(client.clone(), &resource, Some(namespace));
    let listing = listing.labels(format!("{SERVICE_NAME}={name}"));
    let reference = ObjectRef {
        kind,
        namespace: Arc::clone(namespace),
        name: Arc::default(),
    };
    let read = |json: &[u8]| read::object_json(&reference, json);
    let (found, _) = listing.all(&mut Gate::default(), read).await?;
    Ok(found)
}
