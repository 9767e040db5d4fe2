//! `check`: manifests judged by the same engine as admission, for CI.

mod github;
mod junit;
mod markdown;
mod notes;
mod report;
mod sarif;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::input::InputArgs;
use super::output::{Format, OutputArgs};
use super::{ExitStatus, Failure, print_config};
use crate::inventory::{Change, Object, ObjectRef, Snapshot};
use crate::review::offline::{self, Missing, Objects};
use crate::review::{CompiledSnapshot, Writer};
use crate::settings::{Given, ReviewFlags, ServerConfig};
use crate::sources::files::{self, Manifests};
use notes::Input;
use report::Report;

pub use report::schema;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Manifests that are read.
    #[command(flatten)]
    pub input: InputArgs,

    /// Judge the edit from the manifests of this file or folder to those of PATH, rather than PATH
    /// as a final state
    #[arg(long, value_name = "PATH")]
    pub before: Option<PathBuf>,

    /// PATH is a dump of a cluster: what it does not hold is not there. A managed policy that is missing
    /// is then found (OBP105), where it otherwise counts as the operator renders it
    #[arg(long, conflicts_with = "before")]
    pub dump: bool,

    /// Username that writes the manifests
    #[arg(long = "as", value_name = "USER", default_value = "")]
    pub user: String,

    /// Group of that user; may be given several times. Rules ask only for `system:masters`, during
    /// maintenance
    #[arg(long = "as-group", value_name = "GROUP")]
    pub groups: Vec<String>,

    /// Outputs, and what fails the run.
    #[command(flatten)]
    pub output: OutputArgs,

    /// Print the settings that would be in force, each with its source, and end
    #[arg(long)]
    pub print_config: bool,

    /// Flags that set something.
    #[command(flatten)]
    pub settings: Given<ReviewFlags>,
}

/// Judges the manifests and prints what was found.
pub(crate) fn run(args: Args) -> Result<ExitStatus, Failure> {
    let file = args.settings.file()?;
    let settings = args.settings.with(file.as_ref());
    if args.print_config {
        print_config::print(&args.settings, file.as_ref())?;
        settings.review_config()?;
        return Ok(ExitStatus::Fine);
    }
    judge(args, &settings)
}

fn judge(args: Args, settings: &ServerConfig) -> Result<ExitStatus, Failure> {
    let outputs = args.output.outputs()?;
    let paths = args.input.paths()?;
    let namespace = args.input.namespace();
    let beside = settings.inventory.as_deref();
    let beside = beside.map(|dir| files::inventory(dir, namespace));
    let beside = beside.transpose()?.unwrap_or_default();
    let after = files::objects_in(&paths, namespace)?;
    let before = args.before.as_ref();
    let before = before
        .map(|path| files::objects_in([path], namespace))
        .transpose()?;
    let input = Input {
        paths: &paths,
        dump: args.dump,
        defaulted: beside.defaulted.clone(),
        before: before.as_ref(),
        after: &after,
    };

    let mut snapshot = beside.into_snapshot();
    if let Some(before) = &before {
        let gone = before
            .objects
            .iter()
            .map(|located| Change::Remove(located.object.reference()));
        snapshot = snapshot.apply(gone);
    }
    let config = Arc::new(settings.review_config()?);
    let with = |snapshot: &Snapshot, objects: &mut dyn Iterator<Item = &Object>| {
        let changes = objects.map(|object| Change::Set(object.clone()));
        let world =
            CompiledSnapshot::compile(None, Arc::new(snapshot.apply(changes)), config.clone());
        if args.dump { world.as_stored() } else { world }
    };
    let all = || after.objects.iter().map(|located| &located.object);
    let world = with(&snapshot, &mut all());

    let writer = Writer {
        name: args.user,
        groups: args.groups,
        ..Writer::default()
    };
    let judged = match &before {
        None => {
            let mut others = all().filter(|object| !matches!(object, Object::Policy(_)));
            let beside = with(&snapshot, &mut others);
            let missing = if args.dump {
                Missing::Absent
            } else {
                Missing::Rendered
            };
            offline::final_state(&world, &beside, &writer, &objects(&after), missing)
        }
        Some(before) => offline::edit_between(
            &world,
            &writer,
            &objects(before),
            &objects(&after),
            &respecified(before, &after),
        ),
    };
    let explained = if args.output.explain {
        offline::explain(&world, &objects(&after))
    } else {
        Vec::new()
    };
    let report = Report::new(&world, &judged, &explained, &input);
    for output in outputs {
        output.write(&written(&report, output.format, &args.output)?)?;
    }
    Ok(if report.fails(&args.output) {
        ExitStatus::Denied
    } else {
        ExitStatus::Fine
    })
}

/// The report in a format.
fn written(report: &Report, format: Format, args: &OutputArgs) -> Result<String, Failure> {
    Ok(match format {
        Format::Text if args.is_quiet() => text::quiet(report, args),
        Format::Text => text::of(report, args.explain),
        Format::Json => report.json()?,
        Format::Sarif => sarif::of(report)?,
        Format::Junit => junit::of(report, args)?,
        Format::Github => github::of(report),
        Format::Markdown => markdown::of(report),
    })
}

fn objects(manifests: &Manifests) -> Objects {
    manifests
        .objects
        .iter()
        .map(|located| (located.object.reference(), located.object.clone()))
        .collect()
}

/// The objects whose specs are written differently in the two.
fn respecified(before: &Manifests, after: &Manifests) -> BTreeSet<ObjectRef> {
    let specs = |manifests: &Manifests| {
        let objects = manifests.objects.iter();
        let specs = objects.map(|located| (located.object.reference(), located.spec));
        specs.collect::<BTreeMap<_, _>>()
    };
    let (old, new) = (specs(before), specs(after));
    let differs = |(name, spec): &(ObjectRef, u64)| old.get(name).is_some_and(|old| old != spec);
    new.into_iter()
        .filter(differs)
        .map(|(name, _)| name)
        .collect()
}
