//! OBP601 to OBP607: findings about clusters and restores, and their absence.

mod endpoints;
mod entrances;
mod restores;
mod samples;

use std::sync::Arc;

use serde_json::{Value, json};

use super::support::{self, cluster_named, cluster_request, compiled_under, restore_request};
use crate::config::Baseline;
use crate::inventory::Cluster;
use crate::review::{CompiledSnapshot, Verdict, review};
use crate::rules::Code::{Obp605, Obp607};
use crate::rules::{Code, Finding, Level};

fn compiled(baseline: Baseline, clusters: &[Arc<Cluster>]) -> CompiledSnapshot {
    compiled_under(support::config_of(baseline), clusters, &[])
}

/// Advice about a cluster that is created or changed.
fn advised(baseline: Baseline, before: Option<&Value>, after: &Value) -> Vec<Finding> {
    let cluster = |spec: &Value| cluster_named("bao", spec);
    let before = before.map(cluster);
    let request = cluster_request(before.as_ref(), &cluster(after));
    advice(review(&compiled(baseline, &[]), &request))
}

fn advice(verdict: Verdict) -> Vec<Finding> {
    let findings = verdict.findings.into_iter();
    findings
        .filter(|finding| finding.code >= Code::Obp601)
        .collect()
}

/// Advice about a restore that is created in a namespace with this cluster `bao`.
fn restored(baseline: Baseline, cluster: &Value, spec: &Value) -> Vec<Finding> {
    let request = restore_request(support::restore(spec));
    let compiled = compiled(baseline, &[cluster_named("bao", cluster)]);
    review(&compiled, &request).findings
}

fn codes(findings: &[Finding]) -> Vec<(Code, Level, &str)> {
    let one = |finding: &'_ Finding| (finding.code, finding.level);
    let paths = findings.iter().map(|finding| finding.path.as_str());
    findings
        .iter()
        .map(one)
        .zip(paths)
        .map(|((code, level), path)| (code, level, path))
        .collect()
}

fn to(peer: &Value, port: u16) -> Value {
    json!({"to": [peer], "ports": [{"protocol": "TCP", "port": port}]})
}

fn namespace(name: &str) -> Value {
    json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}})
}

fn block(cidr: &str) -> Value {
    json!({"ipBlock": {"cidr": cidr}})
}

fn transit(address: &str, egress: &[Value]) -> Value {
    json!({"unseal": {"type": "transit", "transit": {"address": address}}, "network": {"egressRules": egress}})
}

fn backup(target: &Value, extra: &Value) -> Value {
    let mut spec = json!({"profile": "Development",
        "backup": {"schedule": "0 3 * * *", "jwtAuthRole": "backup", "target": target}});
    spec.as_object_mut()
        .expect("a map")
        .extend(extra.as_object().expect("a map").clone());
    spec
}

#[test]
fn obp605_every_endpoint_of_the_servers_is_looked_at() {
    let table = [
        (
            json!({"unseal": {"type": "kmip", "kmip": {"endpoint": "kmip.example.org"}}}),
            "kmip.example.org:5696",
        ),
        (
            json!({"unseal": {"type": "awskms", "awskms": {"region": "eu-west-1"}}}),
            "kms.eu-west-1.amazonaws.com:443",
        ),
        (
            json!({"unseal": {"type": "awskms", "awskms": {"endpoint": "https://192.0.2.1"}}}),
            "192.0.2.1:443",
        ),
        (
            json!({"unseal": {"type": "gcpckms"}}),
            "cloudkms.googleapis.com:443",
        ),
        (
            json!({"unseal": {"type": "azurekeyvault", "azureKeyVault": {"vaultName": "v"}}}),
            "v.vault.azure.net:443",
        ),
        (
            json!({"unseal": {"type": "ocikms", "ocikms": {"cryptoEndpoint": "https://c.example.org"}}}),
            "c.example.org:443",
        ),
        (
            json!({"tls": {"mode": "ACME", "acme": {"directoryURL": "https://acme.example.org/dir"}}}),
            "acme.example.org:443",
        ),
        (
            json!({"selfInit": {"enabled": true, "oidc": {"enabled": true, "issuer": "https://id.example.org"}}}),
            "id.example.org:443",
        ),
        (
            json!({"selfInit": {"enabled": true, "requests": [{"path": "auth/jwt/config", "data": {
                "jwks_url": "https://keys.example.org/jwks"}}]}}),
            "keys.example.org:443",
        ),
        (
            json!({"unseal": {"type": "static"}, "serviceAccount": {"annotations": {
                "eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/x"}}}),
            "sts.us-east-1.amazonaws.com:443",
        ),
    ];
    for (spec, place) in table {
        let found = advised(Baseline::V01, None, &spec);
        let reasons: Vec<_> = found.iter().map(|one| one.reason.as_str()).collect();
        assert!(
            reasons.len() == 1 && reasons[0].ends_with(&format!(", {place}")),
            "{spec}: {reasons:?}"
        );
        let mut open = spec.clone();
        open["network"] =
            json!({"egressRules": [to(&block("0.0.0.0/0"), 443), to(&block("0.0.0.0/0"), 5696)]});
        assert_eq!(codes(&advised(Baseline::V01, None, &open)), [], "{spec}");
    }
    let internal = json!({"selfInit": {"enabled": true, "oidc": {"enabled": true,
        "issuer": "https://kubernetes.default.svc.cluster.local"}}});
    assert_eq!(
        codes(&advised(Baseline::V01, None, &internal)),
        [],
        "the core rows open the API server"
    );
    let off = json!({"tls": {"mode": "External", "acme": {"directoryURL": "https://acme.example.org"}},
        "selfInit": {"enabled": true, "oidc": {"enabled": false, "issuer": "https://id.example.org"}}});
    assert_eq!(codes(&advised(Baseline::V01, None, &off)), [], "not used");
}

#[test]
fn obp605_every_endpoint_of_the_jobs_is_looked_at() {
    let other = json!({"network": {"egressRules": [to(&namespace("other"), 8200)]}});
    let table = [
        (
            json!({"endpoint": "https://s3.example.org"}),
            "s3.example.org:443",
        ),
        (json!({"endpoint": "s3://192.0.2.1"}), "192.0.2.1:443"),
        (json!({"provider": "gcs"}), "storage.googleapis.com:443"),
        (
            json!({"provider": "azure", "azure": {"storageAccount": "a"}}),
            "a.blob.core.windows.net:443",
        ),
        (
            json!({"region": "eu-west-1", "roleArn": "arn"}),
            "sts.eu-west-1.amazonaws.com:443",
        ),
        (
            json!({"workloadIdentity": {"serviceAccountAnnotations": {"azure.workload.identity/client-id": "x"}}}),
            "login.microsoftonline.com:443",
        ),
    ];
    for (target, place) in table {
        let found = advised(Baseline::V01, None, &backup(&target, &other));
        let of_605: Vec<_> = found.iter().filter(|one| one.code == Obp605).collect();
        assert!(
            of_605.len() == 1 && of_605[0].reason.ends_with(&format!(", {place}")),
            "{target}: {found:?}"
        );
        // The fallback of a Development cluster covers all of them. Before it there was no perimeter.
        assert_eq!(
            codes(&advised(Baseline::V01, None, &backup(&target, &json!({})))),
            []
        );
        assert_eq!(
            codes(&advised(Baseline::Classic, None, &backup(&target, &other))),
            []
        );
    }
}

#[test]
fn obp607_the_first_egress_rule_ends_the_fallback() {
    let none = json!({"profile": "Development"});
    let with = |rule: Value| json!({"profile": "Development", "network": {"egressRules": [rule]}});
    let expected = [(Obp607, Level::Warn, "spec.network.egressRules")];
    let seal = with(to(&namespace("seal"), 8200));
    assert_eq!(codes(&advised(Baseline::V01, Some(&none), &seal)), expected);
    assert_eq!(codes(&advised(Baseline::V04, Some(&none), &seal)), expected);
    for (before, after) in [
        // A second rule, another profile, a cluster without backups.
        (Some(&seal), with(to(&namespace("other"), 8200))),
        (None, seal.clone()),
        (
            Some(&none),
            json!({"profile": "Hardened", "network": {"egressRules": [to(&namespace("seal"), 8200)]}}),
        ),
    ] {
        assert_eq!(
            codes(&advised(Baseline::V01, before, &after)),
            [],
            "{after}"
        );
    }
    assert_eq!(codes(&advised(Baseline::Classic, Some(&none), &seal)), []);
    // Rules that open 443 to every address end nothing.
    let both = json!({"to": [block("0.0.0.0/0"), block("::/0")], "ports": [{"port": 443}]});
    assert_eq!(codes(&advised(Baseline::V01, Some(&none), &with(both))), []);
}

#[test]
fn obp607_a_new_cluster_is_warned_if_its_backups_use_the_fallbacks_port() {
    let seal = json!({"network": {"egressRules": [to(&namespace("seal"), 8200)]}});
    let found = advised(
        Baseline::V01,
        None,
        &backup(&json!({"endpoint": "https://192.0.2.40"}), &seal),
    );
    let expected = [
        (Obp605, Level::Warn, "spec.backup.target.endpoint"),
        (Obp607, Level::Warn, "spec.network.egressRules"),
    ];
    assert_eq!(codes(&found), expected);
    let other_port = advised(
        Baseline::V01,
        None,
        &backup(&json!({"endpoint": "https://192.0.2.40:9000"}), &seal),
    );
    assert_eq!(codes(&other_port), expected[..1]);
    let storage = json!({"network": {"egressRules": [to(&block("192.0.2.40/32"), 443)]}});
    let covered = advised(
        Baseline::V01,
        None,
        &backup(&json!({"endpoint": "https://192.0.2.40"}), &storage),
    );
    assert_eq!(codes(&covered), []);
}
