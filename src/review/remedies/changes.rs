//! Changes of several remedies, applied together.

use std::collections::BTreeSet;

use crate::inventory::ObjectRef;
use crate::rules::remedy::{Change, ClusterEdit, OrderedEdit, PolicyEdit, Remedy, SettingEdit};

/// All changes of a plan.
pub(super) struct Changes<'a> {
    pub(super) objects: BTreeSet<&'a ObjectRef>,
    policies: Vec<(&'a ObjectRef, &'a PolicyEdit)>,
    left_out: Vec<PolicyEdit>,
    clusters: Vec<(&'a ObjectRef, &'a ClusterEdit)>,
    ordered: Vec<(&'a ObjectRef, &'a OrderedEdit)>,
    pub(super) settings: Vec<&'a SettingEdit>,
}

impl<'a> Changes<'a> {
    pub(super) fn of(plan: &[&'a Remedy]) -> Self {
        let mut changes = Self {
            objects: BTreeSet::new(),
            policies: Vec::new(),
            left_out: Vec::new(),
            clusters: Vec::new(),
            ordered: Vec::new(),
            settings: Vec::new(),
        };
        for remedy in plan {
            match &remedy.change {
                Change::Policy(object, edit) => {
                    changes.objects.insert(object);
                    changes.policies.push((object, edit));
                }
                Change::Cluster(object, edit) => {
                    changes.objects.insert(object);
                    changes.clusters.push((object, edit));
                }
                Change::Ordered(object, edit) => {
                    changes.objects.insert(object);
                    changes.ordered.push((object, edit));
                }
                Change::Setting(edit) => {
                    if !changes.settings.contains(&edit) {
                        changes.settings.push(edit);
                    }
                }
            }
            let out = remedy.leaves_out.iter();
            let out = out.map(|(direction, at)| PolicyEdit::LeaveOut(*direction, *at));
            changes.left_out.extend(out);
        }
        changes
    }

    /// The edits of a policy. What is left out beside another change is left out of the written one, which is the
    /// only policy that a plan with such changes edits.
    pub(super) fn policies<'s>(&'s self, object: &ObjectRef) -> Vec<&'s PolicyEdit> {
        let own = self.policies.iter().filter(|(of, _)| *of == object);
        own.map(|(_, edit)| *edit).chain(&self.left_out).collect()
    }

    /// The edits of an ordered policy.
    pub(super) fn ordered(&self, object: &ObjectRef) -> Vec<&'a OrderedEdit> {
        let own = self.ordered.iter().filter(|(of, _)| *of == object);
        own.map(|(_, edit)| *edit).collect()
    }

    pub(super) fn clusters(&self, object: &ObjectRef) -> Vec<&'a ClusterEdit> {
        let own = self.clusters.iter().filter(|(of, _)| *of == object);
        own.map(|(_, edit)| *edit).collect()
    }
}
