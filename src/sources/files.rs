//! Manifests in files: YAML and JSON, several documents in one, `List`s, folders.

mod documents;
mod find;
pub mod place;
mod reload;
mod unique;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::inventory::{Change, Object, ObjectRef, Snapshot, read};

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
    /// How many documents are of other kinds, or no objects at all.
    pub skipped: usize,
    /// The text of each file, to show the lines that something is said about.
    pub texts: BTreeMap<PathBuf, String>,
}

/// Why manifests could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
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
/// A file that cannot be read or parsed, an object without a name or that is there twice.
pub fn load(path: &Path) -> Result<Snapshot, LoadError> {
    let manifests = objects([path])?;
    let changes = manifests
        .objects
        .into_iter()
        .map(|located| Change::Set(located.object));
    Ok(Snapshot::default().apply(changes))
}

/// Every object in these files and folders, each with its origin; `-` is standard input.
///
/// # Errors
/// As [`load`]'s.
pub fn objects<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Manifests, LoadError> {
    let mut manifests = Manifests::default();
    let mut seen: BTreeMap<ObjectRef, Origin> = BTreeMap::new();
    for file in find::files(paths)? {
        let text = documents::text(&file)?;
        for (line, value) in documents::read(&file, &text)? {
            let origin = Origin {
                file: file.clone(),
                line,
            };
            for (item, written) in documents::items(value) {
                let Some(object) = read::object(&written) else {
                    manifests.skipped += 1;
                    continue;
                };
                register(&mut seen, &object, &origin)?;
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
    Ok(manifests)
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
