//! Creation of a restore: its cluster, its condition, its network path to the snapshot, the contract.

use serde_json::{Value, json};

use super::{block, codes, namespace, restored, to};
use crate::config::Baseline::{Classic, V01, V04};
use crate::rules::Code::{Obp310, Obp401, Obp604, Obp605};
use crate::rules::Level::{Deny, Warn};

fn from(endpoint: &str) -> Value {
    json!({"cluster": "bao", "jwtAuthRole": "restore",
        "source": {"key": "x.snap", "target": {"endpoint": endpoint, "bucket": "b"}}})
}

fn hardened(egress: &[Value]) -> Value {
    json!({"profile": "Hardened", "network": {"egressRules": egress}})
}

#[test]
fn obp604_a_cluster_that_is_not_known_is_reported() {
    let mut elsewhere = from("https://192.0.2.40");
    elsewhere["cluster"] = json!("other");
    let found = restored(V01, &json!({}), &elsewhere);
    assert_eq!(codes(&found), [(Obp604, Warn, "spec.cluster")]);
    assert!(
        found[0]
            .reason
            .starts_with("no OpenBaoCluster `other` is known"),
        "{found:?}"
    );
    let nothing = restored(V01, &json!({}), &json!({}));
    assert_eq!(codes(&nothing), [(Obp604, Warn, "spec.cluster")]);
}

#[test]
fn obp604_a_condition_that_is_false_is_reported() {
    let open = json!({"profile": "Development"});
    let bare = json!({"cluster": "bao"});
    assert_eq!(
        codes(&restored(V01, &open, &bare)),
        [(Obp604, Warn, "spec")]
    );
    assert_eq!(
        codes(&restored(V01, &hardened(&[]), &bare)),
        [(Obp604, Warn, "spec")]
    );
    assert_eq!(
        codes(&restored(Classic, &hardened(&[]), &bare)),
        [],
        "it has no conditions"
    );
    assert_eq!(
        codes(&restored(V01, &open, &from("https://192.0.2.40"))),
        []
    );
}

#[test]
fn obp310_the_contract_of_a_hardened_cluster_denies_a_restore_in_the_newest_baseline() {
    let storage = to(&block("192.0.2.40/32"), 443);
    let restore = from("https://192.0.2.40");
    let denied = (Obp310, Deny, "spec.cluster");
    let unused = json!({"matchExpressions": [{"key": "unused", "operator": "DoesNotExist"}]});
    for egress in [
        vec![],
        vec![to(&block("0.0.0.0/0"), 443)],
        vec![storage.clone(), json!({"to": [block("192.0.2.0/24")]})],
        vec![
            storage.clone(),
            json!({"to": [namespace("x")], "ports": [{"protocol": "TCP"}]}),
        ],
        vec![storage.clone(), json!({"ports": [{"port": 443}]})],
        vec![storage.clone(), to(&json!({"namespaceSelector": {}}), 443)],
        vec![storage.clone(), to(&json!({"podSelector": {}}), 443)],
        vec![storage.clone(), to(&block("169.254.169.254/32"), 80)],
        vec![storage.clone(), to(&block("not-a-block"), 80)],
        // Explicit for the operator, although it is open to everyone.
        vec![
            storage.clone(),
            to(&json!({"namespaceSelector": unused}), 443),
        ],
        vec![json!({"to": [namespace("x")], "ports": [{"port": 1, "endPort": 65535}]})],
    ] {
        let found = restored(V04, &hardened(&egress), &restore);
        let found = codes(&found);
        assert_eq!(found.first(), Some(&denied), "{egress:?}");
        let is_told_twice = found.iter().any(|one| one.0 == Obp604);
        assert!(!is_told_twice, "{egress:?}: the condition says the same");
    }
    for egress in [
        vec![storage.clone()],
        vec![
            storage,
            to(
                &json!({"namespaceSelector": {"matchLabels": {"a": "b"}}, "podSelector": {}}),
                443,
            ),
        ],
    ] {
        assert_eq!(
            codes(&restored(V04, &hardened(&egress), &restore)),
            [],
            "{egress:?}"
        );
    }
    let open = json!({"profile": "Development"});
    assert_eq!(codes(&restored(V04, &open, &restore)), []);
    let warned = restored(V01, &hardened(&[]), &restore);
    assert!(warned.iter().all(|one| one.level == Warn), "{warned:?}");
}

#[test]
fn obp605_the_way_of_a_restore_to_its_snapshot_is_that_of_the_clusters_jobs() {
    let open = json!({"profile": "Development"});
    let found = restored(V01, &open, &from("http://storage.storage.svc:9000"));
    assert_eq!(
        codes(&found),
        [(Obp605, Warn, "spec.source.target.endpoint")]
    );
    let cluster = found[0].cluster.as_ref().map(ToString::to_string);
    assert_eq!(cluster.as_deref(), Some("OpenBaoCluster bao/bao"));
    let declared = json!({"profile": "Development",
        "network": {"egressRules": [to(&namespace("storage"), 9000)]}});
    assert_eq!(
        codes(&restored(
            V01,
            &declared,
            &from("http://storage.storage.svc:9000")
        )),
        []
    );
    assert_eq!(
        codes(&restored(
            Classic,
            &open,
            &from("http://storage.storage.svc:9000")
        )),
        []
    );
}

#[test]
fn a_restore_with_a_cluster_of_its_own_is_left_alone() {
    let mut fresh = from("http://storage.storage.svc:9000");
    fresh["clusterTemplate"] = json!({"metadata": {"name": "new"}});
    assert_eq!(codes(&restored(V04, &hardened(&[]), &fresh)), []);
}

#[test]
fn obp401_a_restore_that_cannot_be_read_is_denied() {
    let found = restored(V01, &json!({}), &json!({"cluster": 7}));
    assert_eq!(codes(&found), [(Obp401, Deny, "spec.cluster")]);
}

#[test]
fn obp310_storage_against_the_contract_denies_a_restore_in_the_newest_baseline() {
    let storage = hardened(&[
        to(&block("192.0.2.40/32"), 443),
        to(&block("192.0.2.40/32"), 80),
    ]);
    let with = |endpoint: &str, unverified: bool| {
        let mut restore = from(endpoint);
        restore["source"]["target"]["insecureSkipVerify"] = json!(unverified);
        restore
    };
    let at = |field: &'static str| (Obp310, Deny, field);
    let (scheme, unverified) = (
        at("spec.source.target.endpoint"),
        at("spec.source.target.insecureSkipVerify"),
    );
    let cases = [
        (with("https://192.0.2.40", false), vec![]),
        (with("S3://192.0.2.40", false), vec![]),
        (with("http://192.0.2.40", false), vec![scheme]),
        (with("ftp://192.0.2.40:80", false), vec![scheme]),
        (with("192.0.2.40", false), vec![scheme]),
        (with("https://192.0.2.40", true), vec![unverified]),
        (with("http://192.0.2.40", true), vec![scheme, unverified]),
        (with("http://x.svc@192.0.2.40", false), vec![scheme]),
    ];
    for (restore, expected) in cases {
        let found = restored(V04, &storage, &restore);
        assert_eq!(codes(&found), expected, "{restore}");
        assert_eq!(codes(&restored(V01, &storage, &restore)), [], "{restore}");
    }
    // The newest operator accepts it for a Service. It is unknown whether its contract does.
    let plain = with("http://minio.storage.svc.cluster.local", false);
    let found = restored(V04, &storage, &plain);
    assert!(
        !codes(&found).iter().any(|found| found.0 == Obp310),
        "{found:?}"
    );
    let development = json!({"profile": "Development", "network": storage["network"]});
    assert_eq!(
        codes(&restored(
            V04,
            &development,
            &with("http://192.0.2.40", true)
        )),
        []
    );
}
