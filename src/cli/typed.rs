//! The command line as it was typed, and its errors.

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, CommandFactory as _, FromArgMatches as _};

use super::{Cli, PLUGIN, completion, program};

impl Cli {
    /// Parses the arguments of the process; ends it with an error if they are not understood.
    #[must_use]
    pub fn typed() -> Self {
        completion::answer_shell();
        let args: Vec<OsString> = std::env::args_os().collect();
        Self::parsed(&args).unwrap_or_else(|error| located(error, &args).exit())
    }

    /// Parses arguments. The help of a kubectl plugin names it as it is typed.
    fn parsed(args: &[OsString]) -> Result<Self, clap::Error> {
        let command = Self::command();
        let command = if program() == PLUGIN {
            command.bin_name("kubectl openbao-perimeter")
        } else {
            command
        };
        let mut matches = command.try_get_matches_from(args)?;
        Self::from_arg_matches_mut(&mut matches)
    }
}

/// clap names the flag, also where the value stands in its variable and nobody typed the flag.
fn located(mut error: clap::Error, args: &[OsString]) -> clap::Error {
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let flag = shown.split(' ').next().unwrap_or_default();
    let is_typed = args.iter().any(|arg| {
        let arg = arg.to_string_lossy();
        arg.split('=').next() == Some(flag)
    });
    if is_typed {
        return error;
    }
    if let Some(variable) = variable(&Cli::command(), flag) {
        let tip = format!("the value comes from the environment variable `{variable}`");
        let tip = ContextValue::StyledStrs(vec![StyledStr::from(tip)]);
        error.insert(ContextKind::Suggested, tip);
    }
    error
}

/// The variable of a flag, `--health-port`, where it is set.
fn variable(command: &Command, flag: &str) -> Option<String> {
    let long = flag.strip_prefix("--")?;
    let is_meant = |arg: &&Arg| arg.get_long() == Some(long);
    let here = command.get_arguments().find(is_meant);
    let here = here.and_then(|arg| arg.get_env());
    let here = here.filter(|variable| std::env::var_os(variable).is_some());
    let here = here.map(|variable| variable.to_string_lossy().into_owned());
    here.or_else(|| {
        let mut below = command.get_subcommands();
        below.find_map(|command| variable(command, flag))
    })
}
