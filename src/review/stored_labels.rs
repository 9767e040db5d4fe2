//! Findings about stored labels that NetworkPolicies believe.

use std::sync::Arc;

use super::level::of_state;
use super::verdict::Verdict;
use crate::code::EnforcementPoint;
use crate::config::ReviewConfig;
use crate::inventory::{CountedNamespace, Kind, Object, Workload};
use crate::rules::{Cause, Finding, namespace_counts, stored_pod};

/// Findings about pods that do not come from the operator.
pub(crate) fn pods(config: &ReviewConfig, pods: &[Arc<Workload>]) -> Vec<Finding> {
    let pods = pods.iter().filter(|pod| pod.kind == Kind::Pod);
    let found = pods.map(|pod| {
        let object = Object::Workload(Arc::clone(pod)).reference();
        stored_pod::check(Cause::AuditedIdentity, &object, pod)
    });
    audited(config, found.collect())
}

/// Findings about Namespaces.
pub(crate) fn namespaces(config: &ReviewConfig, namespaces: &[CountedNamespace]) -> Vec<Finding> {
    let wanted = &config.metrics_namespace_labels;
    let found = namespaces.iter().filter_map(|namespace| {
        let mut finding = namespace_counts::check(&namespace.name, &namespace.labels, wanted)?;
        if let Some(changed) = &namespace.changed {
            finding.reason = format!("{}, since {changed} at the latest", finding.reason);
        }
        Some(finding)
    });
    audited(config, found.collect())
}

fn audited(config: &ReviewConfig, findings: Vec<Finding>) -> Vec<Finding> {
    Verdict::new(of_state(config, EnforcementPoint::Audit, findings)).findings
}
