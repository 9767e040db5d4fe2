//! Recorder of Kubernetes Events from the queue, one after another.
//!
//! The object is looked up first: `kubectl describe` finds Events by its uid, and deleted objects need none.
//! Repetitions within six minutes are counted in the series of the first Event.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::events::{self, EventType, Recorder, Reporter};
use kube::{Client, Error};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use crate::audit::Metrics;
use crate::audit::event_queue::{Event, Regarding};
use crate::audit::metrics::cluster::EventEnd;
use crate::inventory::ObjectRef;

/// Name of the reporting controller.
const CONTROLLER: &str = "perimeter.openbao.org/openbao-perimeter";
/// Maximum length of a note in bytes, as in the API.
const NOTE: usize = 1024;
/// Timeout of one Event, including the lookup of its object.
const LIMIT: Duration = Duration::from_secs(5);

/// Records the Events of the queue until it is closed. `instance` identifies the replica.
pub(crate) async fn record(
    client: Client,
    instance: String,
    metrics: Arc<Metrics>,
    mut events: Receiver<Event>,
) {
    let reporter = Reporter {
        controller: CONTROLLER.to_owned(),
        instance: Some(instance),
    };
    let recorder = Recorder::new(client.clone(), reporter);
    while let Some(event) = events.recv().await {
        let end = match timeout(LIMIT, publish(&client, &recorder, &event)).await {
            Ok(Ok(end)) => end,
            Ok(Err(error)) => {
                tracing::warn!(reason = event.reason, %error, "cannot record an Event");
                EventEnd::Failed
            }
            Err(_elapsed) => EventEnd::Failed,
        };
        metrics.cluster.event(end);
    }
}

async fn publish(client: &Client, recorder: &Recorder, event: &Event) -> Result<EventEnd, Error> {
    let target = Target::of(&event.regarding);
    let Some(uid) = target.uid(client).await? else {
        return Ok(EventEnd::Gone);
    };
    let related = event.related.clone().map(Regarding::Object);
    let published = events::Event {
        type_: EventType::Warning,
        reason: event.reason.clone(),
        note: Some(event.note[..event.note.floor_char_boundary(NOTE)].to_owned()),
        action: event.action.as_str().to_owned(),
        secondary: related.map(|related| Target::of(&related).reference(None)),
    };
    let regarding = target.reference(Some(uid));
    recorder.publish(&published, &regarding).await?;
    Ok(EventEnd::Written)
}

/// Reference to an object as in the API.
struct Target {
    resource: ApiResource,
    namespace: String,
    name: String,
}

impl Target {
    fn of(regarding: &Regarding) -> Self {
        match regarding {
            Regarding::Object(object) => Self {
                resource: resource(object),
                namespace: object.namespace.to_string(),
                name: object.name.to_string(),
            },
            Regarding::Configuration { kind, name } => Self {
                resource: ApiResource::from_gvk(&GroupVersionKind::gvk(
                    "admissionregistration.k8s.io",
                    "v1",
                    kind,
                )),
                namespace: String::new(),
                name: name.clone(),
            },
        }
    }

    /// The uid of the object; `None` if the object does not exist.
    async fn uid(&self, client: &Client) -> Result<Option<String>, Error> {
        let client = client.clone();
        let api: Api<DynamicObject> = if self.namespace.is_empty() {
            Api::all_with(client, &self.resource)
        } else {
            Api::namespaced_with(client, &self.namespace, &self.resource)
        };
        let found = api.get_metadata_opt(&self.name).await?;
        Ok(found.and_then(|object| object.metadata.uid))
    }

    fn reference(&self, uid: Option<String>) -> ObjectReference {
        ObjectReference {
            api_version: Some(self.resource.api_version.clone()),
            kind: Some(self.resource.kind.clone()),
            name: Some(self.name.clone()),
            namespace: Some(self.namespace.clone()).filter(|namespace| !namespace.is_empty()),
            uid,
            ..ObjectReference::default()
        }
    }
}

fn resource(object: &ObjectRef) -> ApiResource {
    let kind = object.kind;
    let gvk = GroupVersionKind::gvk(kind.group(), kind.first_version(), kind.as_str());
    ApiResource::from_gvk_with_plural(&gvk, kind.plural())
}

#[cfg(test)]
mod tests;
