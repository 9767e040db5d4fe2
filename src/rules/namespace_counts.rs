//! OBP504: a Namespace that policies let in by its labels.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Cause, Finding, Onset};
use crate::inventory::{Kind, Labels, ObjectRef};

/// The finding about a Namespace with all of the labels of namespaces that scrape the operator's metrics; `None` without
/// one of them, or if no label is set.
pub(crate) fn check(
    name: &Arc<str>,
    labels: &Labels,
    wanted: &BTreeMap<Arc<str>, Arc<str>>,
) -> Option<Finding> {
    let has_all = wanted
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value));
    if wanted.is_empty() || !has_all {
        return None;
    }
    let object = ObjectRef {
        kind: Kind::Namespace,
        namespace: "".into(),
        name: name.clone(),
    };
    let finding = Finding::of(
        Cause::NamespaceCounts,
        Onset::PreExisting,
        &object,
        "metadata.labels",
    );
    let reason = format!(
        "policies let every pod in the Namespace reach the operator's metrics because it is labelled {}",
        written(wanted)
    );
    Some(
        Finding {
            help: "remove the label, unless this namespace scrapes the operator".to_owned(),
            ..finding
        }
        .because(reason),
    )
}

/// Labels as `key=value`.
pub(crate) fn written(labels: &BTreeMap<Arc<str>, Arc<str>>) -> String {
    let labels = labels.iter();
    let labels: Vec<String> = labels
        .map(|(key, value)| format!("`{key}={value}`"))
        .collect();
    labels.join(" and ")
}
