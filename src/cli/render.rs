//! `render`: the NetworkPolicies that each declaration asks for, as the operator writes them.

use std::fmt;
use std::path::PathBuf;

use super::input::InputArgs;
use super::namespace;
use super::project::Project;
use super::text::print;
use super::{ExitStatus, Failure};
use crate::baseline::{Facts, Obstacle, written};
use crate::config::ReviewConfig;
use crate::inventory::cluster::RESTORE_ORIGIN;
use crate::inventory::{Fact, Object, Unreadable};
use crate::printable;
use crate::settings::{Given, ReviewFlags};
use crate::show::manifests;

/// Arguments of `render`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Manifests with OpenBaoClusters that are read.
    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// Flags that set something.
    #[command(flatten)]
    pub settings: Given<ReviewFlags>,
}

/// Error of a command that rendered nothing.
#[derive(Debug, thiserror::Error)]
enum RenderError {
    #[error("expected an OpenBaoCluster in {}, found none", .0.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", "))]
    NoCluster(Vec<PathBuf>),
    #[error("{}", Lines(.0))]
    Stopped(Vec<String>),
}

/// Problems, one on each line.
struct Lines<'a>(&'a [String]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\nerror: "))
    }
}

/// Prints the policies of all clusters, or of none where one of them cannot be rendered.
pub(crate) fn run(args: &Args) -> Result<ExitStatus, Failure> {
    let project = Project::find()?;
    let file = project.settings(&args.settings)?;
    let settings = args.settings.with(file.as_ref());
    let source = &args.input.source;
    let config = settings.review_config()?;
    let (manifests, paths) = if source.live {
        (source.cluster(source.namespace())?.manifests, Vec::new())
    } else {
        let paths = args.input.paths(&project)?;
        (source.read_whole(&paths, &project)?.once()?, paths)
    };
    let choice = source.baseline(&args.settings, file.as_ref(), source.live);
    let config = ReviewConfig {
        baseline: choice.baseline,
        ..config
    };
    if let Some(note) = namespace::note(&manifests.defaulted) {
        super::tell("note", &format!("{note}; `-n` names another"));
    }
    let found = manifests.objects;
    let beside = settings.inventory.as_ref();
    let beside = beside.map(|inventory| source.inventory(inventory, &project));
    let beside = beside
        .transpose()?
        .map(|(_, manifests)| manifests.into_snapshot());
    let in_files = found.iter().find_map(|located| match &located.object {
        Object::ApiServer(addresses) => Some(addresses.clone()),
        _ => None,
    });
    let api_server = in_files
        .or_else(|| beside.map(|snapshot| snapshot.api_server))
        .unwrap_or_default();
    let (mut text, mut problems, mut count) = (String::new(), Vec::new(), 0);
    for located in &found {
        let Object::Cluster(fact) = &located.object else {
            continue;
        };
        count += 1;
        let cluster = match fact {
            Fact::Read(cluster) => cluster,
            Fact::Unreadable(broken) => {
                problems.extend(unreadable(broken));
                continue;
            }
        };
        if let Some(broken) = &cluster.broken {
            problems.extend(unreadable(broken));
            continue;
        }
        let facts = Facts {
            cluster,
            config: &config,
            api_server: &api_server,
            observed: &[],
        };
        match written(&facts) {
            Err(obstacles) => problems.extend(obstacles.iter().map(Obstacle::to_string)),
            Ok(_) if !cluster.is_rendered(config.baseline) => super::tell(
                "note",
                &format!(
                    "OpenBaoCluster {}/{} has the annotation `{RESTORE_ORIGIN}`, so the operator renders no policies \
                 for it",
                    cluster.meta.namespace, cluster.meta.name
                ),
            ),
            Ok(policies) => {
                text.push_str(&manifests::documents(cluster, &policies, config.baseline));
            }
        }
    }
    if !problems.is_empty() {
        return Err(RenderError::Stopped(problems).into());
    }
    if count == 0 {
        return Err(RenderError::NoCluster(paths).into());
    }
    if !text.is_empty() {
        text.insert_str(0, &format!("# {}\n", printable::line(&choice.to_string())));
    }
    print(&text)?;
    Ok(ExitStatus::Fine)
}

fn unreadable(broken: &Unreadable) -> impl Iterator<Item = String> {
    let (namespace, name) = (&broken.meta.namespace, &broken.meta.name);
    broken.problems.iter().map(move |problem| {
        format!(
            "cannot render OpenBaoCluster {namespace}/{name}, {}: {}",
            problem.path, problem.problem
        )
    })
}
