//! The review of an OpenBaoCluster write: is what it declares additive-only, and which policies does
//! it bring to bear.

use std::sync::Arc;

use super::advice;
use super::policy::likewise;
use super::replay;
use super::request::Edit;
use super::world::World;
use crate::baseline::ClusterPerimeter;
use crate::inventory::{Cluster, Fact};
use crate::perimeter::Direction;
use crate::rules::declaration::{self, Declaration, api_server, malformed};
use crate::rules::text::pods_of;
use crate::rules::{Finding, Level, ambiguous_cidr, existing_policy, input};

/// All findings about a cluster write.
pub(super) fn findings(world: &World, edit: &Edit<Cluster>) -> Vec<Finding> {
    let after = match &edit.after {
        None => return Vec::new(),
        Some(Fact::Unreadable(broken)) => {
            return input::unreadable(&edit.object, broken, Level::Deny);
        }
        Some(Fact::Read(after)) => after,
    };
    let before = edit.before.as_ref().and_then(Fact::read);
    let before = before.map(AsRef::as_ref);
    let mut findings = ambiguous_cidr::in_cluster(&edit.object, after, before);
    for direction in Direction::ALL {
        let declared = Declaration::new(&edit.object, &world.posture, direction, after, before);
        if direction == Direction::Ingress {
            findings.extend(malformed::check(&declared, after, before));
            findings.extend(api_server::check(&declared, after, before));
        }
        let limit = declaration::limit(&declared);
        findings.extend(replay::of_declaration(&declared, limit));
    }
    if edit.before.is_none() || edit.spec_changed {
        findings.extend(brought_to_bear(world, edit));
        findings.extend(advice::of_cluster(world, &edit.object, after, before));
    }
    findings
}

/// Findings about policies of the namespace that pierce the perimeter of the cluster as written.
fn brought_to_bear(world: &World, edit: &Edit<Cluster>) -> Vec<Finding> {
    let Some(facts) = world.facts(&edit.object.namespace) else {
        return Vec::new();
    };
    let perimeter = |cluster: &Fact<Cluster>| {
        let api_server = &world.snapshot.api_server;
        ClusterPerimeter::of(cluster, facts, &world.posture, api_server, &[])
    };
    let Some(after) = edit.after.as_ref().map(perimeter) else {
        return Vec::new();
    };
    let before = edit.before.as_ref().map(perimeter);
    let mut pierced: Vec<(&Arc<str>, Finding)> = Vec::new();
    for (zone, policy, finding) in
        existing_policy::check(&edit.object, &world.posture, before.as_ref(), &after)
    {
        let finding = replay::of_existing(zone, policy, finding);
        let mut known = pierced.iter_mut();
        let same =
            known.find(|(name, known)| **name == policy.name && known.level <= finding.level);
        match same {
            // One connection for each policy is enough to see what is wrong with it.
            Some((_, known)) => likewise(known, &pods_of(&after, zone.pods)),
            None => pierced.push((&policy.name, finding)),
        }
    }
    let pierced = pierced.into_iter().map(|(_, finding)| finding);
    let unjudged = existing_policy::unjudged(&edit.object, &after);
    pierced.chain(unjudged).collect()
}
