//! `BackupConfigurationReady` and `RestoreConfigurationReady`.

use serde_json::{Value, json};

use super::{cluster, config_of, pair, restore};
use crate::advice::checkpoint::{Condition, checkpoints, of_restore};
use crate::config::Baseline::{self, V01, V04};
use crate::inventory::Status::{False, True, Unknown};
use crate::inventory::{Snapshot, Status};

fn merged(base: Value, extra: &Value) -> Value {
    let mut base = base;
    let extra = extra.as_object().expect("a map").clone();
    base.as_object_mut().expect("a map").extend(extra);
    base
}

fn spec(extra: &Value) -> Value {
    merged(json!({"profile": "Development"}), extra)
}

fn backup_in(at: Baseline, spec: &Value) -> Condition {
    let found = checkpoints(&cluster(spec), &Snapshot::default(), &config_of(at));
    pair(&found[1], at);
    found[1].clone()
}

/// The conditions of a backup and a restore with the same needs.
fn both_in(at: Baseline, around: &Value, needs: &Value) -> [(Status, &'static str); 2] {
    let target = needs.get("target").cloned().unwrap_or_default();
    let backup = backup_in(at, &spec(&merged(json!({"backup": needs}), around)));
    let into = json!({"cluster": "bao", "source": {"target": target}});
    let into = restore(&merged(into, needs));
    let restored = of_restore(&into, &cluster(&spec(around)), &config_of(at)).expect("it has one");
    pair(&restored, at);
    [backup, restored].map(|one| (one.status, one.reason))
}

fn both(around: &Value, needs: &Value) -> [(Status, &'static str); 2] {
    both_in(V01, around, needs)
}

fn explicit() -> Value {
    json!({"egressRules": [{"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 443}]}]})
}

#[test]
fn network_egress_rules_required_comes_first() {
    let hardened = json!({"profile": "Hardened"});
    assert_eq!(
        both(&hardened, &json!({})),
        [(False, "NetworkEgressRulesRequired"); 2]
    );
    let declared = json!({"profile": "Hardened", "network": explicit()});
    assert_eq!(
        both(&declared, &json!({})),
        [(False, "AuthenticationRequired"); 2]
    );
}

#[test]
fn security_violation_is_of_the_newest_baseline() {
    let wild = json!({"profile": "Hardened", "network": {"egressRules": [
        {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 443}]}]}});
    let role = json!({"jwtAuthRole": "backup"});
    assert_eq!(
        both_in(V04, &wild, &role),
        [(False, "SecurityViolation"), (Unknown, "Unknown")]
    );
    assert_eq!(
        both_in(V01, &wild, &role),
        [(True, "AmbientIdentityAssumed"); 2]
    );
    let declared = json!({"profile": "Hardened", "network": explicit()});
    assert_eq!(
        both_in(V04, &declared, &role),
        [(True, "AmbientIdentityAssumed"); 2]
    );
}

#[test]
fn authentication_required() {
    let expected = [(False, "AuthenticationRequired"); 2];
    assert_eq!(both(&json!({}), &json!({})), expected);
    let blank = json!({"jwtAuthRole": " ", "tokenSecretRef": {"name": ""}});
    assert_eq!(both(&json!({}), &blank), expected);
    let off = json!({"selfInit": {"enabled": false, "oidc": {"enabled": true}}});
    assert_eq!(both(&off, &json!({})), expected);
    // Roles that OpenBao creates on first start count like named ones, old and new.
    for init in [
        json!({"enabled": true, "oidc": {"enabled": true}}),
        json!({"enabled": true, "bootstrapJWTAuth": true}),
    ] {
        let found = both(&json!({"selfInit": init}), &json!({}));
        assert_eq!(found, [(True, "AmbientIdentityAssumed"); 2]);
    }
}

#[test]
fn token_secret_missing_and_invalid_are_unknown_here() {
    let token = json!({"tokenSecretRef": {"name": "token"}});
    assert_eq!(both(&json!({}), &token), [(Unknown, "Unknown"); 2]);
    let condition = backup_in(V01, &spec(&json!({"backup": token})));
    assert!(
        condition
            .message
            .starts_with("AmbientIdentityAssumed if the Secret `token` exists")
    );
    // A role is preferred to a token.
    let role = json!({"tokenSecretRef": {"name": "token"}, "jwtAuthRole": "x"});
    assert_eq!(
        both(&json!({}), &role),
        [(True, "AmbientIdentityAssumed"); 2]
    );
}

#[test]
fn credentials_secret_missing_and_ready_are_unknown_here() {
    let needs = json!({"jwtAuthRole": "x", "target": {"credentialsSecretRef": {"name": "s3"}}});
    assert_eq!(both(&json!({}), &needs), [(Unknown, "Unknown"); 2]);
    let condition = backup_in(V01, &spec(&json!({"backup": needs})));
    assert!(
        condition
            .message
            .starts_with("Ready if the Secret `s3` exists"),
        "{condition:?}"
    );
}

#[test]
fn workload_identity_configured() {
    for target in [
        json!({"roleArn": "arn:aws:iam::123456789012:role/backup"}),
        json!({"workloadIdentity": {"serviceAccountAnnotations": {"a": "b"}}}),
        json!({"workloadIdentity": {"podLabels": {"a": "b"}}}),
    ] {
        let needs = json!({"jwtAuthRole": "x", "target": target});
        assert_eq!(
            both(&json!({}), &needs),
            [(True, "WorkloadIdentityConfigured"); 2]
        );
    }
}

#[test]
fn ambient_identity_assumed() {
    let needs = json!({"jwtAuthRole": "x", "target": {"roleArn": " ", "workloadIdentity": {"podLabels": {}}}});
    assert_eq!(
        both(&json!({}), &needs),
        [(True, "AmbientIdentityAssumed"); 2]
    );
}

#[test]
fn a_restore_is_not_held_by_a_paused_cluster() {
    let paused = cluster(&json!({"paused": true}));
    let into = restore(&json!({"cluster": "bao"}));
    let found = of_restore(&into, &paused, &config_of(V01)).expect("it has one");
    assert_eq!(
        (found.status, found.reason),
        (False, "AuthenticationRequired")
    );
}

#[test]
fn a_restore_that_the_contract_stops_has_no_reason_of_its_own() {
    let hardened = json!({"profile": "Hardened", "network": explicit()});
    let of_restore = |at: Baseline, target: Value| {
        let into = json!({"cluster": "bao", "jwtAuthRole": "x", "source": {"target": target}});
        let found = of_restore(&restore(&into), &cluster(&hardened), &config_of(at));
        let found = found.expect("it has one");
        pair(&found, at);
        (found.status, found.reason, found.message)
    };
    let (status, reason, message) = of_restore(
        V04,
        json!({"endpoint": "https://192.0.2.1", "insecureSkipVerify": true}),
    );
    assert_eq!((status, reason), (Unknown, "Unknown"));
    assert!(message.contains("is not verified"), "{message}");
    let (status, _, message) = of_restore(V04, json!({"endpoint": "http://192.0.2.1"}));
    assert_eq!(status, Unknown);
    assert!(message.contains("scheme `http`"), "{message}");
    let (status, _, message) =
        of_restore(V04, json!({"endpoint": "http://minio.storage.svc:9000"}));
    assert_eq!(status, Unknown);
    assert!(message.contains("is not known here"), "{message}");
    for at in [V01, V04] {
        let (status, reason, _) = of_restore(at, json!({"endpoint": "https://192.0.2.1"}));
        assert_eq!((status, reason), (True, "AmbientIdentityAssumed"));
    }
    let (status, ..) = of_restore(V01, json!({"endpoint": "http://192.0.2.1"}));
    assert_eq!(status, True);
}
