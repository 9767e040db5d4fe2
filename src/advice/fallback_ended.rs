//! OBP607: the first egress rule ends the fallback to port 443 that jobs of a Development cluster have
//! without declared rules.

use super::endpoint_not_covered::{DialContext, check as uncovered};
use super::opened::Openings;
use crate::baseline::{Peers, Zone};
use crate::inventory::{ObjectRef, Profile};
use crate::rules::{Cause, Finding, Onset};
use netpol::{Direction, Region};

/// The port of the fallback.
const HTTPS: u16 = 443;

/// The finding about a write of a cluster.
pub(crate) fn check(
    object: &ObjectRef,
    openings: &Openings<'_>,
    before: Option<&Openings<'_>>,
) -> Option<Finding> {
    let after = openings.cluster;
    let is_development = after.profile == Some(Profile::Development);
    if !is_development || after.network.egress_rules.is_empty() || !is_lost(openings) {
        return None;
    }
    let backup = backup_ends(object, openings);
    let ends = match before {
        Some(before) => fallback(before).next().is_some(),
        None => backup.is_some(),
    };
    let reason = match backup {
        Some(place) => format!(
            "egressRules end the fallback that lets jobs reach any address on 443, and none of them opens {place} for \
             backups"
        ),
        None => "the first entry of egressRules ends the fallback that lets backup and restore jobs reach any address on 443"
            .to_owned(),
    };
    ends.then(|| Finding {
        cluster: Some(object.clone()),
        reason,
        help: "declare what the jobs reach on 443 under spec.network.egressRules as well"
            .to_owned(),
        ..Finding::of(
            Cause::FallbackEnded,
            Onset::Introduced,
            object,
            "spec.network.egressRules",
        )
    })
}

/// Connections that the fallback of a cluster allows; none if it has no fallback.
fn fallback<'o>(openings: &'o Openings<'_>) -> impl Iterator<Item = &'o Region> {
    let opened = openings.of(Zone::Jobs, Direction::Egress);
    let opened = opened.unwrap_or_default().iter();
    let fallback = opened.filter(|open| open.peers == Peers::DevelopmentAddresses);
    fallback.flat_map(|open| &open.regions)
}

/// Returns true if the declared rules of a cluster allow less than the fallback.
fn is_lost(openings: &Openings<'_>) -> bool {
    let mut without = openings.cluster.clone();
    without.network.egress_rules.clear();
    let open = openings.of(Zone::Jobs, Direction::Egress);
    let open = || {
        open.unwrap_or_default()
            .iter()
            .flat_map(|open| &open.regions)
    };
    let kept = |lost: &Region| open().any(|region| lost.is_subset(region));
    fallback(&Openings::new(&without, openings.known)).any(|lost| !kept(lost))
}

/// The first endpoint on the fallback's port that backups can no longer reach.
fn backup_ends(object: &ObjectRef, openings: &Openings<'_>) -> Option<String> {
    let backup = openings.cluster.dependencies.backup.as_ref()?;
    let on_https = |dial: &&crate::inventory::dependencies::DialTarget| {
        dial.endpoint
            .as_ref()
            .is_ok_and(|endpoint| endpoint.port == HTTPS)
    };
    let dial_targets = backup.dial_targets.iter().filter(on_https);
    let mut shut = dial_targets.filter(|dial| {
        let context = DialContext {
            object,
            pods: Zone::Jobs,
            openings,
            dial_targets: std::slice::from_ref(dial),
        };
        !uncovered(context, None).is_empty()
    });
    let endpoint = shut.next()?.endpoint.as_ref().ok()?;
    Some(endpoint.to_string())
}
