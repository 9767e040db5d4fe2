//! Settings of flags and variables, with the source of each.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::{Flags, ServerConfig, SettingsError, SettingsFile};

/// Source of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag, with its name.
    Flag(String),
    /// An environment variable, with its name.
    Environment(String),
    /// The settings file.
    File(PathBuf),
    /// The default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "flag {name}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            // One line, whatever the name is.
            Self::File(path) => write!(f, "file {}", path.display().to_string().escape_debug()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Flags as they were given, by a flag or by its variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given<F> {
    /// The flags.
    pub(crate) flags: F,
    /// The flag or variable, by the clap id of the argument.
    typed: BTreeMap<String, Origin>,
}

impl<F: Flags> Given<F> {
    /// The settings of flags, variables, the file of `--config` and defaults.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn read(&self) -> Result<ServerConfig, SettingsError> {
        Ok(self.with(self.file()?.as_ref()))
    }

    /// The settings of flags and variables, completed from a file.
    pub fn with(&self, file: Option<&SettingsFile>) -> ServerConfig {
        let mut config = file.map_or_else(ServerConfig::default, |file| file.config.clone());
        self.flags.apply(&mut config);
        config
    }

    /// The file of `--config`.
    ///
    /// # Errors
    /// The file cannot be used.
    pub(crate) fn file(&self) -> Result<Option<SettingsFile>, SettingsError> {
        self.flags.config().map(SettingsFile::read).transpose()
    }

    /// Source of the value of a key.
    pub(crate) fn origin(&self, key: &str, file: Option<&SettingsFile>) -> Origin {
        if let Some(origin) = self.typed.get(&argument(key)) {
            return origin.clone();
        }
        let source = file.and_then(|file| file.source(key));
        source.map_or(Origin::Default, |path| Origin::File(path.to_owned()))
    }
}

/// The clap id of the argument of a key: the same words in snake case.
pub(super) fn argument(key: &str) -> String {
    let mut snake = String::new();
    for letter in key.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// The arguments that were typed, or stand in the environment.
fn typed<F: Args>(matches: &ArgMatches) -> BTreeMap<String, Origin> {
    let command = F::augment_args(Command::new("settings"));
    let arguments = command.get_arguments().filter_map(|argument| {
        let id = argument.get_id().as_str();
        let origin = match matches.value_source(id)? {
            ValueSource::CommandLine => Origin::Flag(format!("--{}", argument.get_long()?)),
            ValueSource::EnvVariable => {
                Origin::Environment(argument.get_env()?.to_string_lossy().into_owned())
            }
            _ => return None,
        };
        Some((id.to_owned(), origin))
    });
    arguments.collect()
}

impl<F: Args> Args for Given<F> {
    fn augment_args(command: Command) -> Command {
        F::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        F::augment_args_for_update(command)
    }
}

impl<F: Args> FromArgMatches for Given<F> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Self::from_arg_matches_mut(&mut matches.clone())
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
        // Before the values are taken out.
        let typed = typed::<F>(matches);
        let flags = F::from_arg_matches_mut(matches)?;
        Ok(Self { flags, typed })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.flags.update_from_arg_matches(matches)?;
        self.typed.extend(typed::<F>(matches));
        Ok(())
    }
}
