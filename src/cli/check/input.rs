//! The manifests that `check` reviews, and the state before them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Args;
use super::revision::Revision;
use crate::cli::input::InputArgs;
use crate::cli::project::Project;
use crate::cli::{Failure, tell};
use crate::inventory::{Change, ObjectRef};
use crate::review::offline::ReviewedObject;
use crate::rules::Finding;
use crate::sources::files::{Located, Manifests, Origin};

/// The manifests to review.
pub(in crate::cli) struct CheckInput {
    pub(in crate::cli) manifests: Manifests,
    pub(in crate::cli) notes: Vec<String>,
    /// Errors of what could not be read.
    pub(in crate::cli) unreadable: Vec<String>,
    /// Paths that were read.
    pub(in crate::cli) paths: Vec<PathBuf>,
    /// Completeness of the facts of a cluster.
    pub(in crate::cli) completeness: Vec<Change>,
}

impl CheckInput {
    pub(in crate::cli) fn read(input: &InputArgs, project: &Project) -> Result<Self, Failure> {
        let source = &input.source;
        if source.live {
            let listed = source.cluster(source.namespace())?;
            return Ok(Self {
                manifests: listed.manifests,
                notes: Vec::new(),
                unreadable: Vec::new(),
                paths: Vec::new(),
                completeness: listed.completeness,
            });
        }
        let paths = input.paths(project)?;
        let read = source.read(&paths, project)?;
        let notes = read.manifests.remarks();
        let mut unreadable: Vec<String> = read.unreadable.iter().map(ToString::to_string).collect();
        for error in read.manifests.undecoded() {
            tell("error", &error);
            unreadable.push(error);
        }
        Ok(Self {
            manifests: read.manifests,
            notes,
            unreadable,
            paths,
            completeness: Vec::new(),
        })
    }

    /// True if nothing is left to review beside the errors.
    pub(in crate::cli) fn is_nothing(&self) -> bool {
        let is_empty = self.manifests.objects.is_empty() && self.manifests.skipped() == 0;
        !self.unreadable.is_empty() && is_empty
    }
}

/// The state before.
pub(in crate::cli) struct Before {
    sets: Vec<Manifests>,
    pub(in crate::cli) notes: Vec<String>,
}

impl Before {
    /// Reads a path, or the paths of the command at a git revision if there is no such path. What the
    /// revision does not have, or has in a form that cannot be read, counts as new.
    pub(in crate::cli) fn read(
        before: &Path,
        args: &Args,
        project: &Project,
    ) -> Result<Self, Failure> {
        let source = &args.input.source;
        if before == Path::new("-") || before.exists() {
            let manifests = source.read_whole(&[before.to_owned()], project)?;
            return Ok(Self {
                sets: manifests.into_object_sets().0,
                notes: Vec::new(),
            });
        }
        let paths = args.input.paths(project)?;
        let revision = Revision::read(&before.to_string_lossy(), &paths)?;
        let mut notes = revision.notes();
        let mut sets = Vec::new();
        if !revision.paths.is_empty() {
            match source.read_silently(&revision.paths, project) {
                Ok(read) => {
                    let errors = read.unreadable.iter();
                    notes.extend(errors.map(|error| revision.unreadable(&error.to_string())));
                    let read = read.manifests.into_object_sets().0.into_iter();
                    sets = read
                        .map(|set| set.with_names(|file| revision.named(file)))
                        .collect();
                }
                Err(error) => notes.push(revision.unreadable(&error.to_string())),
            }
        }
        Ok(Self { sets, notes })
    }

    /// The set that is of the same build, or else the one that is of none. An object that stood there before as it
    /// does now, in any of its versions, has that version.
    pub(in crate::cli) fn matching(&self, after: &Manifests) -> Cow<'_, Manifests> {
        let of = |key: &Option<String>| -> Vec<&Manifests> {
            let sets = self.sets.iter();
            sets.filter(|set| set.key == *key).collect()
        };
        let mut sets = of(&after.key);
        if sets.is_empty() {
            sets = match &self.sets[..] {
                [set] => vec![set],
                _ => of(&None),
            };
        }
        match &sets[..] {
            [] => Cow::default(),
            [set] => Cow::Borrowed(set),
            [first, others @ ..] => Cow::Owned(with_versions(first, others, after)),
        }
    }
}

/// The first set, with the versions of the others that are written as after the change.
fn with_versions(first: &Manifests, others: &[&Manifests], after: &Manifests) -> Manifests {
    let objects = after.objects.iter();
    let wanted: BTreeMap<ObjectRef, &Located> = objects
        .map(|located| (located.object.reference(), located))
        .collect();
    let is_wanted = |located: &Located| {
        let wanted = wanted.get(&located.object.reference());
        wanted.is_some_and(|wanted| wanted.is_same(located))
    };
    let objects = others.iter().flat_map(|set| &set.objects);
    let same: BTreeMap<ObjectRef, &Located> = objects
        .filter(|located| is_wanted(located))
        .map(|located| (located.object.reference(), located))
        .collect();
    let mut before = first.clone();
    for located in &mut before.objects {
        if let Some(same) = same.get(&located.object.reference()) {
            *located = Located::clone(same);
        }
    }
    before
}

/// Findings of earlier sets without their remedies, by the place of the object.
#[derive(Default)]
pub(in crate::cli) struct Seen(BTreeMap<(Origin, ObjectRef), Vec<Vec<Finding>>>);

impl Seen {
    /// Leaves out verdicts with findings that an earlier set has on the same object.
    pub(in crate::cli) fn retain_new(
        &mut self,
        set: &Manifests,
        reviewed: &mut Vec<ReviewedObject>,
    ) {
        let places = set.objects.iter();
        let places = places.map(|located| (located.object.reference(), located.origin.clone()));
        let places: BTreeMap<ObjectRef, Origin> = places.collect();
        reviewed.retain(|reviewed| {
            let Some(place) = places.get(&reviewed.object) else {
                return true;
            };
            let key = (place.clone(), reviewed.object.clone());
            let known = self.0.entry(key).or_default();
            let findings = reviewed.verdict.findings.iter();
            let findings = findings.map(|finding| Finding {
                remedies: Vec::new(),
                ..finding.clone()
            });
            let findings: Vec<Finding> = findings.collect();
            let is_new = !known.contains(&findings);
            if is_new {
                known.push(findings);
            }
            is_new
        });
    }
}
