//! Manifests in files: YAML and JSON, files with several documents, `List`s, folders, kustomizations and charts.

mod build;
mod collect;
mod documents;
mod error;
mod find;
mod object;
mod object_sets;
pub mod place;
mod reload;
mod syntax;
mod text;
mod texts;
mod unique;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::inventory::{Change, Object, ObjectRef, Snapshot};
use collect::Collector;
use documents::Item;
use texts::Texts;

pub use error::{LoadError, RepeatedKey, Skipped};
pub use find::Exclude;
pub(crate) use find::STDIN;
pub use object::DEFAULT_NAMESPACE;
pub use reload::watch;
pub(crate) use text::{MARK, without_marks};

/// Start of a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The file, `-` for standard input, or the command whose output has the document.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// An object and its location.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    /// Document with the object.
    pub origin: Origin,
    /// Its place in an array or a `List`.
    pub(crate) item: Item,
    /// The object, or its problems.
    pub object: Object,
    /// Hash of its `spec` as written. It is valid only in this process.
    pub(crate) spec: u64,
    /// False if the API server could not decode it.
    pub(crate) is_decoded: bool,
    /// Index of the build that made it, in [`Manifests::builds`].
    pub(crate) build: Option<usize>,
    /// File that the build made it from, if it is known.
    pub source: Option<PathBuf>,
    /// An OpenBaoCluster as written.
    pub(crate) document: Option<Arc<Value>>,
}

impl Located {
    /// An object of a cluster, which is in no file.
    pub(crate) fn live(object: Object, written: Value) -> Self {
        let origin = Origin {
            file: PathBuf::new(),
            line: 0,
        };
        Self {
            origin,
            item: Item::default(),
            spec: 0,
            is_decoded: true,
            build: None,
            source: None,
            document: document_of(&object, written),
            object,
        }
    }

    /// Its document, if it is in a file.
    pub(crate) fn place(&self) -> Option<&Origin> {
        (self.origin.line > 0).then_some(&self.origin)
    }

    /// The path of one of its fields in its document.
    pub fn path(&self, field: &str) -> String {
        match self.item.indexes.split_first() {
            Some((first, rest)) if self.item.is_in_array => {
                format!("[{first}].{}", place::path_in(rest, field))
            }
            _ => place::path_in(&self.item.indexes, field),
        }
    }

    /// Returns true if the other is written alike.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.spec == other.spec && self.object == other.object
    }
}

/// An OpenBaoCluster as written; `None` for other objects.
fn document_of(object: &Object, written: Value) -> Option<Arc<Value>> {
    matches!(object, Object::Cluster(_)).then(|| Arc::new(written))
}

/// A chart or a kustomization that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildRecipe {
    /// The command, such as `helm template charts/web`. It is the file of the origin.
    pub command: String,
    /// Path of the folder below the path that the caller named.
    pub(crate) key: String,
    /// Resolved folders that it is made of.
    pub(crate) bases: BTreeSet<PathBuf>,
}

/// All objects of some files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifests {
    /// Objects of known kinds, in the order of the files.
    pub objects: Vec<Located>,
    /// Number of objects of other kinds, by kind and `apiVersion`.
    pub(crate) others: BTreeMap<(String, String), usize>,
    /// Documents that are no objects, because `apiVersion` and `kind` are missing.
    pub(crate) no_objects: Vec<Origin>,
    /// Objects without a namespace. They are taken to be in [`DEFAULT_NAMESPACE`].
    pub(crate) defaulted: Vec<ObjectRef>,
    /// The text of each file, for excerpts in messages.
    pub(crate) texts: Arc<Texts>,
    /// Builds that made objects.
    pub(crate) builds: Arc<Vec<BuildRecipe>>,
    /// Key of the build that an object set was made for.
    pub(crate) key: Option<String>,
    /// Files and folders that were left out.
    pub skipped: Vec<Skipped>,
    /// Keys that stand twice.
    pub repeated: Vec<RepeatedKey>,
    /// Problems of names that no API server takes, of objects that are read all the same.
    pub(crate) misnamed: Vec<String>,
}

impl Manifests {
    /// Number of objects of other kinds.
    pub fn skipped(&self) -> usize {
        self.others.values().sum()
    }

    /// Returns true if there is an object of a kind that is checked.
    pub fn has_reviewed_kinds(&self) -> bool {
        let mut objects = self.objects.iter();
        objects.any(|located| located.object.reference().kind.is_checked())
    }

    /// Remarks about files: those left out, keys that stand twice, and impossible names.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let skipped = self.skipped.iter().map(Skipped::to_string);
        let repeated = self.repeated.iter().filter(|repeated| repeated.is_known);
        let repeated = repeated.map(RepeatedKey::to_string);
        let misnamed = self.misnamed.iter();
        let misnamed = misnamed.map(|problem| format!("{problem}; no API server takes this name"));
        skipped.chain(repeated).chain(misnamed).collect()
    }

    /// Errors of objects of reviewed kinds that do not decode.
    pub(crate) fn undecoded(&self) -> Vec<String> {
        let broken = self.objects.iter().filter(|located| !located.is_decoded);
        let errors = broken.map(|located| {
            let (object, origin) = (located.object.reference(), &located.origin);
            let problem = located
                .object
                .unreadable()
                .and_then(|broken| broken.problems.first());
            let problem = problem.map_or_else(String::new, |problem| {
                format!(": {}: {}", problem.path, problem.problem)
            });
            format!("{origin}: {object} does not decode{problem}")
        });
        errors.collect()
    }

    /// Each object once.
    ///
    /// # Errors
    /// Two versions of an object are written differently.
    pub(crate) fn once(mut self) -> Result<Self, LoadError> {
        let mut seen: BTreeMap<ObjectRef, Located> = BTreeMap::new();
        let mut kept = Vec::new();
        for located in std::mem::take(&mut self.objects) {
            let object = located.object.reference();
            match seen.get(&object) {
                None => {
                    seen.insert(object, located.clone());
                    kept.push(located);
                }
                Some(first) if first.is_same(&located) || located.object.is_beside() => {}
                Some(first) => {
                    return Err(LoadError::Duplicate {
                        object: Box::new(object),
                        first: Box::new(first.origin.clone()),
                        second: Box::new(located.origin),
                    });
                }
            }
        }
        self.objects = kept;
        Ok(self)
    }

    /// The same with other names of the files.
    pub(crate) fn with_names(self, name: impl Fn(&Path) -> PathBuf) -> Self {
        let rename = |origin: Origin| Origin {
            file: name(&origin.file),
            line: origin.line,
        };
        let objects = self.objects.into_iter().map(|located| Located {
            origin: rename(located.origin),
            source: located.source.map(|source| name(&source)),
            ..located
        });
        Self {
            objects: objects.collect(),
            no_objects: self.no_objects.into_iter().map(rename).collect(),
            texts: Arc::new(self.texts.renamed(&name)),
            ..self
        }
    }

    /// The objects as facts.
    pub(crate) fn into_snapshot(self) -> Snapshot {
        let objects = self.objects.into_iter();
        Snapshot::default().apply(objects.map(|located| Change::Set(located.object)))
    }

    /// The error of files without any object.
    fn ensure_objects(&self, paths: &[PathBuf], has_files: bool) -> Result<(), LoadError> {
        let has_skipped_folder = self.skipped.iter().any(|skipped| skipped.path.is_dir());
        if !self.objects.is_empty() || !self.others.is_empty() || has_skipped_folder {
            return Ok(());
        }
        let found = match (self.no_objects.first(), self.skipped.first()) {
            (Some(first), _) => {
                format!("only documents without `apiVersion` and `kind`, the first at {first}")
            }
            (None, Some(skipped)) => format!("nothing; {skipped}"),
            (None, None) if has_files => "nothing".to_owned(),
            (None, None) => "no file that ends in `.yaml`, `.yml` or `.json`".to_owned(),
        };
        let paths = paths.to_vec();
        Err(LoadError::NoObject { paths, found })
    }
}

/// Settings of a read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// Namespace of objects without one.
    pub namespace: Option<String>,
    /// Files and folders that are left out.
    pub exclude: Exclude,
    /// Whether kustomizations and charts are built.
    pub has_builds: bool,
    /// Values files of charts.
    pub values: Vec<PathBuf>,
}

/// Manifests, and what could not be read of them.
#[derive(Debug, Default)]
pub struct Read {
    /// The manifests.
    pub manifests: Manifests,
    /// Errors of files, documents and builds. Everything else was read.
    pub unreadable: Vec<LoadError>,
}

impl Read {
    /// The manifests, where nothing is unreadable, and no object and no key stands twice.
    fn strict(self) -> Result<Manifests, LoadError> {
        if let Some(error) = self.unreadable.into_iter().next() {
            return Err(error);
        }
        let mut manifests = self.manifests;
        if let Some(repeated) = manifests.repeated.pop() {
            return Err(repeated.into_error());
        }
        let mut seen: BTreeMap<ObjectRef, &Origin> = BTreeMap::new();
        for located in &manifests.objects {
            let object = located.object.reference();
            if let Some(first) = seen.insert(object.clone(), &located.origin) {
                return Err(LoadError::Duplicate {
                    object: Box::new(object),
                    first: Box::new(first.clone()),
                    second: Box::new(located.origin.clone()),
                });
            }
        }
        Ok(manifests)
    }
}

/// Reads everything in these files and folders. `-` is standard input. What cannot be read leaves the rest.
///
/// # Errors
/// There is no object at all, and nothing that is unreadable.
pub fn read<P: AsRef<Path>>(
    paths: impl IntoIterator<Item = P>,
    options: &ReadOptions,
) -> Result<Read, LoadError> {
    let paths: Vec<PathBuf> = paths
        .into_iter()
        .map(|path| path.as_ref().to_owned())
        .collect();
    let (read, has_files) = gather(&paths, options);
    if read.unreadable.is_empty() {
        read.manifests.ensure_objects(&paths, has_files)?;
    }
    Ok(read)
}

/// Everything in these paths, and whether they have a file.
fn gather(paths: &[PathBuf], options: &ReadOptions) -> (Read, bool) {
    let mut collector = Collector::new(options);
    let has_files = collector.paths(paths);
    let read = collector.finish();
    let has_files = has_files || !read.manifests.builds.is_empty();
    (read, has_files)
}

/// Loads the facts in a folder or file. An object that is JSON or YAML but malformed is unreadable.
///
/// # Errors
/// The errors of `inventory`.
pub fn load(path: &Path) -> Result<Snapshot, LoadError> {
    inventory(path).map(Manifests::into_snapshot)
}

/// Loads the objects of a folder or file that are used as facts.
///
/// # Errors
/// The errors of `objects`. Also if no object is relevant: a review would then allow everything.
pub(crate) fn inventory(path: &Path) -> Result<Manifests, LoadError> {
    let manifests = objects([path])?;
    if manifests.objects.is_empty() {
        let path = path.to_owned();
        return Err(LoadError::NoFacts { path });
    }
    Ok(manifests)
}

/// Loads every object in these plain files and folders. `-` is standard input.
///
/// # Errors
/// A file cannot be read or parsed. An object has no name, has a name that is not valid, or occurs twice.
/// There is no object at all.
pub fn objects<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Manifests, LoadError> {
    let paths: Vec<PathBuf> = paths
        .into_iter()
        .map(|path| path.as_ref().to_owned())
        .collect();
    let (read, has_files) = gather(&paths, &ReadOptions::default());
    let manifests = read.strict()?;
    manifests.ensure_objects(&paths, has_files)?;
    Ok(manifests)
}

/// The paths as one text.
fn listed(paths: &[PathBuf]) -> String {
    let paths = paths.iter().map(|path| match path.to_str() {
        Some(find::STDIN) => "standard input".to_owned(),
        _ => format!("`{}`", path.display()),
    });
    paths.collect::<Vec<_>>().join(", ")
}
