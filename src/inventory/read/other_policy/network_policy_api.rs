//! ClusterNetworkPolicy, AdminNetworkPolicy and BaselineAdminNetworkPolicy.
//!
//! Sources: `apis/v1beta1`, `apis/v1alpha2` and `apis/v1alpha1` of `sigs.k8s.io/network-policy-api` v0.3.0.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;

use super::{Requirements, namespace_key, pod_key, with_spec};
use crate::inventory::other_policy::{Effect, Subject};
use crate::inventory::read::decode::Source;
use crate::inventory::{Fact, Kind, ObjectRef, OtherPolicy};

/// The fields of all three kinds that are read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    tier: Option<String>,
    subject: Option<RawSubject>,
}

/// The pods: exactly one of both.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RawSubject {
    namespaces: Option<LabelSelector>,
    pods: Option<Pods>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Pods {
    namespace_selector: Option<LabelSelector>,
    pod_selector: Option<LabelSelector>,
}

pub(super) fn read(source: Source<'_>, fallback: &ObjectRef) -> Fact<OtherPolicy> {
    with_spec(source, fallback, |_, spec: Spec| {
        let is_baseline = match fallback.kind {
            Kind::ClusterNetworkPolicy => spec.tier.as_deref() == Some("Baseline"),
            kind => kind == Kind::BaselineAdminNetworkPolicy,
        };
        let effect = if is_baseline {
            Effect::AfterNetworkPolicies
        } else {
            Effect::BeforeNetworkPolicies
        };
        (subject(&spec.subject.unwrap_or_default()), effect)
    })
}

fn subject(written: &RawSubject) -> Subject {
    let (namespaces, pods) = match (&written.namespaces, &written.pods) {
        (Some(namespaces), None) => (namespaces, &LabelSelector::default()),
        (
            None,
            Some(Pods {
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
