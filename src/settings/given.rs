//! The settings as they are given, with where each comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::{Settings, SettingsError, SettingsFile};

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag, with its name.
    Flag(String),
    /// An environment variable, with its name.
    Environment(String),
    /// The settings file.
    File(PathBuf),
    /// Nobody set it.
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

/// The settings of flags and environment. Typed they are the flags of [`Settings`], and know which
/// of the two each was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// What is set.
    pub settings: Settings,
    /// The flag or variable, by the clap id of the argument.
    typed: BTreeMap<String, Origin>,
}

impl Given {
    /// These settings, completed from a file.
    pub fn with(&self, file: Option<&SettingsFile>) -> Settings {
        let settings = self.settings.clone();
        match file {
            Some(file) => settings.or(file.settings.clone()),
            None => settings,
        }
    }

    /// The file that these settings name.
    pub fn file(&self) -> Result<Option<SettingsFile>, SettingsError> {
        self.settings.file()
    }

    /// Where the value of a key comes from.
    pub fn origin(&self, key: &str, file: Option<&SettingsFile>) -> Origin {
        let typed = argument(key).and_then(|id| self.typed.get(&id));
        match (typed, file) {
            (Some(origin), _) => origin.clone(),
            (None, Some(file)) if file.sets(key) => Origin::File(file.path.clone()),
            (None, _) => Origin::Default,
        }
    }
}

/// The argument of a key.
pub(super) fn argument(key: &str) -> Option<String> {
    match key.split_once('.') {
        None => Some(snake(key)),
        Some(("cluster" | "limits", key)) => Some(snake(key)),
        Some(("review", key)) => match key.split_once('.') {
            None => Some(snake(key)),
            Some(("widths", key)) => Some(format!("width_{}", snake(key))),
            Some(("caps", key)) => Some(format!("cap_{}", snake(key))),
            Some(_) => None,
        },
        Some(("selfManaged", "names")) => Some("self_managed_name".to_owned()),
        Some(("selfManaged", key)) => Some(format!("self_managed_{}", snake(key))),
        Some(("clients", "subjects")) => Some("client_subject".to_owned()),
        Some(("clients", key)) => Some(format!("client_{}", snake(key))),
        Some(_) => None,
    }
}

fn snake(camel: &str) -> String {
    let mut snake = String::new();
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// Which of the arguments were typed, or stand in the environment.
fn typed(matches: &ArgMatches) -> BTreeMap<String, Origin> {
    let command = Settings::augment_args(Command::new("settings"));
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

impl Args for Given {
    fn augment_args(command: Command) -> Command {
        Settings::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Settings::augment_args_for_update(command)
    }
}

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Self::from_arg_matches_mut(&mut matches.clone())
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
        // Before the values are taken out.
        let typed = typed(matches);
        let settings = Settings::from_arg_matches_mut(matches)?;
        Ok(Self { settings, typed })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.settings.update_from_arg_matches(matches)?;
        self.typed.extend(typed(matches));
        Ok(())
    }
}
