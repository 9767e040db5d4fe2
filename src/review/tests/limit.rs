//! The limits of declarations, as sets, and existing policies after a cluster write: denied and allowed, with
//! the connection that proves it.

mod addresses;
mod advice;
mod contract;
mod everyone;
mod existing;
mod gaps;
mod names;
mod opens;
mod operator;
mod readings;
mod restores;
mod values;

use serde_json::{Value, json};

use super::support::{
    Found, cluster, cluster_named, cluster_request, compiled_under, config_of, found, plain,
    without_advice,
};
use crate::config::{Baseline, ReviewConfig};
use crate::review::review;
use crate::rules::Code;
use crate::rules::Level::Deny;

const SUBJECT: &str = "the OpenBao pod labelled app.kubernetes.io/instance=bao,\
    app.kubernetes.io/managed-by=openbao-operator,app.kubernetes.io/name=openbao,openbao.org/cluster=bao";
const NAME: &str = "kubernetes.io/metadata.name";
const FIRST_INGRESS: &str = "spec.network.ingressRules[0]";
const FIRST_EGRESS: &str = "spec.network.egressRules[0]";
const FIRST_PEER: &str = "spec.network.trustedIngressPeers[0]";

/// Findings about the creation of a cluster with this network, without advice.
fn declared(network: &Value) -> Vec<Found> {
    let request = cluster_request(None, &cluster(network));
    without_advice(found(&review(&plain(), &request)))
}

/// Reasons of the findings about the creation of a cluster with this network.
fn reasons(network: &Value) -> Vec<(Code, String)> {
    let request = cluster_request(None, &cluster(network));
    let found = review(&plain(), &request).findings.into_iter();
    found.map(|found| (found.code, found.reason)).collect()
}

/// Findings about a change of a cluster's network.
fn changed(before: &Value, after: &Value) -> Vec<Found> {
    let request = cluster_request(Some(&cluster(before)), &cluster(after));
    without_advice(found(&review(&plain(), &request)))
}

/// Findings with these settings about the creation of cluster `bao`, or about a change of its spec.
fn specified(config: ReviewConfig, before: Option<&Value>, after: &Value) -> Vec<Found> {
    let before = before.map(|spec| cluster_named("bao", spec));
    let stored: Vec<_> = before.iter().cloned().collect();
    let compiled = compiled_under(config, &stored, &[]);
    let request = cluster_request(before.as_ref(), &cluster_named("bao", after));
    found(&review(&compiled, &request))
}

/// Findings in a baseline about the creation of a Hardened cluster with this network.
fn hardened(baseline: Baseline, network: &Value) -> Vec<Found> {
    specified(config_of(baseline), None, &hardened_spec(network))
}

fn hardened_spec(network: &Value) -> Value {
    json!({"profile": "Hardened", "network": network})
}

/// The codes that deny the creation of a cluster with this spec.
fn refused(baseline: Baseline, spec: &Value) -> Vec<Code> {
    let found = specified(config_of(baseline), None, spec).into_iter();
    let mut codes: Vec<Code> = found
        .filter(|found| found.1 == Deny)
        .map(|found| found.0)
        .collect();
    codes.dedup();
    codes
}

fn passes_the_operator(spec: &Value) {
    assert!(
        operator::accepts(spec),
        "the operator itself refuses {spec}"
    );
}

fn ingress(from: &Value, ports: &Value) -> Value {
    json!({"ingressRules": [{"from": from, "ports": ports}]})
}

fn egress(to: &Value, ports: &Value) -> Value {
    json!({"egressRules": [{"to": to, "ports": ports}]})
}

fn api() -> Value {
    json!([{"port": 8200}])
}

fn https() -> Value {
    json!([{"port": 443}])
}

fn block(cidr: &str) -> Value {
    json!({"ipBlock": {"cidr": cidr}})
}

fn blocks<'a>(cidrs: impl IntoIterator<Item = &'a str>) -> Value {
    cidrs.into_iter().map(block).collect()
}

pub(super) fn namespace(name: &str) -> Value {
    json!({"namespaceSelector": {"matchLabels": {NAME: name}}})
}

/// A selector of one expression.
fn asks(key: &str, operator: &str, values: &[&str]) -> Value {
    json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]})
}

/// From `source` to an OpenBao pod.
fn to_bao(source: &str, port: &str) -> String {
    format!("{source} -> {SUBJECT}, {port}")
}

/// From an OpenBao pod to `destination`.
fn from_bao(destination: &str, port: &str) -> String {
    format!("{SUBJECT} -> {destination}, {port}")
}
