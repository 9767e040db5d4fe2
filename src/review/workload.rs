//! Review of a pod, or of an object with a template of pods, in files.

use super::compiled::CompiledSnapshot;
use super::level::{WriterClass, of_state};
use super::maintenance;
use super::request::Writer;
use super::rules::{self, Check};
use super::verdict::Verdict;
use crate::code::EnforcementPoint;
use crate::inventory::{Kind, ObjectRef, Workload};
use crate::rules::pod_labels::PodLabels;

/// The verdict; `None` for an object that is not checked: what the operator controls, and a pod with a controller, whose
/// template is checked.
pub(super) fn review(
    compiled: &CompiledSnapshot,
    writer: &Writer,
    object: &ObjectRef,
    before: Option<&Workload>,
    after: &Workload,
) -> Option<Verdict> {
    let is_copied = after.kind == Kind::Pod && after.controller().is_some();
    if is_copied || after.is_of_the_operator() {
        return None;
    }
    let config = &compiled.config;
    let is_trusted = WriterClass::of(writer, config) == WriterClass::Operator
        || config.identity_accounts.contains(&writer.name)
        || maintenance::is_by_masters(writer) && maintenance::is_marked(&after.meta);
    if is_trusted {
        return Some(Verdict::default());
    }
    let labels = PodLabels {
        object,
        before: before.map(|before| &before.labels),
        after: &after.labels,
        ports: [config.api_port, config.cluster_port],
    };
    let found = rules::checks().filter_map(|check| match check {
        Check::PodLabels(check) => check(&labels),
        _ => None,
    });
    let found = of_state(config, EnforcementPoint::Check, found.collect());
    Some(Verdict::new(found))
}
