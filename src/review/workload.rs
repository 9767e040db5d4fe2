//! Review of a pod, or of an object with a template of pods, in files.

use super::compiled::CompiledSnapshot;
use super::level::{WriterClass, of_state};
use super::maintenance;
use super::offline::Objects;
use super::request::Writer;
use super::rules::{self, Check};
use super::verdict::Verdict;
use crate::code::EnforcementPoint;
use crate::inventory::{Kind, Object, ObjectRef, Workload};
use crate::rules::pod_labels::PodLabels;
use crate::rules::{Cause, Finding, stored_pod};

/// The verdict on a pod of a dump of a cluster, which these objects are: whether it comes from the operator.
pub(super) fn stored(
    compiled: &CompiledSnapshot,
    objects: &Objects,
    object: &ObjectRef,
    pod: &Workload,
) -> Verdict {
    let controller = pod.controller().and_then(|owner| {
        let kind = match (&*owner.api_version, &*owner.kind) {
            ("apps/v1", "StatefulSet") => Kind::StatefulSet,
            ("batch/v1", "Job") => Kind::Job,
            _ => return None,
        };
        objects.get(&ObjectRef {
            kind,
            namespace: object.namespace.clone(),
            name: owner.name.clone(),
        })
    });
    let is_of_the_operator = matches!(
        controller,
        Some(Object::Workload(owner)) if owner.meta.is_of_the_operator()
    );
    if is_of_the_operator {
        return Verdict::default();
    }
    let found = vec![stored_pod::check(Cause::IdentityStored, object, pod)];
    Verdict::new(of_state(&compiled.config, EnforcementPoint::Check, found))
}

/// Findings about the pods among these objects, a dump of a cluster, that do not come from the operator (OBP503).
pub(crate) fn stored_pods(compiled: &CompiledSnapshot, objects: &Objects) -> Vec<Finding> {
    let verdicts = objects
        .iter()
        .filter_map(|(reference, object)| match object {
            Object::Workload(pod) if pod.kind == Kind::Pod => {
                Some(stored(compiled, objects, reference, pod))
            }
            _ => None,
        });
    verdicts.flat_map(|verdict| verdict.findings).collect()
}

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
    if is_copied || after.meta.is_of_the_operator() {
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
    // As the guard answers. Levels are ordered, the strictest first.
    let found = found.map(|finding| Finding {
        level: finding.level.max(config.identity_level),
        ..finding
    });
    let found = of_state(config, EnforcementPoint::Check, found.collect());
    Some(Verdict::new(found))
}
