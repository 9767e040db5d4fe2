//! Kubernetes Events, written one after the other from the outbox.
//!
//! The name of an Event is worked out of the object, the reason and the place. So two replicas that
//! have the same to tell make one Event: the second one's is there already. The object is looked up
//! first, since `kubectl describe` finds Events by its uid, and what is gone is told nothing of.
//!
//! What stands is told once, so where the API server does not take it, it is tried again. A
//! refusal is not: who was refused knows.

mod later;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{
    Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams,
};
use kube::{Client, Error};
use serde_json::json;
use tokio::time::timeout;

use crate::audit::Metrics;
use crate::audit::metrics::cluster::EventEnd;
use crate::audit::outbox::{Notice, Notices, Occasion, Regarding};
use crate::inventory::ObjectRef;
use later::Later;

/// Who says so.
const CONTROLLER: &str = "perimeter.openbao.org/openbao-perimeter";
/// Where Events about objects without a namespace are.
const DEFAULT_NAMESPACE: &str = "default";
/// Bytes of a note that the API server takes.
const NOTE: usize = 1024;
/// Characters of an object's name in the name of its Event.
const NAME: usize = 200;
/// One Event, from the look at its object to its end.
const LIMIT: Duration = Duration::from_secs(5);
/// Events whose repetitions are counted.
const REMEMBERED: usize = 4096;

/// Writes what comes out of the outbox, until nothing more can. `instance` tells replicas apart.
pub async fn write(client: Client, instance: String, metrics: Arc<Metrics>, mut notices: Notices) {
    let mut writer = Writer {
        client,
        instance,
        told: BTreeMap::new(),
    };
    let mut later = Later::default();
    loop {
        let (notice, tries) = tokio::select! {
            next = notices.recv() => match next {
                Some(notice) => (notice, 0),
                None => return,
            },
            again = later.due() => again,
        };
        let end = match timeout(LIMIT, writer.write(&notice)).await {
            Ok(Ok(end)) => end,
            Ok(Err(error)) => {
                tracing::warn!(reason = notice.reason, %error, "Could not write an Event");
                let may_pass = may_pass(&error) && notice.occasion != Occasion::Refused;
                failed(&mut later, may_pass.then_some(notice), tries)
            }
            Err(_late) => {
                let again = notice.occasion != Occasion::Refused;
                failed(&mut later, again.then_some(notice), tries)
            }
        };
        metrics.cluster.event(end);
    }
}

/// What becomes of an Event that was not taken.
fn failed(later: &mut Later, again: Option<Notice>, tries: u32) -> EventEnd {
    match again.and_then(|notice| later.put(notice, tries + 1)) {
        Some(()) => EventEnd::Retried,
        None => EventEnd::Failed,
    }
}

/// Whether another time the answer may be another one. No right, or an Event that is not valid, stays so.
fn may_pass(error: &Error) -> bool {
    match error {
        Error::Api(status) => status.code >= 500 || matches!(status.code, 408 | 429),
        _ => true,
    }
}

struct Writer {
    client: Client,
    instance: String,
    /// How often this process had the same to tell, by the Event's name.
    told: BTreeMap<String, i32>,
}

impl Writer {
    async fn write(&mut self, notice: &Notice) -> Result<EventEnd, Error> {
        let target = Target::of(&notice.regarding);
        let Some(uid) = self.uid(&target).await? else {
            return Ok(EventEnd::Gone);
        };
        let name = event_name(&target.name, &uid, notice);
        let namespace = target.event_namespace();
        let events: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
        let event = self.event(&name, &target, uid, notice);
        match events.create(&PostParams::default(), &event).await {
            Ok(_) => {
                self.count(&name);
                Ok(EventEnd::Written)
            }
            Err(Error::Api(status)) if status.code == 409 => {
                let count = self.count(&name);
                // What stands is told once. What happened again is counted.
                if notice.occasion == Occasion::Refused || count > 1 {
                    let now = MicroTime(Timestamp::now());
                    let series =
                        json!({"series": {"count": count.max(2), "lastObservedTime": now}});
                    let params = PatchParams::default();
                    events.patch(&name, &params, &Patch::Merge(series)).await?;
                }
                Ok(EventEnd::Repeated)
            }
            Err(error) => Err(error),
        }
    }

    async fn uid(&self, target: &Target) -> Result<Option<String>, Error> {
        let client = self.client.clone();
        let api: Api<DynamicObject> = if target.namespace.is_empty() {
            Api::all_with(client, &target.resource)
        } else {
            Api::namespaced_with(client, &target.namespace, &target.resource)
        };
        let found = api.get_metadata_opt(&target.name).await?;
        Ok(found.and_then(|object| object.metadata.uid))
    }

    fn count(&mut self, name: &str) -> i32 {
        if self.told.len() >= REMEMBERED {
            self.told.clear();
        }
        let count = self.told.entry(name.to_owned()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    fn event(&self, name: &str, target: &Target, uid: String, notice: &Notice) -> Event {
        let related = notice
            .related
            .as_ref()
            .map(|object| Target::of(&Regarding::Object(object.clone())));
        let action = match notice.occasion {
            Occasion::Refused => "Refuse",
            Occasion::Found => "Audit",
            Occasion::Drifted => "WatchRegistration",
        };
        Event {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some(target.event_namespace()),
                ..ObjectMeta::default()
            },
            action: Some(action.to_owned()),
            event_time: Some(MicroTime(Timestamp::now())),
            note: Some(cut(&notice.note, NOTE).to_owned()),
            reason: Some(notice.reason.clone()),
            regarding: Some(target.reference(Some(uid))),
            related: related.map(|target| target.reference(None)),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(cut(&self.instance, 128).to_owned()),
            type_: Some("Warning".to_owned()),
            ..Event::default()
        }
    }
}

/// An object as the API server names it.
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

    fn event_namespace(&self) -> String {
        let namespace = Some(&self.namespace).filter(|namespace| !namespace.is_empty());
        namespace.map_or_else(|| DEFAULT_NAMESPACE.to_owned(), Clone::clone)
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
    let gvk = GroupVersionKind::gvk(kind.group(), kind.versions()[0], kind.as_str());
    ApiResource::from_gvk_with_plural(&gvk, kind.plural())
}

/// The same for every replica and every time.
fn event_name(object: &str, uid: &str, notice: &Notice) -> String {
    let occasion = match notice.occasion {
        Occasion::Refused => "refused",
        Occasion::Found => "found",
        Occasion::Drifted => "drifted",
    };
    let parts = [uid, occasion, &notice.reason, &notice.path];
    let object = cut(object, NAME).trim_end_matches(['.', '-']);
    format!("{object}.{:016x}", fingerprint(&parts))
}

/// FNV-1a. Not for secrets: it has to be the same in every build.
fn fingerprint(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// At most so many bytes of a text.
fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests;
