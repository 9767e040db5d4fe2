//! OBP203: a new cluster, or one whose pods or declarations change, brings an existing policy to
//! bear that lets through more than the ceiling permits.
//!
//! A create, and an update that moves the zone (other pod labels), denies and names the policy. A
//! narrowed ceiling warns. Managed policies are never named: the operator rewrites them. A policy
//! that is hard, unreadable or ambiguous belongs to somebody else and only ever warns here.

use crate::baseline::{ClusterPerimeter, Pods, Selected, ZonePerimeter};
use crate::inventory::ObjectRef;
use crate::perimeter::cover::{Budget, uncovered};
use crate::perimeter::{Direction, Region, witness};
use crate::posture::Posture;

use super::text::pods_of;
use super::{Code, Finding, Level};

/// A finding, with the policy and the zone that it is about.
pub type Pierced<'a> = (&'a ZonePerimeter, &'a Selected, Finding);

/// Findings about policies that pierce the perimeter as it is after the write.
pub fn check<'a>(
    object: &'a ObjectRef,
    posture: &'a Posture,
    before: Option<&'a ClusterPerimeter>,
    after: &'a ClusterPerimeter,
) -> impl Iterator<Item = Pierced<'a>> {
    let zones = after
        .zones
        .iter()
        .filter(|zone| zone.pods == Pods::Workload);
    zones.flat_map(move |zone| {
        let old = before.and_then(|before| before.zones.iter().find(|old| old.pods == zone.pods));
        let foreign = zone
            .selected
            .iter()
            .filter(|policy| after.managed(&policy.name).is_none());
        foreign.filter_map(move |policy| {
            let finding = of_policy(object, posture, after, (old, zone), policy)?;
            Some((zone, policy, finding))
        })
    })
}

fn of_policy(
    object: &ObjectRef,
    posture: &Posture,
    cluster: &ClusterPerimeter,
    (old, zone): (Option<&ZonePerimeter>, &ZonePerimeter),
    policy: &Selected,
) -> Option<Finding> {
    let pierced = |zone: &ZonePerimeter, policy: &Selected| pierces(posture, zone, policy);
    let (direction, piece, sure) = pierced(zone, policy)?;
    let known = old.is_some_and(|old| {
        let same = old.selected.iter().find(|known| known.name == policy.name);
        same.is_some_and(|known| policy.part == known.part || pierced(old, known).is_some())
    });
    let level = if sure && !known {
        Level::Deny
    } else {
        Level::Warn
    };
    Some(Finding {
        code: Code::Obp203,
        level,
        object: object.clone(),
        path: String::new(),
        reason: format!(
            "NetworkPolicy `{}` of the namespace already opens {} beyond the ceiling",
            policy.name,
            pods_of(cluster, zone.pods)
        ),
        only_if: None,
        witness: piece.and_then(|piece| witness::connection(direction, &zone.zone, &piece)),
        help: format!(
            "narrow or delete NetworkPolicy `{}` first, or take the OpenBao pods out of it, under \
             spec.podSelector.matchExpressions:\n- key: openbao.org/cluster\n  operator: DoesNotExist",
            policy.name
        ),
    })
}

/// Whether a policy lets through more than the ceiling: in which direction, which part, and whether
/// for sure. What cannot be decided within the budget is not sure.
fn pierces(
    posture: &Posture,
    zone: &ZonePerimeter,
    policy: &Selected,
) -> Option<(Direction, Option<Region>, bool)> {
    let mut unsure = None;
    for direction in Direction::ALL {
        let ceiling: Vec<&Region> = zone
            .ceiling(direction)
            .iter()
            .map(|entry| &entry.region)
            .collect();
        let outside = |region: &Region| {
            let keys = ceiling
                .iter()
                .flat_map(|cover| cover.subject.constrained().map(|(key, _)| key));
            let area = Region {
                subject: zone.zone.written_out(&region.subject, keys),
                ..region.clone()
            };
            uncovered(&area, &ceiling, &mut Budget::new(posture.proof_budget))
        };
        for rule in &policy.rules[direction as usize] {
            for region in rule.must() {
                match outside(region) {
                    Ok(Some(piece)) => return Some((direction, Some(piece), true)),
                    Ok(None) => {}
                    Err(_) => unsure = unsure.or(Some((direction, None, false))),
                }
            }
            let may = rule
                .may
                .iter()
                .find_map(|region| outside(region).ok().flatten());
            unsure = unsure.or(may.map(|piece| (direction, Some(piece), false)));
        }
    }
    unsure
}
