//! Sets of objects that may exist together.
//!
//! Two builds of the same object, such as overlays of one base, are never in one cluster, and neither are two
//! versions of an object in plain files. Everything else is in each set.

use std::collections::{BTreeMap, BTreeSet};

use super::{Located, Manifests};
use crate::inventory::ObjectRef;

impl Manifests {
    /// The sets, each with everything else that was read, and notes about what is in several of them. The first
    /// holds the remarks about files.
    pub fn into_object_sets(mut self) -> (Vec<Self>, Vec<String>) {
        let objects = std::mem::take(&mut self.objects);
        let mut notes = Vec::new();
        let apart = self.apart(&objects);
        let (own, common): (Vec<_>, Vec<_>) = objects
            .into_iter()
            .partition(|located| located.build.is_some_and(|build| apart.contains(&build)));
        let ranks = ranked(common, &mut notes);
        let mut builds: BTreeMap<usize, Vec<Located>> = BTreeMap::new();
        for located in own {
            builds
                .entry(located.build.unwrap_or_default())
                .or_default()
                .push(located);
        }
        if builds.len() > 1 {
            let names = builds
                .keys()
                .map(|build| format!("`{}`", self.builds[*build].command));
            let names: Vec<String> = names.collect();
            notes.push(format!("each is checked separately: {}", names.join(", ")));
        }
        let mut sets = Vec::new();
        let first = ranks.first().map_or(&[][..], Vec::as_slice);
        let mut shadowed: Option<BTreeSet<ObjectRef>> = None;
        for (build, own) in builds {
            let names: BTreeSet<ObjectRef> = references(&own).collect();
            let beside = first
                .iter()
                .filter(|located| !names.contains(&located.object.reference()));
            let objects = own.iter().chain(beside).cloned().collect();
            sets.push(self.object_set(Some(self.builds[build].key.clone()), objects));
            shadowed = Some(match shadowed {
                Some(known) => known.intersection(&names).cloned().collect(),
                None => names,
            });
        }
        // Without builds the common objects are the set, and else one more if they have what no other holds.
        let is_missing = |shadowed: &BTreeSet<ObjectRef>| {
            references(first).any(|object| shadowed.contains(&object))
        };
        let from = usize::from(shadowed.is_some_and(|shadowed| !is_missing(&shadowed)));
        sets.extend(
            ranks
                .into_iter()
                .skip(from)
                .map(|objects| self.object_set(None, objects)),
        );
        if sets.is_empty() {
            sets.push(self.object_set(None, Vec::new()));
        }
        if let Some(first) = sets.first_mut() {
            let objects = std::mem::take(&mut first.objects);
            let key = first.key.take();
            *first = Self {
                objects,
                key,
                ..self
            };
        }
        (sets, notes)
    }

    fn object_set(&self, key: Option<String>, objects: Vec<Located>) -> Self {
        Self {
            key,
            objects,
            texts: self.texts.clone(),
            builds: self.builds.clone(),
            ..Self::default()
        }
    }

    /// The builds that share an object or a base with another.
    fn apart(&self, objects: &[Located]) -> BTreeSet<usize> {
        let mut apart = BTreeSet::new();
        let mut by_object: BTreeMap<ObjectRef, BTreeSet<usize>> = BTreeMap::new();
        if self.builds.len() > 1 {
            for located in objects {
                if let Some(build) = located.build {
                    by_object
                        .entry(located.object.reference())
                        .or_default()
                        .insert(build);
                }
            }
        }
        let mut by_base: BTreeMap<_, BTreeSet<usize>> = BTreeMap::new();
        for (number, build) in self.builds.iter().enumerate() {
            for base in &build.bases {
                by_base.entry(base).or_default().insert(number);
            }
        }
        for shared in by_object.into_values().chain(by_base.into_values()) {
            if shared.len() > 1 {
                apart.extend(shared);
            }
        }
        apart
    }
}

fn references(objects: &[Located]) -> impl Iterator<Item = ObjectRef> {
    objects.iter().map(|located| located.object.reference())
}

/// The objects with the first version of each, with the second, and so on. Equal ones count once.
fn ranked(objects: Vec<Located>, notes: &mut Vec<String>) -> Vec<Vec<Located>> {
    let mut versions: BTreeMap<ObjectRef, Vec<usize>> = BTreeMap::new();
    for (at, located) in objects.iter().enumerate() {
        let known = versions.entry(located.object.reference()).or_default();
        if !known.iter().any(|first| objects[*first].is_same(located)) {
            known.push(at);
        }
    }
    for (object, places) in versions.iter().filter(|(_, places)| places.len() > 1) {
        let places = places.iter().map(|at| objects[*at].origin.to_string());
        let places: Vec<String> = places.collect();
        notes.push(format!(
            "{object} is written differently at {}; each is checked against the rest",
            places.join(if places.len() == 2 { " and " } else { ", " })
        ));
    }
    let most = versions.values().map(Vec::len).max().unwrap_or_default();
    let mut kept: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); most];
    for places in versions.values() {
        for (rank, kept) in kept.iter_mut().enumerate() {
            kept.extend(places.get(rank).or(places.last()));
        }
    }
    if let [all] = &kept[..] {
        let mut at = 0;
        let mut objects = objects;
        objects.retain(|_| {
            at += 1;
            all.contains(&(at - 1))
        });
        return vec![objects];
    }
    let chosen = |kept: BTreeSet<usize>| kept.into_iter().map(|at| objects[at].clone()).collect();
    kept.into_iter().map(chosen).collect()
}
