//! The pods of a cluster and their managed policies: names, selectors and zones.

use std::sync::Arc;

use crate::config::{Baseline, ReviewConfig, Zone};
pub(crate) use crate::inventory::workload::CLUSTER_LABEL;
use crate::inventory::{Cluster, Labels};
use netpol::label::{LabelSet, Values};
use netpol::pod_space::{OtherKeys, PodSpace};
use netpol::rule::{Operator, Selector};

/// Label that identifies the operator's pods.
pub(crate) const NAME_LABEL: &str = "app.kubernetes.io/name";
/// The value of that label.
pub(crate) const OPERATOR_NAME: &str = "openbao-operator";
/// Label with the role of a pod in its cluster.
pub(crate) const COMPONENT_LABEL: &str = "openbao.org/component";
const BACKUP_TYPE_LABEL: &str = "openbao.org/backup-type";
/// The four labels by which the operator recognises its objects.
pub(crate) const MANAGED_LABELS: [&str; 4] = [
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    NAME_LABEL,
    CLUSTER_LABEL,
];
/// The labels by which policies recognise the pods of a cluster.
pub(crate) const IDENTITY_LABELS: [&str; 5] = {
    let [instance, managed_by, name, cluster] = MANAGED_LABELS;
    [cluster, COMPONENT_LABEL, name, instance, managed_by]
};
/// Values of the component label on pods of the jobs zone.
pub(crate) const JOB_COMPONENTS: [&str; 3] = ["backup", "restore", "upgrade-snapshot"];
const BACKUP_TYPES: [&str; 3] = ["scheduled", "manual", "pre-upgrade"];

impl Zone {
    /// The zones of each cluster. Before baseline 0.1 its jobs were unrestricted.
    pub(crate) const fn of_cluster(baseline: Baseline) -> &'static [Self] {
        baseline.features().cluster_pods
    }

    /// Name of the managed policy; `None` for pods without one.
    pub(crate) fn policy_name(self, cluster: &str) -> Option<String> {
        match self {
            Self::Workload => Some(format!("{cluster}-network-policy")),
            Self::Jobs => Some(format!("{cluster}-jobs-network-policy")),
            Self::Controller => None,
        }
    }

    /// Description of the pods.
    pub(crate) const fn describe(self) -> &'static str {
        match self {
            Self::Workload => "OpenBao",
            Self::Jobs => "backup and restore",
            Self::Controller => "operator",
        }
    }
}

/// The pods of `cluster` whose managed policy is named `policy`.
pub(crate) fn managed_policy(cluster: &str, policy: &str) -> Option<Zone> {
    let suffix = policy.strip_prefix(cluster)?;
    match suffix {
        "-network-policy" => Some(Zone::Workload),
        "-jobs-network-policy" => Some(Zone::Jobs),
        _ => None,
    }
}

/// The labels of the pods of every cluster.
pub(super) fn openbao_labels() -> [(&'static str, &'static str); 2] {
    let [_, managed_by, name, _] = MANAGED_LABELS;
    [(managed_by, OPERATOR_NAME), (name, "openbao")]
}

/// The four labels with their values.
pub(crate) fn infra_labels(cluster: &str) -> [(&'static str, &str); 4] {
    let [instance, managed_by, name, cluster_label] = MANAGED_LABELS;
    [
        (instance, cluster),
        (managed_by, OPERATOR_NAME),
        (name, "openbao"),
        (cluster_label, cluster),
    ]
}

/// The podSelector of the managed policy.
pub(crate) fn selector(pods: Zone, cluster: &str) -> Selector {
    match pods {
        Zone::Workload => Selector::labels(infra_labels(cluster)).and(
            COMPONENT_LABEL,
            Operator::NotIn,
            &JOB_COMPONENTS,
        ),
        Zone::Jobs => lifecycle_pods(cluster, &JOB_COMPONENTS),
        Zone::Controller => Selector::labels([(NAME_LABEL, OPERATOR_NAME)]),
    }
}

/// Job pods of these components.
pub(super) fn lifecycle_pods(cluster: &str, components: &[&str]) -> Selector {
    Selector::labels([(CLUSTER_LABEL, cluster)]).and(COMPONENT_LABEL, Operator::In, components)
}

/// The label sets of the job pods that the operator makes: a restore job has two of the four labels, and the
/// others have all of them.
pub(crate) fn job_labels(cluster: &str) -> [LabelSet; 2] {
    let [restore, others] = [&["restore"][..], &["backup", "upgrade-snapshot"]];
    let all = infra_labels(cluster).into_iter();
    let all = all.map(|(key, value)| (Arc::from(key), Values::one_of([value])));
    let component = |values: &[&str]| {
        (
            COMPONENT_LABEL.into(),
            Values::one_of(values.iter().copied()),
        )
    };
    [
        vec![component(restore)],
        all.chain([component(others)]).collect(),
    ]
    .map(|keys| LabelSet::all_of(keys).unwrap_or_default())
}

/// The labels that the pods can have. `restores` are labels that restores into the cluster give their jobs.
/// `knowledge` is the assumption about label keys that are not known.
pub(crate) fn zone(
    pods: Zone,
    cluster: &Cluster,
    restores: &[&Labels],
    config: &ReviewConfig,
    knowledge: OtherKeys,
) -> PodSpace {
    if pods == Zone::Controller {
        let known = [(NAME_LABEL, Values::one_of([OPERATOR_NAME]))];
        return PodSpace::new(known, Vec::new(), OtherKeys::Free);
    }
    let name = &*cluster.meta.name;
    let mut known: Vec<(Arc<str>, Values)> = Vec::new();
    for (key, value) in infra_labels(name) {
        // A restore job has no name or instance label.
        let optional =
            pods == Zone::Jobs && !matches!(key, CLUSTER_LABEL | "app.kubernetes.io/managed-by");
        let values = Values::one_of([value]);
        known.push((
            key.into(),
            if optional { values.or_absent() } else { values },
        ));
    }
    let extra: Vec<&Labels> = match pods {
        Zone::Workload => {
            known.push((
                COMPONENT_LABEL.into(),
                Values::none_of_or_absent(JOB_COMPONENTS),
            ));
            cluster.pod_labels.iter().collect()
        }
        Zone::Jobs => {
            known.push((COMPONENT_LABEL.into(), Values::one_of(JOB_COMPONENTS)));
            known.push((
                BACKUP_TYPE_LABEL.into(),
                Values::one_of(BACKUP_TYPES).or_absent(),
            ));
            let backups = [&cluster.job_labels].into_iter();
            backups.chain(restores.iter().copied()).collect()
        }
        Zone::Controller => Vec::new(),
    };
    // If some labels are not known, another template may use the same keys with other values.
    if knowledge == OtherKeys::Absent {
        add_declared(&mut known, &extra);
    }
    PodSpace::new(known, config.runtime_label_keys.clone(), knowledge)
}

/// The pods that a cluster of any name could have, without the labels that the cluster can choose.
pub(crate) fn pods_of_any_cluster(config: &ReviewConfig) -> PodSpace {
    let [instance, managed_by, name, cluster] = MANAGED_LABELS;
    let known = [
        (instance, Values::any()),
        (managed_by, Values::one_of([OPERATOR_NAME])),
        (name, Values::one_of(["openbao"]).or_absent()),
        (cluster, Values::present()),
        (COMPONENT_LABEL, Values::any()),
        (BACKUP_TYPE_LABEL, Values::any()),
    ];
    PodSpace::new(known, config.runtime_label_keys.clone(), OtherKeys::Absent)
}

/// Adds labels that a cluster declares for its pods. They never override the operator's own, and not all
/// of the pods need have them.
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
