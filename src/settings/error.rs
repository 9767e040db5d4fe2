//! Errors of settings.

use std::io;
use std::path::PathBuf;

use webhook_certs::rotation::RotationConfigError;

/// Error of settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read the settings file `{file}`")]
    Read {
        /// The file.
        file: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The file is not one of settings.
    #[error("cannot parse the settings file `{file}`: {problem}")]
    Understand {
        /// The file.
        file: PathBuf,
        /// Problem and its place.
        problem: String,
    },
    /// An account has no name. Nobody would be the operator.
    #[error(
        "cannot use the setting `operatorAccounts`: expected usernames, found an empty one; leave the setting out to use the operator's own accounts"
    )]
    NamelessAccount,
    /// `review.platform` has a rule that no NetworkPolicy could have.
    #[error("cannot use the setting `review.platform`: {problem}")]
    Platform {
        /// Field path and problem.
        problem: String,
    },
    /// `tls: files` without the files.
    #[error("expected the settings `cert` and `key` with `tls: files`, found `{found}`")]
    Certificate {
        /// Those of the two that are set.
        found: &'static str,
    },
    /// A value is out of its range.
    #[error("cannot use the setting `{key}`: expected {expected}, found `{found}`")]
    Value {
        /// Key in the file.
        key: &'static str,
        /// Range.
        expected: String,
        /// Value that is set.
        found: String,
    },
    /// A waiver that cannot be used.
    #[error("cannot use the setting `{key}`: expected {expected}, found `{found}`")]
    Waiver {
        /// Key in the file.
        key: String,
        /// Range.
        expected: String,
        /// Value that is set.
        found: String,
    },
    /// A path that no settings file could hold.
    #[error("cannot write the settings as YAML: {problem}")]
    Write {
        /// Problem.
        problem: String,
    },
    /// Lifetimes or names of `selfManaged` that do not fit together.
    #[error("cannot use the settings `selfManaged`")]
    SelfManaged(#[from] RotationConfigError),
    /// One of the two settings that it takes to know a client.
    #[error("expected the settings `clients.ca` and `clients.subjects` together, found `{found}`")]
    Clients {
        /// The one that is set.
        found: &'static str,
    },
}
