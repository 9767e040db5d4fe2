//! Manifests in files: YAML and JSON, files with several documents, `List`s, folders.

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

/// Start of a document.
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

/// An object and its location.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    /// Document with the object.
    pub origin: Origin,
    /// Its index in a `List`, and in nested lists; empty for a document of its own.
    pub(crate) item: Vec<usize>,
    /// The object, or its problems.
    pub object: Object,
    /// Hash of its `spec` as written. It is valid only in this process.
    pub(crate) spec: u64,
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
    pub(crate) texts: BTreeMap<PathBuf, String>,
}

impl Manifests {
    /// Number of objects of other kinds.
    pub fn skipped(&self) -> usize {
        self.others.values().sum()
    }

    /// Returns true if there is an object of a kind that reviews check.
    pub fn has_reviewed_kinds(&self) -> bool {
        let mut objects = self.objects.iter();
        objects.any(|located| {
            matches!(
                located.object,
                Object::Policy(_) | Object::Cluster(_) | Object::Restore(_)
            )
        })
    }

    /// The objects as facts.
    pub(crate) fn into_snapshot(self) -> Snapshot {
        let objects = self.objects.into_iter();
        Snapshot::default().apply(objects.map(|located| Change::Set(located.object)))
    }
}

/// Error of loading manifests.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no object.
    #[error("expected a Kubernetes object in {}, found {found}", listed(paths))]
    NoObject {
        /// Files and folders that were read.
        paths: Vec<PathBuf>,
        /// Content that was found instead.
        found: String,
    },
    /// An inventory without any relevant object.
    #[error(
        "expected OpenBaoClusters, NetworkPolicies or Namespaces in the inventory `{}`, found only other kinds",
        path.display()
    )]
    NoFacts {
        /// The folder or file.
        path: PathBuf,
    },
    /// A name or namespace that is not valid in the API.
    #[error(
        "expected metadata.{field} of the {kind} at {origin} to be {expected}, found `{found}`; render the template \
         first"
    )]
    Impossible {
        /// Kind of the object.
        kind: &'static str,
        /// `name` or `namespace`.
        field: &'static str,
        /// The valid values.
        expected: &'static str,
        /// The value found.
        found: String,
        /// Document with the object.
        origin: Box<Origin>,
    },
    /// A document with only one of `apiVersion` and `kind`.
    #[error("expected `{expected}` with `{other}` at {origin}, found none")]
    Incomplete {
        /// The missing field.
        expected: &'static str,
        /// Value of the other field.
        other: String,
        /// The document.
        origin: Origin,
    },
    /// A known kind with another spelling.
    #[error("expected kind `{expected}` at {origin}, found `{found}`, which the API does not have")]
    Misspelt {
        /// The most similar kind.
        expected: &'static str,
        /// The kind found.
        found: String,
        /// The document.
        origin: Origin,
    },
    /// A file or folder cannot be read.
    #[error("failed to read `{}`: {error}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        error: std::io::Error,
    },
    /// A file is neither YAML nor JSON.
    #[error("failed to parse `{}`, line {line}, column {column}: {found}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1; 0 if unknown.
        line: usize,
        /// Column, from 1; 0 if unknown.
        column: usize,
        /// The problem.
        found: String,
    },
    /// An object without a name.
    #[error("expected a `metadata.name` for the {kind} at {origin}, found none")]
    Nameless {
        /// Its kind.
        kind: &'static str,
        /// Document with the object.
        origin: Origin,
    },
    /// The same object occurs twice.
    #[error("expected {object} once, found it at {first} and at {second}")]
    Duplicate {
        /// The object.
        object: Box<ObjectRef>,
        /// First occurrence.
        first: Box<Origin>,
        /// Second occurrence.
        second: Box<Origin>,
    },
    /// The thread that read the files was stopped.
    #[error("interrupted while reading `{}`", path.display())]
    Interrupted {
        /// The folder.
        path: PathBuf,
    },
}

/// Loads the facts in a folder or file. An object that is JSON or YAML but malformed is unreadable.
///
/// # Errors
/// The errors of `inventory`.
pub fn load(path: &Path) -> Result<Snapshot, LoadError> {
    inventory(path, None).map(Manifests::into_snapshot)
}

/// Loads the objects of a folder or file that are used as facts.
///
/// # Errors
/// The errors of `objects_in`. Also if no object is relevant: a review would then allow everything.
pub(crate) fn inventory(path: &Path, namespace: Option<&str>) -> Result<Manifests, LoadError> {
    let manifests = objects_in([path], namespace)?;
    if manifests.objects.is_empty() {
        let path = path.to_owned();
        return Err(LoadError::NoFacts { path });
    }
    Ok(manifests)
}

/// Loads every object in these files and folders. `-` is standard input.
///
/// # Errors
/// The errors of `objects_in`.
pub fn objects<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Manifests, LoadError> {
    objects_in(paths, None)
}

/// Loads every object in these files and folders. An object without a namespace is in `namespace`.
///
/// # Errors
/// A file cannot be read or parsed. An object has no name, has a name that is not valid, or occurs twice.
/// There is no object at all.
pub(crate) fn objects_in<P: AsRef<Path>>(
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
                    Document::Known(ours) => ours,
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

/// The paths as one text.
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
