//! OBP607: the first egress rule ends the fallback to port 443 that the jobs of a Development cluster
//! have while none is declared.

use super::endpoint_not_covered::{DialContext, Known, check as uncovered};
use super::opened::opened;
use super::{Code, Finding};
use crate::baseline::{Peers, Pods};
use crate::inventory::{Cluster, ObjectRef, Profile};
use netpol::{Direction, Region};

/// The port of the fallback.
const HTTPS: u16 = 443;

/// The finding about a write of a cluster.
pub fn check(
    object: &ObjectRef,
    after: &Cluster,
    before: Option<&Cluster>,
    known: Known<'_>,
) -> Option<Finding> {
    let is_development = after.profile == Some(Profile::Development);
    if !is_development || after.network.egress_rules.is_empty() || !is_lost(after, known) {
        return None;
    }
    let backup = backup_ends(object, after, known);
    let ends = match before {
        Some(before) => !fallback(before, known).is_empty(),
        None => backup.is_some(),
    };
    let reason = match backup {
        Some(place) => format!(
            "egressRules end the fallback that lets jobs reach any address on 443, and none of them opens {place} for \
             backups"
        ),
        None => "the first of egressRules ends the fallback that lets backup and restore jobs reach any address on 443"
            .to_owned(),
    };
    ends.then(|| Finding {
        cluster: Some(object.clone()),
        reason,
        help: "declare what the jobs reach on 443 under spec.network.egressRules as well"
            .to_owned(),
        ..Finding::advice(Code::Obp607, object, "spec.network.egressRules")
    })
}

/// What the fallback of a cluster lets through; nothing where it has none.
fn fallback(cluster: &Cluster, known: Known<'_>) -> Vec<Region> {
    let opened = opened(cluster, Pods::Jobs, Direction::Egress, known).unwrap_or_default();
    let fallback = opened
        .into_iter()
        .filter(|open| open.peers == Peers::DevelopmentAddresses);
    fallback.flat_map(|open| open.regions).collect()
}

/// Whether the declared rules of a cluster let less through than the fallback would.
fn is_lost(cluster: &Cluster, known: Known<'_>) -> bool {
    let mut without = cluster.clone();
    without.network.egress_rules.clear();
    let open = opened(cluster, Pods::Jobs, Direction::Egress, known).unwrap_or_default();
    let open: Vec<&Region> = open.iter().flat_map(|open| &open.regions).collect();
    let kept = |lost: &Region| open.iter().any(|region| lost.is_subset(region));
    fallback(&without, known).iter().any(|lost| !kept(lost))
}

/// The first place on the fallback's port to which backups no longer get.
fn backup_ends(object: &ObjectRef, cluster: &Cluster, known: Known<'_>) -> Option<String> {
    let backup = cluster.dependencies.backup.as_ref()?;
    let on_https = |dial: &&crate::inventory::dependencies::DialTarget| {
        dial.endpoint
            .as_ref()
            .is_ok_and(|endpoint| endpoint.port == HTTPS)
    };
    let dial_targets = backup.dial_targets.iter().filter(on_https);
    let mut shut = dial_targets.filter(|dial| {
        let context = DialContext {
            object,
            pods: Pods::Jobs,
            cluster,
            dial_targets: std::slice::from_ref(dial),
        };
        !uncovered(context, None, known).is_empty()
    });
    let endpoint = shut.next()?.endpoint.as_ref().ok()?;
    Some(endpoint.to_string())
}
