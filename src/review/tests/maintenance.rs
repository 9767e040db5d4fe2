//! Maintenance writes: who may make them, and what has to be asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::support::{
    cluster, cluster_request, managed, operator, plain, policy_request, reference, tenant,
};
use crate::baseline::Pods;
use crate::inventory::{Cluster, Fact, Kind, ObjectRef, Policy};
use crate::review::maintenance::{ANNOTATION, appeal, appeal_repairs};
use crate::review::{Outcome, Writer, repair, review};

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
fn asked(names: &[&str]) -> Option<BTreeSet<ObjectRef>> {
    Some(granted(names).grants)
}

#[test]
fn maintenance_takes_the_annotation_and_somebody_who_may() {
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
    let own = managed(&cluster(&json!({})), Pods::Workload);
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
fn only_a_refusal_that_a_grant_could_lift_is_asked_about() {
    let world = plain();
    let asked_about =
        |request: &crate::review::Request| appeal(&world, request, &review(&world, request));
    let marked = policy_request(tenant(), "open", None, fact(annotated(open(), "true")));
    assert_eq!(asked_about(&marked), asked(&["bao"]));
    let bare = policy_request(tenant(), "open", None, fact(open()));
    assert_eq!(asked_about(&bare), None);
    let passes = policy_request(masters(), "open", None, fact(annotated(open(), "true")));
    assert_eq!(asked_about(&passes), None);
    let own = policy_request(operator(), "open", None, fact(annotated(open(), "true")));
    assert_eq!(asked_about(&own), None);
    // What cannot be read is asked about for every cluster that it may concern.
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
    let verdict = review(&plain(), &request);
    assert_eq!(appeal(&plain(), &request, &verdict), asked(&["bao"]));
    // A name still to come could be any.
    let request = cluster_request(None, &marked(""));
    let verdict = review(&plain(), &request);
    assert_eq!(verdict.outcome(), Outcome::Deny);
    assert_eq!(appeal(&plain(), &request, &verdict), None);
}

#[test]
fn maintenance_is_not_repaired_away() {
    let own = managed(&cluster(&json!({})), Pods::Workload);
    let name = own.meta.name.to_string();
    let mut cut = annotated(own.clone(), "true");
    cut.egress.clear();
    let update = |writer: Writer, after: &Policy| {
        policy_request(writer, &name, fact(own.clone()), fact(after.clone()))
    };
    let world = plain();
    let repairs = |writer: Writer| repair(&world, &update(writer, &cut));
    assert!(!repairs(tenant()).repairs.is_empty());
    let wanted = appeal_repairs(&world, &update(tenant(), &cut), &repairs(tenant()));
    assert_eq!(wanted, asked(&["bao"]));
    assert!(repairs(masters()).repairs.is_empty());
    assert!(repairs(granted(&["bao"])).repairs.is_empty());
    assert!(!repairs(granted(&["other"])).repairs.is_empty());
    let bare = Policy {
        meta: own.meta.clone(),
        ..cut.clone()
    };
    assert!(!repair(&world, &update(masters(), &bare)).repairs.is_empty());
}
