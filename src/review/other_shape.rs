//! The operator's stored policies that are as another baseline renders them.

use std::sync::Arc;

use super::CompiledSnapshot;
use crate::baseline::{ClusterPerimeter, Zone};
use crate::config::{Baseline, ReviewConfig};
use crate::inventory::{Kind, ObjectRef, Policy};

/// A policy of the operator, and the baseline that it fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OtherShape {
    /// The policy.
    pub(crate) policy: ObjectRef,
    /// The baseline that renders it so.
    pub(crate) baseline: Baseline,
}

/// The first policy of the operator in a namespace that is not as the baseline in force renders it, and exactly as another
/// one does. Edited policies fit no baseline, and say nothing.
pub(crate) fn other_shape(compiled: &CompiledSnapshot, namespace: &str) -> Option<OtherShape> {
    let facts = compiled.facts(namespace)?;
    let clusters = compiled.perimeters(namespace).iter();
    let zones = clusters.flat_map(|cluster| cluster.zones.iter().map(move |zone| (cluster, zone)));
    let mut shapes = zones.filter_map(|(cluster, zone)| {
        let expected = zone.rendered.as_ref()?;
        let stored = facts.policies.get(&expected.meta.name)?.read()?;
        if stored.same_spec(expected) {
            return None;
        }
        let others = elsewhere(compiled, cluster, zone.pods).into_iter();
        let mut fitting = others.filter(|(_, rendered)| rendered.same_spec(stored));
        let (baseline, _) = fitting.next_back()?;
        Some(OtherShape {
            policy: ObjectRef {
                kind: Kind::NetworkPolicy,
                namespace: cluster.object.namespace.clone(),
                name: expected.meta.name.clone(),
            },
            baseline,
        })
    });
    shapes.next()
}

/// The managed policy of a zone as the operator renders it in each other baseline, the oldest first.
pub(super) fn elsewhere(
    compiled: &CompiledSnapshot,
    cluster: &ClusterPerimeter,
    pods: Zone,
) -> Vec<(Baseline, Arc<Policy>)> {
    let Some(facts) = compiled.facts(&cluster.object.namespace) else {
        return Vec::new();
    };
    let Some(fact) = facts.clusters.get(&cluster.object.name) else {
        return Vec::new();
    };
    let regions = compiled.regions(&cluster.object.namespace, facts);
    let others = Baseline::ALL.into_iter();
    let others = others.filter(|baseline| *baseline != compiled.config.baseline);
    let rendered = others.filter_map(|baseline| {
        let config = ReviewConfig {
            baseline,
            ..ReviewConfig::clone(&compiled.config)
        };
        let api_server = &compiled.snapshot.api_server;
        let beside = (facts, &*regions);
        let cluster = ClusterPerimeter::of(fact, beside, &config, api_server, &[]);
        let mut zones = cluster.zones.into_iter();
        let rendered = zones.find(|other| other.pods == pods)?.rendered?;
        Some((baseline, rendered))
    });
    rendered.collect()
}
