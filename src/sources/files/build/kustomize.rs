//! Kustomizations, built by `kustomize` or `kubectl kustomize`.
//!
//! A folder that another kustomization uses is not built by itself. A kustomization is built through one in a
//! temporary folder, which asks for the origin of each object.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::find::{self, Found};
use super::super::unique::Noted;
use super::command::{self, Failed};
use super::{BuildOutput, BuildRecipe, BuildResults, BuildSource, key, shown};

/// Annotation with the origin of an object.
const ORIGIN: &str = "config.kubernetes.io/origin";
/// Deepest nesting of kustomizations. Deeper ones are rejected by the tool, or contain themselves.
const MAX_DEPTH: usize = 50;

/// A kustomization as it is written.
struct Node {
    is_component: bool,
    /// Resolved folders that it names.
    folders: Vec<PathBuf>,
    /// Resolved files that it names.
    files: Vec<PathBuf>,
    /// Problem with a listed file that does not exist.
    missing: Option<String>,
}

/// Builds all kustomizations that no other one uses.
pub(super) fn all(found: &mut Found, paths: &[PathBuf], built: &mut BuildResults) {
    let mut nodes: BTreeMap<PathBuf, Option<Node>> = BTreeMap::new();
    let mut folders = Vec::new();
    for folder in std::mem::take(&mut found.kustomizations) {
        let Ok(resolved) = folder.canonicalize() else {
            continue;
        };
        read(&resolved, &mut nodes, MAX_DEPTH);
        // Flux has a kind of this name, too.
        if nodes.get(&resolved).is_some_and(Option::is_some) {
            folders.push((folder, resolved));
        }
    }
    let known = || nodes.values().flatten();
    let used: BTreeSet<&PathBuf> = known().flat_map(|node| &node.folders).collect();
    let named: BTreeSet<&PathBuf> = known().flat_map(|node| &node.files).collect();
    let own: BTreeSet<&PathBuf> = folders.iter().map(|(_, resolved)| resolved).collect();
    without_sources(found, &own, &named, built);
    for (folder, resolved) in &folders {
        let Some(Some(node)) = nodes.get(resolved) else {
            continue;
        };
        if used.contains(resolved) {
            continue;
        }
        if node.is_component {
            built.skip(
                folder,
                "a component that no kustomization here uses".to_owned(),
            );
            continue;
        }
        let mut bases = BTreeSet::new();
        collect_bases(resolved, &nodes, &mut bases);
        let missing = bases
            .iter()
            .filter_map(|base| nodes.get(base)?.as_ref()?.missing.clone());
        let missing = missing.min();
        let tool = ["kustomize", "kubectl"].into_iter().find_map(|tool| {
            let program = command::program(tool)?;
            Some((tool, program))
        });
        let command = match tool {
            Some(("kubectl", _)) => "kubectl kustomize",
            _ => "kustomize build",
        };
        let recipe = BuildRecipe {
            command: format!("{command} {}", folder.display()),
            key: key(folder, paths),
            bases,
        };
        let output = match (missing, tool) {
            (Some(missing), _) => Err(Failed::Problem(missing)),
            (None, Some((tool, program))) => run(tool, &program, resolved),
            (None, None) => Err(Failed::NoTool("kustomize")),
        };
        built.take(recipe, output, folder);
    }
}

/// Removes the files that kustomizations list, and the files next to a kustomization.
fn without_sources(
    found: &mut Found,
    own: &BTreeSet<&PathBuf>,
    named: &BTreeSet<&PathBuf>,
    built: &mut BuildResults,
) {
    if own.is_empty() {
        return;
    }
    let mut beside: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    found.files.retain(|file| {
        let Some(resolved) = file.path.canonicalize().ok().filter(|_| !file.is_named) else {
            return true;
        };
        let folder = resolved.parent().map(Path::to_owned).unwrap_or_default();
        if named.contains(&resolved)
            || find::kustomization(&folder).is_some_and(|own| own == resolved)
        {
            return !(named.contains(&resolved) || own.contains(&folder));
        }
        let is_beside = own.contains(&folder);
        if is_beside {
            beside.entry(folder).or_default().push(file.path.clone());
        }
        !is_beside
    });
    for files in beside.into_values() {
        let [first, rest @ ..] = &files[..] else {
            continue;
        };
        let more = match rest.len() {
            0 => String::new(),
            more => format!(", and {more} more in its folder"),
        };
        built.skip(
            first,
            format!("the kustomization of its folder does not list it{more}"),
        );
    }
}

/// The folder of a kustomization and those of its bases.
fn collect_bases(
    folder: &Path,
    nodes: &BTreeMap<PathBuf, Option<Node>>,
    bases: &mut BTreeSet<PathBuf>,
) {
    if !bases.insert(folder.to_owned()) {
        return;
    }
    if let Some(Some(node)) = nodes.get(folder) {
        for base in &node.folders {
            collect_bases(base, nodes, bases);
        }
    }
}

/// Reads a kustomization and those that it uses. `None` is for a folder that has none.
fn read(folder: &Path, nodes: &mut BTreeMap<PathBuf, Option<Node>>, depth: usize) {
    if depth == 0 || nodes.contains_key(folder) {
        return;
    }
    let node = find::kustomization(folder).and_then(|file| Node::read(folder, &file));
    let folders = node.as_ref().map(|node| node.folders.clone());
    nodes.insert(folder.to_owned(), node);
    for base in folders.unwrap_or_default() {
        read(&base, nodes, depth - 1);
    }
}

impl Node {
    /// `None` for a file of another kind. The tool reports what is not valid.
    fn read(folder: &Path, file: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let options = serde_saphyr::options! {
            duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::PassThrough,
            emit_comments: false,
        };
        let value = serde_saphyr::from_str_with_options::<Noted>(&text, options);
        let value = value.map_or(Value::Null, |noted| noted.value);
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
        let version = text("apiVersion");
        if !version.is_empty() && !version.starts_with("kustomize.config.k8s.io/") {
            return None;
        }
        let mut node = Self {
            is_component: text("kind") == "Component",
            folders: Vec::new(),
            files: Vec::new(),
            missing: None,
        };
        for name in names(&value) {
            match folder.join(&name).canonicalize() {
                Ok(path) if path.is_dir() => node.folders.push(path),
                Ok(path) => node.files.push(path),
                Err(_) if is_remote(&name) => {
                    node.missing = Some(format!("`{name}` is remote, and nothing is fetched"));
                }
                Err(error) => {
                    node.missing = Some(format!("`{name}` in {}: {error}", shown(file).display()));
                }
            }
        }
        Some(node)
    }
}

fn is_remote(name: &str) -> bool {
    name.contains("://")
        || name.contains("?ref=")
        || name.starts_with("git@")
        || name.starts_with("github.com")
}

/// All files and folders that a kustomization names.
fn names(value: &Value) -> Vec<String> {
    let mut names = Vec::new();
    let mut text = |value: Option<&Value>| {
        // Patches and generators may also be written in place.
        let name = value
            .and_then(Value::as_str)
            .filter(|name| !name.contains('\n'));
        names.extend(
            name.filter(|name| !name.trim().is_empty())
                .map(str::to_owned),
        );
    };
    let list = |value: &Value, field: &str| {
        let items = value.get(field).and_then(Value::as_array);
        items.cloned().unwrap_or_default()
    };
    for field in [
        "resources",
        "bases",
        "components",
        "crds",
        "configurations",
        "generators",
        "transformers",
        "validators",
        "patchesStrategicMerge",
    ] {
        for item in list(value, field) {
            text(Some(&item));
        }
    }
    for field in ["patches", "patchesJson6902", "replacements"] {
        for item in list(value, field) {
            text(item.get("path"));
        }
    }
    text(value.get("openapi").and_then(|openapi| openapi.get("path")));
    for field in ["configMapGenerator", "secretGenerator"] {
        for generator in list(value, field) {
            text(generator.get("env"));
            for item in list(&generator, "envs") {
                text(Some(&item));
            }
            for file in list(&generator, "files") {
                let entry = file.as_str().unwrap_or_default();
                let path = entry.split_once('=').map_or(entry, |(_, path)| path);
                text(Some(&path.into()));
            }
        }
    }
    names
}

fn run(tool: &str, program: &Path, folder: &Path) -> Result<BuildOutput, Failed> {
    let failed = |error: std::io::Error| Failed::Problem(error.to_string());
    let home = tempfile::tempdir().map_err(failed)?;
    let through = home.path().canonicalize().map_err(failed)?.join("through");
    std::fs::create_dir(&through).map_err(failed)?;
    // The tool takes relative paths only.
    let up: PathBuf = through.components().skip(1).map(|_| "..").collect();
    let relative = up.join(folder.strip_prefix("/").unwrap_or(folder));
    let kustomization = serde_json::json!({
        "resources": [relative],
        "buildMetadata": ["originAnnotations"],
    });
    std::fs::write(
        through.join("kustomization.yaml"),
        kustomization.to_string(),
    )
    .map_err(failed)?;
    let subcommand = if tool == "kubectl" {
        "kustomize"
    } else {
        "build"
    };
    let arguments: [OsString; 2] = [subcommand.into(), through.clone().into()];
    let text =
        command::output(program, &arguments, home.path()).map_err(|failed| match failed {
            Failed::Problem(problem) => {
                let relative = relative.display().to_string();
                let problem = problem.replace(&relative, &shown(folder).display().to_string());
                Failed::Problem(problem)
            }
            failed @ Failed::NoTool(_) => failed,
        })?;
    Ok(BuildOutput {
        text,
        source: BuildSource::Kustomization(through),
    })
}

/// The file that the annotation of an object names.
pub(super) fn source(through: &Path, written: &mut Value) -> Option<PathBuf> {
    let metadata = written.get_mut("metadata")?.as_object_mut()?;
    let annotations = metadata.get_mut("annotations")?.as_object_mut()?;
    let origin = annotations.remove(ORIGIN)?;
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
    let mut lines = origin.as_str()?.lines();
    let path = lines.find_map(|line| line.strip_prefix("path: "))?;
    Some(shown(&through.join(path)))
}
