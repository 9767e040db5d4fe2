//! `can`: whether connections from one end to another pass.

use std::fmt::Write as _;

use clap_complete::ArgValueCompleter;

use super::completion::clusters;
use super::input::SourceArgs;
use super::project::Project;
use super::text::{BAD, DOUBTFUL, GOOD, STRONG, print, styled, wrapped};
use super::today::today;
use super::{ExitStatus, Failure};
use crate::reach::end::{Destination, End};
use crate::reach::{Answer, Passes, SideAnswer, ask};
use crate::settings::{Given, ReviewFlags};

/// Arguments of `can`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Source
    #[arg(value_name = "FROM", add = ArgValueCompleter::new(clusters))]
    pub(crate) from: End,

    /// Destination, with a port: TO:PORT[/PROTOCOL]; every port without one
    #[arg(value_name = "TO", add = ArgValueCompleter::new(clusters))]
    pub(crate) to: Destination,

    /// Manifests or cluster that are read.
    #[command(flatten)]
    pub(crate) source: SourceArgs,

    /// Flags that set something.
    #[command(flatten)]
    pub settings: Given<ReviewFlags>,
}

/// The grammar and the exit status.
const AFTER: &str = "\
FROM and TO are one of
  NAMESPACE/LABEL=VALUE,…  pods with these labels; NAMESPACE/ for every pod there
  NAMESPACE/CLUSTER        the servers of an OpenBaoCluster
  NAMESPACE/CLUSTER/jobs   its backup and restore jobs
  10.0.0.7, [fd00::1]      an address
  -                        everyone
One of them must be OpenBao, job or operator pods. The pods need not exist.

Exit status: 0 if all connections pass, 1 if none or only some do, or if it is not certain, 2 if there is no answer.

Examples:
  can monitoring/app=prometheus bao/bao:8200
  can bao/bao 10.0.0.7:443";

/// Prints the answer.
pub(crate) fn run(args: &Args) -> Result<ExitStatus, Failure> {
    let project = Project::find()?;
    let compiled = args.source.compiled(&args.settings, &project, today())?;
    let answer = ask(&compiled.facts, &args.from, &args.to)?;
    let by = wrapped(&compiled.baseline.to_string(), "", "  ");
    print(&format!("{}{by}\n", text(&answer)))?;
    Ok(match answer.passes {
        Passes::All => ExitStatus::Fine,
        Passes::None | Passes::Only(_) | Passes::Uncertain { .. } => ExitStatus::Denied,
    })
}

fn text(answer: &Answer) -> String {
    let mut text = match &answer.passes {
        Passes::All => styled(GOOD, "yes"),
        Passes::None => styled(BAD, "no"),
        Passes::Only(parts) => {
            let line = wrapped(&format!("no: only {}", parts.join("; or ")), "", "  ");
            line.replacen("no", &styled(DOUBTFUL, "no"), 1)
        }
        Passes::Uncertain { only, perhaps } => {
            let only = match &only[..] {
                [] => String::new(),
                parts => format!("only {}, and ", parts.join("; or ")),
            };
            let line = format!("not certain: {only}perhaps {}", perhaps.join("; or "));
            let line = wrapped(&line, "", "  ");
            line.replacen("not certain", &styled(DOUBTFUL, "not certain"), 1)
        }
    };
    text.push('\n');
    for side in &answer.sides {
        of_side(&mut text, side);
    }
    for note in &answer.notes {
        let _ = writeln!(text, "{}", wrapped(note, "note: ", "  "));
    }
    text
}

fn of_side(text: &mut String, side: &SideAnswer) {
    let _ = writeln!(text, "{}", styled(STRONG, &side.title));
    for by in &side.by {
        let _ = writeln!(text, "{}", wrapped(by, "  allowed: ", "    "));
    }
    let Some(lack) = &side.lacks else { return };
    let title = if lack.is_uncertain {
        "  not certain: "
    } else {
        "  not allowed: "
    };
    let _ = writeln!(text, "{}", wrapped(&lack.example, title, "    "));
    if let Some(rule) = &lack.denied_by {
        let title = if lack.is_uncertain {
            "  perhaps denied: "
        } else {
            "  denied: "
        };
        let _ = writeln!(text, "{}", wrapped(rule, title, "    "));
    }
    if let Some(depends) = lack.depends {
        let words = format!("whether {depends}");
        let _ = writeln!(text, "{}", wrapped(&words, "  depends on: ", "    "));
    }
    if let Some(opening) = &lack.opening {
        let _ = writeln!(text, "{}", wrapped(&opening.heading, "  to do: ", "    "));
        for line in opening.yaml.lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
}
