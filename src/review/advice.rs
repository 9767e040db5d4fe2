//! Advice about a write: rules without effect, status conditions, and problems that the operator does not
//! check.

use super::request::Edit;
use super::world::CompiledSnapshot;
use crate::advice::endpoint_not_covered::{self, DialContext};
use crate::advice::opened::{Known, Openings};
use crate::advice::{
    checkpoint, declaration_opens, fallback_ended, nobody_admitted, without_effect,
};
use crate::baseline::Pods;
use crate::code::EnforcementPoint;
use crate::inventory::{Checkpoint, Cluster, Fact, ObjectRef, Policy, Profile};
use crate::rules::{Code, Finding};

/// Warnings about rules of a policy that have no effect, for users who write them. Stored objects are not
/// checked.
pub(super) fn of_policy(point: EnforcementPoint, edit: &Edit<Policy>) -> Vec<Finding> {
    let (Some(Fact::Read(after)), true) = (&edit.after, edit.spec_changed) else {
        return Vec::new();
    };
    if point == EnforcementPoint::Audit {
        return Vec::new();
    }
    let before = edit.before.as_ref().and_then(Fact::read);
    without_effect::in_policy(&edit.object, after, before.map(AsRef::as_ref))
}

/// Advice about a cluster as written. A write with an unchanged spec gets none.
pub(super) fn of_cluster(
    world: &CompiledSnapshot,
    object: &ObjectRef,
    after: &Cluster,
    before: Option<&Cluster>,
) -> Vec<Finding> {
    let known = known(world);
    let openings = Openings::new(after, known);
    let old = before.map(|before| Openings::new(before, known));
    let old = old.as_ref();
    let mut findings = checkpoint::check(object, after, before, (&world.snapshot, &world.config));
    findings.extend(snapshot_without_egress(object, after, &findings));
    findings.extend(endpoints(object, &openings, old));
    let config = &world.config;
    findings.extend(endpoint_not_covered::seal_without_address(
        object,
        after,
        before,
        config.baseline,
    ));
    findings.extend(nobody_admitted::check(object, &openings, old));
    findings.extend(without_effect::in_cluster(object, after, before));
    findings.extend(declaration_opens::check(object, &openings, old));
    findings.extend(fallback_ended::check(object, &openings, old));
    findings
}

/// The configuration and the API server's addresses.
pub(super) fn known(world: &CompiledSnapshot) -> Known<'_> {
    (&world.config, &world.snapshot.api_server)
}

/// Services that servers and backup jobs of a cluster connect to.
fn endpoints(
    object: &ObjectRef,
    after: &Openings<'_>,
    before: Option<&Openings<'_>>,
) -> Vec<Finding> {
    fn context<'a>(
        object: &'a ObjectRef,
        pods: Pods,
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
            Pods::Jobs => jobs(),
            Pods::Workload | Pods::Controller => &around.dial_targets,
        };
        DialContext {
            object,
            pods,
            openings,
            dial_targets,
        }
    }
    let of = |pods| {
        let before = before.map(|before| context(object, pods, before));
        endpoint_not_covered::check(context(object, pods, after), before)
    };
    let servers = of(Pods::Workload);
    servers.into_iter().chain(of(Pods::Jobs)).collect()
}

/// A snapshot before an upgrade has the needs of a backup. The operator reports that only during an upgrade.
fn snapshot_without_egress(
    object: &ObjectRef,
    after: &Cluster,
    findings: &[Finding],
) -> Option<Finding> {
    let (code, _) = checkpoint::place(Checkpoint::BackupConfiguration);
    let is_told = findings.iter().any(|finding| finding.code == code);
    let is_hardened = after.profile == Some(Profile::Hardened);
    let is_shut = is_hardened && after.network.egress_rules.is_empty();
    let wanted = after.dependencies.snapshot_before_upgrade && is_shut && !is_told;
    wanted.then(|| Finding {
        cluster: Some(object.clone()),
        reason: "the snapshot before an upgrade will stop with NetworkEgressRulesRequired: the cluster is Hardened and \
                 declares no egressRules"
            .to_owned(),
        help: "declare the object storage under spec.network.egressRules".to_owned(),
        ..Finding::advice(Code::Obp603, object, "spec.upgrade")
    })
}
