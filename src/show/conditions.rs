//! The status checkpoints of a cluster and of the restores into it, as computed from the facts, each
//! with what the live object says.

use schemars::JsonSchema;
use serde::Serialize;

use crate::advice::checkpoint;
use crate::inventory::restore::RestoreInto;
use crate::inventory::{Fact, Kind, LiveCondition, ObjectRef, Restore};
use crate::review::CompiledSnapshot;

/// One status checkpoint, as computed from the facts.
#[derive(Clone, Debug, JsonSchema, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// Its type, such as `APIServerNetworkReady`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Name of the OpenBaoRestore that has it; `None` for the cluster's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore: Option<String>,
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// Reason, in one word of the operator's.
    pub reason: &'static str,
    /// Reason, in a clause without a full stop.
    pub message: String,
    /// The checkpoint of the live object, the same or another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<Live>,
}

/// A checkpoint as the operator reported it.
#[derive(Clone, Debug, JsonSchema, PartialEq, Eq, Serialize)]
pub struct Live {
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// Reason, in one word.
    pub reason: String,
}

impl Condition {
    fn new(computed: checkpoint::Condition, live: &[LiveCondition]) -> Self {
        let live = live.iter().find(|live| live.kind == computed.kind);
        Self {
            kind: computed.kind.as_str(),
            restore: None,
            status: computed.status.as_str(),
            reason: computed.reason,
            message: computed.message,
            live: live.map(|live| Live {
                status: live.status.as_str(),
                reason: live.reason.to_string(),
            }),
        }
    }

    /// The type, and the restore that has it.
    pub(crate) fn title(&self) -> String {
        self.restore.as_ref().map_or_else(
            || self.kind.to_owned(),
            |restore| format!("{} of OpenBaoRestore {restore}", self.kind),
        )
    }

    /// The checkpoint of the live object, in words.
    pub(crate) fn live_words(&self) -> Option<String> {
        let Live { status, reason } = self.live.as_ref()?;
        let same = *status == self.status && reason == self.reason;
        Some(if same {
            "the live object says the same".to_owned()
        } else {
            format!("the live object says {status} ({reason})")
        })
    }

    /// Status and reason of it and of the live object, where that says something else.
    pub(crate) fn short(&self) -> String {
        let own = format!("{} {} ({})", self.kind, self.status, self.reason);
        match &self.live {
            Some(live) if live.status != self.status || live.reason != self.reason => {
                format!("{own}, live {} ({})", live.status, live.reason)
            }
            _ => own,
        }
    }
}

/// The checkpoints of a cluster, in the order of the documentation, and those of the restores into it.
/// None of a cluster that cannot be read, and none in the baseline `classic`.
pub(crate) fn of(compiled: &CompiledSnapshot, cluster: &ObjectRef) -> Vec<Condition> {
    let mut conditions = own(compiled, cluster);
    let facts = compiled.facts(&cluster.namespace).into_iter();
    for (name, restore) in facts.flat_map(|facts| &facts.restores) {
        let into = restore.read().map(|restore| &restore.into);
        if !matches!(into, Some(RestoreInto::Cluster(into)) if *into == cluster.name) {
            continue;
        }
        let restore = ObjectRef {
            kind: Kind::OpenBaoRestore,
            namespace: cluster.namespace.clone(),
            name: name.clone(),
        };
        let named = own(compiled, &restore)
            .into_iter()
            .map(|condition| Condition {
                restore: Some(name.to_string()),
                ..condition
            });
        conditions.extend(named);
    }
    conditions
}

/// The checkpoints that one object carries itself: an OpenBaoCluster or an OpenBaoRestore.
pub(crate) fn own(compiled: &CompiledSnapshot, object: &ObjectRef) -> Vec<Condition> {
    let own = match object.kind {
        Kind::OpenBaoCluster => of_cluster(compiled, object),
        Kind::OpenBaoRestore => of_restore(compiled, object),
        _ => None,
    };
    own.unwrap_or_default()
}

fn of_cluster(compiled: &CompiledSnapshot, object: &ObjectRef) -> Option<Vec<Condition>> {
    let fact = compiled.snapshot.cluster(&object.namespace, &object.name)?;
    let cluster = fact.read()?;
    let computed =
        checkpoint::checkpoints(cluster, &compiled.snapshot, &compiled.config).into_iter();
    let live = &cluster.dependencies.live;
    Some(
        computed
            .map(|condition| Condition::new(condition, live))
            .collect(),
    )
}

fn of_restore(compiled: &CompiledSnapshot, object: &ObjectRef) -> Option<Vec<Condition>> {
    let restores = &compiled.facts(&object.namespace)?.restores;
    let restore: &Restore = restores.get(&object.name).and_then(Fact::read)?;
    let RestoreInto::Cluster(name) = &restore.into else {
        return None;
    };
    let cluster = compiled.snapshot.cluster(&object.namespace, name)?.read()?;
    let computed = checkpoint::of_restore(restore, cluster, &compiled.config)?;
    Some(vec![Condition::new(computed, &restore.live)])
}
