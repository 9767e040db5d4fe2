//! `check`: manifests judged by the same engine as admission, for CI.

mod connectivity;
mod fix;
mod github;
mod joined;
mod junit;
mod markdown;
mod not_judged;
mod notes;
mod report;
mod revision;
mod sarif;
mod text;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::input::InputArgs;
use super::output::{Format, OutputArgs};
use super::project::Project;
use super::{ExitStatus, Failure, print_config};
use crate::config::ReviewConfig;
use crate::inventory::{Change, Object, ObjectRef, Snapshot};
use crate::review::connectivity::connectivity as connectivity_between;
use crate::review::offline::{self, Judged, Missing, Objects};
use crate::review::{CompiledSnapshot, Verdict, Writer};
use crate::settings::{Given, ReviewFlags, ServerConfig};
use crate::sources::files::{Manifests, Origin};
use connectivity::Diff;
use notes::Input;
use report::Report;
use revision::Revision;

pub use report::schema;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Manifests that are read.
    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// Check the change from this file, folder or git revision to PATH instead of PATH as a final state, and print the
    /// connections that the change opens and closes
    #[arg(long, value_name = "PATH|REVISION", conflicts_with = "live")]
    pub before: Option<PathBuf>,

    /// PATH is a complete dump of a cluster: what it lacks does not exist. A missing managed policy is reported
    /// (OBP105) instead of being assumed as the operator renders it
    #[arg(long, conflicts_with = "before")]
    pub dump: bool,

    /// Username that writes the manifests
    #[arg(long = "as", value_name = "USER", default_value = "")]
    pub user: String,

    /// Group of that user; repeatable. Only `system:masters` has an effect, during maintenance
    #[arg(long = "as-group", value_name = "GROUP")]
    pub groups: Vec<String>,

    /// Outputs, and what fails the run.
    #[command(flatten)]
    pub output: OutputArgs,

    /// Print the effective settings, each with its source, and exit
    #[arg(long)]
    pub print_config: bool,

    /// Flags that set something.
    #[command(flatten)]
    pub settings: Given<ReviewFlags>,
}

/// Judges the manifests and prints what was found.
pub(crate) fn run(args: &Args) -> Result<ExitStatus, Failure> {
    let project = Project::find()?;
    let file = project.settings(&args.settings)?;
    let settings = args.settings.with(file.as_ref());
    if args.print_config {
        print_config::print(&args.settings, file.as_ref())?;
        settings.review_config()?;
        return Ok(ExitStatus::Fine);
    }
    judge(args, &project, &settings)
}

/// The manifests to judge.
struct Judging {
    /// Each set of objects that may exist together.
    worlds: Vec<Manifests>,
    notes: Vec<String>,
    /// Errors of what could not be read.
    unreadable: Vec<String>,
    /// Paths that were read.
    paths: Vec<PathBuf>,
    /// Completeness of the facts of a cluster.
    completeness: Vec<Change>,
}

impl Judging {
    fn read(args: &Args, project: &Project) -> Result<Self, Failure> {
        let source = &args.input.source;
        if source.live {
            let listed = source.cluster(source.namespace())?;
            return Ok(Self {
                worlds: vec![listed.manifests],
                notes: Vec::new(),
                unreadable: Vec::new(),
                paths: Vec::new(),
                completeness: listed.completeness,
            });
        }
        let paths = args.input.paths(project)?;
        let read = source.read(&paths, project)?;
        let mut notes = read.manifests.remarks();
        let mut unreadable: Vec<String> = read.unreadable.iter().map(ToString::to_string).collect();
        for error in read.manifests.undecoded() {
            super::tell("error", &error);
            unreadable.push(error);
        }
        let (worlds, more) = read.manifests.into_worlds();
        notes.extend(more);
        Ok(Self {
            worlds,
            notes,
            unreadable,
            paths,
            completeness: Vec::new(),
        })
    }

    /// True if nothing is left to judge beside the errors.
    fn is_nothing(&self) -> bool {
        let is_empty = |world: &Manifests| world.objects.is_empty() && world.skipped() == 0;
        !self.unreadable.is_empty() && self.worlds.iter().all(is_empty)
    }
}

fn judge(args: &Args, project: &Project, settings: &ServerConfig) -> Result<ExitStatus, Failure> {
    let outputs = args.output.outputs()?;
    let source = &args.input.source;
    let config = Arc::new(settings.review_config()?);
    let beside = settings.inventory.as_ref();
    let beside = beside.map(|inventory| source.inventory(inventory, project));
    let (mut completeness, beside) = beside.transpose()?.unwrap_or_default();
    let before = args.before.as_ref();
    let before = before.map(|before| Before::read(before, args, project));
    let before = before.transpose()?;
    let judging = Judging::read(args, project)?;
    if judging.is_nothing() {
        return Ok(ExitStatus::CouldNotRun);
    }
    completeness.extend(judging.completeness);
    let defaulted = beside.defaulted.clone();
    let run = Run {
        config,
        snapshot: beside.into_snapshot().apply(completeness),
        is_dump: args.dump || source.live,
        writer: Writer {
            name: args.user.clone(),
            groups: args.groups.clone(),
            ..Writer::default()
        },
    };
    let wants_fixes = outputs.iter().any(|output| output.format == Format::Sarif);
    let mut judged_before = Seen::default();
    let mut reports = Vec::new();
    let has_reviewed = judging.worlds.iter().any(Manifests::has_reviewed_kinds);
    for (number, after) in judging.worlds.iter().enumerate() {
        let before = before.as_ref();
        let before = before.map(|before| same_world(&before.worlds, after));
        let input = Input {
            paths: &judging.paths,
            dump: run.is_dump,
            defaulted: defaulted.clone(),
            before: before.as_deref(),
            after,
            is_told: number > 0 || has_reviewed && !after.has_reviewed_kinds(),
        };
        let (world, mut judged, diff) = run.world(before.as_deref(), after);
        if judging.worlds.len() > 1 {
            judged_before.retain_new(after, &mut judged);
        }
        let explained = if args.output.explain {
            offline::explain(&world, &objects(after))
        } else {
            Vec::new()
        };
        let report = Report::new(&world, &judged, &explained, &input, diff);
        reports.push(if wants_fixes {
            report.with_fixes(&judged, &input)
        } else {
            report
        });
    }
    let mut report = Report::joined(reports);
    report.notes.splice(0..0, judging.notes);
    report
        .notes
        .extend(before.into_iter().flat_map(|before| before.notes));
    let has_errors = !judging.unreadable.is_empty();
    report.unreadable = judging.unreadable;
    for output in outputs {
        output.write(&written(&report, output.format, &args.output)?)?;
    }
    Ok(if has_errors {
        ExitStatus::CouldNotRun
    } else if report.fails(&args.output) {
        ExitStatus::Denied
    } else {
        ExitStatus::Fine
    })
}

/// Everything that is the same for all worlds.
struct Run {
    config: Arc<ReviewConfig>,
    /// Facts of the inventory.
    snapshot: Snapshot,
    is_dump: bool,
    writer: Writer,
}

impl Run {
    /// A world, the verdicts on its objects, and the connections that differ from the world before.
    fn world(
        &self,
        before: Option<&Manifests>,
        after: &Manifests,
    ) -> (CompiledSnapshot, Vec<Judged>, Option<Diff>) {
        let mut snapshot = self.snapshot.clone();
        if let Some(before) = before {
            let gone = before.objects.iter();
            let gone = gone.map(|located| Change::Remove(located.object.reference()));
            snapshot = snapshot.apply(gone);
        }
        let with = |objects: &mut dyn Iterator<Item = &Object>| {
            let changes = objects.map(|object| Change::Set(object.clone()));
            let snapshot = Arc::new(snapshot.apply(changes));
            let world = CompiledSnapshot::compile(None, snapshot, self.config.clone());
            if self.is_dump {
                world.as_stored()
            } else {
                world
            }
        };
        let all = || after.objects.iter().map(|located| &located.object);
        let world = with(&mut all());
        let diff = before.map(|before| {
            let old = with(&mut before.objects.iter().map(|located| &located.object));
            Diff::new(&connectivity_between(&old, &world))
        });
        let judged = match before {
            None => {
                let mut others = all().filter(|object| !matches!(object, Object::Policy(_)));
                let beside = with(&mut others);
                let missing = if self.is_dump {
                    Missing::Absent
                } else {
                    Missing::Rendered
                };
                offline::final_state(&world, &beside, &self.writer, &objects(after), missing)
            }
            Some(before) => offline::edit_between(
                &world,
                &self.writer,
                &objects(before),
                &objects(after),
                &respecified(before, after),
            ),
        };
        (world, judged, diff)
    }
}

/// The state before.
struct Before {
    worlds: Vec<Manifests>,
    notes: Vec<String>,
}

impl Before {
    /// Reads a path, or the paths of the command at a git revision if there is no such path. What the
    /// revision does not have, or has in a form that cannot be read, counts as new.
    fn read(before: &Path, args: &Args, project: &Project) -> Result<Self, Failure> {
        let source = &args.input.source;
        if before == Path::new("-") || before.exists() {
            let manifests = source.read_whole(&[before.to_owned()], project)?;
            return Ok(Self {
                worlds: manifests.into_worlds().0,
                notes: Vec::new(),
            });
        }
        let paths = args.input.paths(project)?;
        let revision = Revision::read(&before.to_string_lossy(), &paths)?;
        let mut notes = revision.notes();
        let mut worlds = Vec::new();
        if !revision.paths.is_empty() {
            match source.read_silently(&revision.paths, project) {
                Ok(read) => {
                    let errors = read.unreadable.iter();
                    notes.extend(errors.map(|error| revision.unreadable(&error.to_string())));
                    let read = read.manifests.into_worlds().0.into_iter();
                    worlds = read
                        .map(|world| world.with_names(|file| revision.named(file)))
                        .collect();
                }
                Err(error) => notes.push(revision.unreadable(&error.to_string())),
            }
        }
        Ok(Self { worlds, notes })
    }
}

/// The world before that is of the same build, or else the one that is of none.
fn same_world<'a>(before: &'a [Manifests], after: &Manifests) -> Cow<'a, Manifests> {
    let of = |key: &Option<String>| before.iter().find(|world| world.key == *key);
    match (of(&after.key), before) {
        (Some(world), _) | (None, [world]) => Cow::Borrowed(world),
        (None, _) => of(&None).map_or_else(Cow::default, Cow::Borrowed),
    }
}

/// Verdicts of earlier worlds, by the place of the object.
#[derive(Default)]
struct Seen(BTreeMap<(Origin, ObjectRef), Vec<Verdict>>);

impl Seen {
    /// Leaves out verdicts that an earlier world has on the same object.
    fn retain_new(&mut self, world: &Manifests, judged: &mut Vec<Judged>) {
        let places = world.objects.iter();
        let places = places.map(|located| (located.object.reference(), located.origin.clone()));
        let places: BTreeMap<ObjectRef, Origin> = places.collect();
        judged.retain(|judged| {
            let Some(place) = places.get(&judged.object) else {
                return true;
            };
            let key = (place.clone(), judged.object.clone());
            let known = self.0.entry(key).or_default();
            let is_new = !known.contains(&judged.verdict);
            if is_new {
                known.push(judged.verdict.clone());
            }
            is_new
        });
    }
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
