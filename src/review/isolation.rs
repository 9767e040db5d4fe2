//! The current isolation of pods. It is about a state, not about a write.

use super::compiled::CompiledSnapshot;
use super::rules::{self, Check};
use super::{level, replay};
use crate::baseline::ClusterPerimeter;
use crate::code::EnforcementPoint;
use crate::rules::Finding;
use crate::rules::default_deny_absent::Missing;

/// Findings about the policies of a cluster as they are. Manifests
/// need not contain the policies that the operator renders; stored objects must include them.
pub fn isolation(
    compiled: &CompiledSnapshot,
    cluster: &ClusterPerimeter,
    point: EnforcementPoint,
    missing: Missing,
) -> Vec<Finding> {
    let found = rules::checks().flat_map(|check| match check {
        Check::State(check) => check(cluster, &compiled.config, missing),
        _ => Vec::new(),
    });
    let tunnels = &compiled.config.tunnel_ports;
    let replayed = found.map(|(zone, finding)| replay::of_bare(zone, missing, finding, tunnels));
    level::of_state(&compiled.config, point, replayed.collect())
}
