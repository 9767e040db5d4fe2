//! Facts compiled from earlier ones, with the same settings and with others.

use std::sync::Arc;

use serde_json::json;

use super::limit::namespace;
use super::support::{cluster, cluster_named, compiled, config_of, plain, policy};
use crate::config::{Baseline, ReviewConfig};
use crate::inventory::{Change, Object};
use crate::review::CompiledSnapshot;

fn under(known: &CompiledSnapshot, config: ReviewConfig) -> CompiledSnapshot {
    CompiledSnapshot::compile(Some(known), Arc::clone(&known.snapshot), Arc::new(config))
}

/// All compiled data, for comparison.
fn dump(compiled: &CompiledSnapshot) -> String {
    let names = compiled.snapshot.namespaces.keys();
    let all: Vec<_> = names.map(|name| compiled.perimeters(name)).collect();
    format!("{all:?}")
}

#[test]
fn equal_settings_take_over_what_is_compiled() {
    let known = plain();
    let again = under(&known, (*known.config).clone());
    for name in known.snapshot.namespaces.keys() {
        let [before, after] = [&known, &again].map(|compiled| compiled.perimeters(name).as_ptr());
        assert_eq!(before, after, "{name}");
    }
}

#[test]
fn other_settings_leave_nothing_of_what_was_compiled_under_the_old_ones() {
    let known = plain();
    let [first, ..] = &known.snapshot.namespaces.keys().collect::<Vec<_>>()[..] else {
        panic!("expected a namespace");
    };
    let others = [
        ReviewConfig {
            api_port: 8300,
            ..config_of(Baseline::V01)
        },
        ReviewConfig {
            health_namespaces: vec!["monitoring".into()],
            ..config_of(Baseline::V01)
        },
        ReviewConfig {
            baseline: Baseline::V04,
            ..config_of(Baseline::V01)
        },
        ReviewConfig {
            operator_namespace: Arc::clone(first),
            ..config_of(Baseline::V01)
        },
    ];
    for config in others {
        let fresh =
            CompiledSnapshot::compile(None, Arc::clone(&known.snapshot), Arc::new(config.clone()));
        let next = under(&known, config);
        // Too much to be printed.
        assert!(dump(&next) == dump(&fresh), "{:?}", next.config);
        assert!(dump(&next) != dump(&known), "{:?}", next.config);
    }
}

/// Memory of the facts of this number of clusters with one policy of 10,000 rules.
fn left_in_memory(clusters: usize) -> i64 {
    let rule = |at: usize| json!({"from": [namespace(&format!("client-{at}"))]});
    let rules: Vec<_> = (0..10_000).map(rule).collect();
    let large = [policy(
        "large",
        &json!({"podSelector": {}, "ingress": rules}),
    )];
    let name = |at: usize| cluster_named(&format!("c{at}"), &json!({}));
    let clusters: Vec<_> = (0..clusters).map(name).collect();
    let mut next = None;
    let counted = allocation_counter::measure(|| next = Some(compiled(&clusters, &large)));
    drop(next);
    counted.bytes_current
}

#[test]
fn the_regions_of_a_policy_are_kept_once_for_all_clusters() {
    let (one, many) = (left_in_memory(1), left_in_memory(21));
    // The regions of the policy, and the additional memory of each cluster.
    assert!(one > 2_000_000, "{one}");
    assert!(many - one < 20 * 64 * 1024, "{one} {many}");
}

#[test]
fn the_regions_of_policies_are_kept_while_other_objects_of_the_namespace_change() {
    let bao = cluster(&json!({}));
    let rules: Vec<_> = (0..10_000).map(|_| json!({})).collect();
    let large = policy("large", &json!({"podSelector": {}, "ingress": rules}));
    let known = compiled(&[bao], &[large]);
    let small = policy("small", &json!({"podSelector": {}}));
    let next = known.snapshot.apply([Change::Set(Object::Policy(small))]);
    let mut renewed = None;
    let counted = allocation_counter::measure(|| {
        renewed = Some(CompiledSnapshot::compile(
            Some(&known),
            next.into(),
            known.config.clone(),
        ));
    });
    assert!(counted.bytes_total < 200_000, "{}", counted.bytes_total);
    // The policy may be replaced by another one with the same name.
    let other = policy("large", &json!({"podSelector": {}, "ingress": [{}]}));
    let next = known.snapshot.apply([Change::Set(Object::Policy(other))]);
    let next = CompiledSnapshot::compile(Some(&known), next.into(), known.config.clone());
    let fresh = CompiledSnapshot::compile(None, next.snapshot.clone(), known.config.clone());
    assert!(dump(&next) == dump(&fresh));
}
