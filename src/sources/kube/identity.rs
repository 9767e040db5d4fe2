//! Labels that NetworkPolicies believe: pods with the label of a cluster, and Namespaces that count by their labels.
//!
//! Only metadata is read. A pod comes from the operator if its controller is a StatefulSet or Job that an OpenBaoCluster
//! or OpenBaoRestore controls.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::ReviewConfigs;
use crate::config::ReviewConfig;
use crate::inventory::workload::CLUSTER_LABEL;
use crate::inventory::{CountedNamespace, Object, Owner, StoredLabels, Workload, read};
use netpol::label::labels;

/// Labels by key.
type Wanted = BTreeMap<Arc<str>, Arc<str>>;

/// Follows both until the receiver is gone.
pub(crate) async fn follow(
    client: Client,
    configs: ReviewConfigs,
    changes: mpsc::Sender<StoredLabels>,
) {
    let pods = follow_pods(client.clone(), changes.clone());
    tokio::join!(pods, follow_namespaces(client, configs, changes));
}

/// The pods that do not come from the operator, by namespace and name.
type Strangers = BTreeMap<Arc<str>, BTreeMap<Arc<str>, Arc<Workload>>>;

async fn follow_pods(client: Client, changes: mpsc::Sender<StoredLabels>) {
    let config = watcher::Config::default().labels(CLUSTER_LABEL);
    let pods = watcher::watcher(Api::<PartialObjectMeta<Pod>>::all(client.clone()), config);
    let mut events = pin!(pods.default_backoff());
    let mut owners = Owners {
        client,
        of_the_operator: BTreeSet::new(),
    };
    let (mut known, mut listed) = (Strangers::new(), Strangers::new());
    while let Some(event) = events.next().await {
        let mut next = known.clone();
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(pod)) => owners.enter(&mut listed, &pod.metadata).await,
            Ok(Event::InitDone) => next = std::mem::take(&mut listed),
            Ok(Event::Apply(pod)) => {
                remove(&mut next, &pod.metadata);
                owners.enter(&mut next, &pod.metadata).await;
            }
            Ok(Event::Delete(pod)) => remove(&mut next, &pod.metadata),
            Err(error) => {
                tracing::warn!(%error, "cannot watch the pods with the label of a cluster");
            }
        }
        let namespaces: BTreeSet<Arc<str>> = known.keys().chain(next.keys()).cloned().collect();
        for namespace in namespaces {
            let [before, now] = [&known, &next].map(|all| all.get(&namespace));
            if before == now {
                continue;
            }
            let pods = now.into_iter().flat_map(BTreeMap::values).cloned();
            let change = StoredLabels::Pods(namespace, pods.collect());
            if changes.send(change).await.is_err() {
                return;
            }
        }
        known = next;
    }
}

fn remove(strangers: &mut Strangers, pod: &ObjectMeta) {
    let (namespace, name) = names(pod);
    if let Some(pods) = strangers.get_mut(namespace) {
        pods.remove(name);
        if pods.is_empty() {
            strangers.remove(namespace);
        }
    }
}

fn names(meta: &ObjectMeta) -> (&str, &str) {
    let [namespace, name] = [&meta.namespace, &meta.name].map(|text| text.as_deref());
    (namespace.unwrap_or_default(), name.unwrap_or_default())
}

/// Controllers of pods.
struct Owners {
    client: Client,
    /// The uids of StatefulSets and Jobs that the operator controls.
    of_the_operator: BTreeSet<Arc<str>>,
}

impl Owners {
    /// Adds a pod that does not come from the operator.
    async fn enter(&mut self, strangers: &mut Strangers, pod: &ObjectMeta) {
        let Some(workload) = workload("v1", "Pod", pod) else {
            return;
        };
        let is_of_the_operator = match workload.controller() {
            Some(owner) => {
                self.is_of_the_operator(&workload.meta.namespace, owner)
                    .await
            }
            None => false,
        };
        if !is_of_the_operator {
            let (namespace, name) = (&workload.meta.namespace, &workload.meta.name);
            let pods = strangers.entry(namespace.clone()).or_default();
            pods.insert(name.clone(), workload);
        }
    }

    async fn is_of_the_operator(&mut self, namespace: &str, owner: &Owner) -> bool {
        if self.of_the_operator.contains(&owner.uid) {
            return true;
        }
        let controls = match (&*owner.api_version, &*owner.kind) {
            ("apps/v1", "StatefulSet") => self.controls::<StatefulSet>(namespace, owner).await,
            ("batch/v1", "Job") => self.controls::<Job>(namespace, owner).await,
            _ => false,
        };
        if controls {
            self.of_the_operator.insert(owner.uid.clone());
        }
        controls
    }

    /// True if the owner exists and the operator controls it, or if it cannot be read.
    async fn controls<K>(&self, namespace: &str, owner: &Owner) -> bool
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        match api.get_metadata_opt(&owner.name).await {
            Ok(found) => found.is_some_and(|found| {
                let is_same = found.metadata.uid.as_deref() == Some(&*owner.uid);
                is_same && read::meta(&found.metadata).is_of_the_operator()
            }),
            Err(error) => {
                let (kind, name) = (&owner.kind, &owner.name);
                tracing::warn!(%kind, namespace, %name, %error, "cannot read the controller of a pod");
                true
            }
        }
    }
}

/// The fact of an object of which the metadata is known.
fn workload(api_version: &str, kind: &str, metadata: &ObjectMeta) -> Option<Arc<Workload>> {
    let metadata = serde_json::to_value(metadata).unwrap_or(Value::Null);
    let object = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
    match read::object(&object)? {
        Object::Workload(workload) => Some(workload),
        _ => None,
    }
}

async fn follow_namespaces(
    client: Client,
    mut configs: ReviewConfigs,
    changes: mpsc::Sender<StoredLabels>,
) {
    loop {
        let wanted = configs.borrow_and_update().metrics_namespace_labels.clone();
        let watch = follow_labelled(&client, &wanted, &changes);
        tokio::select! {
            () = watch => return,
            ended = others(&mut configs, &wanted) => if ended.is_err() {
                return;
            },
        }
    }
}

/// Waits for other labels.
async fn others(
    configs: &mut ReviewConfigs,
    wanted: &Wanted,
) -> Result<(), tokio::sync::watch::error::RecvError> {
    let differs = |config: &Arc<ReviewConfig>| config.metrics_namespace_labels != *wanted;
    configs.wait_for(differs).await.map(|_| ())
}

/// Follows the Namespaces with these labels, until the receiver is gone.
async fn follow_labelled(client: &Client, wanted: &Wanted, changes: &mpsc::Sender<StoredLabels>) {
    if wanted.is_empty() {
        let _gone = changes.send(StoredLabels::Namespaces(Vec::new())).await;
        return std::future::pending().await;
    }
    let pairs: Vec<String> = wanted
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let config = watcher::Config::default().labels(&pairs.join(","));
    let namespaces = watcher::watcher(
        Api::<PartialObjectMeta<Namespace>>::all(client.clone()),
        config,
    );
    let mut events = pin!(namespaces.default_backoff());
    let (mut known, mut listed) = (BTreeMap::new(), BTreeMap::new());
    while let Some(event) = events.next().await {
        let is_listed = match event {
            Ok(Event::Init) => {
                listed.clear();
                false
            }
            Ok(Event::InitApply(namespace)) => {
                listed.extend(labelled(namespace.metadata, wanted));
                false
            }
            Ok(Event::InitDone) => {
                known = std::mem::take(&mut listed);
                true
            }
            Ok(Event::Apply(namespace)) => {
                known.extend(labelled(namespace.metadata, wanted));
                true
            }
            Ok(Event::Delete(namespace)) => {
                known.remove(names(&namespace.metadata).1);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "cannot watch the Namespaces that count by their labels");
                false
            }
        };
        if is_listed {
            let all = known.values().cloned().collect();
            if changes.send(StoredLabels::Namespaces(all)).await.is_err() {
                return;
            }
        }
    }
}

fn labelled(meta: ObjectMeta, wanted: &Wanted) -> Option<(Arc<str>, CountedNamespace)> {
    let managers = meta.managed_fields.iter().flatten();
    let setters = managers.filter(|manager| {
        let fields = manager.fields_v1.as_ref();
        let labels = fields.map(|fields| &fields.0["f:metadata"]["f:labels"]);
        let sets = |key: &Arc<str>| labels.is_some_and(|all| all.get(format!("f:{key}")).is_some());
        wanted.keys().any(sets)
    });
    let changed = setters.filter_map(|manager| Some(manager.time.as_ref()?.0));
    let changed = changed.max().map(|time| time.to_string());
    let pairs = meta.labels.unwrap_or_default().into_iter();
    let pairs = pairs.map(|(key, value)| (Arc::from(key), Arc::from(value)));
    let name: Arc<str> = meta.name?.into();
    let namespace = CountedNamespace {
        name: name.clone(),
        labels: labels(pairs.collect()),
        changed,
    };
    Some((name, namespace))
}
