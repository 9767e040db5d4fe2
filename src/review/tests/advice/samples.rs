//! The operator's own samples that concern the network, and their findings.

use serde_json::{Value, json};

use super::{advised, block, namespace, to};
use crate::config::Baseline::{self, V01, V04};
use crate::rules::Code::{self, Obp603, Obp605, Obp606};

fn warnings(baseline: Baseline, spec: &Value) -> Vec<(Code, String)> {
    let found = advised(baseline, None, spec);
    found.into_iter().map(|one| (one.code, one.path)).collect()
}

fn hardened(extra: &Value) -> Value {
    let mut spec = json!({"profile": "Hardened", "replicas": 3, "tls": {"enabled": true, "mode": "External"},
        "selfInit": {"enabled": true}});
    spec.as_object_mut()
        .expect("a map")
        .extend(extra.as_object().expect("a map").clone());
    spec
}

/// The one finding, gone once these rules are declared.
fn until_declared(spec: &Value, found: (Code, &str), egress: &Value) {
    let expected = [(found.0, found.1.to_owned())];
    assert_eq!(warnings(V01, spec), expected, "{spec}");
    let mut declared = spec.clone();
    declared["network"]["egressRules"] = json!([egress]);
    assert_eq!(warnings(V01, &declared), [], "{spec}");
}

#[test]
fn g16_full_its_backups_go_to_port_9000_and_the_fallback_opens_443() {
    let spec = json!({"profile": "Development", "tls": {"enabled": true, "mode": "OperatorManaged"},
        "network": {"apiServerCIDR": "10.43.0.0/16", "apiServerEndpointIPs": ["192.0.2.2"]},
        "selfInit": {"enabled": true, "bootstrapJWTAuth": true},
        "gateway": {"enabled": true, "hostname": "bao.example.org", "backendTLS": {"enabled": true},
            "gatewayRef": {"name": "traefik-gateway", "namespace": "default"}},
        "upgrade": {"preUpgradeSnapshot": true, "jwtAuthRole": "upgrade"},
        "backup": {"schedule": "*/15 * * * *", "jwtAuthRole": "backup", "target": {
            "endpoint": "http://rustfs-svc.rustfs.svc.cluster.local:9000", "usePathStyle": true,
            "credentialsSecretRef": {"name": "rustfs-secret"}}}});
    let found = (Obp605, "spec.backup.target.endpoint");
    until_declared(&spec, found, &to(&namespace("rustfs"), 9000));
}

#[test]
fn backup_over_https_in_a_development_cluster_uses_the_fallback() {
    let spec = json!({"profile": "Development", "backup": {"schedule": "0 3 * * *", "jwtAuthRole": "backup",
        "target": {"endpoint": "https://s3.amazonaws.com", "credentialsSecretRef": {"name": "s3"}}}});
    assert_eq!(warnings(V01, &spec), []);
}

#[test]
fn g18_transit_is_behind_the_default_deny() {
    let spec = hardened(&json!({"unseal": {"type": "transit", "transit": {
        "address": "https://infra-bao.infra-bao.svc:8200", "keyName": "k", "mountPath": "transit/"}}}));
    let found = (Obp605, "spec.unseal.transit.address");
    until_declared(&spec, found, &to(&namespace("infra-bao"), 8200));
}

#[test]
fn g18_a_placeholder_for_the_transit_seal_is_a_place_too() {
    let spec = hardened(
        &json!({"unseal": {"type": "transit", "transit": {"address": "https://TRANSIT_BAO_ADDR"}},
        "gateway": {"enabled": true, "gatewayRef": {"name": "traefik-gateway", "namespace": "default"}}}),
    );
    assert_eq!(
        warnings(V01, &spec),
        [(Obp605, "spec.unseal.transit.address".to_owned())]
    );
}

#[test]
fn g18_kmip_needs_port_5696() {
    let spec = hardened(
        &json!({"unseal": {"type": "kmip", "kmip": {"address": "kmip.example.com:5696"}}}),
    );
    let found = (Obp605, "spec.unseal.kmip.address");
    until_declared(&spec, found, &to(&block("198.51.100.0/24"), 5696));
}

#[test]
fn g18_the_kms_of_every_cloud_needs_port_443() {
    for (unseal, path) in [
        (
            json!({"type": "awskms", "awskms": {"region": "us-east-1"}}),
            "spec.unseal.awskms.region",
        ),
        (
            json!({"type": "azurekeyvault", "azureKeyVault": {"vaultName": "v"}}),
            "spec.unseal.azureKeyVault.vaultName",
        ),
        (json!({"type": "gcpckms"}), "spec.unseal.type"),
        (
            json!({"type": "ocikms", "ocikms": {"cryptoEndpoint": "https://c.example.com"}}),
            "spec.unseal.ocikms.cryptoEndpoint",
        ),
    ] {
        let spec = hardened(&json!({"unseal": unseal}));
        until_declared(&spec, (Obp605, path), &to(&block("198.51.100.0/24"), 443));
    }
}

#[test]
fn g18_pkcs11_has_no_address_so_only_a_cluster_without_rules_is_warned() {
    let spec = hardened(&json!({"unseal": {"type": "pkcs11"}}));
    let found = (Obp605, "spec.unseal.type");
    until_declared(&spec, found, &to(&block("198.51.100.0/24"), 1792));
}

#[test]
fn hardened_with_443_open_covers_its_seal_and_its_backups() {
    let spec = hardened(
        &json!({"network": {"egressRules": [to(&block("0.0.0.0/0"), 443)]},
        "unseal": {"type": "awskms", "awskms": {"region": "us-east-1"}},
        "upgrade": {"preUpgradeSnapshot": true},
        "backup": {"schedule": "0 3 * * *", "jwtAuthRole": "backup",
            "target": {"endpoint": "https://s3.amazonaws.com", "roleArn": "arn:aws:iam::123456789012:role/x"}}}),
    );
    assert_eq!(warnings(V01, &spec), []);
    // The newest operator does not accept a block of all addresses.
    assert_eq!(warnings(V04, &spec), [(Obp603, "spec.backup".to_owned())]);
}

#[test]
fn g19_a_gateway_without_a_peer_is_shut_out_by_the_newest_operator() {
    let spec = json!({"profile": "Development", "gateway": {"enabled": true, "hostname": "bao.localhost",
        "gatewayRef": {"name": "traefik-gateway", "namespace": "default"}}});
    assert_eq!(warnings(V01, &spec), []);
    assert_eq!(warnings(V04, &spec), [(Obp606, "spec.gateway".to_owned())]);
    let mut admitted = spec;
    admitted["network"] = json!({"trustedIngressPeers": [namespace("default")]});
    assert_eq!(warnings(V04, &admitted), []);
}

#[test]
fn g19_an_ingress_without_a_peer_is_shut_out_since_0_1() {
    let spec = json!({"profile": "Development", "ingress": {"enabled": true, "host": "bao.localhost", "className": "traefik"}});
    for baseline in [V01, V04] {
        assert_eq!(
            warnings(baseline, &spec),
            [(Obp606, "spec.ingress".to_owned())]
        );
    }
}
