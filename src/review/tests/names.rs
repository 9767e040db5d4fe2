//! OBP311: names of policies that are already taken.

use std::sync::Arc;

use serde_json::json;

use super::support::{
    Found, ZONES, cluster_named, cluster_request, compiled_under, config_of, found, managed, owned,
    policy, reference, row, without_advice,
};
use crate::config::Baseline::{self, Classic, V01, V04};
use crate::inventory::{Cluster, Fact, Kind, Owner, Policy, read};
use crate::review::review;
use crate::rules::Code::{Obp102, Obp311};
use crate::rules::Level::{self, Deny, Warn};

fn named(name: &str) -> Arc<Cluster> {
    cluster_named(name, &json!({"profile": "Development"}))
}

fn restored(name: &str) -> Arc<Cluster> {
    let json = json!({"metadata": {"name": name, "namespace": "bao",
        "annotations": {"openbao.org/restore-origin": "old"}}, "spec": {}});
    let read = read::cluster(
        json.to_string().as_bytes(),
        &reference(Kind::OpenBaoCluster, name),
    );
    read.read().expect("readable").clone()
}

/// Findings about a cluster that is written with other clusters and policies present.
fn written(
    baseline: Baseline,
    clusters: &[Arc<Cluster>],
    policies: &[Fact<Policy>],
    before: Option<&Arc<Cluster>>,
    after: &Arc<Cluster>,
) -> Vec<Found> {
    let compiled = compiled_under(config_of(baseline), clusters, policies);
    let mut found = without_advice(found(&review(&compiled, &cluster_request(before, after))));
    // Only the operator marks a cluster as restored, which is not what these tests are about.
    found.retain(|found| found.0 != Obp102);
    found
}

fn collision(level: Level) -> Found {
    row(Obp311, level, "metadata.name", "")
}

#[test]
fn obp311_clusters_whose_policies_share_a_name_are_denied() {
    let pairs = [("bao", "bao-jobs"), ("bao-jobs", "bao")];
    for (old, new) in pairs {
        let create = |baseline| written(baseline, &[named(old)], &[], None, &named(new));
        assert_eq!(create(V01), [collision(Deny)], "{old} {new}");
        assert_eq!(create(V04), [collision(Deny)], "{old} {new}");
        assert_eq!(create(Classic), [], "jobs have no policy there");
        // In a final state of files, each of the two is reviewed with the other.
        let both = [named(old), named(new)];
        assert_eq!(
            written(V01, &both, &[], None, &named(new)),
            [collision(Deny)]
        );
        // Existing ones can still be changed.
        let changed = cluster_named(new, &json!({"profile": "Hardened"}));
        let update = written(V01, &both, &[], Some(&named(new)), &changed);
        assert_eq!(update, [collision(Warn)], "{old} {new}");
        // No policies are rendered for a restored cluster.
        assert_eq!(written(V04, &[restored(old)], &[], None, &named(new)), []);
        assert_eq!(written(V04, &[named(old)], &[], None, &restored(new)), []);
        // Older operators do not have the annotation.
        let known = written(V01, &[restored(old)], &[], None, &named(new));
        assert_eq!(known, [collision(Deny)], "{old} {new}");
    }
    for other in ["bao-job", "bao-jobs-jobs", "jobs", "b", "bao-2"] {
        let found = written(V01, &[named(other)], &[], None, &named("bao"));
        assert_eq!(found, [], "{other}");
    }
}

#[test]
fn obp311_a_cluster_that_cannot_be_read_holds_its_name_too() {
    let broken = json!({"metadata": {"name": "bao", "namespace": "bao"}, "spec": {"network": 7}});
    let broken = read::cluster(
        broken.to_string().as_bytes(),
        &reference(Kind::OpenBaoCluster, "bao"),
    );
    let is_broken = |cluster: &Arc<Cluster>| cluster.broken.is_some();
    assert!(broken.read().is_some_and(is_broken));
    let mut compiled = compiled_under(config_of(V01), &[], &[]);
    let change = crate::inventory::Change::Set(crate::inventory::Object::Cluster(broken));
    compiled.snapshot = Arc::new(compiled.snapshot.apply([change]));
    let verdict = review(&compiled, &cluster_request(None, &named("bao-jobs")));
    assert_eq!(without_advice(found(&verdict)), [collision(Deny)]);
}

#[test]
fn obp311_a_policy_that_is_not_the_operators_is_reported_when_a_cluster_takes_its_name() {
    let bao = named("bao");
    let empty = json!({"podSelector": {"matchLabels": {"app": "web"}}});
    let foreign = |name: &str| policy(name, &empty);
    let level = |baseline| if baseline == V04 { Deny } else { Warn };
    for baseline in Baseline::ALL {
        let create = |policies: &[Fact<Policy>]| written(baseline, &[], policies, None, &bao);
        let workload = create(&[foreign("bao-network-policy")]);
        assert_eq!(workload, [collision(level(baseline))], "{baseline}");
        let jobs = create(&[foreign("bao-jobs-network-policy")]);
        let expected = if baseline == Classic {
            vec![]
        } else {
            vec![collision(level(baseline))]
        };
        assert_eq!(jobs, expected, "{baseline}");
        assert_eq!(create(&[foreign("bao-policy")]), [], "{baseline}");
        // Who manages the cluster already has it settled.
        let policies = [foreign("bao-network-policy")];
        let stored = [bao.clone()];
        let changed = cluster_named("bao", &json!({"profile": "Hardened"}));
        let update = written(baseline, &stored, &policies, Some(&bao), &changed);
        assert_eq!(update, [], "{baseline}");
    }
}

#[test]
fn obp311_an_owner_reference_or_the_operators_mark_makes_a_policy_the_clusters() {
    let bao = named("bao");
    let own = ZONES.map(|pods| owned(managed(&bao, pods)));
    let create = |policies: &[Policy]| {
        let policies: Vec<_> = policies
            .iter()
            .map(|policy| Fact::Read(policy.clone().into()))
            .collect();
        written(V04, &[], &policies, None, &bao).len()
    };
    assert_eq!(create(&own), 0);
    let changed = |change: &dyn Fn(&mut Owner)| {
        let mut policy = own[0].clone();
        policy.meta.owners.iter_mut().for_each(change);
        create(&[policy])
    };
    assert_eq!(changed(&|owner| owner.name = "other".into()), 1);
    assert_eq!(changed(&|owner| owner.kind = "OpenBaoTenant".into()), 1);
    assert_eq!(
        changed(&|owner| owner.api_version = "example.org/v1".into()),
        1
    );
    let mut marked = managed(&bao, ZONES[0]);
    assert_eq!(create(std::slice::from_ref(&marked)), 1);
    marked
        .meta
        .annotations
        .insert("openbao.org/owner-uid".into(), "1".into());
    assert_eq!(create(&[marked]), 0);
}

#[test]
fn obp311_only_the_uid_of_the_new_cluster_makes_a_policy_its_own() {
    let mut bao = Arc::unwrap_or_clone(named("bao"));
    bao.uid = Some("1".into());
    let bao = Arc::new(bao);
    let create = |policy: Policy| {
        let policies = [Fact::Read(policy.into())];
        written(V04, &[], &policies, None, &bao)
    };
    let own = owned(managed(&bao, ZONES[0]));
    assert_eq!(create(own.clone()), []);
    let with_owner = |change: &dyn Fn(&mut Owner)| {
        let mut policy = own.clone();
        policy.meta.owners.iter_mut().for_each(change);
        create(policy)
    };
    assert_eq!(
        with_owner(&|owner| owner.uid = "2".into()),
        [collision(Deny)]
    );
    assert_eq!(
        with_owner(&|owner| owner.controller = false),
        [collision(Deny)]
    );
    let marked = |uid: &str| {
        let mut policy = managed(&bao, ZONES[0]);
        policy
            .meta
            .annotations
            .insert("openbao.org/owner-uid".into(), uid.into());
        create(policy)
    };
    assert_eq!(marked("1"), []);
    assert_eq!(marked("2"), [collision(Deny)]);
}
