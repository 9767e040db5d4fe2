//! What is isolated now: a statement about a state, beside the review of writes.

use super::world::World;
use super::{level, replay};
use crate::baseline::ClusterPerimeter;
use crate::code::Door;
use crate::rules::Finding;
use crate::rules::default_deny_absent::{self, Missing};

/// OBP105 for each zone of a cluster and each direction in which some of its pods are not isolated, as
/// seen at a door: manifests need not hold what the operator renders, while what is stored has to.
pub fn isolation(
    world: &World,
    cluster: &ClusterPerimeter,
    door: Door,
    missing: Missing,
) -> Vec<Finding> {
    let found = default_deny_absent::check(cluster, &world.posture, missing);
    let tunnels = &world.posture.tunnel_ports;
    let replayed = found
        .into_iter()
        .map(|(zone, finding)| replay::of_bare(zone, missing, finding, tunnels));
    level::of_state(&world.posture, door, replayed.collect())
}
