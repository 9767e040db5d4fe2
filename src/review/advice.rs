//! Advice about a cluster write: status conditions, and endpoints that no egress covers.

use super::cluster::ClusterReview;
use super::compiled::CompiledSnapshot;
use crate::advice::checkpoint;
use crate::advice::endpoint_not_covered::{self, DialContext};
use crate::advice::opened::{Known, Openings};
use crate::baseline::Zone;
use crate::inventory::{Checkpoint, Cluster, ObjectRef, Profile};
use crate::rules::{Cause, Finding, Onset};

/// OBP601 to OBP603: one status condition.
pub(super) fn condition(write: &ClusterReview<'_>, kind: Checkpoint) -> Vec<Finding> {
    let compiled = (&*write.compiled.snapshot, &*write.compiled.config);
    let found = checkpoint::check(kind, write.object, (write.before, write.after), compiled);
    found.into_iter().collect()
}

/// OBP603: the condition of backups, or else the needs of snapshots before an upgrade.
pub(super) fn backup(write: &ClusterReview<'_>, _: &[Finding]) -> Vec<Finding> {
    let found = condition(write, Checkpoint::BackupConfiguration);
    if found.is_empty() {
        let shut = snapshot_without_egress(write.object, write.after);
        return shut.into_iter().collect();
    }
    found
}

/// The configuration, the API server's addresses and the ports of Services.
pub(super) fn known(compiled: &CompiledSnapshot) -> Known<'_> {
    let snapshot = &compiled.snapshot;
    (&compiled.config, &snapshot.api_server, &snapshot.services)
}

/// OBP605: services that servers and backup jobs of a cluster connect to.
pub(super) fn endpoints(write: &ClusterReview<'_>, _: &[Finding]) -> Vec<Finding> {
    fn context<'a>(
        object: &'a ObjectRef,
        pods: Zone,
        openings: &'a Openings<'a>,
    ) -> DialContext<'a> {
        let around = &openings.cluster.dependencies;
        let jobs = || {
            around
                .backup
                .as_ref()
                .map_or(&[][..], |needs| &needs.dial_targets)
        };
        let dial_targets = match pods {
            Zone::Jobs => jobs(),
            Zone::Workload | Zone::Controller => &around.dial_targets,
        };
        DialContext {
            object,
            pods,
            openings,
            dial_targets,
        }
    }
    let object = write.object;
    let of = |pods| {
        let before = write.openings_before.as_ref();
        let before = before.map(|before| context(object, pods, before));
        endpoint_not_covered::check(context(object, pods, &write.openings), before)
    };
    let (after, before) = (write.after, write.before);
    let baseline = write.compiled.config.baseline;
    let seal = endpoint_not_covered::seal_without_address(object, after, before, baseline);
    let servers = of(Zone::Workload).into_iter();
    servers.chain(of(Zone::Jobs)).chain(seal).collect()
}

/// A snapshot before an upgrade has the needs of a backup. The operator reports that only during an upgrade.
fn snapshot_without_egress(object: &ObjectRef, after: &Cluster) -> Option<Finding> {
    let is_hardened = after.profile == Some(Profile::Hardened);
    let is_shut = is_hardened && after.network.egress_rules.is_empty();
    let wanted = after.dependencies.snapshot_before_upgrade && is_shut;
    wanted.then(|| Finding {
        cluster: Some(object.clone()),
        reason: "the snapshot before an upgrade will stop with NetworkEgressRulesRequired: the cluster is Hardened and \
                 declares no egressRules"
            .to_owned(),
        help: "declare the object storage under spec.network.egressRules".to_owned(),
        ..Finding::of(
            Cause::BackupConfigurationNotReady,
            Onset::Introduced,
            object,
            "spec.upgrade",
        )
    })
}
