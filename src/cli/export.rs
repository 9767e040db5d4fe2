//! `export`: objects for a cluster, made from the settings.

use clap::Subcommand;
use serde::Serialize;
use serde_json::Value;

use super::input::SourceArgs;
use super::project::Project;
use super::text::print;
use super::today::today;
use super::{ExitStatus, Failure, print_config};
use crate::identity::IdentityGuard;
use crate::net::Net;
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
    /// Print a ValidatingAdmissionPolicy that denies the widest policies where the webhook is not called, and its binding
    Net(NetArgs),
    /// Print the webhook configurations
    Registrations(SettingsArgs),
}

/// Arguments of `export net`.
#[derive(Debug, clap::Args)]
pub struct NetArgs {
    /// Manifests or cluster that are read.
    #[command(flatten)]
    pub(crate) source: SourceArgs,

    /// Flags that set something.
    #[command(flatten)]
    pub settings: Given<ReviewFlags>,
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

/// Lines before the objects of the net.
const NET_HEADER: &str = "\
# Net under the webhook: denies the policies that open an OpenBaoCluster most, also where the webhook is not called.
# Printed by `openbao-perimeter export net`. Do not edit: print it again when clusters or settings change.
#
# To disable it: kubectl delete validatingadmissionpolicybinding openbao-perimeter-net
";

/// Error of a net without a cluster.
#[derive(Debug, thiserror::Error)]
#[error("expected an OpenBaoCluster for which the webhook denies open policies, found none{0}")]
struct NothingCovered(String);

/// Prints the objects.
pub(crate) fn run(args: &Args) -> Result<ExitStatus, Failure> {
    let given = match &args.command {
        Exported::Identity(given) | Exported::Registrations(given) => given,
        Exported::Net(args) => return net(args),
    };
    let file = given.settings.file()?;
    let settings = given.settings.with(file.as_ref());
    if given.print_config {
        print_config::print(&given.settings, file.as_ref())?;
    }
    let config = settings.review_config()?;
    let text = if matches!(args.command, Exported::Registrations(_)) {
        documents(&rendered(&config)?)?
    } else {
        let guard = IdentityGuard::of(&config);
        yaml(HEADER, &guard.policy(), guard.binding().as_ref())?
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

/// Prints the net.
fn net(args: &NetArgs) -> Result<ExitStatus, Failure> {
    let project = Project::find()?;
    let compiled = args.source.compiled(&args.settings, &project, today())?;
    super::tell("note", &compiled.baseline.to_string());
    let net = Net::of(&compiled.facts);
    let left_out: Vec<String> = net.left_out.iter().map(ToString::to_string).collect();
    if net.is_empty() {
        let found = left_out.first().map(|first| format!("; {first} is not"));
        return Err(NothingCovered(found.unwrap_or_default()).into());
    }
    for cluster in left_out {
        super::tell(
            "note",
            &format!(
                "{cluster} is not covered in both directions: the webhook may allow such policies there, by a setting, a \
                 waiver or a declaration"
            ),
        );
    }
    print(&yaml(NET_HEADER, &net.policy(), Some(&net.binding()))?)?;
    Ok(ExitStatus::Fine)
}

/// A policy and its binding as YAML, a document each.
fn yaml(
    header: &str,
    policy: &impl Serialize,
    binding: Option<&impl Serialize>,
) -> Result<String, serde_saphyr::ser::Error> {
    let policy = serde_saphyr::to_string(policy)?;
    let mut text = format!("{header}{policy}");
    if let Some(binding) = binding {
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(binding)?);
    }
    Ok(text)
}
