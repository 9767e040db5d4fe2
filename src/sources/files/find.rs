//! Files to read: each once, sorted by name.
//!
//! ConfigMap and Secret volumes contain each file as a symlink through `..data`, which is a symlink to a
//! hidden folder that is replaced as a whole. Hidden names are skipped and symlinks are followed, so such a
//! file is read once, by its visible name.

use std::collections::BTreeSet;
use std::fs::FileType;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::{LoadError, Skipped};

/// Path that stands for standard input.
pub(crate) const STDIN: &str = "-";

const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];
const CHART: &str = "Chart.yaml";
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Patterns of files and folders that are not read. A pattern matches the end of a path.
#[derive(Clone, Debug, Default)]
pub struct Exclude(GlobSet);

impl Exclude {
    /// The patterns, with `*`, `**`, `?`, `[…]` and `{…}`.
    ///
    /// # Errors
    /// A pattern is none.
    pub fn new<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Result<Self, LoadError> {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            let pattern = pattern.as_ref();
            let rejected = |error: globset::Error| LoadError::Pattern {
                pattern: pattern.to_owned(),
                problem: error.kind().to_string(),
            };
            let text = pattern.trim_start_matches("./").trim_matches('/');
            let glob = GlobBuilder::new(&format!("**/{text}"))
                .literal_separator(true)
                .build()
                .map_err(rejected)?;
            set.add(glob);
        }
        let set = set.build().map_err(|error| LoadError::Pattern {
            pattern: error.glob().unwrap_or_default().to_owned(),
            problem: error.kind().to_string(),
        })?;
        Ok(Self(set))
    }

    fn has(&self, path: &Path) -> bool {
        !self.0.is_empty() && self.0.is_match(path)
    }
}

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) path: PathBuf,
    /// True if the caller named it, rather than a folder that holds it.
    pub(super) is_named: bool,
}

/// Everything that paths hold.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) files: Vec<File>,
    /// Folders with a `Chart.yaml`.
    pub(super) charts: Vec<PathBuf>,
    /// Folders with a kustomization.
    pub(super) kustomizations: Vec<PathBuf>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) unreadable: Vec<LoadError>,
}

/// Everything in `paths`, with all files of folders. Folders that a tool builds are found only if `has_builds`.
pub(super) fn find<P: AsRef<Path>>(
    paths: impl IntoIterator<Item = P>,
    exclude: &Exclude,
    has_builds: bool,
) -> Found {
    let mut search = Search {
        found: Found::default(),
        seen: BTreeSet::new(),
        exclude,
        has_builds,
    };
    for path in paths {
        search.named(path.as_ref());
    }
    search.found
}

struct Search<'e> {
    found: Found,
    /// Resolved paths. A file with two symlinks is read once, and so is a folder that contains itself.
    seen: BTreeSet<PathBuf>,
    exclude: &'e Exclude,
    has_builds: bool,
}

impl Search<'_> {
    /// Reads a path that the caller named.
    fn named(&mut self, path: &Path) {
        if path.as_os_str() == STDIN {
            if self.seen.insert(path.to_owned()) {
                self.file(path, true);
            }
            return;
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let is_built = name.is_some_and(|name| name == CHART || KUSTOMIZATIONS.contains(&name));
        let folder = match path.parent() {
            Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
            Some(folder) => folder,
            None => path,
        };
        if self.has_builds && is_built && self.built(folder) {
            return;
        }
        if let Err(error) = self.visit(path, true) {
            self.failed(path, error);
        }
    }

    fn failed(&mut self, path: &Path, error: std::io::Error) {
        self.found.unreadable.push(LoadError::Read {
            path: path.to_owned(),
            error,
        });
    }

    fn file(&mut self, path: &Path, is_named: bool) {
        self.found.files.push(File {
            path: path.to_owned(),
            is_named,
        });
    }

    fn skip(&mut self, path: &Path, reason: &str) {
        self.found.skipped.push(Skipped {
            path: path.to_owned(),
            line: None,
            reason: reason.to_owned(),
        });
    }

    /// Visits a file or folder once.
    fn visit(&mut self, path: &Path, is_named: bool) -> std::io::Result<()> {
        let kind = path.metadata()?;
        // A pipe such as that of `<(helm template .)` has no other path.
        let resolved = path.canonicalize();
        if !self
            .seen
            .insert(resolved.unwrap_or_else(|_| path.to_owned()))
        {
            return Ok(());
        }
        if kind.is_dir() {
            return self.folder(path);
        }
        if let Some(found) = unusual(kind.file_type(), is_named) {
            let problem = format!("expected a regular file, found a {found}");
            return Err(std::io::Error::other(problem));
        }
        self.file(path, is_named);
        Ok(())
    }

    fn folder(&mut self, path: &Path) -> std::io::Result<()> {
        let is_kustomized = self.has_builds && self.built(path);
        if is_kustomized && path.join(CHART).is_file() {
            return Ok(());
        }
        let mut entries = Vec::new();
        for entry in path.read_dir()? {
            entries.push(entry?.path());
        }
        entries.sort();
        for entry in entries.iter().filter(|entry| is_visible(entry)) {
            if self.exclude.has(entry) || !(entry.is_dir() || is_manifest(entry)) {
                continue;
            }
            if !entry.exists() {
                self.skip(entry, "a broken symlink");
            } else if let Err(error) = self.visit(entry, false) {
                self.failed(entry, error);
            }
        }
        Ok(())
    }

    /// Notes a folder that a tool builds; false for others.
    fn built(&mut self, folder: &Path) -> bool {
        let folders = if folder.join(CHART).is_file() {
            &mut self.found.charts
        } else if kustomization(folder).is_some() {
            &mut self.found.kustomizations
        } else {
            return false;
        };
        if !folders.iter().any(|known| known == folder) {
            folders.push(folder.to_owned());
        }
        true
    }
}

/// Name of a kind of file that is not read, since reading may never end. A path that a person gave may also be a pipe
/// or a terminal, as in `check <(helm template .)`.
fn unusual(kind: FileType, is_named: bool) -> Option<&'static str> {
    if kind.is_socket() {
        Some("socket")
    } else if kind.is_block_device() {
        Some("block device")
    } else if kind.is_fifo() && !is_named {
        Some("pipe")
    } else if kind.is_char_device() && !is_named {
        Some("device")
    } else {
        None
    }
}

/// The file that makes a folder a kustomization.
pub(super) fn kustomization(folder: &Path) -> Option<PathBuf> {
    let mut files = KUSTOMIZATIONS.iter().map(|name| folder.join(name));
    files.find(|file| file.is_file())
}

fn is_visible(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
}

fn is_manifest(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known))
}
