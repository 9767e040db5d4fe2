//! Reading and writing manifests: rejected values, defaults, kept values.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod cluster;
mod metadata;
mod policy;
mod ports;
mod property;
mod snapshot;

use std::sync::Arc;

use openbao_perimeter::inventory::{Cluster, Fact, Kind, Malformed, ObjectRef, Policy, read};
use serde_json::{Value, json};

pub(crate) fn reference(kind: Kind) -> ObjectRef {
    ObjectRef {
        kind,
        namespace: "bao".into(),
        name: "it".into(),
    }
}

pub(crate) fn policy(spec: &Value) -> Fact<Policy> {
    let json = json!({"metadata": {"name": "web", "namespace": "bao"}, "spec": spec}).to_string();
    read::policy(json.as_bytes(), &reference(Kind::NetworkPolicy))
}

pub(crate) fn readable(spec: &Value) -> Policy {
    match policy(spec) {
        Fact::Read(policy) => Arc::unwrap_or_clone(policy),
        Fact::Unreadable(broken) => panic!("{spec} is refused: {broken:?}"),
    }
}

pub(crate) fn problems(spec: &Value) -> Vec<Malformed> {
    match policy(spec) {
        Fact::Read(policy) => panic!("{spec} is read as {policy:?}"),
        Fact::Unreadable(broken) => broken.problems.clone(),
    }
}

pub(crate) fn paths(spec: &Value) -> Vec<String> {
    let problems = problems(spec);
    problems.into_iter().map(|problem| problem.path).collect()
}

/// A policy with a single rule with these peers.
pub(crate) fn with_peers(peers: &Value) -> Value {
    json!({"ingress": [{"from": peers}]})
}

/// A policy with a single rule with these ports.
pub(crate) fn with_ports(ports: &Value) -> Value {
    json!({"ingress": [{"ports": ports}]})
}

pub(crate) fn cluster(spec: &Value) -> Cluster {
    let json = json!({"metadata": {"name": "bao", "namespace": "bao"}, "spec": spec}).to_string();
    match read::cluster(json.as_bytes(), &reference(Kind::OpenBaoCluster)) {
        Fact::Read(cluster) => Arc::unwrap_or_clone(cluster),
        Fact::Unreadable(broken) => panic!("{spec} is refused: {broken:?}"),
    }
}
