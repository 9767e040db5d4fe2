//! Manifests in files: YAML and JSON, several documents in one, `List`s, folders.

mod documents;
mod find;
mod object;
pub mod place;
mod reload;
mod unique;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::inventory::{Change, Object, ObjectRef, Snapshot};
use object::Document;

pub use object::DEFAULT_NAMESPACE;
pub use reload::watch;

/// Where a document starts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The file, `-` for standard input.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// An object and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    /// Where.
    pub origin: Origin,
    /// Its place in a `List` and in lists inside that; empty for a document of its own.
    pub item: Vec<usize>,
    /// As far as it could be understood.
    pub object: Object,
    /// A fingerprint of its `spec` as it was written; holds within one process.
    pub spec: u64,
}

/// All objects of some files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifests {
    /// The objects that the inventory keeps, in the order in which they were found.
    pub objects: Vec<Located>,
    /// How many objects of other kinds there are, by kind and `apiVersion`.
    pub others: BTreeMap<(String, String), usize>,
    /// Documents that are no objects, since `apiVersion` and `kind` are missing.
    pub no_objects: Vec<Origin>,
    /// Objects without a namespace that are taken to be in [`DEFAULT_NAMESPACE`].
    pub defaulted: Vec<ObjectRef>,
    /// The text of each file, to show the lines that something is said about.
    pub texts: BTreeMap<PathBuf, String>,
}

impl Manifests {
    /// How many objects are of other kinds.
    pub fn skipped(&self) -> usize {
        self.others.values().sum()
    }

    /// Whether an object is of a kind that reviews judge.
    pub fn holds_judged_kinds(&self) -> bool {
        let mut objects = self.objects.iter();
        objects.any(|located| {
            matches!(
                located.object,
                Object::Policy(_) | Object::Cluster(_) | Object::Restore(_)
            )
        })
    }

    /// The objects as facts.
    pub fn into_snapshot(self) -> Snapshot {
        let objects = self.objects.into_iter();
        Snapshot::default().apply(objects.map(|located| Change::Set(located.object)))
    }
}

/// Why manifests could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no object at all, so nothing to judge or to judge by.
    #[error("expected a Kubernetes object in {}, found {found}", listed(paths))]
    NoObject {
        /// Where.
        paths: Vec<PathBuf>,
        /// What is there.
        found: String,
    },
    /// An inventory without an object that tells anything.
    #[error(
        "expected OpenBaoClusters, NetworkPolicies or Namespaces in the inventory `{}`, found only other kinds",
        path.display()
    )]
    NoFacts {
        /// The folder or file.
        path: PathBuf,
    },
    /// A name or namespace that no API server could have.
    #[error(
        "expected metadata.{field} of the {kind} at {origin} to be {expected}, found `{found}`; render the template \
         first"
    )]
    Impossible {
        /// Kind of the object.
        kind: &'static str,
        /// `name` or `namespace`.
        field: &'static str,
        /// What may stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
        /// Where the object stands.
        origin: Box<Origin>,
    },
    /// A document of which nobody can say whether it is an object.
    #[error("expected `{expected}` beside `{beside}` at {origin}, found none")]
    Halfway {
        /// The missing field.
        expected: &'static str,
        /// What the other field says.
        beside: String,
        /// Where.
        origin: Origin,
    },
    /// A kind of ours in another spelling.
    #[error("expected kind `{expected}` at {origin}, found `{found}`, which the API does not have")]
    Misspelt {
        /// The kind that is nearest.
        expected: &'static str,
        /// What is written.
        found: String,
        /// Where.
        origin: Origin,
    },
    /// A file or folder cannot be read.
    #[error("failed to read `{}`: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file is neither YAML nor JSON.
    #[error("failed to parse `{}`, line {line}, column {column}: {found}", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Line, from 1; 0 where unknown.
        line: usize,
        /// Column, from 1; 0 where unknown.
        column: usize,
        /// What is wrong there.
        found: String,
    },
    /// An object that nothing can refer to.
    #[error("expected a `metadata.name` for the {kind} at {origin}, found none")]
    Nameless {
        /// Its kind.
        kind: &'static str,
        /// Where it stands.
        origin: Origin,
    },
    /// Two documents are the same object.
    #[error("expected {object} once, found it at {first} and at {second}")]
    Duplicate {
        /// Which object.
        object: Box<ObjectRef>,
        /// Where it stands first.
        first: Box<Origin>,
        /// Where it stands again.
        second: Box<Origin>,
    },
    /// The thread that read the files was stopped.
    #[error("failed to finish reading `{}`", path.display())]
    Interrupted {
        /// The folder.
        path: PathBuf,
    },
}

/// The facts in a folder or file. An object that parses and is malformed is kept as unreadable.
///
/// # Errors
/// As [`inventory`]'s.
pub fn load(path: &Path) -> Result<Snapshot, LoadError> {
    inventory(path, None).map(Manifests::into_snapshot)
}

/// The objects of a folder or file that are to be facts.
///
/// # Errors
/// As [`objects_in`]'s, and where no object is a fact: then everything would be allowed.
pub fn inventory(path: &Path, namespace: Option<&str>) -> Result<Manifests, LoadError> {
    let manifests = objects_in([path], namespace)?;
    if manifests.objects.is_empty() {
        let path = path.to_owned();
        return Err(LoadError::NoFacts { path });
    }
    Ok(manifests)
}

/// Every object in these files and folders, each with its origin; `-` is standard input.
///
/// # Errors
/// As [`objects_in`]'s.
pub fn objects<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Manifests, LoadError> {
    objects_in(paths, None)
}

/// The same; an object without a namespace is in `namespace`.
///
/// # Errors
/// A file that cannot be read or parsed, an object without a name, with one that no API server could
/// have, or that is there twice; no object at all.
pub fn objects_in<P: AsRef<Path>>(
    paths: impl IntoIterator<Item = P>,
    namespace: Option<&str>,
) -> Result<Manifests, LoadError> {
    let paths: Vec<PathBuf> = paths
        .into_iter()
        .map(|path| path.as_ref().to_owned())
        .collect();
    let mut manifests = Manifests::default();
    let mut seen: BTreeMap<ObjectRef, Origin> = BTreeMap::new();
    let files = find::files(&paths)?;
    let is_without_files = files.is_empty();
    for file in files {
        let text = documents::text(&file)?;
        for (line, value) in documents::read(&file, &text)? {
            let origin = Origin {
                file: file.clone(),
                line,
            };
            for (item, mut written) in documents::items(value) {
                let ours = match object::read(&mut written, namespace, &origin)? {
                    Document::Ours(ours) => ours,
                    Document::Other(kind, version) => {
                        *manifests.others.entry((kind, version)).or_default() += 1;
                        continue;
                    }
                    Document::NoObject => {
                        manifests.no_objects.push(origin.clone());
                        continue;
                    }
                };
                let object = ours.object;
                register(&mut seen, &object, &origin)?;
                if ours.is_defaulted {
                    manifests.defaulted.push(object.reference());
                }
                manifests.objects.push(Located {
                    origin: origin.clone(),
                    item,
                    object,
                    spec: fingerprint(written.get("spec")),
                });
            }
        }
        manifests.texts.insert(file, text);
    }
    if manifests.objects.is_empty() && manifests.others.is_empty() {
        let found = match manifests.no_objects.first() {
            _ if is_without_files => "no file that ends in `.yaml`, `.yml` or `.json`".to_owned(),
            None => "nothing".to_owned(),
            Some(first) => {
                format!("only documents without `apiVersion` and `kind`, the first at {first}")
            }
        };
        return Err(LoadError::NoObject { paths, found });
    }
    Ok(manifests)
}

/// Paths in one text.
fn listed(paths: &[PathBuf]) -> String {
    let paths = paths.iter().map(|path| match path.to_str() {
        Some(find::STDIN) => "standard input".to_owned(),
        _ => format!("`{}`", path.display()),
    });
    paths.collect::<Vec<_>>().join(", ")
}

fn fingerprint(spec: Option<&Value>) -> u64 {
    let mut hasher = DefaultHasher::new();
    spec.hash(&mut hasher);
    hasher.finish()
}

fn register(
    seen: &mut BTreeMap<ObjectRef, Origin>,
    object: &Object,
    origin: &Origin,
) -> Result<(), LoadError> {
    let reference = object.reference();
    if reference.name.is_empty() {
        return Err(LoadError::Nameless {
            kind: reference.kind.as_str(),
            origin: origin.clone(),
        });
    }
    match seen.insert(reference.clone(), origin.clone()) {
        None => Ok(()),
        Some(first) => Err(LoadError::Duplicate {
            object: Box::new(reference),
            first: Box::new(first),
            second: Box::new(origin.clone()),
        }),
    }
}
