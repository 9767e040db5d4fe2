//! Maintenance writes: permission, and the clusters for which it is checked.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::support::{
    cluster, cluster_named, cluster_request, compiled, managed, operator, plain, policy_request,
    reference, servers, tenant,
};
use crate::baseline::Zone;
use crate::config::ReviewConfig;
use crate::inventory::{Cluster, Fact, Kind, Policy};
use crate::review::maintenance::{ANNOTATION, MissingPermission};
use crate::review::{Outcome, Request, Writer, not_ready, render, repair, review};

fn open() -> Policy {
    let spec = json!({"podSelector": {}, "ingress": [{"ports": [{"port": 8200}]}]});
    let Fact::Read(policy) = super::support::policy("open", &spec) else {
        panic!("a good policy");
    };
    Arc::unwrap_or_clone(policy)
}

fn annotated(mut policy: Policy, value: &str) -> Policy {
    policy
        .meta
        .annotations
        .insert(ANNOTATION.into(), value.into());
    policy
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "read as the old or new object of a request"
)]
fn fact(policy: Policy) -> Option<Fact<Policy>> {
    Some(Fact::Read(Arc::new(policy)))
}

fn masters() -> Writer {
    Writer {
        groups: vec!["system:authenticated".into(), "system:masters".into()],
        ..tenant()
    }
}

fn granted(names: &[&str]) -> Writer {
    let grants = names
        .iter()
        .map(|name| reference(Kind::OpenBaoCluster, name));
    Writer {
        grants: grants.collect(),
        ..tenant()
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "compared with an answer that may be none"
)]
fn asked(names: &[&str]) -> Option<MissingPermission> {
    Some(MissingPermission::Verb(granted(names).grants))
}

#[test]
fn maintenance_needs_the_annotation_and_permission() {
    let rows = [
        (tenant(), "true", Outcome::Deny),
        (masters(), "true", Outcome::Warn),
        (masters(), "false", Outcome::Deny),
        (masters(), "", Outcome::Deny),
        (granted(&["bao"]), "true", Outcome::Warn),
        (granted(&["bao"]), "no", Outcome::Deny),
        (granted(&["other"]), "true", Outcome::Deny),
    ];
    for (writer, value, outcome) in rows {
        let request = policy_request(writer.clone(), "open", None, fact(annotated(open(), value)));
        let verdict = review(&plain(), &request);
        assert_eq!(verdict.outcome(), outcome, "{writer:?} {value}");
        assert_eq!(
            verdict.maintained,
            outcome == Outcome::Warn,
            "{writer:?} {value}"
        );
    }
    let bare = policy_request(masters(), "open", None, fact(open()));
    assert_eq!(review(&plain(), &bare).outcome(), Outcome::Deny);
}

#[test]
fn a_deletion_is_maintenance_by_the_old_object_only() {
    let own = managed(&cluster(&json!({})), Zone::Workload);
    let name = own.meta.name.to_string();
    let delete = |old: Policy| policy_request(masters(), &name, fact(old), None);
    assert_eq!(
        review(&plain(), &delete(own.clone())).outcome(),
        Outcome::Deny
    );
    let marked = delete(annotated(own, "true"));
    assert_eq!(review(&plain(), &marked).outcome(), Outcome::Warn);
}

#[test]
fn permission_is_checked_only_for_a_denial_that_it_could_lift() {
    let compiled = plain();
    let asked_about = |request: &Request| review(&compiled, request).missing_permission;
    let marked = policy_request(tenant(), "open", None, fact(annotated(open(), "true")));
    assert_eq!(asked_about(&marked), asked(&["bao"]));
    let bare = policy_request(tenant(), "open", None, fact(open()));
    assert_eq!(asked_about(&bare), None);
    let passes = policy_request(masters(), "open", None, fact(annotated(open(), "true")));
    assert_eq!(asked_about(&passes), None);
    let own = policy_request(operator(), "open", None, fact(annotated(open(), "true")));
    assert_eq!(asked_about(&own), None);
    // For an unreadable policy, permission for every possible cluster is checked.
    let unreadable = json!({"metadata": {"name": "broken", "annotations": {ANNOTATION: "true"}}, "spec": {"policyTypes": ["Sideways"]}});
    let broken = crate::inventory::read::policy(
        unreadable.to_string().as_bytes(),
        &reference(Kind::NetworkPolicy, "broken"),
    );
    let broken = policy_request(tenant(), "broken", None, Some(broken));
    assert_eq!(asked_about(&broken), asked(&["bao"]));
}

#[test]
fn a_cluster_is_maintained_by_its_own_name() {
    let everyone = json!({"ingressRules": [{"ports": [{"port": 8200}]}]});
    let marked = |name: &str| {
        let mut wanted = Cluster::clone(&cluster(&everyone));
        wanted.meta.name = name.into();
        wanted
            .meta
            .annotations
            .insert(ANNOTATION.into(), "true".into());
        Arc::new(wanted)
    };
    let request = cluster_request(None, &marked("bao"));
    assert_eq!(
        review(&plain(), &request).missing_permission,
        asked(&["bao"])
    );
    // A generated name could be any name.
    let request = cluster_request(None, &marked(""));
    let verdict = review(&plain(), &request);
    assert_eq!(verdict.outcome(), Outcome::Deny);
    assert_eq!(verdict.missing_permission, Some(MissingPermission::Masters));
}

#[test]
fn a_new_clusters_ambiguous_block_is_its_own_matter() {
    let ambiguous = json!({"apiServerCIDR": "010.0.0.0/8"});
    let mut wanted = Cluster::clone(&cluster_named("new", &json!({"network": ambiguous})));
    wanted
        .meta
        .annotations
        .insert(ANNOTATION.into(), "true".into());
    let request = |writer: Writer| Request {
        writer,
        ..cluster_request(None, &Arc::new(wanted.clone()))
    };
    let verdict = review(&plain(), &request(tenant()));
    assert_eq!(verdict.missing_permission, asked(&["new"]));
    let verdict = review(&plain(), &request(granted(&["new"])));
    assert_eq!(verdict.outcome(), Outcome::Warn);
}

/// Two clusters. The second one declares that everyone in namespace `web` may connect.
fn two_clusters() -> crate::review::CompiledSnapshot {
    let web =
        json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "web"}}}]);
    let declares = json!({"network": {"trustedIngressPeers": web}});
    let clusters = [cluster(&json!({})), cluster_named("other", &declares)];
    compiled(&clusters, &[])
}

/// A policy that admits namespace `web` to every pod, or to those of one cluster.
fn web(pods: &serde_json::Value) -> Policy {
    let from =
        json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "web"}}}]);
    let spec = json!({"podSelector": pods, "ingress": [{"from": from, "ports": [{"port": 8200}]}]});
    match super::support::policy("web", &spec) {
        Fact::Read(policy) => annotated(Arc::unwrap_or_clone(policy), "true"),
        Fact::Unreadable(broken) => panic!("{broken:?}"),
    }
}

#[test]
fn a_new_policy_takes_the_right_on_every_cluster_that_it_selects() {
    let compiled = two_clusters();
    let created = |writer: Writer, pods: &serde_json::Value| {
        review(
            &compiled,
            &policy_request(writer, "web", None, fact(web(pods))),
        )
    };
    // Jobs admit no peer, whatever is declared.
    let every = servers();
    let verdict = created(tenant(), &every);
    let about: BTreeSet<_> = verdict
        .findings
        .iter()
        .map(|found| found.cluster.clone())
        .collect();
    assert_eq!(about, [Some(reference(Kind::OpenBaoCluster, "bao"))].into());
    assert_eq!(verdict.missing_permission, asked(&["bao", "other"]));
    assert_eq!(created(granted(&["bao"]), &every).outcome(), Outcome::Deny);
    assert_eq!(
        created(granted(&["bao", "other"]), &every).outcome(),
        Outcome::Warn
    );
    let own = json!({"matchLabels": {"openbao.org/cluster": "bao"}});
    assert_eq!(created(tenant(), &own).missing_permission, asked(&["bao"]));
    assert_eq!(created(granted(&["bao"]), &own).outcome(), Outcome::Warn);
    // For an update, permission is checked for clusters with a finding.
    let narrow = annotated(web(&json!({"matchLabels": {"app": "web"}})), "true");
    let update = |writer| policy_request(writer, "web", fact(narrow.clone()), fact(web(&every)));
    assert_eq!(
        review(&compiled, &update(tenant())).missing_permission,
        asked(&["bao"])
    );
    assert_eq!(
        review(&compiled, &update(granted(&["bao"]))).outcome(),
        Outcome::Warn
    );
}

#[test]
fn without_facts_only_masters_may_do_maintenance() {
    let config = ReviewConfig::default();
    let request = |writer| policy_request(writer, "open", None, fact(annotated(open(), "true")));
    let verdict = not_ready(&config, &request(granted(&["bao"])));
    assert_eq!(verdict.outcome(), Outcome::Deny);
    assert_eq!(verdict.missing_permission, Some(MissingPermission::Masters));
    assert_eq!(
        not_ready(&config, &request(masters())).outcome(),
        Outcome::Warn
    );
}

#[test]
fn a_writer_without_permission_gets_its_name() {
    let request = |writer| policy_request(writer, "open", None, fact(annotated(open(), "true")));
    let message = |request: &Request| render::message(&review(&plain(), request));
    let text = message(&request(tenant()));
    let last = text.lines().last().unwrap_or_default();
    assert_eq!(
        last,
        "maintenance: the annotation openbao.org/maintenance counts only for a writer with the verb `maintenance` \
         on openbaoclusters/perimeter of bao/bao"
    );
    let bare = policy_request(tenant(), "open", None, fact(open()));
    assert!(!message(&bare).contains("maintenance"));
    let many = (10..30).map(|at| reference(Kind::OpenBaoCluster, &format!("c{at}")));
    let text = MissingPermission::Verb(many.collect()).to_string();
    assert!(
        text.ends_with(
            "of bao/c10, bao/c11, bao/c12, bao/c13, bao/c14, bao/c15, bao/c16, bao/c17, bao/c18, \
                            bao/c19 and 10 more"
        ),
        "{text}"
    );
}

#[test]
fn maintenance_is_not_repaired_away() {
    let own = managed(&cluster(&json!({})), Zone::Workload);
    let name = own.meta.name.to_string();
    let mut cut = annotated(own.clone(), "true");
    cut.egress.clear();
    let update = |writer: Writer, after: &Policy| {
        policy_request(writer, &name, fact(own.clone()), fact(after.clone()))
    };
    let compiled = plain();
    let repairs = |writer: Writer| repair(&compiled, &update(writer, &cut));
    assert!(!repairs(tenant()).repairs.is_empty());
    assert_eq!(repairs(tenant()).missing_permission, asked(&["bao"]));
    let warned = repairs(tenant()).warnings.pop().unwrap_or_default();
    assert!(
        warned.contains("openbaoclusters/perimeter of bao/bao"),
        "{warned}"
    );
    assert_eq!(repairs(granted(&["bao"])).warnings, Vec::<String>::new());
    assert!(repairs(masters()).repairs.is_empty());
    assert!(repairs(granted(&["bao"])).repairs.is_empty());
    assert!(!repairs(granted(&["other"])).repairs.is_empty());
    let bare = Policy {
        meta: own.meta.clone(),
        ..cut.clone()
    };
    assert!(
        !repair(&compiled, &update(masters(), &bare))
            .repairs
            .is_empty()
    );
}
