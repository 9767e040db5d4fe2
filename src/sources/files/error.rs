//! Errors of reading manifests, and files that are left out on purpose.

use std::fmt;
use std::path::PathBuf;

use super::Origin;
use crate::inventory::ObjectRef;

/// Error of loading manifests.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no object.
    #[error(
        "expected a Kubernetes object in {}, found {found}",
        super::listed(paths)
    )]
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
        "expected {field} of the {kind} at {origin} to be {expected}, found `{found}`{}",
        template_hint(found)
    )]
    Impossible {
        /// Kind of the object.
        kind: &'static str,
        /// Path of the field.
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
    /// An `apiVersion` that no API has, with a known kind.
    #[error(
        "expected apiVersion `{expected}` for the {kind} at {origin}, found `{found}`, which no API server serves"
    )]
    ImpossibleVersion {
        /// The most similar `apiVersion`.
        expected: String,
        /// The kind.
        kind: &'static str,
        /// The `apiVersion` found.
        found: String,
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
    /// A file is no text in UTF-8.
    #[error("failed to read `{}`: {found}", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// The encoding found, and how to mend it.
        found: String,
    },
    /// A file is neither YAML nor JSON.
    #[error("failed to parse {}:{line}:{column}: {found}", path.display())]
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
    /// A pattern of `--exclude` or of the project's file.
    #[error("cannot use the pattern `{pattern}` of `exclude`: {problem}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// The problem.
        problem: String,
    },
    /// A chart or kustomization cannot be built.
    #[error("failed to build: {command}: {problem}")]
    Build {
        /// The command.
        command: String,
        /// The problem.
        problem: String,
    },
    /// The thread that read the files was stopped.
    #[error("interrupted while reading `{}`", path.display())]
    Interrupted {
        /// The folder.
        path: PathBuf,
    },
}

/// A file or folder that was left out, which is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The file or folder.
    pub path: PathBuf,
    /// Line, where a part of the file was left out.
    pub line: Option<usize>,
    /// The reason.
    pub reason: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "skipped {}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// A key that an object has twice. The last one counts, as for the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepeatedKey {
    /// The file.
    pub path: PathBuf,
    /// Line of the last one, from 1.
    pub line: usize,
    /// Column of the last one, from 1.
    pub column: usize,
    /// Path of the key.
    pub key: String,
    /// True if its document has an object of a known kind.
    pub is_known: bool,
}

impl fmt::Display for RepeatedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, line, column) = (self.path.display(), self.line, self.column);
        write!(
            f,
            "{path}:{line}:{column}: duplicate key `{}`; the last one counts",
            self.key
        )
    }
}

impl RepeatedKey {
    /// The error where a key may stand only once.
    pub(super) fn into_error(self) -> LoadError {
        LoadError::Syntax {
            path: self.path,
            line: self.line,
            column: self.column,
            found: format!("expected the key `{}` once, found it again", self.key),
        }
    }
}

/// Words for a value that a template leaves open.
fn template_hint(found: &str) -> &'static str {
    if found.contains("{{") || found.contains("${") {
        "; render the template first"
    } else {
        ""
    }
}
