//! OBP601 to OBP607: what is said of a cluster and of a restore, and what is not.

mod entrances;
mod restores;
mod samples;

use std::sync::Arc;

use serde_json::{Value, json};

use super::support::{cluster_named, cluster_request, reference, tenant};
use crate::code::Door;
use crate::inventory::{Change, Cluster, Fact, Kind, Object, Restore, Snapshot, read};
use crate::posture::{Edition, Posture};
use crate::review::{Edit, Operation, Request, Subject, Verdict, World, review};
use crate::rules::Code::{Obp605, Obp607};
use crate::rules::{Code, Finding, Harm, Level};

fn world(edition: Edition, clusters: &[Arc<Cluster>]) -> World {
    let clusters = clusters
        .iter()
        .cloned()
        .map(Fact::Read)
        .map(Object::Cluster);
    let server = [Object::ApiServer(vec![[10, 96, 0, 1].into()])];
    let snapshot = Snapshot::default().apply(clusters.chain(server).map(Change::Set));
    let posture = Posture {
        baseline: edition,
        ..Posture::default()
    };
    World::compile(None, snapshot.into(), posture.into())
}

/// What is advised about a cluster that is made, or changed.
fn advised(edition: Edition, before: Option<&Value>, after: &Value) -> Vec<Finding> {
    let cluster = |spec: &Value| cluster_named("bao", spec);
    let before = before.map(cluster);
    let request = cluster_request(before.as_ref(), &cluster(after));
    advice(review(&world(edition, &[]), &request))
}

fn advice(verdict: Verdict) -> Vec<Finding> {
    let findings = verdict.findings.into_iter();
    findings
        .filter(|finding| finding.code >= Code::Obp601)
        .collect()
}

/// What is advised about a restore that is made in a namespace with this cluster `bao`.
fn restored(edition: Edition, cluster: &Value, spec: &Value) -> Vec<Finding> {
    let json = json!({"metadata": {"name": "again", "namespace": "bao"}, "spec": spec}).to_string();
    let object = reference(Kind::OpenBaoRestore, "again");
    let restore: Fact<Restore> = read::restore(json.as_bytes(), &object);
    let request = Request {
        operation: Operation::Create,
        writer: tenant(),
        door: Door::Webhook,
        subject: Subject::Restore(Edit {
            object,
            before: None,
            after: Some(restore),
            spec_changed: true,
        }),
    };
    let world = world(edition, &[cluster_named("bao", cluster)]);
    review(&world, &request).findings
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

/// Whether the address of a transit seal is covered by these rules.
fn covered(address: &str, egress: &[Value]) -> bool {
    let found = advised(Edition::V01, None, &transit(address, egress));
    assert!(
        found
            .iter()
            .all(|one| one.code == Obp605 && one.level == Level::Warn),
        "{found:?}"
    );
    assert!(found.len() < 2, "{found:?}");
    found.is_empty()
}

#[test]
fn obp605_a_service_is_covered_by_pods_of_its_namespace_on_its_port() {
    for address in [
        "https://infra.seal.svc:8200",
        "https://INFRA.seal.svc.cluster.local.:8200/v1/",
        "infra-0.infra.seal.svc:8200",
    ] {
        assert!(
            covered(address, &[to(&namespace("seal"), 8200)]),
            "{address}"
        );
        assert!(
            covered(address, &[json!({"to": [namespace("seal")]})]),
            "{address}"
        );
        assert!(covered(address, &[json!({})]), "{address}");
        let labelled = json!({"namespaceSelector": {"matchLabels": {"team": "a"}}});
        assert!(
            covered(address, &[to(&labelled, 8200)]),
            "believed: {address}"
        );
        assert!(!covered(address, &[]), "{address}");
        assert!(
            !covered(address, &[to(&namespace("seal"), 443)]),
            "{address}"
        );
        assert!(
            !covered(address, &[to(&namespace("other"), 8200)]),
            "{address}"
        );
        assert!(
            !covered(address, &[to(&block("0.0.0.0/0"), 8200)]),
            "{address}"
        );
    }
    // A name of one label is looked up in the namespace of the pods.
    let own = json!({"podSelector": {"matchLabels": {"app": "seal"}}});
    assert!(covered("https://infra:8200", &[to(&own, 8200)]));
    assert!(!covered(
        "https://infra:8200",
        &[to(&namespace("infra"), 8200)]
    ));
    // Of its own namespace the core rows open the cluster's own pods, and no others.
    assert!(covered("https://bao.bao.svc:8200", &[]));
    assert!(!covered("https://bao-too.bao.svc:8200", &[]));
    // What a port name means is the pods' to say.
    let named = json!({"to": [namespace("seal")], "ports": [{"port": "api"}]});
    assert!(covered("https://infra.seal.svc:8200", &[named]));
}

#[test]
fn obp605_says_what_a_rule_for_another_port_or_for_addresses_is_worth() {
    let reason = |egress: Value| {
        let found = advised(
            Edition::V01,
            None,
            &transit("https://infra.seal.svc", &[egress]),
        );
        found
            .into_iter()
            .map(|one| one.reason)
            .collect::<Vec<_>>()
            .concat()
    };
    let other = reason(to(&namespace("seal"), 8200));
    assert!(
        other.contains("on other ports than 443; right only if its pods listen there"),
        "{other}"
    );
    let addresses = reason(to(&block("0.0.0.0/0"), 443));
    assert!(
        addresses.contains("pods are under some network plugins only"),
        "{addresses}"
    );
    let shut = reason(to(&namespace("other"), 443));
    assert_eq!(
        shut,
        "no egress rule lets pods reach the transit seal, infra.seal.svc:443"
    );
}

#[test]
fn obp605_an_address_is_covered_by_a_block_that_holds_it() {
    for (address, cidr) in [
        ("https://192.0.2.40:8200", "192.0.2.0/24"),
        ("https://[2001:db8::40]:8200", "2001:db8::/64"),
        ("https://[::ffff:192.0.2.40]:8200", "192.0.2.40/32"),
    ] {
        assert!(covered(address, &[to(&block(cidr), 8200)]), "{address}");
        assert!(!covered(address, &[to(&block(cidr), 8201)]), "{address}");
        assert!(
            !covered(address, &[to(&block("198.51.100.0/24"), 8200)]),
            "{address}"
        );
        assert!(
            !covered(address, &[to(&namespace("seal"), 8200)]),
            "{address}"
        );
    }
    let carved = json!({"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.40/32"]}});
    assert!(!covered("https://192.0.2.40:8200", &[to(&carved, 8200)]));
    let udp = json!({"to": [block("192.0.2.0/24")], "ports": [{"port": 8200, "protocol": "UDP"}]});
    assert!(!covered("https://192.0.2.40:8200", &[udp]));
    // A neighbour in the same pod needs no policy.
    assert!(covered("http://127.0.0.1:8200", &[]));
    assert!(covered("http://localhost:8200", &[]));
}

#[test]
fn obp605_another_name_is_covered_where_its_port_is_open_to_addresses() {
    let name = "https://seal.example.org:8200";
    assert!(covered(name, &[to(&block("192.0.2.0/24"), 8200)]));
    assert!(covered(name, &[json!({"ports": [{"port": 8200}]})]));
    for egress in [
        to(&block("192.0.2.0/24"), 443),
        to(&namespace("seal"), 8200),
        to(&block("127.0.0.0/8"), 8200),
        to(&block("169.254.0.0/16"), 8200),
    ] {
        assert!(!covered(name, std::slice::from_ref(&egress)), "{egress}");
    }
    // The API server's address is no way out, nor is that of DNS.
    assert!(!covered("https://seal.example.org", &[]));
}

#[test]
fn obp605_a_port_is_the_written_one_or_the_schemes() {
    let https = [to(&namespace("seal"), 443)];
    assert!(covered("https://infra.seal.svc", &https));
    assert!(covered("infra.seal.svc", &https));
    assert!(!covered("http://infra.seal.svc", &https));
    assert!(covered(
        "http://infra.seal.svc",
        &[to(&namespace("seal"), 80)]
    ));
}

#[test]
fn obp605_a_text_that_names_no_place_is_told() {
    for address in [
        "https://",
        "https://infra:99999",
        "https://infra:",
        "a b",
        "https://infra:0",
    ] {
        assert!(!covered(address, &[json!({})]), "{address}");
    }
    assert!(covered("  ", &[]), "blank is absent");
}

#[test]
fn obp605_what_was_so_before_is_known() {
    let spec = transit("https://infra.seal.svc:8200", &[]);
    let moved = transit("https://other.seal.svc:8200", &[]);
    let harms = |before: Option<&Value>, after: &Value| {
        let found = advised(Edition::V01, before, after);
        found.into_iter().map(|one| one.harm).collect::<Vec<_>>()
    };
    let mut scaled = spec.clone();
    scaled["ingress"] = json!({"enabled": true});
    assert_eq!(harms(None, &spec), [Harm::New]);
    assert_eq!(harms(Some(&spec), &scaled), [Harm::Known]);
    assert_eq!(harms(Some(&spec), &moved), [Harm::New]);
    assert_eq!(harms(Some(&spec), &spec), [], "nothing is written");
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
        let found = advised(Edition::V01, None, &spec);
        let reasons: Vec<_> = found.iter().map(|one| one.reason.as_str()).collect();
        assert!(
            reasons.len() == 1 && reasons[0].ends_with(&format!(", {place}")),
            "{spec}: {reasons:?}"
        );
        let mut open = spec.clone();
        open["network"] =
            json!({"egressRules": [to(&block("0.0.0.0/0"), 443), to(&block("0.0.0.0/0"), 5696)]});
        assert_eq!(codes(&advised(Edition::V01, None, &open)), [], "{spec}");
    }
    let internal = json!({"selfInit": {"enabled": true, "oidc": {"enabled": true,
        "issuer": "https://kubernetes.default.svc.cluster.local"}}});
    assert_eq!(
        codes(&advised(Edition::V01, None, &internal)),
        [],
        "the core rows open the API server"
    );
    let off = json!({"tls": {"mode": "External", "acme": {"directoryURL": "https://acme.example.org"}},
        "selfInit": {"enabled": true, "oidc": {"enabled": false, "issuer": "https://id.example.org"}}});
    assert_eq!(codes(&advised(Edition::V01, None, &off)), [], "not used");
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
        let found = advised(Edition::V01, None, &backup(&target, &other));
        let of_605: Vec<_> = found.iter().filter(|one| one.code == Obp605).collect();
        assert!(
            of_605.len() == 1 && of_605[0].reason.ends_with(&format!(", {place}")),
            "{target}: {found:?}"
        );
        // The fallback of a Development cluster covers them all; before it there was no perimeter.
        assert_eq!(
            codes(&advised(Edition::V01, None, &backup(&target, &json!({})))),
            []
        );
        assert_eq!(
            codes(&advised(Edition::Classic, None, &backup(&target, &other))),
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
    assert_eq!(codes(&advised(Edition::V01, Some(&none), &seal)), expected);
    assert_eq!(codes(&advised(Edition::Next, Some(&none), &seal)), expected);
    for (before, after) in [
        // A second rule, another profile, a cluster without backups.
        (Some(&seal), with(to(&namespace("other"), 8200))),
        (None, seal.clone()),
        (
            Some(&none),
            json!({"profile": "Hardened", "network": {"egressRules": [to(&namespace("seal"), 8200)]}}),
        ),
    ] {
        assert_eq!(codes(&advised(Edition::V01, before, &after)), [], "{after}");
    }
    assert_eq!(codes(&advised(Edition::Classic, Some(&none), &seal)), []);
    // Who opens 443 to every address ends nothing.
    let both = json!({"to": [block("0.0.0.0/0"), block("::/0")], "ports": [{"port": 443}]});
    assert_eq!(codes(&advised(Edition::V01, Some(&none), &with(both))), []);
}

#[test]
fn obp607_a_new_cluster_is_told_where_its_backups_go_to_the_fallbacks_port() {
    let seal = json!({"network": {"egressRules": [to(&namespace("seal"), 8200)]}});
    let found = advised(
        Edition::V01,
        None,
        &backup(&json!({"endpoint": "https://192.0.2.40"}), &seal),
    );
    let expected = [
        (Obp605, Level::Warn, "spec.backup.target.endpoint"),
        (Obp607, Level::Warn, "spec.network.egressRules"),
    ];
    assert_eq!(codes(&found), expected);
    let other_port = advised(
        Edition::V01,
        None,
        &backup(&json!({"endpoint": "https://192.0.2.40:9000"}), &seal),
    );
    assert_eq!(codes(&other_port), expected[..1]);
    let storage = json!({"network": {"egressRules": [to(&block("192.0.2.40/32"), 443)]}});
    let covered = advised(
        Edition::V01,
        None,
        &backup(&json!({"endpoint": "https://192.0.2.40"}), &storage),
    );
    assert_eq!(codes(&covered), []);
}
