//! Builders for tests: cluster `bao` in namespace `bao`, its policies, and writes of them.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::baseline::{Facts, Zone, rendered};
use crate::code::EnforcementPoint;
use crate::config::{Baseline, ReviewConfig};
use crate::inventory::{
    Change, Cluster, Fact, Kind, Object, ObjectRef, Owner, Policy, Restore, Snapshot, read,
};
use crate::review::{CompiledSnapshot, Edit, Operation, Request, Subject, Verdict, Writer, review};
use crate::rules::{Code, Level};

/// The API server's address.
const API_SERVER: [u8; 4] = [10, 96, 0, 1];

/// A cluster of namespace `bao`.
pub(super) fn cluster_named(name: &str, spec: &Value) -> Arc<Cluster> {
    let json = json!({"metadata": {"name": name, "namespace": "bao"}, "spec": spec}).to_string();
    match read::cluster(json.as_bytes(), &reference(Kind::OpenBaoCluster, name)) {
        Fact::Read(cluster) => cluster,
        Fact::Unreadable(broken) => panic!("{json}: {broken:?}"),
    }
}

/// The cluster `bao` with this `spec.network`.
pub(super) fn cluster(network: &Value) -> Arc<Cluster> {
    cluster_named("bao", &json!({ "network": network }))
}

/// A policy of namespace `bao`.
pub(super) fn policy(name: &str, spec: &Value) -> Fact<Policy> {
    let json = json!({"metadata": {"name": name, "namespace": "bao"}, "spec": spec}).to_string();
    read::policy(json.as_bytes(), &reference(Kind::NetworkPolicy, name))
}

/// The zones of a cluster.
pub(super) const ZONES: [Zone; 2] = [Zone::Workload, Zone::Jobs];

/// The podSelector of OpenBao servers without jobs.
pub(super) fn servers() -> Value {
    json!({"matchExpressions": [{
        "key": "openbao.org/component", "operator": "NotIn", "values": ["backup", "restore", "upgrade-snapshot"],
    }]})
}

/// A policy of a cluster as the operator of baseline v0.1 renders it.
pub(super) fn managed(cluster: &Cluster, pods: Zone) -> Policy {
    managed_in(&config_of(Baseline::V01), cluster, pods)
}

/// A policy of a cluster as the operator of another baseline renders it.
pub(super) fn managed_in(config: &ReviewConfig, cluster: &Cluster, pods: Zone) -> Policy {
    let facts = Facts {
        cluster,
        config,
        api_server: &[API_SERVER.into()],
        observed: &[],
    };
    rendered(pods, &facts).expect("a zone of a cluster")
}

/// The policy with the operator's owner reference.
pub(super) fn owned(policy: Policy) -> Policy {
    let owner = Owner {
        api_version: "openbao.org/v1alpha1".into(),
        kind: "OpenBaoCluster".into(),
        name: "bao".into(),
        uid: "1".into(),
        controller: true,
    };
    let mut policy = policy;
    policy.meta.owners = vec![owner];
    policy
}

pub(super) fn reference(kind: Kind, name: &str) -> ObjectRef {
    ObjectRef {
        kind,
        namespace: "bao".into(),
        name: name.into(),
    }
}

/// Facts with these clusters and policies, under baseline v0.1.
pub(super) fn compiled(clusters: &[Arc<Cluster>], policies: &[Fact<Policy>]) -> CompiledSnapshot {
    compiled_under(config_of(Baseline::V01), clusters, policies)
}

/// The same with other settings.
pub(super) fn compiled_in(
    config: &ReviewConfig,
    clusters: &[Arc<Cluster>],
    policies: &[Fact<Policy>],
) -> CompiledSnapshot {
    compiled_under(config.clone(), clusters, policies)
}

/// Settings with a baseline.
pub(super) fn config_of(baseline: Baseline) -> ReviewConfig {
    ReviewConfig {
        baseline,
        ..ReviewConfig::default()
    }
}

/// Facts with these clusters and policies, and these settings.
pub(super) fn compiled_under(
    config: ReviewConfig,
    clusters: &[Arc<Cluster>],
    policies: &[Fact<Policy>],
) -> CompiledSnapshot {
    let clusters = clusters
        .iter()
        .map(|cluster| Object::Cluster(Fact::Read(cluster.clone())));
    let policies = policies.iter().cloned().map(Object::Policy);
    let server = [Object::ApiServer(vec![API_SERVER.into()])];
    let changes = clusters.chain(policies).chain(server).map(Change::Set);
    let snapshot = Snapshot::default().apply(changes);
    CompiledSnapshot::compile(None, snapshot.into(), config.into())
}

/// Facts with cluster `bao` without declarations, and its rendered policies.
pub(super) fn plain() -> CompiledSnapshot {
    plain_with(&[])
}

/// The same with additional policies.
pub(super) fn plain_with(others: &[Fact<Policy>]) -> CompiledSnapshot {
    let bao = cluster(&json!({}));
    let own = ZONES.map(|pods| Fact::Read(owned(managed(&bao, pods)).into()));
    compiled(&[bao], &[&own[..], others].concat())
}

pub(super) fn tenant() -> Writer {
    Writer {
        name: "jane".into(),
        ..Writer::default()
    }
}

pub(super) fn operator() -> Writer {
    let accounts = ReviewConfig::default().operator_accounts;
    Writer {
        name: accounts.first().expect("an account").clone(),
        ..Writer::default()
    }
}

/// The write of a policy: a creation, an update or a deletion, depending on which of the two are given.
pub(super) fn policy_request(
    writer: Writer,
    name: &str,
    before: Option<Fact<Policy>>,
    after: Option<Fact<Policy>>,
) -> Request {
    let spec_changed = match (&before, &after) {
        (Some(Fact::Read(before)), Some(Fact::Read(after))) => !before.same_spec(after),
        (before, after) => before != after,
    };
    let operation = operation(before.is_some(), after.is_some());
    let object = reference(Kind::NetworkPolicy, name);
    Request {
        operation,
        writer,
        point: EnforcementPoint::Webhook,
        subject: Subject::Policy(Edit {
            object,
            before,
            after,
            spec_changed,
        }),
    }
}

/// The write of a cluster.
pub(super) fn cluster_request(before: Option<&Arc<Cluster>>, after: &Arc<Cluster>) -> Request {
    Request {
        operation: operation(before.is_some(), true),
        writer: tenant(),
        point: EnforcementPoint::Webhook,
        subject: Subject::Cluster(Edit {
            object: reference(Kind::OpenBaoCluster, &after.meta.name),
            before: before.cloned().map(Fact::Read),
            after: Some(Fact::Read(after.clone())),
            spec_changed: before.is_none_or(|before| !before.same_spec(after)),
        }),
    }
}

/// The OpenBaoRestore `again` of namespace `bao`.
pub(super) fn restore(spec: &Value) -> Fact<Restore> {
    let json = json!({"metadata": {"name": "again", "namespace": "bao"}, "spec": spec}).to_string();
    read::restore(json.as_bytes(), &reference(Kind::OpenBaoRestore, "again"))
}

/// The creation of that restore.
pub(super) fn restore_request(restore: Fact<Restore>) -> Request {
    Request {
        operation: Operation::Create,
        writer: tenant(),
        point: EnforcementPoint::Webhook,
        subject: Subject::Restore(Edit {
            object: reference(Kind::OpenBaoRestore, "again"),
            before: None,
            after: Some(restore),
            spec_changed: true,
        }),
    }
}

fn operation(before: bool, after: bool) -> Operation {
    match (before, after) {
        (false, _) => Operation::Create,
        (true, true) => Operation::Update,
        (true, false) => Operation::Delete,
    }
}

/// A tenant's creation of a policy.
pub(super) fn created(compiled: &CompiledSnapshot, name: &str, spec: &Value) -> Verdict {
    let after = Some(policy(name, spec));
    review(compiled, &policy_request(tenant(), name, None, after))
}

/// A tenant's update of a policy.
pub(super) fn updated(
    compiled: &CompiledSnapshot,
    name: &str,
    before: Fact<Policy>,
    after: Fact<Policy>,
) -> Verdict {
    review(
        compiled,
        &policy_request(tenant(), name, Some(before), Some(after)),
    )
}

/// A finding: code, level, path, connection.
pub(super) type Found = (Code, Level, String, Option<String>);

/// The findings of a verdict, with confirmed connections.
pub(super) fn found(verdict: &Verdict) -> Vec<Found> {
    assert_eq!(verdict.unreplayed, 0, "{verdict:?}");
    let one = |finding: &crate::rules::Finding| {
        let shown = finding.witness.as_ref().map(ToString::to_string);
        (finding.code, finding.level, finding.path.clone(), shown)
    };
    verdict.findings.iter().map(one).collect()
}

/// The findings without advice, which has its own tests.
pub(super) fn without_advice(findings: Vec<Found>) -> Vec<Found> {
    let advice = [Code::Obp304, Code::Obp313, Code::Obp314];
    let others = findings.into_iter();
    others.filter(|found| !advice.contains(&found.0)).collect()
}

/// The codes that deny.
pub(super) fn denied(verdict: &Verdict) -> Vec<Code> {
    assert_eq!(verdict.unreplayed, 0, "{verdict:?}");
    let denies = verdict
        .findings
        .iter()
        .filter(|finding| finding.level == Level::Deny);
    denies.map(|finding| finding.code).collect()
}

pub(super) fn row(code: Code, level: Level, path: &str, witness: &str) -> Found {
    let witness = (!witness.is_empty()).then(|| witness.to_owned());
    (code, level, path.to_owned(), witness)
}
