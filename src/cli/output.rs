//! Outputs of `check`: formats and files, findings that fail the run, and what the text leaves out.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, ValueEnum};

use super::text;

/// Format of an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object (docs/reference/check.schema.json).
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit, one test case per object.
    Junit,
    /// Annotations of a GitHub workflow, the ten worst.
    Github,
    /// Markdown, for the comment of a pull request.
    Markdown,
}

/// A format, and the file that it is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) format: Format,
    /// `None` for standard output.
    pub(crate) file: Option<PathBuf>,
}

/// Format of commands that print text or JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TextOrJson {
    /// For people.
    #[default]
    Text,
    /// JSON.
    Json,
}

/// Findings that fail the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Those that deny.
    #[default]
    Deny,
    /// Those that deny or warn.
    Warn,
    /// None.
    Never,
}

/// Arguments about the outputs of `check`.
#[derive(Debug, clap::Args)]
pub struct OutputArgs {
    /// Format of the output, `text` by default; may be given several times, once without FILE
    #[arg(short, long = "output", value_name = "FORMAT[=FILE]", value_parser = Parser)]
    outputs: Vec<Output>,

    /// Findings that make the command exit with 1
    #[arg(long, value_name = "LEVEL", default_value = "deny")]
    fail_on: FailOn,

    /// Same as `--fail-on warn`, and exit with 1 if something could not be checked
    #[arg(long, conflicts_with = "fail_on")]
    strict: bool,

    /// Print only findings that make the command exit with 1
    #[arg(short, long)]
    quiet: bool,

    /// Print all remedies of a denial, and the entries of the ceiling that permit each accepted rule
    #[arg(long)]
    pub(crate) explain: bool,
}

/// Error of outputs that cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputError {
    #[error(
        "expected at most one `--output` without a file, found {0}; write `--output FORMAT=FILE`"
    )]
    Several(usize),
    #[error("expected one `--output` for each file, found several for `{}`", .0.display())]
    Shared(PathBuf),
    #[error("`--diff` prints to standard output; write `--output FORMAT=FILE`")]
    Diff,
    #[error("failed to write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl OutputArgs {
    /// The outputs, that for standard output last. It is text if all others are files, and none beside a diff.
    pub(crate) fn outputs(&self, has_diff: bool) -> Result<Vec<Output>, OutputError> {
        let (mut files, shown): (Vec<Output>, Vec<Output>) = self
            .outputs
            .iter()
            .cloned()
            .partition(|output| output.file.is_some());
        if shown.len() > 1 {
            return Err(OutputError::Several(shown.len()));
        }
        let mut known = BTreeSet::new();
        let mut paths = files.iter().filter_map(|output| output.file.as_ref());
        if let Some(twice) = paths.find(|path| !known.insert(*path)) {
            return Err(OutputError::Shared(twice.clone()));
        }
        let text = Output {
            format: Format::Text,
            file: None,
        };
        match shown.into_iter().next() {
            Some(_) if has_diff => return Err(OutputError::Diff),
            None if has_diff => {}
            shown => files.push(shown.unwrap_or(text)),
        }
        Ok(files)
    }

    /// Returns true if a finding of this level, as reports name it, fails the run.
    pub(crate) fn fails(&self, level: &str) -> bool {
        match self.fail_on {
            FailOn::Never => false,
            FailOn::Deny if !self.strict => level == "denied",
            FailOn::Deny | FailOn::Warn => level == "denied" || level == "warning",
        }
    }

    /// Returns true if objects that could not be checked fail the run.
    pub(crate) const fn is_strict(&self) -> bool {
        self.strict
    }

    /// Returns true if the text has only what fails the run.
    pub(crate) const fn is_quiet(&self) -> bool {
        self.quiet
    }
}

impl Output {
    /// Writes the text of this output, which may have styles.
    pub(crate) fn write(&self, content: &str) -> Result<(), OutputError> {
        let write =
            |path: &Path| fs::write(path, anstream::adapter::strip_str(content).to_string());
        match &self.file {
            None => text::print(content).map_err(|source| OutputError::Write {
                path: "-".into(),
                source,
            }),
            Some(path) => write(path).map_err(|source| OutputError::Write {
                path: path.clone(),
                source,
            }),
        }
    }
}

/// Parser of `FORMAT[=FILE]`. Completion knows the formats.
#[derive(Clone, Debug)]
struct Parser;

impl TypedValueParser for Parser {
    type Value = Output;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Output, clap::Error> {
        let text = value.to_string_lossy();
        let (format, file) = match text.split_once('=') {
            Some((format, file)) => (format, Some(file)),
            None => (&*text, None),
        };
        match Format::from_str(format, false) {
            Ok(format) if file != Some("") => Ok(Output {
                format,
                file: file.filter(|file| *file != "-").map(PathBuf::from),
            }),
            _ => Err(invalid(command, arg, &text)),
        }
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let all = Format::value_variants().iter();
        Some(Box::new(all.filter_map(ValueEnum::to_possible_value)))
    }
}

fn invalid(command: &Command, arg: Option<&Arg>, found: &str) -> clap::Error {
    let mut error = clap::Error::new(ErrorKind::InvalidValue).with_cmd(command);
    let shown = arg.map(ToString::to_string).unwrap_or_default();
    error.insert(ContextKind::InvalidArg, ContextValue::String(shown));
    let found = ContextValue::String(found.to_owned());
    error.insert(ContextKind::InvalidValue, found);
    let all = Format::value_variants().iter();
    let names = all.filter_map(ValueEnum::to_possible_value);
    let names = names.map(|value| value.get_name().to_owned()).collect();
    error.insert(ContextKind::ValidValue, ContextValue::Strings(names));
    error
}
