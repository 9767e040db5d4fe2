//! Charts, rendered by `helm template`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::command::{self, Failed};
use super::{BuildOutput, BuildRecipe, BuildResults, BuildSource, key};

const TOOL: &str = "helm";

/// Renders charts.
pub(super) fn all(
    charts: &[PathBuf],
    paths: &[PathBuf],
    values: &[PathBuf],
    built: &mut BuildResults,
) {
    for chart in charts {
        if is_library(chart) {
            built.skip(
                chart,
                "a library chart, which renders nothing by itself".to_owned(),
            );
            continue;
        }
        let mut shown = vec![format!("{TOOL} template {}", chart.display())];
        shown.extend(
            values
                .iter()
                .map(|file| format!("--values {}", file.display())),
        );
        let recipe = BuildRecipe {
            command: shown.join(" "),
            key: key(chart, paths),
            bases: chart.canonicalize().into_iter().collect::<BTreeSet<_>>(),
        };
        built.take(recipe, template(chart, values), chart);
    }
}

fn is_library(chart: &Path) -> bool {
    let text = std::fs::read_to_string(chart.join("Chart.yaml")).unwrap_or_default();
    text.lines().any(|line| line.trim_end() == "type: library")
}

fn template(chart: &Path, values: &[PathBuf]) -> Result<BuildOutput, Failed> {
    let program = command::program(TOOL).ok_or(Failed::NoTool(TOOL))?;
    let home = tempfile::tempdir().map_err(|error| Failed::Problem(error.to_string()))?;
    let mut arguments: Vec<OsString> = vec!["template".into()];
    for file in values {
        arguments.extend(["--values".into(), file.into()]);
    }
    // A name that begins with a dash is no option.
    arguments.extend(["--".into(), chart.into()]);
    let text = command::output(&program, &arguments, home.path())?;
    Ok(BuildOutput {
        text,
        source: BuildSource::Chart(chart.to_owned()),
    })
}

/// The template that a comment names: the chart's name, and the path in its folder.
pub(super) fn source(chart: &Path, named: &str) -> Option<PathBuf> {
    let (_name, file) = named.split_once('/')?;
    Some(chart.join(file))
}
