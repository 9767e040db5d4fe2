//! Declarations on trial: each is added to the OpenBaoCluster as its patch adds it, and everything is reviewed again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::patch::{MergePatch, merge_patch, patched};
use crate::cli::check::Run;
use crate::inventory::{Change, Fact, Object, ObjectRef, Policy, read};
use crate::review::CompiledSnapshot;
use crate::review::offline::{self, Objects, ReviewedObject};
use crate::review::suggest::{Declaration, declarations, is_within, overreaches, stands};
use crate::rules::remedy::ClusterEdit;
use crate::rules::{Finding, FindingKey, Level};
use crate::sources::files::Manifests;

/// Most reviews of one object set.
const REVIEWS: usize = 256;

/// OpenBaoClusters as written.
pub(super) type Documents = BTreeMap<ObjectRef, Arc<Value>>;

/// An entry of a list of an OpenBaoCluster.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) cluster: ObjectRef,
    pub(super) edit: ClusterEdit,
    /// The findings that it ends.
    pub(super) ends: BTreeSet<FindingKey>,
}

/// A declaration to try, and the finding that it may end.
#[derive(Clone, PartialEq)]
struct Candidate {
    ends: FindingKey,
    declaration: Declaration,
}

/// An object set with some declarations, and the verdicts on it.
pub(super) struct State {
    pub(super) manifests: Manifests,
    /// The OpenBaoClusters of the inventory that are patched.
    beside: Vec<Object>,
    compiled: CompiledSnapshot,
    pub(super) reviewed: Vec<ReviewedObject>,
    pub(super) standing: BTreeSet<FindingKey>,
}

/// The declarations for an object set.
pub(super) struct Trial<'a> {
    run: &'a Run,
    level: Level,
    set: &'a Manifests,
    documents: Documents,
    pub(super) entries: Vec<Entry>,
    pub(super) state: State,
    rejected: Vec<Candidate>,
    reviews: usize,
}

impl<'a> Trial<'a> {
    /// Reviews a set as it is. `inventory` are the OpenBaoClusters beside it.
    pub(super) fn new(
        run: &'a Run,
        set: &'a Manifests,
        inventory: &Documents,
        level: Level,
    ) -> Self {
        let own = set.objects.iter().filter_map(|located| {
            let document = located.document.as_ref()?;
            Some((located.object.reference(), Arc::clone(document)))
        });
        let mut documents = inventory.clone();
        documents.extend(own);
        let state = State::new(run, set.clone(), Vec::new(), level);
        Self {
            run,
            level,
            set,
            documents,
            entries: Vec::new(),
            state,
            rejected: Vec::new(),
            reviews: 0,
        }
    }

    /// Adds declarations until none is left that ends a standing finding.
    pub(super) fn declare(&mut self) {
        loop {
            let candidates = self.candidates();
            if candidates.is_empty() || self.is_over() {
                break;
            }
            self.attempt(candidates);
        }
        self.drop_needless();
    }

    /// Returns true if there were too many reviews, so that declarations may be missing.
    pub(super) const fn is_over(&self) -> bool {
        self.reviews >= REVIEWS
    }

    /// The patches, by cluster.
    pub(super) fn patches(&self) -> BTreeMap<ObjectRef, MergePatch> {
        patches(&self.documents, &self.entries).unwrap_or_default()
    }

    /// The findings that stand under another configuration.
    pub(super) fn replay(&self, run: &Run) -> Vec<ReviewedObject> {
        let state = State::new(
            run,
            self.state.manifests.clone(),
            self.state.beside.clone(),
            self.level,
        );
        state.reviewed
    }

    /// The best declaration for each standing finding that was not tried yet.
    fn candidates(&self) -> Vec<Candidate> {
        let policies: BTreeMap<ObjectRef, &Fact<Policy>> = self
            .state
            .manifests
            .objects
            .iter()
            .filter_map(|located| match &located.object {
                Object::Policy(fact) => Some((located.object.reference(), fact)),
                _ => None,
            })
            .collect();
        let compiled = &self.state.compiled;
        let of_finding = |finding: &Finding| {
            let policy = policies.get(&finding.object).copied();
            let mut all = declarations(compiled, finding, policy)
                .into_iter()
                .map(|declaration| Candidate {
                    ends: finding.key(),
                    declaration,
                });
            all.find(|candidate| {
                let is_written = self.documents.contains_key(&candidate.declaration.cluster);
                is_written && !self.rejected.contains(candidate)
            })
        };
        let findings = self.state.findings();
        let standing = findings.filter(|finding| stands(finding, self.level));
        standing.filter_map(of_finding).collect()
    }

    /// Tries declarations together, and by halves if that fails.
    fn attempt(&mut self, mut candidates: Vec<Candidate>) {
        if self.is_over() {
            return;
        }
        self.reviews += 1;
        let mut entries = self.entries.clone();
        for candidate in &candidates {
            add(&mut entries, candidate);
        }
        if let Some(state) = self.state_with(&entries)
            && candidates
                .iter()
                .all(|candidate| !state.standing.contains(&candidate.ends))
        {
            (self.entries, self.state) = (entries, state);
        } else if candidates.len() == 1 {
            self.rejected.append(&mut candidates);
        } else {
            let others = candidates.split_off(candidates.len() / 2);
            self.attempt(candidates);
            self.attempt(others);
        }
    }

    /// The set with entries; `None` if something stands that did not, or if they open too much.
    fn state_with(&self, entries: &[Entry]) -> Option<State> {
        let patches = patches(&self.documents, entries)?;
        let mut manifests = self.set.clone();
        let (mut before, mut after) = (Objects::new(), Objects::new());
        let mut objects: BTreeMap<&ObjectRef, (Object, Arc<Value>)> = BTreeMap::new();
        for (cluster, patch) in &patches {
            let document = self.documents.get(cluster)?;
            let (object, merged) = patched(document, patch)?;
            before.insert(cluster.clone(), read::object(document)?);
            after.insert(cluster.clone(), object.clone());
            objects.insert(cluster, (object, merged.into()));
        }
        for located in &mut manifests.objects {
            if let Some((object, document)) = objects.remove(&located.object.reference()) {
                located.object = object;
                located.document = Some(document);
            }
        }
        let beside = objects.into_values().map(|(object, _)| object).collect();
        let state = State::new(self.run, manifests, beside, self.level);
        if !state.standing.is_subset(&self.state.standing) {
            return None;
        }
        let changed = after.keys().cloned().collect();
        let edits =
            offline::edit_between(&state.compiled, &self.run.writer, &before, &after, &changed);
        let is_fine = edits.iter().all(|edit| {
            let mut findings = edit.verdict.findings.iter();
            !overreaches(&edit.verdict) && findings.all(|finding| finding.level != Level::Deny)
        });
        is_fine.then_some(state)
    }

    /// Drops trusted peers that others include.
    fn drop_needless(&mut self) {
        let mut kept: Vec<Entry> = Vec::new();
        for (at, entry) in self.entries.iter().enumerate() {
            // Of two equal peers the first stays.
            let mut others = self.entries.iter().enumerate();
            let includer = others.find(|(number, other)| {
                *number != at && includes(other, entry) && (*number < at || !includes(entry, other))
            });
            if includer.is_none() {
                kept.push(entry.clone());
            }
        }
        if kept.len() == self.entries.len() {
            return;
        }
        for entry in &self.entries {
            let includer = kept
                .iter_mut()
                .find(|other| other.edit != entry.edit && includes(other, entry));
            if let Some(includer) = includer {
                includer.ends.extend(entry.ends.iter().cloned());
            }
        }
        if let Some(state) = self.state_with(&kept) {
            (self.entries, self.state) = (kept, state);
        }
    }
}

impl State {
    fn new(run: &Run, manifests: Manifests, beside: Vec<Object>, level: Level) -> Self {
        let changes = beside.iter().cloned().map(Change::Set);
        let run = Run {
            config: Arc::clone(&run.config),
            snapshot: run.snapshot.apply(changes),
            is_dump: run.is_dump,
            writer: run.writer.clone(),
            before: None,
        };
        let (compiled, reviewed) = run.review_state(&manifests);
        let mut state = Self {
            manifests,
            beside,
            compiled,
            reviewed,
            standing: BTreeSet::new(),
        };
        let standing = state.findings().filter(|finding| stands(finding, level));
        state.standing = standing.map(Finding::key).collect();
        state
    }

    pub(super) const fn compiled(&self) -> &CompiledSnapshot {
        &self.compiled
    }

    fn findings(&self) -> impl Iterator<Item = &Finding> {
        let reviewed = self.reviewed.iter();
        reviewed.flat_map(|reviewed| &reviewed.verdict.findings)
    }
}

/// Adds the entries of a declaration, each once.
fn add(entries: &mut Vec<Entry>, candidate: &Candidate) {
    let Declaration {
        cluster,
        entries: new,
    } = &candidate.declaration;
    for edit in new {
        let mut known = entries.iter_mut();
        let same = known.find(|entry| entry.cluster == *cluster && entry.edit == *edit);
        if let Some(same) = same {
            same.ends.insert(candidate.ends.clone());
        } else {
            entries.push(Entry {
                cluster: cluster.clone(),
                edit: edit.clone(),
                ends: [candidate.ends.clone()].into(),
            });
        }
    }
}

/// The patches of all clusters that get entries.
fn patches(documents: &Documents, entries: &[Entry]) -> Option<BTreeMap<ObjectRef, MergePatch>> {
    let clusters: BTreeSet<&ObjectRef> = entries.iter().map(|entry| &entry.cluster).collect();
    let of_cluster = |cluster: &ObjectRef| {
        let own = entries.iter().filter(|entry| entry.cluster == *cluster);
        let edits = own.map(|entry| &entry.edit);
        let patch = merge_patch(cluster, documents.get(cluster)?, edits)?;
        Some((cluster.clone(), patch))
    };
    clusters.into_iter().map(of_cluster).collect()
}

/// Returns true if an entry trusts everyone whom the other trusts.
fn includes(entry: &Entry, other: &Entry) -> bool {
    match (&entry.edit, &other.edit) {
        (ClusterEdit::Trust(wide), ClusterEdit::Trust(narrow))
            if entry.cluster == other.cluster =>
        {
            let namespace = &entry.cluster.namespace;
            let is_included = |narrow| wide.iter().any(|wide| is_within(narrow, wide, namespace));
            narrow.iter().all(is_included)
        }
        _ => false,
    }
}

/// The objects of a set, for the findings about them.
pub(super) fn origins(set: &Manifests) -> BTreeMap<ObjectRef, String> {
    let objects = set.objects.iter();
    let places = objects.filter_map(|located| {
        let place = located.place()?.to_string();
        Some((located.object.reference(), place))
    });
    places.collect()
}
