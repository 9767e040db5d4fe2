//! Pods and templates of pods.

use std::sync::Arc;

use serde_json::Value;

use super::decode::lenient_meta;
use super::nameless;
use crate::inventory::Kind;
use crate::inventory::workload::{CLUSTER_LABEL, Workload};
use netpol::label::labels;

/// A Pod, or an object with a template of pods, if its pods have the label of a cluster. Fields are read as far as
/// they are of the expected type.
pub(super) fn read(kind: Kind, value: &Value) -> Option<Workload> {
    let mut path = Workload::labels_path(kind).split('.');
    let written = path.try_fold(value, |value, field| value.get(field))?;
    let written = written.as_object()?;
    written.get(CLUSTER_LABEL)?;
    let pairs = written.iter().map(|(key, value)| {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        (Arc::from(key.as_str()), Arc::from(text))
    });
    let metadata = value.get("metadata").unwrap_or(&Value::Null);
    Some(Workload {
        kind,
        meta: lenient_meta(metadata, &nameless(kind)),
        labels: labels(pairs.collect()),
    })
}
