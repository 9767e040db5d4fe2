//! The file `.openbao-perimeter.yaml` of a repository: what `check` reads there, and by which settings.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::config::{BaselineSetting, Levels};
use crate::settings::{Flags, Given, SettingsError, SettingsFile};

/// Name of the file.
const NAME: &str = ".openbao-perimeter.yaml";
/// Folder that marks the root of a repository.
const REPOSITORY: &str = ".git";

/// Contents of the file. Its paths are below its folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Project {
    /// Files and folders that are read where the command line names none.
    pub(crate) paths: Vec<PathBuf>,
    /// Patterns of files and folders that are left out.
    pub(crate) exclude: Vec<String>,
    /// Baseline of the operator.
    baseline: Option<BaselineSetting>,
    /// Settings file.
    config: Option<PathBuf>,
    /// Levels of rules, as `review.levels` of the settings file.
    levels: Option<Levels>,
    /// Values files of charts.
    pub(crate) values: Vec<PathBuf>,
    /// Path of the file itself.
    #[serde(skip)]
    file: PathBuf,
}

impl Project {
    /// Reads the file of the working directory or of the nearest folder above it, up to the repository's root. Without
    /// a file nothing is set.
    ///
    /// # Errors
    /// The file cannot be read or understood.
    pub(crate) fn find() -> Result<Self, SettingsError> {
        let here = std::env::current_dir().unwrap_or_default();
        let root = here
            .ancestors()
            .position(|folder| folder.join(REPOSITORY).exists());
        let mut above = PathBuf::new();
        for _ in 0..=root.unwrap_or(0) {
            let file = above.join(NAME);
            if file.is_file() {
                return Self::read(&file, &above);
            }
            above.push("..");
        }
        Ok(Self::default())
    }

    fn read(file: &Path, folder: &Path) -> Result<Self, SettingsError> {
        let text = fs::read_to_string(file).map_err(|source| SettingsError::Read {
            file: file.to_owned(),
            source,
        })?;
        let mut project: Self = SettingsFile::understand(file, &text)?;
        let files = project.paths.iter_mut().chain(&mut project.config);
        for path in files.chain(&mut project.values) {
            if path.as_os_str() != "-" {
                *path = folder.join(&*path);
            }
        }
        file.clone_into(&mut project.file);
        Ok(project)
    }

    /// The settings file of `--config`, or else that of this file, with the settings of this file over it.
    ///
    /// # Errors
    /// The settings file cannot be used.
    pub(crate) fn settings<F: Flags>(
        &self,
        given: &Given<F>,
    ) -> Result<Option<SettingsFile>, SettingsError> {
        let mut file = given.file()?;
        if file.is_none() {
            file = self.config.as_deref().map(SettingsFile::read).transpose()?;
        }
        if self.baseline.is_none() && self.levels.is_none() {
            return Ok(file);
        }
        let mut file = file.unwrap_or_default();
        if let Some(baseline) = self.baseline {
            file.config.baseline = baseline;
            file.override_by(&self.file, "baseline");
        }
        if let Some(levels) = &self.levels {
            file.config.review.levels = levels.clone();
            file.override_by(&self.file, "review.levels");
        }
        Ok(Some(file))
    }
}
