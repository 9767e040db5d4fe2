//! The texts of files that `--fix` edits, and how they are written.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use diffy::DiffOptions;
use tempfile::NamedTempFile;

use crate::cli::check::edit::{TextEdit, applied};
use crate::sources::files::{MARK, Manifests, STDIN, without_marks};

/// Error of a file that cannot be edited.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli::check) enum FixError {
    /// Standard input is not written.
    #[error("`--fix` cannot edit standard input; `--diff` prints the edits")]
    Stdin,
    /// A pipe or a device.
    #[error("`{}` is no regular file; `--diff` prints the edits", .0.display())]
    NoFile(PathBuf),
    /// Somebody else wrote the file.
    #[error("`{}` changed while it was checked; run the command again", .0.display())]
    Changed(PathBuf),
    /// The file cannot be read or written.
    #[error("failed to edit `{}`: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
}

/// The text of a file, with its marks of the byte order.
#[derive(Clone, Debug)]
struct Text {
    before: String,
    now: String,
}

/// The texts of files that are edited.
#[derive(Clone, Debug)]
pub(in crate::cli::check) struct Texts {
    /// False if the edits are only printed.
    is_written: bool,
    files: BTreeMap<PathBuf, Text>,
}

impl Texts {
    pub(in crate::cli::check) const fn new(is_written: bool) -> Self {
        let files = BTreeMap::new();
        Self { is_written, files }
    }

    /// Reads a file that was reviewed.
    ///
    /// # Errors
    /// It cannot be read or written, or has changed.
    pub(super) fn open(&mut self, file: &Path, reviewed: &Manifests) -> Result<(), FixError> {
        if self.files.contains_key(file) {
            return Ok(());
        }
        let reviewed = reviewed.texts.get(file);
        let changed = || FixError::Changed(file.to_owned());
        let is_file = file.as_os_str() != STDIN && file.is_file();
        let before = if is_file {
            let text = fs::read_to_string(file).map_err(|error| FixError::Io {
                path: file.to_owned(),
                error,
            })?;
            if reviewed.is_none_or(|reviewed| without_marks(text.clone()) != reviewed) {
                return Err(changed());
            }
            text
        } else if self.is_written {
            return Err(FixError::NoFile(file.to_owned()));
        } else {
            reviewed.ok_or_else(changed)?.into_owned()
        };
        let now = before.clone();
        self.files.insert(file.to_owned(), Text { before, now });
        Ok(())
    }

    /// Makes edits of a file, the last one in the text first, and returns its text without marks. `None` if they do
    /// not fit.
    pub(super) fn edit(&mut self, file: &Path, edits: &[TextEdit]) -> Option<String> {
        let text = self.files.get_mut(file)?;
        for edit in edits {
            let moved = |(line, column): (usize, usize)| {
                let marked = text.now.lines().nth(line - 1).unwrap_or_default();
                let marks = marked.chars().take_while(|c| *c == MARK).count();
                (line, column + if column > 1 { marks } else { 0 })
            };
            let edit = TextEdit {
                start: moved(edit.start),
                end: moved(edit.end),
                text: edit.text.clone(),
            };
            text.now = applied(&text.now, &edit)?;
        }
        Some(without_marks(text.now.clone()))
    }

    /// The edits as a unified diff.
    pub(in crate::cli::check) fn diff(&self) -> String {
        let changed = self
            .files
            .iter()
            .filter(|(_, text)| text.before != text.now);
        let patches = changed.map(|(file, text)| {
            // `git apply` does not take `./web.yaml`.
            let name = file.strip_prefix(".").unwrap_or(file);
            let name = name.display().to_string();
            let mut options = DiffOptions::new();
            options
                .set_original_filename(name.clone())
                .set_modified_filename(name);
            options.create_patch(&text.before, &text.now).to_string()
        });
        patches.collect()
    }

    /// Writes the files that were edited, each at once. The target of a link is written, and the mode stays.
    ///
    /// # Errors
    /// A file cannot be written, or has changed.
    pub(in crate::cli::check) fn write(&self) -> Result<(), FixError> {
        let changed = self
            .files
            .iter()
            .filter(|(_, text)| text.before != text.now);
        for (file, text) in changed {
            let failed = |error| FixError::Io {
                path: file.clone(),
                error,
            };
            let target = file.canonicalize().map_err(failed)?;
            if fs::read_to_string(&target).map_err(failed)? != text.before {
                return Err(FixError::Changed(file.clone()));
            }
            replace(&target, &text.now).map_err(failed)?;
        }
        Ok(())
    }
}

/// Puts a new file with this text in the place of a file.
fn replace(target: &Path, text: &str) -> io::Result<()> {
    let folder = target.parent().unwrap_or(target);
    let mut new = NamedTempFile::new_in(folder)?;
    new.write_all(text.as_bytes())?;
    let mode = fs::metadata(target)?.permissions();
    new.as_file().set_permissions(mode)?;
    new.as_file().sync_all()?;
    new.persist(target).map_err(|error| error.error)?;
    Ok(())
}
