//! ClusterNetworkPolicy, AdminNetworkPolicy and BaselineAdminNetworkPolicy.
//!
//! Sources: `apis/v1beta1`, `apis/v1alpha2` and `apis/v1alpha1` of `sigs.k8s.io/network-policy-api` v0.3.0.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use netpol::tier::PolicyKind;
use serde::de::IgnoredAny;

use super::tier_policy::{NamespacedPods, Pods, Spec, WrittenTier};
use super::{Requirements, fact, namespace_key, of, pod_key};
use crate::inventory::other_policy::{Effect, Subject};
use crate::inventory::read::decode::Source;
use crate::inventory::{Fact, Kind, ObjectRef, OtherPolicy, Unreadable};

pub(super) fn read(source: Source<'_>, fallback: &ObjectRef) -> Fact<OtherPolicy> {
    let kind = match fallback.kind {
        Kind::AdminNetworkPolicy => PolicyKind::AdminNetworkPolicy,
        Kind::BaselineAdminNetworkPolicy => PolicyKind::BaselineAdminNetworkPolicy,
        _ => PolicyKind::ClusterNetworkPolicy,
    };
    let written = source.decode::<Spec, IgnoredAny>(fallback);
    fact(written.and_then(|(meta, spec, _)| {
        let spec = spec.unwrap_or_default();
        if kind == PolicyKind::ClusterNetworkPolicy
            && let Some(problem) = spec.wrong_length()
        {
            return Err(Box::new(Unreadable {
                meta,
                problems: vec![problem],
                version: None,
                too_large: None,
                pods: None,
            }));
        }
        let ordered = spec.policy(kind, &meta.name);
        let is_baseline = match kind {
            PolicyKind::ClusterNetworkPolicy => spec.tier == Some(WrittenTier::Baseline),
            kind => kind == PolicyKind::BaselineAdminNetworkPolicy,
        };
        let effect = if is_baseline {
            Effect::AfterNetworkPolicies
        } else {
            Effect::BeforeNetworkPolicies
        };
        Ok(OtherPolicy {
            ordered: ordered.map(Arc::new),
            ..of(&meta, subject(&spec.subject.unwrap_or_default()), effect)
        })
    }))
}

fn subject(written: &Pods) -> Subject {
    let (namespaces, pods) = match (&written.namespaces, &written.pods) {
        (Some(namespaces), None) => (namespaces, &LabelSelector::default()),
        (
            None,
            Some(NamespacedPods {
                namespace_selector: Some(namespaces),
                pod_selector: Some(pods),
            }),
        ) => (namespaces, pods),
        // No API server stores it.
        _ => return Subject::unknown(""),
    };
    let namespaces = Requirements::of(namespaces, namespace_key);
    let pods = Requirements::of(pods, pod_key);
    Subject {
        parts: namespaces.and(pods).part("").into_iter().collect(),
    }
}
