//! `export`: objects for a cluster, made from the settings.

use clap::Subcommand;
use serde::Serialize;
use serde_json::Value;

use super::text::print;
use super::{ExitStatus, Failure, print_config};
use crate::identity::IdentityGuard;
use crate::registration::rendered;
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
    Identity(SettingsArgs),
    /// Print the webhook configurations
    Registrations(SettingsArgs),
}

/// Arguments of each kind of objects.
#[derive(Debug, clap::Args)]
pub struct SettingsArgs {
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
    let (Exported::Identity(given) | Exported::Registrations(given)) = &args.command;
    let file = given.settings.file()?;
    let settings = given.settings.with(file.as_ref());
    if given.print_config {
        print_config::print(&given.settings, file.as_ref())?;
    }
    let config = settings.review_config()?;
    let text = match &args.command {
        Exported::Identity(_) => yaml(&IdentityGuard::of(&config))?,
        Exported::Registrations(_) => documents(&rendered(&config)?)?,
    };
    if !given.print_config {
        print(&text)?;
    }
    Ok(ExitStatus::Fine)
}

/// Objects as YAML, a document each.
fn documents(objects: &[Value]) -> Result<String, serde_saphyr::ser::Error> {
    let documents: Result<Vec<String>, _> = objects.iter().map(serde_saphyr::to_string).collect();
    Ok(documents?.join("---\n"))
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
