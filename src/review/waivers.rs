//! Waivers of the settings: which finding has one, and findings about the waivers themselves.

use std::sync::Arc;

use super::level;
use super::offline::{Objects, ReviewedObject};
use super::rules::{self, Check};
use super::verdict::Verdict;
use crate::code::EnforcementPoint;
use crate::config::{ReviewConfig, Waiver, WaiverState};
use crate::inventory::{Kind, ObjectRef};
use crate::rules::waivers::WaiverReview;
use crate::rules::{Finding, Level};

/// The finding with its waiver, if it has one: then it warns in place of denying.
pub(super) fn apply(config: &ReviewConfig, finding: Finding) -> Finding {
    let mut waivers = config.waivers.iter();
    let waiver = waivers.find(|waiver| {
        covers(waiver, &finding) && config.waiver_state(waiver) != WaiverState::Expired
    });
    match waiver {
        None => finding,
        Some(waiver) => Finding {
            level: finding.level.max(Level::Warn),
            waiver: Some(Arc::clone(waiver)),
            ..finding
        },
    }
}

/// True if a waiver is about the object or the cluster of a finding, and about its rule.
fn covers(waiver: &Waiver, finding: &Finding) -> bool {
    let namespace = waiver.namespace.as_deref().unwrap_or_default();
    let is_about = |object: &ObjectRef| *object.namespace == *namespace && !object.is_generated();
    waiver.has(finding.code)
        && match (&waiver.object, &waiver.cluster) {
            (Some(own), _) => {
                let object = &finding.object;
                let is_kind = object.kind.is_named(&own.kind, own.group.as_deref());
                is_kind && object.name == own.name && is_about(object)
            }
            (None, Some(cluster)) => {
                let of_cluster = |object: &&ObjectRef| {
                    let is_cluster = object.kind == Kind::OpenBaoCluster;
                    is_cluster && object.name == *cluster && is_about(object)
                };
                let mut concerned = finding.cluster.iter().chain([&finding.object]);
                concerned.any(|object| of_cluster(&object))
            }
            (None, None) => false,
        }
}

/// The object or cluster of a waiver.
fn object_of(waiver: &Waiver) -> Option<ObjectRef> {
    let (kind, name) = match (&waiver.object, &waiver.cluster) {
        (Some(object), _) => {
            let kind = Kind::named(&object.kind, object.group.as_deref())?;
            (kind, &object.name)
        }
        (None, cluster) => (Kind::OpenBaoCluster, cluster.as_ref()?),
    };
    Some(ObjectRef {
        kind,
        namespace: waiver.namespace.clone().unwrap_or_default(),
        name: name.clone(),
    })
}

/// Findings about the waivers. `is_known` is true for an object whose findings are all among `findings`.
pub fn waivers<'a>(
    config: &ReviewConfig,
    point: EnforcementPoint,
    findings: &(impl Iterator<Item = &'a Finding> + Clone),
    is_known: impl Fn(&ObjectRef) -> bool,
) -> Vec<Finding> {
    let of_waiver = |(index, waiver): (usize, &Arc<Waiver>)| {
        let Some(object) = object_of(waiver) else {
            return Vec::new();
        };
        let is_used = || findings.clone().any(|finding| covers(waiver, finding));
        let review = WaiverReview {
            waiver,
            index,
            object: &object,
            state: config.waiver_state(waiver),
            is_unused: is_known(&object) && !is_used(),
        };
        let checks = rules::checks().filter_map(|check| match check {
            Check::Waiver(check) => check(&review),
            _ => None,
        });
        checks.collect()
    };
    let found = config.waivers.iter().enumerate().flat_map(of_waiver);
    level::of_state(config, point, found.collect())
}

/// Adds findings about the waivers to the verdicts on all objects of a final state, at the object of each waiver.
pub(super) fn add(config: &ReviewConfig, all: &mut Vec<ReviewedObject>, objects: &Objects) {
    let findings = all.iter().flat_map(|reviewed| &reviewed.verdict.findings);
    let is_known = |object: &ObjectRef| objects.contains_key(object);
    let found = waivers(config, EnforcementPoint::Check, &findings, is_known);
    for finding in found {
        let mut same = all.iter_mut();
        match same.find(|reviewed| reviewed.object == finding.object) {
            Some(reviewed) => {
                let mut findings = std::mem::take(&mut reviewed.verdict.findings);
                findings.push(finding);
                reviewed.verdict = Verdict::new(findings);
            }
            None => all.push(ReviewedObject {
                object: finding.object.clone(),
                verdict: Verdict::new(vec![finding]),
            }),
        }
    }
}
