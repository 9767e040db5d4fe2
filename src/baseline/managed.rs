//! The pods of a cluster and the policies that the operator manages for them: names, selectors,
//! and the zones that they make.

use std::sync::Arc;

use crate::inventory::{Cluster, Labels};
use crate::perimeter::label::Values;
use crate::perimeter::rule::{Operator, Selector};
use crate::perimeter::zone::{OtherKeys, Zone};
use crate::posture::Posture;

/// The label that every pod of a cluster carries.
pub const CLUSTER_LABEL: &str = "openbao.org/cluster";
const COMPONENT_LABEL: &str = "openbao.org/component";
const BACKUP_TYPE_LABEL: &str = "openbao.org/backup-type";
/// The four labels by which the operator knows what it manages.
pub const MANAGED_LABELS: [&str; 4] = [
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/name",
    CLUSTER_LABEL,
];
const JOB_COMPONENTS: [&str; 3] = ["backup", "restore", "upgrade-snapshot"];
const BACKUP_TYPES: [&str; 3] = ["scheduled", "manual", "pre-upgrade"];

/// The groups of a cluster's pods that have a policy of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pods {
    /// OpenBao servers and whatever else carries the four labels and is no job.
    Workload,
    /// Backup, restore and snapshot jobs.
    Jobs,
}

impl Pods {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Workload, Self::Jobs];

    /// The name of the managed policy.
    pub fn policy_name(self, cluster: &str) -> String {
        match self {
            Self::Workload => format!("{cluster}-network-policy"),
            Self::Jobs => format!("{cluster}-jobs-network-policy"),
        }
    }

    /// The group in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Workload => "OpenBao",
            Self::Jobs => "backup and restore",
        }
    }
}

/// Which group of `cluster` the policy named `policy` is the managed one of.
pub fn managed_policy(cluster: &str, policy: &str) -> Option<Pods> {
    let suffix = policy.strip_prefix(cluster)?;
    match suffix {
        "-network-policy" => Some(Pods::Workload),
        "-jobs-network-policy" => Some(Pods::Jobs),
        _ => None,
    }
}

/// The four labels with their values.
pub(super) fn infra_labels(cluster: &str) -> [(&'static str, &str); 4] {
    let [instance, managed_by, name, cluster_label] = MANAGED_LABELS;
    [
        (instance, cluster),
        (managed_by, "openbao-operator"),
        (name, "openbao"),
        (cluster_label, cluster),
    ]
}

/// The podSelector of a managed policy.
pub fn selector(pods: Pods, cluster: &str) -> Selector {
    match pods {
        Pods::Workload => Selector::labels(infra_labels(cluster)).and(
            COMPONENT_LABEL,
            Operator::NotIn,
            &JOB_COMPONENTS,
        ),
        Pods::Jobs => lifecycle_pods(cluster, &JOB_COMPONENTS),
    }
}

/// Job pods of these components.
pub(super) fn lifecycle_pods(cluster: &str, components: &[&str]) -> Selector {
    Selector::labels([(CLUSTER_LABEL, cluster)]).and(COMPONENT_LABEL, Operator::In, components)
}

/// The labels that pods of the group can carry. `knowledge` says what is assumed of keys that
/// nothing is known about.
pub fn zone(pods: Pods, cluster: &Cluster, posture: &Posture, knowledge: OtherKeys) -> Zone {
    let name = &*cluster.meta.name;
    let mut known: Vec<(Arc<str>, Values)> = Vec::new();
    for (key, value) in infra_labels(name) {
        // A restore job carries neither name nor instance.
        let optional =
            pods == Pods::Jobs && !matches!(key, CLUSTER_LABEL | "app.kubernetes.io/managed-by");
        let values = Values::one_of([value]);
        known.push((
            key.into(),
            if optional { values.or_absent() } else { values },
        ));
    }
    let extra: Vec<&Labels> = match pods {
        Pods::Workload => {
            known.push((
                COMPONENT_LABEL.into(),
                Values::none_of_or_absent(JOB_COMPONENTS),
            ));
            cluster.pod_labels.iter().collect()
        }
        Pods::Jobs => {
            known.push((COMPONENT_LABEL.into(), Values::one_of(JOB_COMPONENTS)));
            known.push((
                BACKUP_TYPE_LABEL.into(),
                Values::one_of(BACKUP_TYPES).or_absent(),
            ));
            vec![&cluster.job_labels]
        }
    };
    add_declared(&mut known, &extra);
    Zone::new(known, posture.runtime_label_keys.clone(), knowledge)
}

/// Labels that a cluster declares for its pods never override the operator's own, and only some
/// pods of the group carry them.
fn add_declared(known: &mut Vec<(Arc<str>, Values)>, declared: &[&Labels]) {
    let own = known.len();
    for (key, value) in declared.iter().flat_map(|labels| labels.iter()) {
        if known[..own].iter().any(|(taken, _)| taken == key) {
            continue;
        }
        let same_key = declared
            .iter()
            .filter_map(|labels| labels.get(key))
            .chain([value])
            .cloned();
        if known[own..].iter().all(|(taken, _)| taken != key) {
            let values = Values::one_of(same_key.collect::<Vec<_>>()).or_absent();
            known.push((key.clone(), values));
        }
    }
}
