//! `suggest`: declarations and waivers after which `check` denies nothing, as YAML to review.
//!
//! The result is applied to the input as it is printed, and everything is reviewed again. What still stands is said.

mod patch;
mod trial;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clap::ValueEnum;
use k8s_openapi::jiff::ToSpan as _;
use k8s_openapi::jiff::civil::Date;

use super::check::Run;
use super::check::input::CheckInput;
use super::check::notes::Input;
use super::input::InputArgs;
use super::project::Project;
use super::text::print_patch;
use super::today::DateArg;
use super::{ExitStatus, Failure, tell};
use crate::config::waiver::MAX_WAIVERS;
use crate::config::{Waiver, date};
use crate::inventory::ObjectRef;
use crate::review::Writer;
use crate::review::suggest::{add_waiver, stands, waiver};
use crate::rules::{Finding, FindingKey, Level};
use crate::settings::{Given, ReviewFlags, ServerConfig};
use crate::sources::files::Manifests;
use trial::{Documents, Trial};
use written::{Left, Suggested, SuggestedPatch, SuggestedWaiver};

/// Days until the waivers end, unless the settings permit fewer.
const DAYS: u16 = 90;

/// Arguments of `suggest`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Manifests or cluster that are read.
    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// PATH is a complete dump of a cluster, as for `check`
    #[arg(long)]
    pub dump: bool,

    /// Part of the result that is printed
    #[arg(short, long, value_name = "PART", value_enum, default_value_t)]
    pub(crate) output: Part,

    /// Findings to suggest something for: those that deny, or those that deny or warn
    #[arg(long = "for", value_name = "LEVEL", value_enum, default_value_t)]
    pub(crate) level: Standing,

    /// Last day of the waivers, such as 2027-03-31 [default: 90 days ahead]
    #[arg(long, value_name = "DATE", value_parser = date::parse)]
    pub(crate) until: Option<Date>,

    /// The day.
    #[command(flatten)]
    pub(crate) date: DateArg,

    /// Flags that set something.
    #[command(flatten)]
    pub settings: Given<ReviewFlags>,
}

/// Uses of the output, and the exit status.
const AFTER: &str = "\
A declaration permits exactly what a policy opens. What is too wide to be declared, or cannot be, gets a waiver.

  suggest --live > review.yaml      patches and waivers with comments, to review
  suggest --live -o patch           the patches, each for
      kubectl patch openbaocluster NAME -n NAMESPACE --type merge --patch-file FILE
  suggest --live -o waivers         the entries for review.waivers in the settings

Exit status: 0 if nothing stands after the suggestions, 1 if something is left, 2 if it could not run.";

/// Part of the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Patches and waivers.
    #[default]
    All,
    /// Patches of OpenBaoClusters, for kubectl.
    Patch,
    /// Waivers, for the settings.
    Waivers,
}

/// Findings for which something is suggested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Standing {
    /// Those that deny.
    #[default]
    Deny,
    /// Those that deny or warn.
    Warn,
}

impl Standing {
    const fn level(self) -> Level {
        match self {
            Self::Deny => Level::Deny,
            Self::Warn => Level::Warn,
        }
    }
}

/// Error of a last day that no waiver can have.
#[derive(Debug, thiserror::Error)]
#[error("--until: expected a day from {today} to {latest} (`review.maxWaiverDays`), found {found}")]
struct NoLastDay {
    today: Date,
    latest: Date,
    found: Date,
}

/// Prints the suggestions.
pub(crate) fn run(args: &Args) -> Result<ExitStatus, Failure> {
    let project = Project::find()?;
    let file = project.settings(&args.settings)?;
    let mut settings = args.settings.with(file.as_ref());
    let today = args.date.date();
    let until = last_day(args.until, settings.review.max_waiver_days, today)?;
    let source = &args.input.source;
    let choice = source.baseline(&args.settings, file.as_ref(), source.live);
    settings.baseline = choice.baseline.into();
    let config = Arc::new(settings.review_config_on(today)?);
    let beside = settings.inventory.as_ref();
    let beside = beside.map(|inventory| source.inventory(inventory, &project));
    let (mut completeness, beside) = beside.transpose()?.unwrap_or_default();
    let mut input = CheckInput::read(&args.input, &project)?;
    if input.is_nothing() {
        return Ok(ExitStatus::CouldNotRun);
    }
    completeness.append(&mut input.completeness);
    let inventory = Inventory {
        clusters: clusters(&beside),
        defaulted: beside.defaulted.clone(),
    };
    let run = Run {
        config,
        snapshot: beside.into_snapshot().apply(completeness),
        is_dump: args.dump || source.live,
        writer: Writer::default(),
        before: None,
    };
    let is_unreadable = !input.unreadable.is_empty();
    let suggested = Suggested {
        baseline: choice.to_string(),
        ..suggest(args, input, &inventory, &run, &settings, until)?
    };
    print_patch(&suggested.text(args.output))?;
    for line in suggested.lines(args.output) {
        tell("note", &line);
    }
    for left in &suggested.left {
        tell("left", &left.to_string());
    }
    Ok(if is_unreadable {
        ExitStatus::CouldNotRun
    } else if suggested.left.is_empty() {
        ExitStatus::Fine
    } else {
        ExitStatus::Denied
    })
}

/// The last day of the waivers.
fn last_day(given: Option<Date>, most: u16, today: Date) -> Result<Date, NoLastDay> {
    let in_days = |days: u16| today.saturating_add(i32::from(days).days());
    let latest = in_days(most);
    match given {
        None => Ok(in_days(DAYS.min(most))),
        Some(day) if (today..=latest).contains(&day) => Ok(day),
        Some(found) => Err(NoLastDay {
            today,
            latest,
            found,
        }),
    }
}

/// The inventory beside the input.
struct Inventory {
    clusters: Documents,
    defaulted: Vec<ObjectRef>,
}

fn clusters(manifests: &Manifests) -> Documents {
    let objects = manifests.objects.iter();
    let written = objects.filter_map(|located| {
        let document = located.document.as_ref()?;
        Some((located.object.reference(), Arc::clone(document)))
    });
    written.collect()
}

/// The suggestions for all object sets, after which they were reviewed again.
fn suggest(
    args: &Args,
    input: CheckInput,
    inventory: &Inventory,
    run: &Run,
    settings: &ServerConfig,
    until: Date,
) -> Result<Suggested, Failure> {
    let level = args.level.level();
    let (sets, more) = input.manifests.into_object_sets();
    let has_reviewed = sets.iter().any(Manifests::has_reviewed_kinds);
    let mut suggested = Suggested {
        notes: input.notes.into_iter().chain(more).collect(),
        is_live: args.input.source.live,
        ..Suggested::default()
    };
    let mut trials = Vec::new();
    for (number, set) in sets.iter().enumerate() {
        let mut trial = Trial::new(run, set, &inventory.clusters, level);
        let notes = Input {
            paths: &input.paths,
            dump: run.is_dump,
            defaulted: inventory.defaulted.clone(),
            before: None,
            after: set,
            is_reported: number > 0 || has_reviewed && !set.has_reviewed_kinds(),
        };
        suggested.notes.extend(notes.notes());
        let omissions = notes.omissions(trial.state.compiled(), &trial.state.reviewed);
        let omissions = omissions.into_iter();
        suggested.notes.extend(omissions.map(|omission| {
            let row = omission.row.map(|row| format!("row `{row}` of "));
            let row = row.unwrap_or_default();
            format!("not checked: {row}{}: {}", omission.object, omission.reason)
        }));
        suggested
            .standing
            .extend(trial.state.standing.iter().cloned());
        suggested.objects += trial.state.reviewed.len();
        trial.declare();
        if trial.is_over() {
            suggested.notes.push(
                "stopped after many reviews; run it again with the patches applied to declare more"
                    .to_owned(),
            );
        }
        suggested.add_patches(&trial, set);
        trials.push(trial);
    }
    let mut reasons = BTreeMap::new();
    let free = MAX_WAIVERS.saturating_sub(settings.review.waivers.len());
    for trial in &trials {
        for finding in standing(&trial.state.reviewed, level) {
            match waiver(finding, until) {
                Ok(waiver) => suggested.add_waiver(waiver, finding, free, &mut reasons),
                Err(reason) => drop(reasons.insert(finding.key(), reason.to_string())),
            }
        }
    }
    // The same as with the waivers in the settings file.
    let mut waived = settings.clone();
    let waivers = suggested.waivers.iter().map(|own| own.waiver.clone());
    waived.review.waivers.extend(waivers.map(Arc::new));
    let run = Run {
        config: Arc::new(waived.review_config_on(args.date.date())?),
        snapshot: run.snapshot.clone(),
        is_dump: run.is_dump,
        writer: run.writer.clone(),
        before: None,
    };
    for trial in &trials {
        for finding in standing(&trial.replay(&run), level) {
            let reason = reasons.get(&finding.key()).cloned();
            let reason =
                reason.unwrap_or_else(|| "it still stands after the suggestions".to_owned());
            suggested.left.insert(Left::new(finding, reason));
        }
    }
    Ok(suggested)
}

fn standing(
    reviewed: &[crate::review::offline::ReviewedObject],
    level: Level,
) -> impl Iterator<Item = &Finding> {
    let findings = reviewed
        .iter()
        .flat_map(|reviewed| &reviewed.verdict.findings);
    findings.filter(move |finding| stands(finding, level))
}

impl Suggested {
    /// Adds the patches of a set. Sets may have the same.
    fn add_patches(&mut self, trial: &Trial<'_>, set: &Manifests) {
        let origins = trial::origins(set);
        for (cluster, patch) in trial.patches() {
            let own = trial.entries.iter();
            let own = own.filter(|entry| entry.cluster == cluster);
            let entries = own.zip(&patch.places).map(|(entry, place)| {
                let ends: BTreeSet<String> = entry.ends.iter().map(named).collect();
                let ends: Vec<String> = ends.into_iter().collect();
                format!("{place}: {}", ends.join("; "))
            });
            let patch = SuggestedPatch {
                origin: origins.get(&cluster).cloned(),
                entries: entries.collect(),
                value: patch.value,
                cluster,
            };
            let mut known = self.patches.iter();
            if !known.any(|known| known.cluster == patch.cluster && known.value == patch.value) {
                self.patches.push(patch);
            }
        }
    }

    /// Adds a waiver, or the reason for which there is none.
    fn add_waiver(
        &mut self,
        waiver: Waiver,
        finding: &Finding,
        free: usize,
        reasons: &mut BTreeMap<FindingKey, String>,
    ) {
        let mut all: Vec<Waiver> = self.waivers.iter().map(|own| own.waiver.clone()).collect();
        add_waiver(&mut all, waiver);
        if all.len() > free {
            let reason = format!("the settings can have at most {MAX_WAIVERS} waivers");
            reasons.insert(finding.key(), reason);
            return;
        }
        let mut all = all.into_iter();
        for (own, waiver) in self.waivers.iter_mut().zip(&mut all) {
            own.waiver = waiver;
        }
        let new = all.map(|waiver| SuggestedWaiver::new(waiver, finding));
        self.waivers.extend(new);
    }
}

/// Object, path and code of a finding.
fn named((code, object, _, path): &FindingKey) -> String {
    let separator = if path.is_empty() { "" } else { " " };
    format!("{object}{separator}{path} ({code})")
}
