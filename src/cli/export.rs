//! `export`: objects for a cluster, made from the settings.

use clap::Subcommand;
use serde::Serialize;

use super::text::print;
use super::{ExitStatus, Failure, print_config};
use crate::identity::IdentityGuard;
use crate::settings::{Given, ReviewFlags};

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Objects to print.
    #[command(subcommand)]
    pub command: Exported,
}

/// Objects that are made from the settings.
#[derive(Debug, Subcommand)]
pub enum Exported {
    /// Print the ValidatingAdmissionPolicy that guards the labels of OpenBao pods, and its binding
    Identity(IdentityArgs),
}

/// Arguments of `export identity`.
#[derive(Debug, clap::Args)]
pub struct IdentityArgs {
    /// Print the effective settings, each with its source, and exit
    #[arg(long)]
    pub print_config: bool,

    /// Flags that set something.
    #[command(flatten)]
    pub settings: Given<ReviewFlags>,
}

/// Lines before the objects.
const HEADER: &str = "\
# Identity guard: only the operator may write the labels by which NetworkPolicies recognise OpenBao pods (OBP501, OBP502).
# Printed by `openbao-perimeter export identity`. Do not edit: change the settings, and print it again.
#
# To disable it: kubectl delete validatingadmissionpolicybinding openbao-perimeter-identity
";

/// Prints the objects.
pub(crate) fn run(args: &Args) -> Result<ExitStatus, Failure> {
    let Exported::Identity(args) = &args.command;
    let file = args.settings.file()?;
    let settings = args.settings.with(file.as_ref());
    if args.print_config {
        print_config::print(&args.settings, file.as_ref())?;
    }
    let guard = IdentityGuard::of(&settings.review_config()?);
    if !args.print_config {
        print(&yaml(&guard)?)?;
    }
    Ok(ExitStatus::Fine)
}

/// The policy and its binding as YAML, a document each.
fn yaml(guard: &IdentityGuard) -> Result<String, serde_saphyr::ser::Error> {
    fn document(object: &impl Serialize) -> Result<String, serde_saphyr::ser::Error> {
        serde_saphyr::to_string(object)
    }
    let policy = document(&guard.policy())?;
    let mut text = format!("{HEADER}{policy}");
    if let Some(binding) = guard.binding() {
        text.push_str("---\n");
        text.push_str(&document(&binding)?);
    }
    Ok(text)
}
