//! Builds of charts and kustomizations by the tools that people use for them. Nothing is fetched, and no file changes.

mod command;
mod helm;
mod kustomize;

use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::find::Found;
use super::{BuildRecipe, LoadError, Skipped};
use command::Failed;

/// Manifests that a tool made.
pub(super) struct BuildOutput {
    /// Its output.
    pub(super) text: String,
    source: BuildSource,
}

enum BuildSource {
    /// A chart.
    Chart(PathBuf),
    /// A kustomization that was built through a folder, which its origins are relative to.
    Kustomization(PathBuf),
}

impl BuildOutput {
    /// The source file of an object: from the comment of Helm, or from the annotation of kustomize, which is taken out.
    pub(super) fn source(&self, named: Option<&str>, written: &mut Value) -> Option<PathBuf> {
        match &self.source {
            BuildSource::Chart(chart) => helm::source(chart, named?),
            BuildSource::Kustomization(through) => kustomize::source(through, written),
        }
    }
}

/// Results of builds.
#[derive(Default)]
pub(super) struct BuildResults {
    pub(super) outputs: Vec<(BuildRecipe, BuildOutput)>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) unreadable: Vec<LoadError>,
}

impl BuildResults {
    fn skip(&mut self, folder: &Path, reason: String) {
        self.skipped.push(Skipped {
            path: folder.to_owned(),
            line: None,
            reason,
        });
    }

    fn take(&mut self, build: BuildRecipe, output: Result<BuildOutput, Failed>, folder: &Path) {
        match output {
            Ok(output) => self.outputs.push((build, output)),
            Err(Failed::NoTool(tool)) => {
                let program = env!("CARGO_PKG_NAME");
                let command = &build.command;
                let reason = format!(
                    "{tool} is not installed; build it with `{command} | {program} check -`"
                );
                self.skip(folder, reason);
            }
            Err(Failed::Problem(problem)) => self.unreadable.push(LoadError::Build {
                command: build.command,
                problem,
            }),
        }
    }
}

/// Builds all charts and kustomizations that were found, and takes their sources out of the files.
pub(super) fn build(found: &mut Found, paths: &[PathBuf], values: &[PathBuf]) -> BuildResults {
    let mut built = BuildResults::default();
    kustomize::all(found, paths, &mut built);
    let charts = std::mem::take(&mut found.charts);
    if charts.is_empty() {
        return built;
    }
    let missing = values.iter().filter_map(|file| {
        let error = std::fs::metadata(file).err()?;
        let path = file.clone();
        Some(LoadError::Read { path, error })
    });
    let missing: Vec<LoadError> = missing.collect();
    if missing.is_empty() {
        helm::all(&charts, paths, values, &mut built);
    } else {
        built.unreadable.extend(missing);
    }
    built
}

/// Path of a folder below the path that the caller named, for comparison with another tree.
fn key(folder: &Path, paths: &[PathBuf]) -> String {
    let below = paths.iter().find_map(|path| folder.strip_prefix(path).ok());
    below.unwrap_or(folder).display().to_string()
}

/// A path as a person would write it: without `..` in the middle, and below the working directory if it is.
fn shown(path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                whole.pop();
            }
            Component::CurDir => {}
            part => whole.push(part),
        }
    }
    let here = std::env::current_dir().and_then(std::fs::canonicalize);
    let below = here
        .ok()
        .and_then(|here| whole.strip_prefix(here).ok().map(Path::to_owned));
    below.unwrap_or(whole)
}
