//! `show`: a cluster's perimeter, row by row, from files or from a cluster that runs.

mod table;

use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use clap_complete::ArgValueCompleter;
use tokio::sync::watch;
use webhook_certs::Timestamp;

use super::completion::clusters;
use super::{ExitStatus, Failure, namespace, text};
use crate::config::ReviewConfig;
use crate::inventory::{Kind, ObjectRef, Snapshot};
use crate::review::CompiledSnapshot;
use crate::settings::{Given, ReviewFlags, ServerConfig};
use crate::show::view::View;
use crate::show::{html, mermaid};
use crate::sources;
use crate::sources::kube::WatchHealth;

/// Time to wait for the facts of a cluster.
const PATIENCE: Duration = Duration::from_secs(30);

/// Format of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Table,
    /// One JSON object.
    Json,
    /// A Mermaid flowchart, for Markdown pages.
    Mermaid,
    /// A page with picture and tables, in one file.
    Html,
}

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// OpenBaoCluster to show, as `namespace/name` or as a name that only one has [default: all]
    #[arg(value_name = "CLUSTER", add = ArgValueCompleter::new(clusters))]
    pub(crate) cluster: Option<String>,

    /// The same as a flag. Without it, the table of several clusters has one line for each
    #[arg(
        long = "cluster",
        value_name = "CLUSTER",
        conflicts_with = "cluster",
        add = ArgValueCompleter::new(clusters)
    )]
    pub(crate) named: Option<String>,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Output,

    /// Flags that set something.
    #[command(flatten)]
    pub settings: Given<ReviewFlags>,
}

/// Error of a command that shows nothing.
#[derive(Debug, thiserror::Error)]
enum ShowError {
    #[error("expected an OpenBaoCluster, found none")]
    NoCluster,
    #[error("OpenBaoCluster `{found}` not found; known: {}", list(.known))]
    Unknown {
        found: String,
        known: Vec<ObjectRef>,
    },
    #[error("several OpenBaoClusters are called `{found}`: {}; name one of them", list(.matching))]
    Ambiguous {
        found: String,
        matching: Vec<ObjectRef>,
    },
    #[error("not all facts of the cluster were read within {} seconds; you need to list openbaoclusters, \
             networkpolicies and namespaces in all namespaces, and services in `default`", PATIENCE.as_secs())]
    NotComplete,
}

fn list(clusters: &[ObjectRef]) -> String {
    let names: Vec<String> = clusters
        .iter()
        .map(|cluster| format!("`{}/{}`", cluster.namespace, cluster.name))
        .collect();
    names.join(", ")
}

/// Prints the perimeters.
pub(crate) fn run(args: &Args) -> Result<ExitStatus, Failure> {
    let settings = args.settings.read()?;
    let config = Arc::new(settings.review_config()?);
    let snapshot = facts(&settings, &config)?;
    let world = CompiledSnapshot::compile(None, snapshot, config);
    let known = world.snapshot.references(Kind::OpenBaoCluster);
    let asked = args.cluster.as_deref().or(args.named.as_deref());
    let clusters = chosen(asked, known)?;
    let view = View::new(&world, &clusters);
    let printed = match args.output {
        Output::Table if view.clusters.len() > 1 => table::overview(&view),
        Output::Table => table::of(&view),
        Output::Json => serde_json::to_string_pretty(&view)? + "\n",
        Output::Mermaid => mermaid::flowchart(&view),
        Output::Html => html::page(&view, &made(&settings)),
    };
    text::print(&printed)?;
    Ok(ExitStatus::Fine)
}

/// Source, time and version of a page that is made now.
fn made(settings: &ServerConfig) -> html::Made {
    let from = settings.inventory.as_ref().map_or_else(
        || "the Kubernetes cluster of the kubeconfig".to_owned(),
        |path| path.display().to_string(),
    );
    html::Made {
        from,
        at: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// The facts of the inventory, or else of the cluster that kubectl would use.
pub(super) fn facts(
    settings: &ServerConfig,
    config: &Arc<ReviewConfig>,
) -> Result<Arc<Snapshot>, Failure> {
    match &settings.inventory {
        Some(dir) => Ok(Arc::new(namespace::facts(dir)?)),
        None => live(config),
    }
}

/// The clusters that are meant.
fn chosen(asked: Option<&str>, known: Vec<ObjectRef>) -> Result<Vec<ObjectRef>, ShowError> {
    if known.is_empty() {
        return Err(ShowError::NoCluster);
    }
    let Some(asked) = asked else {
        return Ok(known);
    };
    let is_meant = |cluster: &&ObjectRef| match asked.split_once('/') {
        Some((namespace, name)) => *cluster.namespace == *namespace && *cluster.name == *name,
        None => *cluster.name == *asked,
    };
    let matching: Vec<ObjectRef> = known.iter().filter(is_meant).cloned().collect();
    let found = asked.to_owned();
    match matching.len() {
        0 => Err(ShowError::Unknown { found, known }),
        1 => Ok(matching),
        _ => Err(ShowError::Ambiguous { found, matching }),
    }
}

/// The facts of the cluster that the kubeconfig or the pod's own account leads to, at this moment.
fn live(config: &Arc<ReviewConfig>) -> Result<Arc<Snapshot>, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let client = kube::Client::try_default().await?;
            let (updates, mut snapshots) = watch::channel(None);
            let never = std::future::pending();
            let health = Arc::new(WatchHealth::new(PATIENCE, |_, _| {}));
            let (_decided, configs) = watch::channel(Arc::clone(config));
            let watch = sources::kube::watch(client, health, configs, updates, never);
            let source = tokio::spawn(watch);
            let is_read = |facts: &Arc<Snapshot>| {
                let mut namespaces = facts.namespaces.values();
                namespaces.all(|facts| facts.clusters.is_empty() || facts.stubs.is_empty())
            };
            let complete = snapshots.wait_for(|facts| facts.as_ref().is_some_and(is_read));
            let snapshot = match tokio::time::timeout(PATIENCE, complete).await {
                Ok(Ok(snapshot)) => snapshot.clone(),
                Ok(Err(_)) | Err(_) => None,
            };
            source.abort();
            Ok(snapshot.ok_or(ShowError::NotComplete)?)
        })
}
