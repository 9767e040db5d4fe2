//! Remedies that change an ordered policy.

use std::sync::Arc;

use super::changes::Changes;
use super::{Denied, written};
use crate::inventory::{Fact, ObjectRef, OtherPolicy};
use crate::review::compiled::CompiledSnapshot;
use crate::review::level::WriterClass;
use crate::review::request::{Edit, Operation, Request, Subject, Writer};
use crate::review::verdict::Outcome;
use crate::rules::declaration::is_wide;
use crate::rules::remedy::{Change, OrderedEdit, Remedy, SettingEdit};

impl Denied<'_> {
    /// Returns true if a remedy of an ordered policy would permit connections with everyone or with all addresses.
    pub(super) fn is_wide(&self, remedy: &Remedy) -> bool {
        let (Subject::Ordered(_), Change::Setting(SettingEdit::Platform(_, direction, rule))) =
            (&self.request.subject, &remedy.change)
        else {
            return false;
        };
        let config = &self.compiled.config;
        let mut perimeters = self.compiled.perimeters_near("");
        let of_any = perimeters.next();
        of_any.is_none_or(|cluster| is_wide(cluster, config, *direction, rule, self.budget))
    }

    /// The facts after the plan's change of a stored ordered policy; `None` if this change is denied itself.
    pub(super) fn with_ordered(
        &self,
        compiled: &CompiledSnapshot,
        object: &ObjectRef,
        changes: &Changes<'_>,
    ) -> Option<CompiledSnapshot> {
        let mut all = compiled.snapshot.cluster_scoped.others();
        let (_, before) = all.find(|(own, _)| own == object)?;
        let after = edited(before, &changes.ordered(object))?;
        let request = Request {
            operation: Operation::Update,
            writer: Writer::default(),
            point: self.request.point,
            subject: Subject::Ordered(written(object, Some(before.clone()), after.clone())),
        };
        let verdict = self.reviewed(compiled, &request, WriterClass::Everyone);
        let is_fine = verdict.outcome() != Outcome::Deny;
        let after = after.read().filter(|_| is_fine)?;
        Some(compiled.with_ordered(object, after))
    }
}

/// Applies the changes to a written ordered policy.
pub(super) fn apply(edit: &mut Edit<OtherPolicy>, changes: &Changes<'_>) -> Option<()> {
    let edits = changes.ordered(&edit.object);
    if !edits.is_empty() {
        let after = edited(edit.after.as_ref()?, &edits)?;
        edit.spec_changed = edit.before.as_ref() != Some(&after);
        edit.after = Some(after);
    }
    Some(())
}

fn edited(policy: &Fact<OtherPolicy>, edits: &[&OrderedEdit]) -> Option<Fact<OtherPolicy>> {
    let policy = policy.read()?;
    let rules = policy.ordered.as_ref()?;
    Some(Fact::Read(Arc::new(OtherPolicy {
        ordered: Some(Arc::new(OrderedEdit::apply(edits, rules))),
        ..OtherPolicy::clone(policy)
    })))
}
