//! `show`: a cluster's perimeter, row by row, from files or from a cluster that runs.

mod table;

use clap::ValueEnum;
use clap_complete::ArgValueCompleter;
use schemars::generate::SchemaSettings;
use serde_json::Value;
use webhook_certs::Timestamp;

use super::completion::clusters;
use super::input::SourceArgs;
use super::project::Project;
use super::today::DateArg;
use super::{ExitStatus, Failure, text};
use crate::inventory::{Kind, ObjectRef};
use crate::settings::{Given, ReviewFlags, ServerConfig};
use crate::show::view::View;
use crate::show::{html, mermaid};

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

    /// CLUSTER as a flag. Without it, the table has one line per cluster if there are several
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

    /// Manifests or cluster that are read.
    #[command(flatten)]
    pub(crate) source: SourceArgs,

    /// The day.
    #[command(flatten)]
    pub(crate) date: DateArg,

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
}

fn list(clusters: &[ObjectRef]) -> String {
    let names: Vec<String> = clusters
        .iter()
        .map(|cluster| format!("`{}/{}`", cluster.namespace, cluster.name))
        .collect();
    names.join(", ")
}

/// The JSON schema of the view.
pub fn schema() -> Value {
    let settings = SchemaSettings::default().for_serialize();
    settings
        .into_generator()
        .into_root_schema_for::<View>()
        .to_value()
}

/// Prints the perimeters.
pub(crate) fn run(args: &Args) -> Result<ExitStatus, Failure> {
    let project = Project::find()?;
    let compiled = args
        .source
        .compiled(&args.settings, &project, args.date.date())?;
    let known = compiled.facts.snapshot.references(Kind::OpenBaoCluster);
    let asked = args.cluster.as_deref().or(args.named.as_deref());
    let clusters = chosen(asked, known)?;
    let mut view = View::new(&compiled.facts, &clusters).because(&compiled.baseline.reason);
    if let Some(pods) = &compiled.pods {
        view = view.with_pods(&compiled.facts, pods);
    }
    let printed = match args.output {
        Output::Table if view.clusters.len() > 1 => table::overview(&view),
        Output::Table => table::of(&view),
        Output::Json => serde_json::to_string_pretty(&view)? + "\n",
        Output::Mermaid => mermaid::flowchart(&view),
        Output::Html => html::page(&view, &provenance(&args.source, &compiled.settings)),
    };
    text::print(&printed)?;
    Ok(ExitStatus::Fine)
}

/// Source, time and version of a page that is made now.
fn provenance(source: &SourceArgs, settings: &ServerConfig) -> html::Provenance {
    let paths = settings.inventory.iter().chain(&source.files);
    let paths: Vec<String> = paths.map(|path| path.display().to_string()).collect();
    let from = if paths.is_empty() {
        "the Kubernetes cluster of the kubeconfig".to_owned()
    } else {
        paths.join(", ")
    };
    html::Provenance {
        from,
        at: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
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
