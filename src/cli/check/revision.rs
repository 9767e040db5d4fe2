//! Manifests of an earlier git revision, for `check --before`.
//!
//! The whole tree of the revision is written to a temporary folder, so that the bases of an overlay and the
//! templates of a chart are there too. The repository itself, its index and its work tree stay as they are.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Error of reading a revision.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RevisionError {
    /// Git cannot be started.
    #[error(
        "`--before {revision}` is not a path, and git could not be run to read it as a revision: {error}"
    )]
    NoGit {
        /// The revision.
        revision: String,
        /// The cause.
        error: std::io::Error,
    },
    /// Neither a path nor a revision.
    #[error(
        "`--before {revision}` is neither a path nor a git revision{}: {found}; if it is on a remote, fetch it first",
        of_repository(path)
    )]
    Unknown {
        /// The revision.
        revision: String,
        /// The repository, or the folder that is in none.
        path: PathBuf,
        /// Git's message.
        found: String,
    },
    /// A path that has no earlier revision.
    #[error(
        "`--before {revision}` compares with a git revision, and {path} is in no repository; name a file or folder as PATH"
    )]
    NotAFile {
        /// The revision.
        revision: String,
        /// The path.
        path: String,
    },
    /// Paths in several repositories.
    #[error("expected every PATH in the same git repository, found `{}` and `{}`", first.display(), second.display())]
    Repositories {
        /// One repository.
        first: PathBuf,
        /// Another one.
        second: PathBuf,
    },
    /// The temporary folder cannot be written.
    #[error("failed to write revision {revision} to a temporary folder: {error}")]
    Write {
        /// The revision.
        revision: String,
        /// The cause.
        error: std::io::Error,
    },
}

fn of_repository(path: &Path) -> String {
    format!(" of `{}`", path.display())
}

/// The tree of a revision in a temporary folder, which is removed on drop.
#[derive(Debug)]
pub(crate) struct Revision {
    name: String,
    folder: TempDir,
    /// The given paths in the folder, without those that did not exist at the revision.
    pub(crate) paths: Vec<PathBuf>,
    /// The given paths that did not exist at the revision.
    absent: Vec<PathBuf>,
}

impl Revision {
    /// Writes the tree of a revision to a temporary folder and finds the paths in it.
    ///
    /// # Errors
    /// Git is missing, the revision does not exist, or the paths are not all in one repository.
    pub(crate) fn read(revision: &str, paths: &[PathBuf]) -> Result<Self, RevisionError> {
        let mut repository: Option<PathBuf> = None;
        let mut inside = Vec::new();
        for path in paths {
            let (top, relative) = place(revision, path)?;
            if let Some(first) = repository.as_ref().filter(|first| **first != top) {
                let (first, second) = (first.clone(), top);
                return Err(RevisionError::Repositories { first, second });
            }
            repository = Some(top);
            inside.push(relative);
        }
        let repository = repository.unwrap_or_else(|| PathBuf::from("."));
        let write = |error| RevisionError::Write {
            revision: revision.to_owned(),
            error,
        };
        let folder = tempfile::tempdir().map_err(write)?;
        let index = folder.path().join("index");
        let tree = folder.path().join("tree");
        std::fs::create_dir(&tree).map_err(write)?;
        // `^{commit}` refuses an option in place of a revision.
        let commit = format!("{revision}^{{commit}}");
        let commit = git(
            revision,
            &repository,
            None,
            ["rev-parse", "--verify", "--end-of-options", &commit],
        )?;
        git(
            revision,
            &repository,
            Some(&index),
            ["read-tree", commit.trim()],
        )?;
        let prefix = format!("--prefix={}/", tree.display());
        git(
            revision,
            &repository,
            Some(&index),
            ["checkout-index", "--all", &prefix],
        )?;
        let placed = paths.iter().zip(inside);
        let placed = placed.map(|(path, relative)| (path.clone(), tree.join(relative)));
        let (there, absent): (Vec<_>, Vec<_>) = placed.partition(|(_, at)| at.exists());
        Ok(Self {
            name: revision.to_owned(),
            folder,
            paths: there.into_iter().map(|(_, at)| at).collect(),
            absent: absent.into_iter().map(|(path, _)| path).collect(),
        })
    }

    /// A note about each path that the revision does not have.
    pub(crate) fn notes(&self) -> Vec<String> {
        let absent = self.absent.iter();
        absent
            .map(|path| {
                format!(
                    "{} has no `{}`, so everything in it is new",
                    self.name,
                    path.display()
                )
            })
            .collect()
    }

    /// A note about something that cannot be read at the revision.
    pub(crate) fn unreadable(&self, error: &str) -> String {
        let error = self.renamed(error);
        format!("at {}, {error}; its content counts as new", self.name)
    }

    /// A file of the temporary folder as git names it: `REVISION:PATH`.
    pub(crate) fn named(&self, file: &Path) -> PathBuf {
        self.renamed(&file.to_string_lossy()).into()
    }

    fn renamed(&self, text: &str) -> String {
        let tree = format!("{}/", self.folder.path().join("tree").display());
        text.replace(&tree, &format!("{}:", self.name))
    }
}

/// The repository of a path, and the path in it.
fn place(revision: &str, path: &Path) -> Result<(PathBuf, PathBuf), RevisionError> {
    let missing = |path: String| RevisionError::NotAFile {
        revision: revision.to_owned(),
        path,
    };
    if path == Path::new("-") {
        return Err(missing("standard input".to_owned()));
    }
    let full = path.canonicalize();
    let full = full.map_err(|_| missing(format!("`{}`", path.display())))?;
    let folder = if full.is_dir() {
        &full
    } else {
        full.parent().unwrap_or(&full)
    };
    let top = git(revision, folder, None, ["rev-parse", "--show-toplevel"])?;
    let top = PathBuf::from(top.trim_end_matches('\n'));
    let relative = full.strip_prefix(&top).map(Path::to_owned);
    let relative = relative.map_err(|_| missing(format!("`{}`", path.display())))?;
    Ok((top, relative))
}

/// Runs git in a folder, with its own index if one is named, and returns what it printed.
fn git<A: AsRef<OsStr>>(
    revision: &str,
    folder: &Path,
    index: Option<&Path>,
    args: impl IntoIterator<Item = A>,
) -> Result<String, RevisionError> {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(args);
    // Nothing is fetched from a network.
    command
        .env("GIT_LFS_SKIP_SMUDGE", "1")
        .env("GIT_NO_LAZY_FETCH", "1");
    // In a hook, git sets these for the repository that it runs for.
    for inherited in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(inherited);
    }
    if let Some(index) = index {
        command.env("GIT_INDEX_FILE", index);
    }
    let output = command.output().map_err(|error| RevisionError::NoGit {
        revision: revision.to_owned(),
        error,
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let last = stderr.lines().rfind(|line| !line.trim().is_empty());
    Err(RevisionError::Unknown {
        revision: revision.to_owned(),
        path: folder.to_owned(),
        found: last.unwrap_or("git printed nothing").to_owned(),
    })
}
