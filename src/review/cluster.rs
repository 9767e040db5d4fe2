//! The review of an OpenBaoCluster write: is what it declares additive-only.

use super::replay;
use super::request::Edit;
use super::world::World;
use crate::inventory::{Cluster, Fact};
use crate::rules::declaration::{Declaration, everyone, malformed, raft_port};
use crate::rules::{Finding, Level, input};

/// All findings about a cluster write.
pub(super) fn findings(world: &World, edit: &Edit<Cluster>) -> Vec<Finding> {
    let after = match &edit.after {
        None => return Vec::new(),
        Some(Fact::Unreadable(broken)) => {
            return input::unreadable(&edit.object, broken, Level::Deny);
        }
        Some(Fact::Read(after)) => after,
    };
    let before = edit.before.as_ref().and_then(Fact::read).map(AsRef::as_ref);
    let declaration = Declaration::new(&edit.object, &world.posture, after, before);
    let mut findings = malformed::check(&declaration, after, before);
    findings.extend(everyone::check(&declaration));
    findings.extend(raft_port::check(&declaration));
    replay::of_declaration(&declaration, findings)
}
