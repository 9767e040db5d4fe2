//! Files to read: each once, sorted by name.
//!
//! ConfigMap and Secret volumes contain each file as a symlink through `..data`, which is a symlink to a
//! hidden folder that is replaced as a whole. Hidden names are skipped and symlinks are followed, so such a
//! file is read once, by its visible name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::LoadError;

/// Path that stands for standard input.
pub(super) const STDIN: &str = "-";

const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// The files in `paths`, including all files of folders.
pub(super) fn files<P: AsRef<Path>>(
    paths: impl IntoIterator<Item = P>,
) -> Result<Vec<PathBuf>, LoadError> {
    let mut search = Search::default();
    for path in paths {
        search.visit(path.as_ref())?;
    }
    Ok(search.files)
}

#[derive(Default)]
struct Search {
    files: Vec<PathBuf>,
    /// Resolved paths. A file with two symlinks is read once, and so is a folder that contains itself.
    seen: BTreeSet<PathBuf>,
}

impl Search {
    fn visit(&mut self, path: &Path) -> Result<(), LoadError> {
        if path.as_os_str() == STDIN {
            if self.seen.insert(path.to_owned()) {
                self.files.push(path.to_owned());
            }
            return Ok(());
        }
        let unreadable = |error| LoadError::Read {
            path: path.to_owned(),
            error,
        };
        if !self.seen.insert(path.canonicalize().map_err(unreadable)?) {
            return Ok(());
        }
        if !path.metadata().map_err(unreadable)?.is_dir() {
            self.files.push(path.to_owned());
            return Ok(());
        }
        let mut entries = Vec::new();
        for entry in path.read_dir().map_err(unreadable)? {
            entries.push(entry.map_err(unreadable)?.path());
        }
        entries.sort();
        for entry in entries.iter().filter(|entry| is_visible(entry)) {
            if entry.is_dir() || is_manifest(entry) {
                self.visit(entry)?;
            }
        }
        Ok(())
    }
}

fn is_visible(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
}

fn is_manifest(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known))
}
