//! Exclusion of OpenBao pods from a policy.

use super::{Change, PolicyEdit, Rank, Remedy};
use crate::baseline::{
    CLUSTER_LABEL, COMPONENT_LABEL, IDENTITY_LABELS, JOB_COMPONENTS, NAME_LABEL, OPERATOR_NAME,
    Zone,
};
use crate::inventory::{ObjectRef, Policy};
use netpol::label::Values;
use netpol::rule::{Operator, Requirement};

/// Excludes groups of pods from the policy; `None` if it would select no pod, or is meant for these pods, because its
/// selector names one of their labels. Of the labels of OpenBao's pods only one is about jobs.
pub fn exclude(object: &ObjectRef, policy: &Policy, pods: &[Zone]) -> Option<Remedy> {
    let is_meant = match pods {
        [Zone::Jobs] => names(policy, &[COMPONENT_LABEL]),
        _ => !covers_other_pods(policy),
    };
    if is_meant {
        return None;
    }
    let (excluded, what) = requirements(pods);
    let mut selected = policy.pods.label_set()?;
    for requirement in &excluded {
        let values = match requirement.operator {
            Operator::DoesNotExist => Values::absent(),
            _ => Values::none_of_or_absent(requirement.values.iter().cloned()),
        };
        selected = selected.and(requirement.key.clone(), values)?;
    }
    Some(Remedy::new(
        Rank::Exclude,
        format!("exclude the {what} pods"),
        Change::Policy(object.clone(), PolicyEdit::Exclude(excluded)),
    ))
}

/// Returns true if the selector names no label of the operator's pods, so that it is meant for other pods too.
pub fn covers_other_pods(policy: &Policy) -> bool {
    !names(policy, &IDENTITY_LABELS)
}

/// Returns true if the selector names one of these labels.
fn names(policy: &Policy, labels: &[&str]) -> bool {
    let own = policy.pods.labels.iter().map(|(key, _)| &**key);
    let expressions = policy.pods.expressions.iter();
    let mut keys = own.chain(expressions.map(|expression| &*expression.key));
    keys.any(|key| labels.contains(&key))
}

/// Requirements that these pods do not meet, with a name for these pods.
fn requirements(pods: &[Zone]) -> (Vec<Requirement>, &'static str) {
    let requirement = |key: &str, operator, values: &[&str]| Requirement {
        key: key.into(),
        operator,
        values: values.iter().map(|value| (*value).into()).collect(),
    };
    if pods.contains(&Zone::Controller) {
        let others = requirement(NAME_LABEL, Operator::NotIn, &[OPERATOR_NAME]);
        (vec![others], "operator's")
    } else if pods.contains(&Zone::Workload) {
        let others = requirement(CLUSTER_LABEL, Operator::DoesNotExist, &[]);
        (vec![others], "OpenBao")
    } else {
        let others = requirement(COMPONENT_LABEL, Operator::NotIn, &JOB_COMPONENTS);
        (vec![others], "backup and restore")
    }
}
