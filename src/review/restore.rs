//! The review of an OpenBaoRestore as it is made: its cluster, its way to the snapshot, and what a
//! Hardened cluster asks for.

use super::advice::known;
use super::request::Edit;
use super::world::World;
use crate::baseline::Pods;
use crate::inventory::restore::RestoreInto;
use crate::inventory::{Checkpoint, Cluster, Fact, Kind, ObjectRef, Restore};
use crate::rules::declaration::hardened;
use crate::rules::endpoint_not_covered::{self, Dialling};
use crate::rules::{Code, Finding, Level, checkpoint, input};

/// Reasons of the condition that OBP310 tells already where the contract denies.
const CONTRACT: [&str; 2] = ["NetworkEgressRulesRequired", "SecurityViolation"];

/// All findings about a new restore. A stored one cannot be changed, and is not looked at again.
pub(super) fn findings(world: &World, edit: &Edit<Restore>) -> Vec<Finding> {
    let restore = match (&edit.before, &edit.after) {
        (None, Some(Fact::Read(restore))) => restore,
        (None, Some(Fact::Unreadable(broken))) => {
            return input::unreadable(&edit.object, broken, Level::Deny);
        }
        _ => return Vec::new(),
    };
    let name = match &restore.into {
        RestoreInto::Cluster(name) => name,
        RestoreInto::Fresh => return Vec::new(),
        RestoreInto::Nothing => {
            return vec![untold(&edit.object, "it names no cluster to restore into")];
        }
    };
    let cluster = world.snapshot.cluster(&edit.object.namespace, name);
    match cluster {
        Some(Fact::Read(cluster)) => into_cluster(world, &edit.object, restore, cluster),
        Some(Fact::Unreadable(_)) => {
            let said = format!("OpenBaoCluster `{name}` cannot be read");
            vec![untold(&edit.object, &said)]
        }
        None => {
            let said = format!("no OpenBaoCluster `{name}` is known in this namespace");
            vec![untold(&edit.object, &said)]
        }
    }
}

fn untold(object: &ObjectRef, said: &str) -> Finding {
    Finding {
        reason: format!(
            "{said}, so neither {} nor its egress can be told",
            Checkpoint::RestoreConfiguration
        ),
        help: "name an OpenBaoCluster of the same namespace in spec.cluster".to_owned(),
        ..Finding::advice(Code::Obp604, object, "spec.cluster")
    }
}

fn into_cluster(
    world: &World,
    object: &ObjectRef,
    restore: &Restore,
    cluster: &Cluster,
) -> Vec<Finding> {
    let contract = hardened::of_restore(object, cluster, &world.posture);
    let mut findings: Vec<Finding> = contract.into_iter().collect();
    let condition = checkpoint::of_restore(restore, cluster, &world.posture);
    let is_told = |reason: &str| !findings.is_empty() && CONTRACT.contains(&reason);
    let condition = condition.filter(|condition| !is_told(condition.reason));
    let condition = condition
        .and_then(|condition| checkpoint::finding(object, &condition, restore.live.first(), None));
    findings.extend(condition.map(|finding| Finding {
        cluster: Some(reference(cluster)),
        ..finding
    }));
    let dialling = Dialling {
        object,
        pods: Pods::Jobs,
        cluster,
        dials: &restore.needs.dials,
    };
    findings.extend(endpoint_not_covered::check(dialling, None, known(world)));
    findings
}

fn reference(cluster: &Cluster) -> ObjectRef {
    ObjectRef {
        kind: Kind::OpenBaoCluster,
        namespace: cluster.meta.namespace.clone(),
        name: cluster.meta.name.clone(),
    }
}
