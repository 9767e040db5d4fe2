//! `check`: manifests reviewed by the same engine as admission, for CI.

mod connectivity;
mod edit;
mod fix;
mod github;
pub(super) mod input;
mod joined;
mod junit;
mod markdown;
pub(super) mod notes;
mod report;
mod revision;
mod sarif;
mod text;
mod unchecked;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::input::InputArgs;
use super::output::{Format, Output, OutputArgs};
use super::project::Project;
use super::text::without_commands;
use super::today::DateArg;
use super::{ExitStatus, Failure, print_config, tell};
use crate::config::{BaselineChoice, ReviewConfig};
use crate::inventory::{Change, Object, ObjectRef, Snapshot};
use crate::review::connectivity::connectivity as connectivity_between;
use crate::review::offline::{self, Missing, Objects, ReviewedObject};
use crate::review::{CompiledSnapshot, Writer};
use crate::settings::{Given, ReviewFlags, ServerConfig};
use crate::sources::files::{Manifests, STDIN};
use connectivity::Diff;
use fix::{FixError, Fixed, ReviewedSet, Texts};
use input::{Before, CheckInput, Seen};
use notes::Input;
use report::Report;

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

    /// Edits of the files.
    #[command(flatten)]
    pub edits: FixArgs,

    /// Username that writes the manifests
    #[arg(long = "as", value_name = "USER", default_value = "")]
    pub user: String,

    /// Group of that user; repeatable. Only `system:masters` has an effect, during maintenance
    #[arg(long = "as-group", value_name = "GROUP")]
    pub groups: Vec<String>,

    /// Outputs, and what fails the run.
    #[command(flatten)]
    pub output: OutputArgs,

    /// The day.
    #[command(flatten)]
    pub(crate) date: DateArg,

    /// Print the effective settings, each with its source, and exit
    #[arg(long)]
    pub print_config: bool,

    /// Flags that set something.
    #[command(flatten)]
    pub settings: Given<ReviewFlags>,
}

/// Arguments about edits of the files.
#[derive(Debug, clap::Args)]
pub struct FixArgs {
    /// Edit the NetworkPolicies in the files: the best remedy of each denial that only narrows a policy
    #[arg(long, conflicts_with = "live")]
    pub fix: bool,

    /// Print the edits of `--fix` as a unified diff, and write nothing
    #[arg(long, conflicts_with = "live")]
    pub diff: bool,
}

/// Reviews the manifests and prints what was found.
pub(crate) fn run(args: &Args) -> Result<ExitStatus, Failure> {
    let project = Project::find()?;
    let file = project.settings(&args.settings)?;
    let settings = args.settings.with(file.as_ref());
    if args.print_config {
        print_config::print(&args.settings, file.as_ref())?;
        settings.review_config()?;
        return Ok(ExitStatus::Fine);
    }
    let is_live = args.input.source.live;
    let source = &args.input.source;
    let baseline = || source.baseline(&args.settings, file.as_ref(), is_live);
    check(args, &project, &settings, baseline)
}

fn check(
    args: &Args,
    project: &Project,
    settings: &ServerConfig,
    baseline: impl FnOnce() -> BaselineChoice,
) -> Result<ExitStatus, Failure> {
    let outputs = args.output.outputs(args.edits.diff)?;
    let source = &args.input.source;
    let config = settings.review_config_on(args.date.date())?;
    let beside = settings.inventory.as_ref();
    let beside = beside.map(|inventory| source.inventory(inventory, project));
    let (mut completeness, beside) = beside.transpose()?.unwrap_or_default();
    let before = args.before.as_ref();
    let before = before.map(|before| Before::read(before, args, project));
    let before = before.transpose()?;
    let mut input = CheckInput::read(&args.input, project)?;
    let is_text = |output: &Output| output.format == Format::Text;
    if input.is_nothing() && outputs.iter().all(is_text) {
        return Ok(ExitStatus::CouldNotRun);
    }
    completeness.append(&mut input.completeness);
    let baseline = baseline();
    let config = Arc::new(ReviewConfig {
        baseline: baseline.baseline,
        ..config
    });
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
        before,
    };
    let fixed = fixed(args, project, &run, &mut input)?;
    let has_errors = !input.unreadable.is_empty();
    let wants_edits = outputs.iter().any(|output| output.format == Format::Sarif);
    let mut report = run.report(input, &defaulted, args.output.explain, wants_edits);
    report.fixed = fixed;
    report.baseline = baseline.baseline.as_str();
    report.baseline_reason = baseline.reason.to_string();
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

/// The edits of `--fix`, after which the manifests are reviewed. Those of `--diff` are printed, and nothing changes.
fn fixed(
    args: &Args,
    project: &Project,
    run: &Run,
    input: &mut CheckInput,
) -> Result<Vec<Fixed>, Failure> {
    let FixArgs { fix, diff } = args.edits;
    if !fix && !diff {
        return Ok(Vec::new());
    }
    let is_written = !diff;
    if is_written && input.paths.iter().any(|path| path.as_os_str() == STDIN) {
        return Err(FixError::Stdin.into());
    }
    let options = args.input.source.options(project)?;
    let review = |manifests: &Manifests| run.review_sets(manifests);
    let manifests = input.manifests.clone();
    let outcome = fix::fix(manifests, Texts::new(is_written), &options, &review);
    if is_written {
        outcome.texts.write()?;
        input.manifests = outcome.manifests;
        input.notes.extend(outcome.notes);
        return Ok(outcome.fixed);
    }
    for note in outcome.notes {
        tell("note", &note);
    }
    super::text::print_patch(&outcome.texts.diff())?;
    Ok(Vec::new())
}

/// Everything that is the same for all object sets.
pub(super) struct Run {
    pub(super) config: Arc<ReviewConfig>,
    /// Facts of the inventory.
    pub(super) snapshot: Snapshot,
    pub(super) is_dump: bool,
    pub(super) writer: Writer,
    pub(super) before: Option<Before>,
}

impl Run {
    /// The report about all object sets of the manifests.
    fn report(
        &self,
        check_input: CheckInput,
        defaulted: &[ObjectRef],
        is_explained: bool,
        wants_edits: bool,
    ) -> Report {
        let (sets, more) = check_input.manifests.into_object_sets();
        let mut seen = Seen::default();
        let mut reports = Vec::new();
        let mut differs = self.before.is_none();
        let has_reviewed = sets.iter().any(Manifests::has_reviewed_kinds);
        for (number, after) in sets.iter().enumerate() {
            let before = self.before.as_ref().map(|before| before.matching(after));
            let input = Input {
                paths: &check_input.paths,
                dump: self.is_dump,
                defaulted: defaulted.to_vec(),
                before: before.as_deref(),
                after,
                is_reported: number > 0 || has_reviewed && !after.has_reviewed_kinds(),
            };
            let (compiled, mut reviewed, diff) = self.review_set(before.as_deref(), after);
            differs |= !reviewed.is_empty();
            if sets.len() > 1 {
                seen.retain_new(after, &mut reviewed);
            }
            let explained = if is_explained {
                offline::explain(&compiled, &objects(after))
            } else {
                Vec::new()
            };
            let report = Report::new(&compiled, &reviewed, &explained, &input, diff);
            reports.push(if wants_edits {
                report.with_edits(&reviewed, &input)
            } else {
                report
            });
        }
        let mut report = Report::joined(reports);
        let notes = check_input.notes.into_iter().chain(more);
        report.notes.splice(0..0, notes);
        if !differs && !report.is_of_other_kinds {
            let note = "nothing was checked, since nothing differs from --before";
            report.notes.push(note.to_owned());
        }
        let before = self.before.iter().flat_map(|before| &before.notes);
        report.notes.extend(before.cloned());
        report.unreadable = check_input.unreadable;
        report
    }

    /// The object sets of manifests with their verdicts.
    fn review_sets(&self, manifests: &Manifests) -> Vec<ReviewedSet> {
        let sets = manifests.clone().into_object_sets().0.into_iter();
        let reviewed_sets = sets.map(|manifests| {
            let before = self.before.as_ref();
            let before = before.map(|before| before.matching(&manifests));
            let (compiled, reviewed, _) = self.review_set(before.as_deref(), &manifests);
            ReviewedSet {
                manifests,
                compiled,
                reviewed,
            }
        });
        reviewed_sets.collect()
    }

    /// A final state and the verdicts on its objects.
    pub(super) fn review_state(
        &self,
        state: &Manifests,
    ) -> (CompiledSnapshot, Vec<ReviewedObject>) {
        let (compiled, reviewed, _) = self.review_set(None, state);
        (compiled, reviewed)
    }

    /// An object set, the verdicts on its objects, and the connections that differ from the set before.
    fn review_set(
        &self,
        before: Option<&Manifests>,
        after: &Manifests,
    ) -> (CompiledSnapshot, Vec<ReviewedObject>, Option<Diff>) {
        let mut snapshot = self.snapshot.clone();
        if let Some(before) = before {
            let gone = before.objects.iter();
            let gone = gone.map(|located| Change::Remove(located.object.reference()));
            snapshot = snapshot.apply(gone);
        }
        let with = |objects: &mut dyn Iterator<Item = &Object>| {
            let changes = objects.map(|object| Change::Set(object.clone()));
            let snapshot = Arc::new(snapshot.apply(changes));
            let compiled = CompiledSnapshot::compile(None, snapshot, self.config.clone());
            if self.is_dump {
                compiled.as_stored()
            } else {
                compiled
            }
        };
        let all = || after.objects.iter().map(|located| &located.object);
        let compiled = with(&mut all());
        let diff = before.map(|before| {
            let old = with(&mut before.objects.iter().map(|located| &located.object));
            Diff::new(&connectivity_between(&old, &compiled))
        });
        let reviewed = match before {
            None => {
                let is_policy = |object: &&Object| {
                    matches!(object, Object::Policy(_) | Object::OtherPolicy(..))
                };
                let mut others = all().filter(|object| !is_policy(object));
                let beside = with(&mut others);
                let missing = if self.is_dump {
                    Missing::Absent
                } else {
                    Missing::Rendered
                };
                offline::final_state(&compiled, &beside, &self.writer, &objects(after), missing)
            }
            Some(before) => offline::edit_between(
                &compiled,
                &self.writer,
                &objects(before),
                &objects(after),
                &respecified(before, after),
            ),
        };
        (compiled, reviewed, diff)
    }
}

/// The report in a format.
fn written(report: &Report, format: Format, args: &OutputArgs) -> Result<String, Failure> {
    Ok(match format {
        Format::Text if args.is_quiet() => without_commands(&text::quiet(report, args)),
        Format::Text => without_commands(&text::of(report, args.explain)),
        Format::Json => report.json()?,
        Format::Sarif => sarif::of(report)?,
        Format::Junit => junit::of(report, args)?,
        Format::Github => github::of(report),
        Format::Markdown => markdown::of(report),
    })
}

/// The objects of manifests.
pub(super) fn objects(manifests: &Manifests) -> Objects {
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
