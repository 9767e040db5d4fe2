//! Notes of `check`: objects that it did not check, and assumptions that it made.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::unchecked::Omission;
use crate::cli::namespace;
use crate::inventory::{Kind, Object, ObjectRef};
use crate::review::CompiledSnapshot;
use crate::review::offline::ReviewedObject;
use crate::show::zone::without_address;
use crate::sources::files::Manifests;

/// The manifests that were read.
pub(in crate::cli) struct Input<'a> {
    pub(in crate::cli) paths: &'a [PathBuf],
    /// Whether PATH is a dump of a cluster.
    pub(in crate::cli) dump: bool,
    /// Objects of the inventory that are in the default namespace, since they name none.
    pub(in crate::cli) defaulted: Vec<ObjectRef>,
    pub(in crate::cli) before: Option<&'a Manifests>,
    pub(in crate::cli) after: &'a Manifests,
    /// Whether another set has reviewed kinds, or reports that none has.
    pub(in crate::cli) is_reported: bool,
}

impl Input<'_> {
    fn manifests(&self) -> impl Iterator<Item = &Manifests> {
        self.before.into_iter().chain([self.after])
    }

    /// Whether no object is of a reviewed kind.
    pub(in crate::cli) fn is_of_other_kinds(&self) -> bool {
        !self.is_reported && !self.manifests().any(Manifests::has_reviewed_kinds)
    }

    /// The objects that were not checked, in whole or in a row: no cluster is known in the namespace of a policy,
    /// neither before nor after; the cluster of a restore is not known; or no address of the API server is known. A
    /// dump of a cluster shows which clusters there are.
    pub(in crate::cli) fn omissions(
        &self,
        compiled: &CompiledSnapshot,
        reviewed: &[ReviewedObject],
    ) -> Vec<Omission> {
        let rows = reviewed.iter().flat_map(|reviewed| {
            let rows = without_address(compiled, &reviewed.object).into_iter();
            rows.map(|row| Omission {
                object: reviewed.object.clone(),
                row: Some(row),
                reason: "no address of the API server is known".to_owned(),
            })
        });
        let rows: Vec<Omission> = rows.collect();
        if self.dump {
            return rows;
        }
        let had_cluster = |namespace: &str| {
            let objects = self.manifests().flat_map(|manifests| &manifests.objects);
            let mut clusters = objects.filter_map(|located| match &located.object {
                Object::Cluster(fact) => Some(&fact.meta().namespace),
                _ => None,
            });
            clusters.any(|known| **known == *namespace)
        };
        let objects = reviewed.iter().map(|reviewed| &reviewed.object);
        let objects = objects
            .filter(|object| object.kind != Kind::NetworkPolicy || !had_cluster(&object.namespace));
        let whole = objects.filter_map(|object| {
            Some(Omission {
                object: object.clone(),
                row: None,
                reason: namespace::unguarded_reason(compiled, object)?,
            })
        });
        whole.chain(rows).collect()
    }

    /// Everything to say about the input that is about no finding.
    pub(in crate::cli) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.is_of_other_kinds() {
            let kinds: Vec<&str> = reviewed_kinds().map(Kind::as_str).collect();
            let others = self.other_kinds(|_| true);
            let colon = if others.is_empty() { "" } else { ": " };
            notes.push(format!(
                "nothing was checked, since there is no {}{colon}{others}",
                kinds.join(", ")
            ));
        }
        notes.extend(self.deleted_clusters().map(|cluster| {
            format!(
                "{cluster} is in --before and not in PATH: it counts as deleted, and nothing is checked against it"
            )
        }));
        let is_namesake = |kind: &str| reviewed_kinds().any(|known| known.as_str() == kind);
        let namesakes = self.other_kinds(is_namesake);
        if !namesakes.is_empty() {
            notes.push(format!(
                "of another API group, and not checked: {namesakes}"
            ));
        }
        let defaulted = self.manifests().flat_map(|manifests| &manifests.defaulted);
        let mut defaulted: Vec<ObjectRef> = defaulted.chain(&self.defaulted).cloned().collect();
        defaulted.sort();
        defaulted.dedup();
        let defaulted = namespace::note(&defaulted);
        notes.extend(defaulted.map(|note| format!("{note}; `-n` names another")));
        for manifests in self.manifests() {
            if let Some(first) = manifests.no_objects.first() {
                notes.push(format!(
                    "{} without `apiVersion` and `kind`, the first at {first}",
                    counted(manifests.no_objects.len(), "document")
                ));
            }
        }
        let empty = self.paths.iter().filter(|path| self.is_empty(path));
        notes.extend(empty.map(|path| match path.to_str() {
            Some("-") => "standard input is empty".to_owned(),
            _ => format!("there is nothing in `{}`", path.display()),
        }));
        notes
    }

    /// OpenBaoClusters of the state before that are not in the state after.
    fn deleted_clusters(&self) -> impl Iterator<Item = ObjectRef> {
        let clusters = |manifests: &Manifests| -> BTreeSet<ObjectRef> {
            let names = manifests.objects.iter();
            let names = names.map(|located| located.object.reference());
            names
                .filter(|name| name.kind == Kind::OpenBaoCluster)
                .collect()
        };
        let before = self.before.map(clusters).unwrap_or_default();
        let after = clusters(self.after);
        before.into_iter().filter(move |name| !after.contains(name))
    }

    fn is_empty(&self, path: &Path) -> bool {
        let mut texts = self.after.texts.not_blank();
        self.after.builds.is_empty() && !texts.any(|file| file.starts_with(path))
    }

    /// The other kinds with these names, each with how many objects are of it.
    fn other_kinds(&self, is_meant: impl Fn(&str) -> bool) -> String {
        let ours = self.after.objects.iter().filter_map(|located| {
            let kind = located.object.reference().kind;
            // Services and the like are among the others too.
            let is_named = !kind.is_checked() && !located.object.is_beside();
            is_named.then(|| kind.label().to_owned())
        });
        let others = self.after.others.iter();
        let others = others.flat_map(|((kind, version), number)| {
            std::iter::repeat_n(format!("{kind} ({version})"), *number)
        });
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        let named = ours.chain(others);
        for kind in named.filter(|kind| is_meant(kind.split(' ').next().unwrap_or_default())) {
            *counts.entry(kind).or_default() += 1;
        }
        let counts = counts
            .iter()
            .map(|(kind, number)| format!("{number} {kind}"));
        counts.collect::<Vec<_>>().join(", ")
    }
}

fn counted(number: usize, word: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {word}{plural}")
}

fn reviewed_kinds() -> impl Iterator<Item = Kind> {
    Kind::ALL.into_iter().filter(|kind| kind.is_reviewed())
}
