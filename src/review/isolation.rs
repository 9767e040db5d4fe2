//! The current isolation of pods. It is about a state, not about a write.

use super::world::CompiledSnapshot;
use super::{level, replay};
use crate::baseline::ClusterPerimeter;
use crate::code::EnforcementPoint;
use crate::rules::Finding;
use crate::rules::default_deny_absent::{self, Missing};

/// OBP105 for each zone of a cluster and each direction in which some of its pods are not isolated. Manifests
/// need not contain the policies that the operator renders; stored objects must include them.
pub fn isolation(
    world: &CompiledSnapshot,
    cluster: &ClusterPerimeter,
    point: EnforcementPoint,
    missing: Missing,
) -> Vec<Finding> {
    let found = default_deny_absent::check(cluster, &world.config, missing);
    let tunnels = &world.config.tunnel_ports;
    let replayed = found
        .into_iter()
        .map(|(zone, finding)| replay::of_bare(zone, missing, finding, tunnels));
    level::of_state(&world.config, point, replayed.collect())
}
