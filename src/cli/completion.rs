//! `completion` and `man`: scripts for shells, and manual pages.
//!
//! The script of a shell asks the program itself, so that codes of rules and names of clusters complete.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use clap::{CommandFactory as _, ValueEnum};
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{Bash, CompleteEnv, EnvCompleter, Fish, Powershell, Zsh};

use super::{Cli, ExitStatus, Failure, program, text};
use crate::inventory::Kind;
use crate::sources::files;

/// The variable that a shell sets when it asks for completions.
const VARIABLE: &str = "COMPLETE";

/// A shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// Bash.
    Bash,
    /// Zsh.
    Zsh,
    /// Fish.
    Fish,
    /// PowerShell.
    Powershell,
}

/// Arguments of `completion`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Folder to write to; it is created
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

/// Answers a shell that asks for completions, and ends the process then.
pub(super) fn answer_shell() {
    CompleteEnv::with_factory(Cli::command).complete();
}

/// Prints the script of a shell.
pub(crate) fn run(args: &Args) -> Result<ExitStatus, Failure> {
    let shell: &dyn EnvCompleter = match args.shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
        Shell::Powershell => &Powershell,
    };
    let name = program();
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, &name, &name, &name, &mut script)?;
    text::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitStatus::Fine)
}

/// Writes a page for the program and for each command.
pub(crate) fn man(args: &ManArgs) -> Result<ExitStatus, Failure> {
    fs::create_dir_all(&args.folder)?;
    let mut program = Cli::command();
    program.build();
    write(&program, &args.folder)?;
    Ok(ExitStatus::Fine)
}

fn write(command: &clap::Command, folder: &Path) -> io::Result<()> {
    let man = clap_mangen::Man::new(command.clone());
    let mut page = Vec::new();
    man.render(&mut page)?;
    fs::write(folder.join(man.get_filename()), page)?;
    let shown = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    for command in shown.filter(|command| command.get_name() != "help") {
        write(command, folder)?;
    }
    Ok(())
}

/// The OpenBaoClusters of the inventory that stands on the line, or in its variable.
pub(crate) fn clusters(begun: &OsStr) -> Vec<CompletionCandidate> {
    let begun = begun.to_string_lossy();
    let names = inventory().and_then(|path| files::load(&path).ok());
    let names = names.map(|facts| facts.references(Kind::OpenBaoCluster));
    let names = names.into_iter().flatten();
    let names = names.map(|cluster| format!("{}/{}", cluster.namespace, cluster.name));
    names
        .filter(|name| name.starts_with(&*begun))
        .map(CompletionCandidate::new)
        .collect()
}

fn inventory() -> Option<PathBuf> {
    let mut line = env::args_os();
    let mut typed = None;
    while let Some(word) = line.next() {
        let text = word.to_string_lossy();
        if text == "--inventory" {
            typed = line.next();
        } else if let Some(path) = text.strip_prefix("--inventory=") {
            typed = Some(OsString::from(path));
        }
    }
    typed
        .or_else(|| env::var_os("OBP_INVENTORY"))
        .map(PathBuf::from)
}
