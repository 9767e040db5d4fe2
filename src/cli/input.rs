//! Arguments that name what a command reads. `check` and `render` take paths as well; `show` takes a cluster instead.

use std::path::PathBuf;

use super::namespace::NamespaceArg;

/// Files and folders, positional, and all other flags about what is read.
#[derive(Debug, Default, clap::Args)]
pub struct InputArgs {
    /// Files and folders with manifests; `-` is standard input
    #[arg(value_name = "PATH")]
    pub(crate) positional: Vec<PathBuf>,

    /// Flags that commands without paths have as well.
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

/// Flags about what is read.
#[derive(Debug, Default, clap::Args)]
pub struct SourceArgs {
    /// File or folder with manifests, as PATH; repeatable
    #[arg(short, long = "filename", value_name = "PATH")]
    pub(crate) files: Vec<PathBuf>,

    /// Read subfolders too, as is always done: known from kubectl
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,

    /// Namespace of objects that name none.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArg,
}

/// Error of a command that has nothing to read.
#[derive(Debug, thiserror::Error)]
#[error("nothing to read: name a file or folder, or `-` for standard input")]
pub(crate) struct NothingToRead;

impl InputArgs {
    /// The paths that are read.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn paths(&self) -> Result<Vec<PathBuf>, NothingToRead> {
        let paths: Vec<PathBuf> = self
            .positional
            .iter()
            .chain(&self.source.files)
            .cloned()
            .collect();
        if paths.is_empty() {
            return Err(NothingToRead);
        }
        Ok(paths)
    }

    /// Namespace of objects that name none.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.source.namespace.namespace.as_deref()
    }
}
