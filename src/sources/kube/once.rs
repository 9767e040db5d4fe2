//! One read of a Kubernetes cluster, for commands.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use ::kube::config::{KubeConfigOptions, Kubeconfig};
use ::kube::core::Status;
use ::kube::{Client, Config, Error};
use serde::Deserialize;
use serde_json::Value;

use super::discovery::{self, Served};
use super::services;
use crate::crypto;
use crate::inventory::read::{self, API_SERVER_SERVICE};
use crate::inventory::workload::CLUSTER_LABEL;
use crate::inventory::{Change, Completeness, Fact, Kind, KindUse, Object, Unread};
use crate::sources::files::{Located, Manifests};

/// Longest time for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest silence of the API server.
const SILENCE: Duration = Duration::from_secs(30);
/// Objects of one page of a list.
const PAGE: usize = 500;

/// Objects of a cluster.
pub(crate) struct Listed {
    /// The objects.
    pub(crate) manifests: Manifests,
    /// Whether all objects of a kind are known.
    pub(crate) completeness: Vec<Change>,
    /// True if the pods with the label of a cluster are among the objects.
    pub(crate) has_pods: bool,
}

/// Error of a read of a cluster.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterError {
    /// The kubeconfig does not lead to a cluster.
    #[error(
        "cannot use the kubeconfig: {0}; name manifests with `-f PATH` to do without a cluster"
    )]
    Config(String),
    /// The API server cannot be reached.
    #[error("cannot connect to the API server {url}: {problem}")]
    Connect {
        /// Its address.
        url: String,
        /// The cause.
        problem: String,
    },
    /// The API server rejects the credentials.
    #[error("the API server {url} rejects the credentials of the kubeconfig: {problem}")]
    Credentials {
        /// Its address.
        url: String,
        /// Its words.
        problem: String,
    },
    /// A list fails.
    #[error("cannot list {what} in {place}: {problem}")]
    List {
        /// Plural of the kind.
        what: &'static str,
        /// Namespace, or all.
        place: String,
        /// The cause.
        problem: String,
    },
}

/// Reads the cluster that the kubeconfig leads to, all of it or one namespace.
///
/// # Errors
/// There is no connection, or a kind that decides cannot be listed.
pub(crate) fn list(
    kubeconfig: Option<&Path>,
    context: Option<&str>,
    namespace: Option<&str>,
) -> Result<Listed, ClusterError> {
    with_client(kubeconfig, context, async |client, url| {
        let source = Source {
            client,
            url,
            namespace,
        };
        source.all().await
    })?
}

/// Runs a task with a client of the cluster that the kubeconfig leads to, and its address.
///
/// # Errors
/// The kubeconfig does not lead to a cluster.
pub(super) fn with_client<T>(
    kubeconfig: Option<&Path>,
    context: Option<&str>,
    task: impl AsyncFnOnce(Client, String) -> T,
) -> Result<T, ClusterError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ClusterError::Config(error.to_string()))?;
    runtime.block_on(async {
        let mut config = config(kubeconfig, context).await?;
        config.connect_timeout = Some(CONNECT);
        config.read_timeout = Some(SILENCE);
        let url = config.cluster_url.to_string();
        let client = crypto::client(config);
        let client = client.map_err(|error| ClusterError::Config(causes(&error)))?;
        Ok(task(client, url).await)
    })
}

async fn config(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Config, ClusterError> {
    let rejected = |text: String| ClusterError::Config(text);
    if kubeconfig.is_none() && context.is_none() {
        let config = Config::infer().await;
        return config.map_err(|error| rejected(causes(&error)));
    }
    let read = match kubeconfig {
        Some(file) => Kubeconfig::read_from(file),
        None => Kubeconfig::read(),
    };
    let read = read.map_err(|error| rejected(causes(&error)))?;
    let options = KubeConfigOptions {
        context: context.map(str::to_owned),
        ..KubeConfigOptions::default()
    };
    let config = Config::from_custom_kubeconfig(read, &options).await;
    config.map_err(|error| rejected(causes(&error)))
}

/// An error with its causes, in one line and without repetition.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A page of a list.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    items: Vec<Value>,
    #[serde(default)]
    metadata: PageMetadata,
}

#[derive(Default, Deserialize)]
struct PageMetadata {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

struct Source<'a> {
    client: Client,
    url: String,
    namespace: Option<&'a str>,
}

impl Source<'_> {
    async fn all(&self) -> Result<Listed, ClusterError> {
        let mut listed = Listed {
            manifests: Manifests::default(),
            completeness: Vec::new(),
            has_pods: false,
        };
        for kind in Kind::WATCHED {
            let read = self.kind(kind, &mut listed.manifests).await;
            let completeness = match read {
                Ok(completeness) => completeness,
                // Without it some advice is left out.
                Err(Error::Api(status)) if may_fail(kind, &status) => {
                    eprintln!("note: {} are not read: {}", kind.plural(), status.message);
                    Completeness::Unread(if status.code == 403 {
                        Unread::Forbidden
                    } else {
                        Unread::Failed
                    })
                }
                Err(error) => return Err(self.error(kind, error)),
            };
            if self.namespace.is_none() || completeness != Completeness::Whole {
                listed
                    .completeness
                    .push(Change::Completeness(kind, completeness));
            }
        }
        listed.has_pods = match self.pods(&mut listed.manifests).await {
            Ok(()) => true,
            Err(Error::Api(status)) if status.code == 403 => {
                eprintln!("note: pods are not checked (OBP503): {}", status.message);
                false
            }
            Err(error) => return Err(self.error(Kind::Pod, error)),
        };
        let objects = || listed.manifests.objects.iter();
        let clusters = objects().filter_map(|located| match &located.object {
            Object::Cluster(Fact::Read(cluster)) => Some(&**cluster),
            _ => None,
        });
        let restores = objects().filter_map(|located| match &located.object {
            Object::Restore(Fact::Read(restore)) => Some(&**restore),
            _ => None,
        });
        let wanted = services::limited(clusters, restores);
        let (objects, failure) = services::read(&self.client, &wanted).await;
        if let Some(problem) = failure {
            eprintln!("note: ports of some services are not known: {problem}");
        }
        let found = objects.into_iter();
        let found = found.map(|object| Located::live(object, Value::Null));
        listed.manifests.objects.extend(found);
        Ok(listed)
    }

    fn error(&self, kind: Kind, error: Error) -> ClusterError {
        let url = self.url.clone();
        let problem = causes(&error);
        match error {
            Error::Api(status) if status.code == 401 => ClusterError::Credentials {
                url,
                problem: status.message.clone(),
            },
            Error::Api(status) => ClusterError::List {
                what: kind.plural(),
                place: match self.namespace {
                    Some(namespace) => format!("namespace {namespace}"),
                    None => "all namespaces".to_owned(),
                },
                problem: status.message.clone(),
            },
            _ => ClusterError::Connect { url, problem },
        }
    }

    /// Adds all objects of a kind.
    async fn kind(&self, kind: Kind, manifests: &mut Manifests) -> Result<Completeness, Error> {
        let mut version = kind.first_version().to_owned();
        if kind.is_custom() {
            let served = discovery::served(&self.client, kind).await?;
            let Some(found) = served.version() else {
                return Ok(Completeness::Unserved);
            };
            if let Served::Unread(version) = &served
                && kind.used_for() == KindUse::Seen
            {
                return Ok(Completeness::Unread(Unread::Version(version.clone())));
            }
            found.clone_into(&mut version);
        }
        let (api_version, root) = if kind.group().is_empty() {
            (version.clone(), format!("/api/{version}"))
        } else {
            let api_version = format!("{}/{version}", kind.group_of(&version));
            let root = format!("/apis/{api_version}");
            (api_version, root)
        };
        let one = match (kind, self.namespace) {
            (Kind::Service, _) => {
                let (namespace, name) = API_SERVER_SERVICE;
                Some(format!("{root}/namespaces/{namespace}/services/{name}"))
            }
            (Kind::Namespace, Some(namespace)) => Some(format!("{root}/namespaces/{namespace}")),
            _ => None,
        };
        if let Some(path) = one {
            match self.get::<Value>(path).await {
                Ok(item) => add(manifests, item, kind, &api_version),
                Err(Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error),
            }
            return Ok(Completeness::Whole);
        }
        let add = |item| add(manifests, item, kind, &api_version);
        self.list(&root, kind, "", add).await?;
        Ok(Completeness::Whole)
    }

    /// Adds the pods with the label of a cluster, and the StatefulSets and Jobs that control them.
    async fn pods(&self, manifests: &mut Manifests) -> Result<(), Error> {
        let selector = format!("&labelSelector={CLUSTER_LABEL}");
        let mut controllers = BTreeSet::new();
        self.list("/api/v1", Kind::Pod, &selector, |pod| {
            let first = manifests.objects.len();
            add(manifests, pod, Kind::Pod, "v1");
            for located in &manifests.objects[first..] {
                if let Object::Workload(pod) = &located.object
                    && let Some(owner) = pod.controller()
                {
                    let namespace = pod.meta.namespace.clone();
                    controllers.insert((owner.kind.clone(), namespace, owner.name.clone()));
                }
            }
        })
        .await?;
        for (kind, namespace, name) in controllers {
            let (kind, api_version) = match &*kind {
                "StatefulSet" => (Kind::StatefulSet, "apps/v1"),
                "Job" => (Kind::Job, "batch/v1"),
                _ => continue,
            };
            let plural = kind.plural();
            let path = format!("/apis/{api_version}/namespaces/{namespace}/{plural}/{name}");
            match self.get::<Value>(path).await {
                Ok(item) => add(manifests, item, kind, api_version),
                Err(Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// All items of a list, page by page. `query` is added to that of a page.
    async fn list(
        &self,
        root: &str,
        kind: Kind,
        query: &str,
        mut add: impl FnMut(Value),
    ) -> Result<(), Error> {
        let plural = kind.plural();
        let folder = match self.namespace {
            Some(namespace) if !kind.is_cluster_scoped() => {
                format!("{root}/namespaces/{namespace}/{plural}")
            }
            _ => format!("{root}/{plural}"),
        };
        let folder = format!("{folder}?limit={PAGE}{query}");
        let mut path = folder.clone();
        loop {
            let page: Page = self.get(path).await?;
            page.items.into_iter().for_each(&mut add);
            match page.metadata.next.filter(|next| !next.is_empty()) {
                Some(next) => path = format!("{folder}&continue={next}"),
                None => return Ok(()),
            }
        }
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: String) -> Result<T, Error> {
        let request = http::Request::get(path).body(Vec::new());
        self.client
            .request(request.map_err(Error::HttpError)?)
            .await
    }
}

/// Returns true if the command works without this kind.
fn may_fail(kind: Kind, status: &Status) -> bool {
    match kind.used_for() {
        KindUse::Verdicts | KindUse::Pods => false,
        KindUse::Advice => status.code == 403,
        KindUse::Seen => status.code != 401,
    }
}

/// Adds an item of a list, which does not repeat its kind.
fn add(manifests: &mut Manifests, mut item: Value, kind: Kind, api_version: &str) {
    if let Value::Object(fields) = &mut item {
        fields.insert("apiVersion".to_owned(), api_version.into());
        fields.insert("kind".to_owned(), kind.as_str().into());
    }
    if let Some(object) = read::object(&item) {
        manifests.objects.push(Located::live(object, item));
    }
}
