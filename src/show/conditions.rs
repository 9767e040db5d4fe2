//! The seam for the status checkpoints: what they say of a cluster.

use serde::Serialize;

use crate::inventory::ObjectRef;
use crate::review::World;

/// One status checkpoint, as computed from the facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// Its type, such as `APIServerNetworkReady`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, in one word of the operator's.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
    /// What the live object says instead, where it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<String>,
}

/// The checkpoints of a cluster, in the order of the documentation; none where nothing computes them.
pub const fn of(_world: &World, _cluster: &ObjectRef) -> Vec<Condition> {
    Vec::new()
}
