//! Arguments that name what a command reads. `check` and `render` take paths as well; `show` takes a cluster instead.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use k8s_openapi::jiff::civil::Date;

use super::Failure;
use super::namespace::{self, NamespaceArg};
use super::project::Project;
use crate::config::{BaselineChoice, ReviewConfig};
use crate::inventory::{Change, Kind, Object, Snapshot};
use crate::review::CompiledSnapshot;
use crate::review::offline::Objects;
use crate::settings::{Given, ReviewFlags, ServerConfig, SettingsFile};
use crate::sources::files::{self, Exclude, LoadError, Located, Manifests, Read, ReadOptions};
use crate::sources::kube::{once, operator};

/// The inventory that stands for the cluster of the kubeconfig.
const LIVE: &str = "live";

/// Files and folders, positional, and all other flags about what is read.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct InputArgs {
    /// Files and folders with manifests; `-` is standard input
    #[arg(value_name = "PATH", conflicts_with = "live")]
    pub(crate) positional: Vec<PathBuf>,

    /// Flags that commands without paths have as well.
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

/// Flags about what is read.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct SourceArgs {
    /// File or folder with manifests; repeatable
    #[arg(short, long = "filename", value_name = "PATH", conflicts_with = "live")]
    pub(crate) files: Vec<PathBuf>,

    /// Accepted as kubectl has it: folders are always read with their subfolders
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,

    /// Leave out files and folders that match GLOB; repeatable
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,

    /// Values file for the charts; repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) values: Vec<PathBuf>,

    /// Read plain files only: build no kustomization and no chart
    #[arg(long)]
    pub(crate) no_build: bool,

    /// Namespace of objects that name none.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArg,

    /// Read the cluster: all namespaces, or that of `-n`
    #[arg(long)]
    pub(crate) live: bool,

    /// Kubeconfig for the cluster [default: as kubectl]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
}

/// Facts that are compiled, and how.
pub(crate) struct Compiled {
    /// The facts.
    pub(crate) facts: CompiledSnapshot,
    /// The pods with the label of a cluster, and their controllers; `None` if no pods were read.
    pub(crate) pods: Option<Objects>,
    /// The settings.
    pub(crate) settings: ServerConfig,
    /// The baseline, with its reason.
    pub(crate) baseline: BaselineChoice,
}

/// Error of a command that has nothing to read.
#[derive(Debug, thiserror::Error)]
#[error("nothing to read: name a file or folder, or `-` for standard input")]
pub(crate) struct NothingToRead;

impl InputArgs {
    /// The paths that are read: those of the command line, or else those of the project's file.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn paths(&self, project: &Project) -> Result<Vec<PathBuf>, NothingToRead> {
        let given = self.positional.iter().chain(&self.source.files);
        let mut paths: Vec<PathBuf> = given.cloned().collect();
        if paths.is_empty() {
            paths.clone_from(&project.paths);
        }
        if paths.is_empty() {
            return Err(NothingToRead);
        }
        Ok(paths)
    }
}

/// Returns true if the inventory is the cluster.
fn is_of_the_cluster(inventory: &Path) -> bool {
    inventory.as_os_str() == LIVE && !inventory.exists()
}

impl SourceArgs {
    /// Namespace of objects that name none.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.namespace.namespace.as_deref()
    }

    /// Settings of a read of files.
    ///
    /// # Errors
    /// A pattern is none.
    pub(crate) fn options(&self, project: &Project) -> Result<ReadOptions, LoadError> {
        let values = if self.values.is_empty() {
            &project.values
        } else {
            &self.values
        };
        let exclude = if self.exclude.is_empty() {
            &project.exclude
        } else {
            &self.exclude
        };
        Ok(ReadOptions {
            namespace: self.namespace().map(str::to_owned),
            exclude: Exclude::new(exclude)?,
            has_builds: !self.no_build,
            values: values.clone(),
        })
    }

    /// Everything in these files and folders. Errors of files go to standard error.
    ///
    /// # Errors
    /// There is no object, or a pattern is none.
    pub(crate) fn read(&self, paths: &[PathBuf], project: &Project) -> Result<Read, LoadError> {
        let read = self.read_silently(paths, project)?;
        for error in &read.unreadable {
            super::tell("error", &error.to_string());
        }
        Ok(read)
    }

    /// Everything in these files and folders. The caller reports errors of files.
    ///
    /// # Errors
    /// There is no object, or a pattern is none.
    pub(crate) fn read_silently(
        &self,
        paths: &[PathBuf],
        project: &Project,
    ) -> Result<Read, LoadError> {
        files::read(paths, &self.options(project)?)
    }

    /// Everything in these files and folders, where nothing may be unreadable.
    ///
    /// # Errors
    /// Something is unreadable, or there is no object.
    pub(crate) fn read_whole(
        &self,
        paths: &[PathBuf],
        project: &Project,
    ) -> Result<Manifests, LoadError> {
        Self::whole(paths, &self.options(project)?)
    }

    fn whole(paths: &[PathBuf], options: &ReadOptions) -> Result<Manifests, LoadError> {
        let mut read = files::read(paths, options)?;
        if !read.unreadable.is_empty() {
            return Err(read.unreadable.swap_remove(0));
        }
        for note in read.manifests.remarks() {
            super::tell("note", &note);
        }
        Ok(read.manifests)
    }

    /// The objects of the cluster of the kubeconfig.
    ///
    /// # Errors
    /// There is no connection, or a list fails.
    pub(crate) fn cluster(&self, namespace: Option<&str>) -> Result<once::Listed, Failure> {
        Ok(once::list(
            self.kubeconfig.as_deref(),
            self.context.as_deref(),
            namespace,
        )?)
    }

    /// The facts of an inventory: a folder, a file, or `live` for the cluster.
    ///
    /// # Errors
    /// It cannot be read, or holds no facts.
    pub(crate) fn inventory(
        &self,
        inventory: &PathBuf,
        project: &Project,
    ) -> Result<(Vec<Change>, Manifests), Failure> {
        if is_of_the_cluster(inventory) {
            let listed = self.cluster(None)?;
            return Ok((listed.completeness, listed.manifests));
        }
        // Patterns are about what is judged.
        let options = ReadOptions {
            exclude: Exclude::default(),
            ..self.options(project)?
        };
        let manifests = Self::whole(std::slice::from_ref(inventory), &options)?;
        if manifests.objects.is_empty() {
            let path = inventory.clone();
            return Err(LoadError::NoFacts { path }.into());
        }
        Ok((Vec::new(), manifests.once()?))
    }

    /// The baseline, and the reason: what a setting names, else in a cluster that of the operator, else the newest.
    pub(crate) fn baseline(
        &self,
        given: &Given<ReviewFlags>,
        file: Option<&SettingsFile>,
        is_live: bool,
    ) -> BaselineChoice {
        let settings = given.with(file);
        let inventory = settings.inventory.as_deref();
        let is_live = is_live || inventory.is_some_and(is_of_the_cluster);
        if is_live && settings.baseline.named().is_none() {
            let context = self.context.as_deref();
            let namespace = &settings.operator_namespace;
            let found = operator::read(self.kubeconfig.as_deref(), context, namespace);
            return BaselineChoice::detected(found, None);
        }
        let source = given.origin("baseline", file);
        BaselineChoice::offline(settings.baseline, &source.to_string())
    }

    /// The facts, compiled under the settings that are given, for reviews on this day.
    ///
    /// # Errors
    /// The settings cannot be used, or the facts cannot be read.
    pub(crate) fn compiled(
        &self,
        given: &Given<ReviewFlags>,
        project: &Project,
        date: Date,
    ) -> Result<Compiled, Failure> {
        let file = project.settings(given)?;
        let settings = given.with(file.as_ref());
        let config = settings.review_config_on(date)?;
        let (snapshot, pods) = self.facts(settings.inventory.as_ref(), project)?;
        let is_live = self.files.is_empty() && (self.live || settings.inventory.is_none());
        let baseline = self.baseline(given, file.as_ref(), is_live);
        let config = Arc::new(ReviewConfig {
            baseline: baseline.baseline,
            ..config
        });
        Ok(Compiled {
            facts: CompiledSnapshot::compile(None, snapshot, config),
            pods,
            settings,
            baseline,
        })
    }

    /// The facts of files, of an inventory, or else of the cluster. With them the pods and their controllers; `None` if no
    /// pods were read.
    ///
    /// # Errors
    /// They cannot be read.
    fn facts(
        &self,
        inventory: Option<&PathBuf>,
        project: &Project,
    ) -> Result<(Arc<Snapshot>, Option<Objects>), Failure> {
        let mut parts = Vec::new();
        let mut has_pods = false;
        if let Some(inventory) = inventory {
            parts.push(self.inventory(inventory, project)?);
        }
        if !self.files.is_empty() {
            parts.push((Vec::new(), self.read_whole(&self.files, project)?.once()?));
        } else if self.live || inventory.is_none() {
            let listed = self.cluster(self.namespace())?;
            has_pods = listed.has_pods;
            parts.push((listed.completeness, listed.manifests));
        }
        let (mut changes, mut defaulted) = (Vec::new(), Vec::new());
        let mut pods = Objects::new();
        for (completeness, manifests) in parts {
            defaulted.extend(manifests.defaulted);
            for Located { object, .. } in manifests.objects {
                let reference = object.reference();
                has_pods |= reference.kind == Kind::Pod;
                match object {
                    Object::Workload(_) => drop(pods.insert(reference, object)),
                    object => changes.push(Change::Set(object)),
                }
            }
            changes.extend(completeness);
        }
        if let Some(note) = namespace::note(&defaulted) {
            super::tell("note", &note);
        }
        let snapshot = Arc::new(Snapshot::default().apply(changes));
        Ok((snapshot, has_pods.then_some(pods)))
    }
}
