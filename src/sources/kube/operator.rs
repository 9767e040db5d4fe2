//! The operator's Deployments, which name its release.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use ::kube::api::{Api, ApiResource, ListParams, NotUsed, Object};
use ::kube::runtime::WatchStreamExt as _;
use ::kube::runtime::watcher::{self, Event};
use ::kube::{Client, Error};
use futures_util::StreamExt as _;
use serde::Deserialize;

use super::{ReviewConfigs, has_code, once, problem::problem};
use crate::config::ReviewConfig;
use crate::config::release::{DeploymentFacts, Detected, Undetermined, detect};

/// The release of the operator, or the reason for which it is not known.
pub(crate) type Release = Result<Detected, Undetermined>;

/// A Deployment. Most fields are left out, since the code that decodes a whole pod template is very large.
type Deployment = Object<DeploymentSpec, NotUsed>;

#[derive(Clone, Debug, Deserialize)]
struct DeploymentSpec {
    replicas: Option<i32>,
    template: PodTemplate,
}

#[derive(Clone, Debug, Deserialize)]
struct PodTemplate {
    #[serde(default)]
    metadata: TemplateMeta,
    spec: PodSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct TemplateMeta {
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Debug, Deserialize)]
struct PodSpec {
    containers: Vec<Container>,
}

#[derive(Clone, Debug, Deserialize)]
struct Container {
    name: String,
    #[serde(default)]
    image: String,
}

/// The Deployments of a namespace.
fn api(client: Client, namespace: &str) -> Api<Deployment> {
    let resource = ApiResource::erase::<k8s_openapi::api::apps::v1::Deployment>(&());
    Api::namespaced_with(client, namespace, &resource)
}

/// Deployments by name.
type Deployments = BTreeMap<Arc<str>, DeploymentFacts>;

/// Reads the Deployments once, for a command, in the cluster that the kubeconfig leads to.
pub(crate) fn read(
    kubeconfig: Option<&Path>,
    context: Option<&str>,
    namespace: &Arc<str>,
) -> Release {
    let deployments = once::with_client(kubeconfig, context, async |client, _| {
        list(client, namespace).await
    });
    let failed = |problem: String| Undetermined::Failed(Arc::clone(namespace), problem);
    deployments.map_err(|error| failed(error.to_string()))?
}

async fn list(client: Client, namespace: &Arc<str>) -> Release {
    match api(client, namespace).list(&ListParams::default()).await {
        Ok(found) => {
            let found: Vec<DeploymentFacts> = found.items.iter().map(facts).collect();
            detect(namespace, &found)
        }
        Err(Error::Api(status)) if status.code == 403 => {
            Err(Undetermined::Forbidden(Arc::clone(namespace)))
        }
        Err(error) => {
            let problem = problem(&error);
            Err(Undetermined::Failed(Arc::clone(namespace), problem))
        }
    }
}

/// Reports the release, and each change of it, until the settings end. `None` where a setting names the baseline.
pub(crate) async fn follow(
    client: Client,
    mut configs: ReviewConfigs,
    mut report: impl FnMut(Option<Release>),
) {
    loop {
        let wanted = wanted(&configs.borrow_and_update());
        let differs = |config: &Arc<ReviewConfig>| self::wanted(config) != wanted;
        let ended = match &wanted {
            None => {
                report(None);
                configs.wait_for(differs).await.is_err()
            }
            Some(namespace) => tokio::select! {
                () = watch(&client, namespace, &mut report) => true,
                found = configs.wait_for(differs) => found.is_err(),
            },
        };
        if ended {
            return;
        }
    }
}

/// The namespace whose Deployments name the baseline; `None` if a setting does.
fn wanted(config: &ReviewConfig) -> Option<Arc<str>> {
    let namespace = &config.operator_namespace;
    config.detects_baseline.then(|| Arc::clone(namespace))
}

async fn watch(client: &Client, namespace: &Arc<str>, report: &mut impl FnMut(Option<Release>)) {
    let deployments = watcher::watcher(api(client.clone(), namespace), watcher::Config::default());
    let mut events = pin!(deployments.default_backoff());
    let (mut known, mut listed) = (Deployments::new(), Deployments::new());
    let mut is_known = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => {
                listed.clear();
                continue;
            }
            Ok(Event::InitApply(deployment)) => {
                enter(&mut listed, &deployment);
                continue;
            }
            Ok(Event::InitDone) => {
                known = std::mem::take(&mut listed);
                is_known = true;
            }
            Ok(Event::Apply(deployment)) => enter(&mut known, &deployment),
            Ok(Event::Delete(deployment)) => {
                known.remove(&facts(&deployment).name);
            }
            Err(error) if has_code(&error, 403) => {
                is_known = false;
                report(Some(Err(Undetermined::Forbidden(Arc::clone(namespace)))));
                continue;
            }
            // An interruption changes nothing about a list that is known.
            Err(_) if is_known => continue,
            Err(error) => {
                let problem = problem(&error);
                report(Some(Err(Undetermined::Failed(
                    Arc::clone(namespace),
                    problem,
                ))));
                continue;
            }
        }
        report(Some(detect(namespace, known.values())));
    }
}

fn enter(deployments: &mut Deployments, deployment: &Deployment) {
    let facts = facts(deployment);
    deployments.insert(Arc::clone(&facts.name), facts);
}

/// The parts of a Deployment by which the operator and its release are known.
fn facts(deployment: &Deployment) -> DeploymentFacts {
    let Object { metadata, spec, .. } = deployment;
    let own = metadata.labels.as_ref();
    let label = |key: &str| own.and_then(|labels| labels.get(key).cloned());
    let names = own.into_iter().chain(&spec.template.metadata.labels);
    let containers = spec.template.spec.containers.iter();
    DeploymentFacts {
        name: metadata.name.as_deref().unwrap_or_default().into(),
        is_stopped: spec.replicas == Some(0),
        app_names: names
            .filter_map(|labels| labels.get("app.kubernetes.io/name").cloned())
            .collect(),
        component: label("app.kubernetes.io/component"),
        version: label("app.kubernetes.io/version"),
        chart: label("helm.sh/chart"),
        containers: containers
            .map(|one| (one.name.clone(), one.image.clone()))
            .collect(),
    }
}
